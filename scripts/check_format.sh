#!/usr/bin/env bash
# Checks that C++ is formatted as .clang-format says, and that Python and shell files parse.
#   scripts/check_format.sh [--fix]     --fix: formats the C++ files instead
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

clang_format=${CLANG_FORMAT:-clang-format-16}
if ! command -v "$clang_format" >/dev/null; then
  echo "check_format.sh: no $clang_format (scripts/setup.sh lint installs it)" >&2
  exit 1
fi

# Tracked and new files, but not ignored ones and not those deleted from the working tree.
files() {
  git ls-files -z --cached --others --exclude-standard -- "$@" | sort -zu |
    while IFS= read -r -d '' file; do [[ ! -f $file ]] || printf '%s\0' "$file"; done
}

if [[ ${1:-} == --fix ]]; then
  files '*.cpp' '*.h' | xargs -0 -r "$clang_format" -i
  exit
fi

failed=0
files '*.cpp' '*.h' | xargs -0 -r "$clang_format" --dry-run -Werror || {
  echo "check_format.sh: \`make format\` formats the C++ files" >&2
  failed=1
}
files '*.py' | xargs -0 -r python3 -c '
import sys
bad = 0
for name in sys.argv[1:]:
    try:
        compile(open(name, "rb").read(), name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        print(f"{name}:{line}: {error}", file=sys.stderr)
        bad = 1
sys.exit(bad)' || failed=1
while IFS= read -r -d '' file; do
  if [[ $file == *.sh || $(head -c 64 "$file" | head -n 1 | tr -d '\0') == '#!'*bash* ]]; then
    bash -n "$file" || failed=1
  fi
done < <(files '*.sh' '.ci/*')
exit $failed
