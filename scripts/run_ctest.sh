#!/usr/bin/env bash
# Runs the C++ tests of a preset that is built.
#   scripts/run_ctest.sh PRESET [CTEST_OPTION...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

preset=${1:?PRESET}
shift
# Tests run side by side, where OpenBLAS's threads would only take each other's processor; the
# program sets their number where it computes.
export OPENBLAS_NUM_THREADS=${OPENBLAS_NUM_THREADS:-1}
echo "== C++ tests, $preset"
runner=()
case $preset in
  asan | tsan)
    # The sanitizers of GCC 13 and Clang 16 cannot lay out their shadow memory under the wider
    # address randomisation of newer kernels; without randomisation they always can.
    if setarch -R true 2>/dev/null; then runner=(setarch -R); fi
    ;;
esac
"${runner[@]}" ctest --preset "$preset" --output-on-failure --no-tests=error \
  -j "$(scripts/jobs.sh)" "$@"
