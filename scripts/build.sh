#!/usr/bin/env bash
# Configures a preset of CMakePresets.json and builds it.
#   scripts/build.sh PRESET [TARGET...]     default: everything
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

preset=${1:?PRESET}
shift
echo "== building $preset${*:+ ($*)}"
mkdir -p build
# The runtime, where there is a PyTorch to build it with. Sanitizers and fuzzing are the core's:
# those builds also show that it needs no libtorch.
options=()
case $preset in
  release | clang | dev)
    torch=$(scripts/find_torch.sh)
    if [[ -n $torch ]]; then
      options+=("-DMERGANSER_TORCH=$torch")
    else
      echo "   without the runtime, which runs models: no PyTorch here (make runtime installs one)"
    fi ;;
esac
if ! cmake --preset "$preset" "${options[@]}" --log-level=WARNING >"build/$preset.configure.log"; then
  cat "build/$preset.configure.log" >&2
  exit 1
fi
cmake --build --preset "$preset" -j "$(scripts/jobs.sh)" ${*:+--target "$@"}
