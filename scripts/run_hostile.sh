#!/usr/bin/env bash
# Puts the hostile inputs of tests/hostile through the program of a preset that is built.
#   scripts/run_hostile.sh [PRESET] [PYTEST_OPTION...]     default: release
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

preset=${1:-release}
shift || true
tests/setup_venv.sh build/venv
echo "== hostile inputs, $preset"
# See scripts/run_ctest.sh.
export OPENBLAS_NUM_THREADS=${OPENBLAS_NUM_THREADS:-1}
export MERGANSER=$PWD/build/$preset/bin/merganser
# What is instrumented and not optimised takes longer.
[[ $preset == release ]] || export MERGANSER_HOSTILE_SECONDS=${MERGANSER_HOSTILE_SECONDS:-30}
runner=()
# See scripts/run_ctest.sh.
if [[ $preset == asan ]] && setarch -R true 2>/dev/null; then runner=(setarch -R); fi
python=$PWD/build/venv/bin/python
cd tests
# The trials run side by side in one process of pytest; each of several (-n) would run them all.
exec "${runner[@]}" "$python" -m pytest hostile -q "$@"
