#!/usr/bin/env bash
# [PYTHON=...] [OMP_NUM_THREADS=...] tools/dist_test.sh CONFIG CHECKPOINT GPUS [arguments of test.py]
# Without GPUs, GPUS is the number of processes. Several machines: NNODES, NODE_RANK, MASTER_ADDR, PORT.
set -euo pipefail
if [ $# -lt 3 ]; then
  echo "usage: $0 CONFIG CHECKPOINT GPUS [arguments of test.py]" >&2
  exit 2
fi
# shellcheck source=/dev/null
. "$(dirname "$0")/launchers.sh"
torch_launch "$3" "$TOOLS/test.py" "$1" "$2" --launcher pytorch "${@:4}"
