#!/usr/bin/env bash
# Puts the hostile inputs of tests/hostile through the program of a preset that is built.
#   scripts/run_hostile.sh [PRESET] [PYTEST_OPTION...]     default: release
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

preset=${1:-release}
shift || true
tests/setup_venv.sh build/venv
echo "== hostile inputs, $preset"
export MERGANSER=$PWD/build/$preset/bin/merganser
runner=()
# See scripts/run_ctest.sh.
if [[ $preset == asan ]] && setarch -R true 2>/dev/null; then runner=(setarch -R); fi
python=$PWD/build/venv/bin/python
jobs=$(scripts/jobs.sh)
cd tests
exec "${runner[@]}" "$python" -m pytest hostile -q -n "$jobs" "$@"
