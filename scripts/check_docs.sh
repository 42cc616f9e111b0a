#!/usr/bin/env bash
# Holds docs/methods.md, which derives from the methods' descriptors, against the program.
#   scripts/check_docs.sh [--write]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

page=docs/methods.md
fresh=build/methods.md
build/release/bin/merganser methods --markdown >"$fresh"
[[ -s $fresh ]] || { echo "check_docs.sh: \`merganser methods --markdown\` printed nothing" >&2; exit 1; }
if [[ ${1:-} == --write ]]; then
  cmp -s "$fresh" "$page" || { cp "$fresh" "$page" && echo "== $page is new"; }
elif ! diff -u "$page" "$fresh"; then
  echo "$page:1: not what the program says: run \`make docs\`" >&2
  exit 1
fi
