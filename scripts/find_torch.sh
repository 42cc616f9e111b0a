#!/usr/bin/env bash
# Prints the folder of a PyTorch (2.5 or newer) that the runtime can be built with, or nothing.
#   scripts/find_torch.sh [--install]
# Looked at: MERGANSER_TORCH, the one that build/release was configured with, python3's own, those
# of the environments that tests and demo make. With --install, where there is none, one is put
# into build/torch, which needs no rights: about 200 MB for a CPU build, 3 GB and more where the
# registry serves a CUDA build (PyPI does on x86-64 Linux).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

TORCH=torch==2.13.0

# Does not import it, which takes seconds.
fits() {
  local version
  [[ -f $1/include/ATen/ATen.h && -f $1/version.py ]] || return 1
  version=$(sed -n "s/^__version__ = '\([0-9.]*\).*/\1/p" "$1/version.py")
  [[ -n $version && $(printf '%s\n' 2.5 "$version" | sort -V | head -n 1) == 2.5 ]]
}

of_python() {  # its package, by the interpreter $1
  "$1" -c 'import importlib.util as u; s = u.find_spec("torch"); print(s.submodule_search_locations[0] if s else "")' \
    2>/dev/null || true
}

try() { if fits "$1"; then printf '%s\n' "$1"; exit 0; fi; }

if [[ -n ${MERGANSER_TORCH:-} ]]; then
  try "$MERGANSER_TORCH"
  echo "find_torch.sh: MERGANSER_TORCH=$MERGANSER_TORCH is no PyTorch of 2.5 or newer" >&2
  exit 1
fi
configured=$(sed -n 's/^MERGANSER_TORCH:PATH=//p' build/release/CMakeCache.txt 2>/dev/null || true)
[[ -z $configured ]] || try "$configured"
for python in python3 build/venv/bin/python build/demo/venv/bin/python build/torch/bin/python; do
  command -v "$python" >/dev/null 2>&1 || continue
  folder=$(of_python "$python")
  [[ -z $folder ]] || try "$folder"
done
[[ ${1:-} == --install ]] || exit 0

echo "installing $TORCH into build/torch (200 MB for a CPU build, 3 GB and more for a CUDA build)" >&2
mkdir -p build
rm -rf build/torch
python3 -m venv build/torch >&2
build/torch/bin/python -m pip install --quiet --disable-pip-version-check "$TORCH" >&2
try "$(of_python build/torch/bin/python)"
echo "find_torch.sh: $TORCH was installed, but is not usable" >&2
exit 1
