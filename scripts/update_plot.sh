#!/usr/bin/env bash
# Fetches the plotting library of the analysis report again, as its authors released it, with the
# licences of all that is in it, into third_party/plot-VERSION, which takes the place of the folder
# that is there:
#   scripts/update_plot.sh [PLOT_VERSION D3_VERSION]    default: those that are used
# Plot's file names the version of d3 that it was built against. New versions go with the row in
# docs/dependencies.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

plot=${1:-0.6.17}
d3=${2:-7.9.0}
command -v npm >/dev/null || { echo "update_plot.sh: needs npm (Debian's package npm)" >&2; exit 1; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
target=third_party/plot-$plot
mkdir -p "$target"

fetch() {  # PACKAGE FOLDER
  mkdir -p "$scratch/$2"
  (cd "$scratch/$2" && npm pack --silent "$1" >/dev/null && tar -xzf ./*.tgz --strip-components=1)
}
licence() {  # TITLE FOLDER
  printf '=== %s ===\n\n' "$1"
  cat "$scratch/$2/LICENSE"
  echo
}

fetch "@observablehq/plot@$plot" plot
fetch "d3@$d3" d3
grep -q "d3@$d3/" "$scratch/plot/dist/plot.umd.min.js" ||
  { echo "update_plot.sh: Plot $plot was not built against d3 $d3" >&2; exit 1; }
install -m 644 "$scratch/plot/dist/plot.umd.min.js" "$scratch/d3/dist/d3.min.js" "$target"
{
  licence "Observable Plot $plot (plot.umd.min.js)" plot
  licence "d3 $d3 (d3.min.js)" d3
  # Packages inside these files whose authors or terms are not those of the whole.
  for package in interval-tree-1d@1 binary-search-bounds@2 isoformat@0.2 d3-ease@3 d3-geo@3 \
                 d3-scale-chromatic@3 delaunator@5 robust-predicates@3; do
    fetch "$package" "${package%@*}"
    licence "${package%@*}" "${package%@*}"
  done
} >"$target/LICENSE"
find third_party -maxdepth 1 -name 'plot-*' ! -path "$target" -exec rm -r {} +
sed -i "s|/third_party/plot-[0-9.]*)|/$target)|" CMakeLists.txt  # MERGANSER_PLOT
git --no-pager diff --stat -- third_party CMakeLists.txt
