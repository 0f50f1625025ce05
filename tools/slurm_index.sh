#!/usr/bin/env bash
# [GPUS=8] [GPUS_PER_NODE=8] [CPUS_PER_TASK=5] [SRUN_ARGS=...] [MASTER_PORT=29500] [PYTHON=...] \
#   tools/slurm_index.sh PARTITION JOB_NAME FOLDER --out GALLERY [arguments of index_pictures.py]
# Without GPUs: GPUS_PER_NODE=0 TASKS=4 [TASKS_PER_NODE=2], the number of processes and how many of them on a node.
set -euo pipefail
if [ $# -lt 3 ]; then
  echo "usage: $0 PARTITION JOB_NAME FOLDER --out GALLERY [arguments of index_pictures.py]" >&2
  exit 2
fi
# shellcheck source=/dev/null
. "$(dirname "$0")/launchers.sh"
slurm_launch "$1" "$2" "$TOOLS/index_pictures.py" "${@:3}" --launcher slurm
