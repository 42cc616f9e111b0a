#!/usr/bin/env bash
# Installs the packages of `make deb` into a fresh Debian 12 in a folder under build/, merges there,
# compiles a user of the library, and removes them again. Needs root and debootstrap; the mirror is
# the one that this machine's apt uses. All mounts are made in a mount namespace of our own, which
# ends with this script.
#   scripts/check_deb.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

die() { echo "check_deb.sh: $*" >&2; exit 1; }
[[ $(id -u) == 0 ]] || die "needs root, for chroot"
command -v debootstrap >/dev/null || die "no debootstrap: apt-get install debootstrap"
packages=$PWD/build/release/packages
compgen -G "$packages/merganser_*.deb" >/dev/null || die "no package in $packages: make deb"
if [[ -z ${MERGANSER_OWN_MOUNTS:-} ]]; then
  MERGANSER_OWN_MOUNTS=yes exec unshare --mount --propagation private -- "${BASH_SOURCE[0]}"
fi

suite=bookworm
mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' |
  awk -v suite=$suite '$2 == suite {print $1; exit}')
[[ -n $mirror ]] || die "this machine's apt has no source for $suite"

root=$(mktemp -d "$PWD/build/deb_root.XXXXXX")
clean_up() {
  # Nothing is removed while anything is mounted in it.
  awk -v root="$root" 'index($2, root "/") == 1 {print $2}' /proc/self/mounts | sort -r |
    xargs -r -n 1 umount --lazy
  if grep -qF " $root/" /proc/self/mounts; then
    echo "check_deb.sh: something is still mounted in $root, which stays" >&2
  else
    rm -rf --one-file-system "$root"
  fi
}
trap clean_up EXIT
trap 'exit 130' INT TERM

quietly() {
  "$@" >"$root.log" 2>&1 || { tail -n 20 "$root.log" >&2; die "failed: $*"; }
  rm -f "$root.log"
}
within() {
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 \
    chroot "$root" "$@"
}
echo "== a fresh Debian $suite"
quietly debootstrap --variant=minbase "$suite" "$root" "$mirror"
cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
# Proxies and what a mirror that stands still needs.
for file in /etc/apt/apt.conf.d/*; do
  if grep -q '^ *Acquire::' "$file"; then cp "$file" "$root/etc/apt/apt.conf.d"; fi
done
mkdir "$root/packages"
cp "$packages"/*.deb "$root/packages"
inside=("$root"/packages/*.deb)
inside=("${inside[@]#"$root"}")


echo "== installing"
quietly within apt-get -q -y -o Acquire::Retries=3 update
quietly within apt-get -q -y -o Acquire::Retries=3 --no-install-recommends install \
  "${inside[@]}"

echo "== using"
python3 - "$root/packages" <<'PYTHON'
import json, struct, sys
for name, values in {"a": (1.0, 2.0, 3.0, 4.0), "b": (3.0, 2.0, 1.0, 0.0)}.items():
    header = json.dumps({"w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}).encode()
    with open(f"{sys.argv[1]}/{name}.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header + struct.pack("<4f", *values))
PYTHON
within merganser --version
within merganser methods | sed -n 1,3p
within merganser merge --method linear /packages/a.safetensors /packages/b.safetensors \
  -o /packages/merged.safetensors
python3 - "$root/packages/merged.safetensors" <<'PYTHON'
import struct, sys
data = open(sys.argv[1], "rb").read()[-16:]
assert struct.unpack("<4f", data) == (2.0, 2.0, 2.0, 2.0), data
PYTHON
within sh -c 'ldconfig -p | grep -q libmerganser.so.0' || die "the library is not in ld.so's cache"
for file in share/man/man1/merganser.1.gz share/bash-completion/completions/merganser \
            share/zsh/vendor-completions/_merganser include/merganser/merganser.h \
            share/fish/vendor_completions.d/merganser.fish lib/cmake/merganser/merganserConfig.cmake; do
  # minbase may be told to leave pages out; the package must have them.
  within dpkg -L merganser libmerganser-dev | grep -qx "/usr/$file" || die "no /usr/$file"
done

echo "== removing"
quietly within apt-get -q -y purge merganser libmerganser-dev 'libmerganser0*'
[[ ! -e $root/usr/bin/merganser && ! -e $root/usr/include/merganser ]] || die "files are left"
echo "== the packages install, work and leave"
