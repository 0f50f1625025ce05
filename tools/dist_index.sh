#!/usr/bin/env bash
# [PYTHON=...] [OMP_NUM_THREADS=...] tools/dist_index.sh GPUS FOLDER --out GALLERY [arguments of index_pictures.py]
# Without GPUs, GPUS is the number of processes. Several machines: NNODES, NODE_RANK, MASTER_ADDR, PORT.
set -euo pipefail
if [ $# -lt 2 ]; then
  echo "usage: $0 GPUS FOLDER --out GALLERY [arguments of index_pictures.py]" >&2
  exit 2
fi
# shellcheck source=/dev/null
. "$(dirname "$0")/launchers.sh"
torch_launch "$1" "$TOOLS/index_pictures.py" "${@:2}" --launcher pytorch
