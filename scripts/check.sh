#!/usr/bin/env bash
# The checks that need no build: formatting, layering, and the test of the layering check itself.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

failed=0
echo "== checking format"
scripts/check_format.sh || failed=1
echo "== checking layers"
python3 -B scripts/check_layers_test.py || failed=1
python3 -B scripts/check_layers.py || failed=1
exit $failed
