#!/usr/bin/env bash
# Puts FusionBench 0.2.33 and the transformers that its SMILE classes work with into a folder of
# their own (about 15 MB); tests/oracle/test_smile_fusion_bench.py is skipped without it.
#   tests/setup_fusion_bench.sh [VENV_DIR]     VENV_DIR: build/venv, with the oracle tier
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=${1:-$here/../build/venv}
folder=$here/../build/fusion_bench
wanted="fusion-bench==0.2.33 transformers==4.51.3 tokenizers==0.21.4 huggingface_hub==0.36.2"
[[ -f $folder/stamp && $(<"$folder/stamp") == "$wanted" ]] && exit 0
echo "installing $wanted into build/fusion_bench"
rm -rf "$folder"
mkdir -p "$folder"
# shellcheck disable=SC2086
"$venv/bin/python" -m pip install -q --disable-pip-version-check --no-deps --target "$folder" $wanted
"$venv/bin/python" -m pip install -q --disable-pip-version-check --target "$folder" requests
echo "$wanted" >"$folder/stamp"
