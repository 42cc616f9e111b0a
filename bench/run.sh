#!/usr/bin/env bash
# Runs the benchmarks: finds a Python with numpy, installs what is compared with (MergeKit, PEFT,
# FusionBench), runs run.py.
#   bench/run.sh [options of run.py]     --no-mergekit: install none of them (they are used if there)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=$here/../build/venv
install=yes
options=()
for argument in "$@"; do
  case $argument in
    --no-mergekit) install=no ;;
    --only | --only=* | --part | --part=* | -h | --help) install=no; options+=("$argument") ;;
    *) options+=("$argument") ;;
  esac
done

if [[ $install == yes ]]; then
  # About 300 MB on the first call; each download is announced.
  "$here/../tests/setup_venv.sh" --oracle ||
    echo "bench: MergeKit could not be installed; the comparison with it will be left out" >&2
  "$here/../tests/setup_fusion_bench.sh" ||
    echo "bench: FusionBench could not be installed; the comparison with it will be left out" >&2
fi

python=
for candidate in "$venv/bin/python" python3; do
  if "$candidate" -c 'import numpy' 2>/dev/null; then
    python=$candidate
    break
  fi
done
if [[ -z $python ]]; then
  echo "bench: installing numpy (about 20 MB) into build/bench/venv"
  python3 -m venv "$here/../build/bench/venv"
  python=$here/../build/bench/venv/bin/python
  "$python" -m pip install --quiet --disable-pip-version-check 'numpy>=1.24'
fi
exec "$python" -B "$here/run.py" ${options[@]+"${options[@]}"}
