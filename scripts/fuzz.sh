#!/usr/bin/env bash
# Runs fuzz targets (src/LAYER/NAME_fuzz.cpp, built with the preset fuzz): once over the inputs of
# fuzz/corpus/NAME and of earlier runs, and then for SECONDS_EACH seconds (10) on new ones, with the
# words of fuzz/dictionaries/NAME.dict where there are any.
#   scripts/fuzz.sh [NAME...]     default: all
# An input that ends a target is left in build/fuzz/found/NAME.*, what the target printed in
# build/fuzz/NAME.log. The last lines say how many inputs ran and how much of the code they reached.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${SECONDS_EACH:-10}
wanted=("$@")
if ((${#wanted[@]} == 0)); then
  mapfile -t wanted < <(find src -name '*_fuzz.cpp' -printf '%f\n' | sed 's/_fuzz\.cpp$//' | sort)
fi
runner=()
# Clang 16's sanitizers cannot lay out their shadow memory under the wider address randomisation of
# newer kernels.
if setarch -R true 2>/dev/null; then runner=(setarch -R); fi
mkdir -p build/fuzz/found
for name in "${wanted[@]}"; do
  target=build/fuzz/fuzz/${name}_fuzz
  [[ -x $target ]] || { echo "fuzz.sh: $target was not built" >&2; exit 1; }
  work=build/fuzz/corpus/$name
  mkdir -p "$work"
  options=(-artifact_prefix="build/fuzz/found/$name." -rss_limit_mb=2048 -timeout=30
           -print_final_stats=1)
  if [[ -f fuzz/dictionaries/$name.dict ]]; then
    options+=(-dict="fuzz/dictionaries/$name.dict")
  fi
  corpora=("$work")
  if [[ -d fuzz/corpus/$name ]]; then corpora+=("fuzz/corpus/$name"); fi
  echo "== fuzz target $name: $(find "${corpora[@]}" -type f | wc -l) inputs, then $seconds s of new ones"
  log=build/fuzz/$name.log
  # With no new runs libFuzzer only reads the corpus.
  for limit in -runs=0 "-max_total_time=$seconds"; do
    if ! "${runner[@]}" "$target" "$limit" "${options[@]}" "${corpora[@]}" 2>"$log"; then
      tail -n 40 "$log" >&2
      exit 1
    fi
  done
  grep -oE 'number_of_executed_units: [0-9]+|DONE +cov: [0-9]+ ft: [0-9]+' "$log" |
    sed 's/^/   /' || true
done
