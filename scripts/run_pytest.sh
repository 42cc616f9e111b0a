#!/usr/bin/env bash
# Runs the tests written in Python against build/release/bin/merganser.
#   scripts/run_pytest.sh [PYTEST_OPTION...]
# Those that need PyTorch, transformers and MergeKit run where these are at hand already; ORACLE=1
# installs them (large), ORACLE=0 leaves them out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

oracle=${ORACLE:-auto}
if [[ $oracle == auto ]]; then
  oracle=0
  has_torch='import importlib.util, sys; sys.exit(importlib.util.find_spec("torch") is None)'
  if [[ -f build/venv/oracle.stamp ]] || python3 -c "$has_torch"; then oracle=1; fi
fi

folders=()
for folder in reference e2e bench demo; do
  if [[ -n $(find "tests/$folder" -name 'test_*.py' -print -quit 2>/dev/null) ]]; then
    folders+=("$folder")
  fi
done
if [[ $oracle == 1 ]]; then
  tests/setup_venv.sh --oracle build/venv
  export MERGANSER_REQUIRE_ORACLE=1
  folders+=(oracle differential)
else
  tests/setup_venv.sh build/venv
  echo "== left out: the comparisons with MergeKit and transformers (ORACLE=1 runs them)"
fi

if [[ -n $(scripts/find_torch.sh) ]]; then export MERGANSER_REQUIRE_RUNTIME=1; fi
echo "== Python tests: ${folders[*]}"
python=$PWD/build/venv/bin/python
jobs=$(scripts/jobs.sh)
cd tests
# A file's tests stay in one process, which makes what they share once. libtorch's threads are not to
# wait for each other by spinning, for which two processes have no processors to spare; nor are
# OpenBLAS's to wait for work so, which each start of the program makes otherwise.
export GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-1000} OPENBLAS_NUM_THREADS=${OPENBLAS_NUM_THREADS:-1}
exec "$python" -m pytest "${folders[@]}" -n "$jobs" --dist loadfile "$@"
