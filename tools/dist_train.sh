#!/usr/bin/env bash
# [PYTHON=...] [OMP_NUM_THREADS=...] tools/dist_train.sh CONFIG GPUS [arguments of train.py]
# Without GPUs, GPUS is the number of processes. Several machines: NNODES, NODE_RANK, MASTER_ADDR, PORT.
set -euo pipefail
if [ $# -lt 2 ]; then
  echo "usage: $0 CONFIG GPUS [arguments of train.py]" >&2
  exit 2
fi
# shellcheck source=/dev/null
. "$(dirname "$0")/launchers.sh"
torch_launch "$2" "$TOOLS/train.py" "$1" --launcher pytorch "${@:3}"
