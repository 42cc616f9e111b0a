#!/usr/bin/env bash
# Configures a preset of CMakePresets.json and builds it.
#   scripts/build.sh PRESET [TARGET...]     default: everything
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

preset=${1:?PRESET}
shift
echo "== building $preset${*:+ ($*)}"
mkdir -p build
if ! cmake --preset "$preset" --log-level=WARNING >"build/$preset.configure.log"; then
  cat "build/$preset.configure.log" >&2
  exit 1
fi
cmake --build --preset "$preset" -j "$(scripts/jobs.sh)" ${*:+--target "$@"}
