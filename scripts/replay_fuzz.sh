#!/usr/bin/env bash
# Runs every fuzz target (src/LAYER/NAME_fuzz.cpp, built with the preset fuzz) once over the inputs
# of fuzz/corpus/NAME, if there are any, and then for SECONDS_EACH seconds (10) on new ones.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${SECONDS_EACH:-10}
for source in $(find src -name '*_fuzz.cpp' | sort); do
  name=$(basename "$source" _fuzz.cpp)
  target=$(find build/fuzz -type f -name "${name}_fuzz" -perm -u+x -print -quit 2>/dev/null) || true
  [[ -n $target ]] || { echo "replay_fuzz.sh: $source was not built" >&2; exit 1; }
  work=build/fuzz/corpus/$name
  mkdir -p "$work"
  corpora=("$work")
  if [[ -d fuzz/corpus/$name ]]; then corpora+=("fuzz/corpus/$name"); fi
  echo "== fuzz target $name: $(find "${corpora[@]}" -type f | wc -l) inputs, then $seconds s of new ones"
  log=build/fuzz/$name.log
  # With no new runs libFuzzer only reads the corpus; a crash leaves its input beside the log.
  for limit in -runs=0 "-max_total_time=$seconds"; do
    if ! "$target" "$limit" -artifact_prefix="build/fuzz/$name." "${corpora[@]}" 2>"$log"; then
      tail -n 40 "$log" >&2
      exit 1
    fi
  done
done
