#!/usr/bin/env bash
# All that is checked and measured on a GPU: `bash bench/gpu.sh`, with torch and transformers alone on the machine.
# msgspec, which the bundles are read with, is installed where it is lacking. The figures go to gpu.json below $OUT,
# or below bench/results/. PYTHON names another interpreter.
set -euo pipefail
python=$(command -v "${PYTHON:-python3}")
cd "$(dirname "$0")/.."
"$python" -c 'import torch, transformers'
"$python" -c 'import msgspec' 2>/dev/null || "$python" -m pip install --quiet msgspec
exec "$python" -m bench.gpu
