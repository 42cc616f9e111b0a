#!/usr/bin/env bash
# The whole demo: set up, fine-tune two specialists, merge them and print how well
# each merge does, all with merganser and its runtime library (make runtime). Run it again at any time: what has been
# installed, trained and evaluated is kept under build/demo.
#
#   MERGANSER  the program to show     (default: build/release/bin/merganser)
#   DEMO_DIR   where everything goes   (default: build/demo)
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(dirname "$HERE")
DEMO_DIR=${DEMO_DIR:-$ROOT/build/demo}
MERGANSER=${MERGANSER:-$ROOT/build/release/bin/merganser}

# shellcheck source=demo/setup.sh
source "$HERE/setup.sh"

[ -x "$MERGANSER" ] || fail "no merganser at $MERGANSER: build it first (make), or set MERGANSER"
mkdir -p "$DEMO_DIR"
DEMO_DIR=$(cd "$DEMO_DIR" && pwd)
MERGANSER=$(cd "$(dirname "$MERGANSER")" && pwd)/$(basename "$MERGANSER")

setup_python "$DEMO_DIR/venv" "$HERE/requirements.txt"
setup_texts "$DEMO_DIR/texts"

export PYTHONDONTWRITEBYTECODE=1 # no __pycache__ beside the sources
exec "$DEMO_DIR/venv/bin/python" "$HERE/demo.py" --dir "$DEMO_DIR" --merganser "$MERGANSER" "$@"
