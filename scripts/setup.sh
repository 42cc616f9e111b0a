#!/usr/bin/env bash
# Installs what is missing from the system's packages (Debian 12, Ubuntu 24.04), and nothing else:
# where all is there, no package manager is called.
#   scripts/setup.sh [build|test|lint|clang|deb|browser|all]...     default: build
#   scripts/setup.sh --missing GROUP...                 only lists what is missing, one a line
set -euo pipefail

build=(g++ cmake ninja-build ccache libhwy-dev libyaml-cpp-dev nlohmann-json3-dev libcli11-dev
       libxxhash-dev libfmt-dev libssl-dev libopenblas-dev libkissfft-dev zlib1g-dev
       libgtest-dev libgmock-dev)
test=(python3 python3-venv ca-certificates)
lint=(clang-format-16 python3)
clang=(clang-16 libclang-rt-16-dev lld-16)
deb=(dpkg-dev file)  # for `make deb` alone, not in all
# The tests of the report's page skip without; Ubuntu has no such packages.
browser=(chromium chromium-driver)

die() { echo "setup.sh: $*" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }
links() { has c++ && echo 'int main() {}' | c++ -x c++ - -o /dev/null "$@" >/dev/null 2>&1; }
header() { has c++ && echo "#include <$1>" | c++ -x c++ -std=c++20 -E - >/dev/null 2>&1; }

cmake_is_new_enough() {
  has cmake || return 1
  local version
  version=$(cmake --version | sed -n '1s/^cmake version //p')
  [[ $(printf '%s\n' 3.25 "$version" | sort -V | head -n 1) == 3.25 ]]
}

# Whether the thing itself is there, wherever it came from.
works() {
  case $1 in
    g++) has g++ || has c++ ;;
    cmake) cmake_is_new_enough ;;
    ninja-build) has ninja ;;
    ccache | python3 | clang-16 | clang-format-16) has "$1" ;;
    libhwy-dev) header hwy/highway.h ;;
    libyaml-cpp-dev) header yaml-cpp/yaml.h ;;
    nlohmann-json3-dev) header nlohmann/json.hpp ;;
    libcli11-dev) header CLI/CLI.hpp ;;
    libxxhash-dev) header xxhash.h ;;
    libfmt-dev) header fmt/format.h ;;
    libssl-dev) header openssl/evp.h ;;
    libopenblas-dev) links -lopenblas || links -llapack -lblas ;;
    libkissfft-dev) header kissfft/kissfft.hh ;;
    zlib1g-dev) header zlib.h ;;
    libgtest-dev) header gtest/gtest.h ;;
    libgmock-dev) header gmock/gmock.h ;;
    python3-venv) has python3 && python3 -c 'import ensurepip, venv' 2>/dev/null ;;
    chromium) has chromium || has google-chrome ;;
    chromium-driver) has chromedriver ;;
    ca-certificates) [[ -e /etc/ssl/certs/ca-certificates.crt || ! -d /etc/ssl/certs ]] ;;
    lld-16) has ld.lld-16 ;;
    libclang-rt-16-dev)
      has clang-16 && [[ -n $(find "$(clang-16 -print-resource-dir)" -name 'libclang_rt.asan*' \
                                   -print -quit 2>/dev/null) ]] ;;
    *) return 1 ;;
  esac
}

package_is_installed() {
  [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

packages=()
optional=()
only_list=
(($#)) || set -- build
for group in "$@"; do
  case $group in
    build) packages+=("${build[@]}") ;;
    test) packages+=("${build[@]}" "${test[@]}") ;;
    lint) packages+=("${lint[@]}") ;;
    deb) packages+=("${build[@]}" "${deb[@]}") ;;
    clang) packages+=("${build[@]}" "${clang[@]}") ;;
    browser) optional+=("${browser[@]}") ;;
    all)
      packages+=("${build[@]}" "${test[@]}" "${lint[@]}" "${clang[@]}")
      optional+=("${browser[@]}") ;;
    --missing) only_list=yes ;;
    -h | --help) sed -n '2,5s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) die "unknown group '$group' (build, test, lint, clang, deb, browser, all)" ;;
  esac
done

is_there() { package_is_installed "$1" || works "$1"; }

missing=()
for package in "${packages[@]}"; do
  [[ " ${missing[*]} " == *" $package "* ]] && continue
  is_there "$package" || missing+=("$package")
done
wanted=()
for package in "${optional[@]}"; do
  is_there "$package" || wanted+=("$package")
done

if [[ -n $only_list ]]; then
  ((${#missing[@]} == 0)) || printf '%s\n' "${missing[@]}"
  exit 0
fi
# apt would look for them at every call, and not find them.
if ((${#wanted[@]})) && grep -qs '^ID=ubuntu$' /etc/os-release; then
  echo "setup.sh: going on without ${wanted[*]} (Ubuntu has no such packages)" >&2
  wanted=()
fi
((${#missing[@]} + ${#wanted[@]})) || exit 0

# What is only wanted never stops anybody.
without() { echo "setup.sh: going on without ${wanted[*]} ($1)" >&2; exit 0; }
if ((${#missing[@]} == 0)); then
  has apt-get || without "no apt here"
  [[ $(id -u) == 0 ]] || has sudo || without "neither root nor sudo"
fi
has apt-get || die "no apt here; please install (Debian's names): ${missing[*]}"

as_root=()
if [[ $(id -u) != 0 ]]; then
  has sudo || die "neither root nor sudo; please have installed: ${missing[*]}"
  as_root=(sudo)
fi

echo "== installing" "${missing[@]}" "${wanted[@]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -q -y -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 "$@" </dev/null >"$log" 2>&1
}
# A stale or broken extra source must not stop us while the packages themselves can be had.
apt update || echo "setup.sh: warning: apt-get update: $(grep -m 1 '^[EW]:' "$log" || tail -n 1 "$log")" >&2
if ((${#missing[@]})) && ! apt install --no-install-recommends "${missing[@]}"; then
  tail -n 15 "$log" >&2
  die "apt-get could not install: ${missing[*]} ($(grep -m 1 '^E:' "$log" || echo 'see above'))"
fi
if ((${#wanted[@]})) && ! apt install --no-install-recommends "${wanted[@]}"; then
  without "$(grep -m 1 '^E:' "$log" || echo 'apt-get failed')"
fi
