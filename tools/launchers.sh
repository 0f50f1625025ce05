# What dist_*.sh and slurm_*.sh share; they source it.
# shellcheck shell=bash
TOOLS=$(dirname "${BASH_SOURCE[0]}")

# The interpreter: PYTHON, else the active environment's, else that of this checkout's .venv, else python.
if [ -z "${PYTHON:-}" ]; then
  PYTHON=python
  if [ -z "${VIRTUAL_ENV:-}${CONDA_PREFIX:-}" ] && [ -x "$TOOLS/../.venv/bin/python" ]; then
    PYTHON=$TOOLS/../.venv/bin/python
  fi
fi

die() {
  printf '%s: %s\n' "$0" "$*" >&2
  exit 2
}

# torch_launch PROCESSES SCRIPT [arguments]: PROCESSES on this machine, one a GPU, or without GPUs on its cores.
torch_launch() {
  local processes=$1 nodes=${NNODES:-1} port=${PORT:-29500} error threads
  [[ $processes =~ ^[1-9][0-9]*$ ]] || die "GPUS, the number of processes on this machine, must be >= 1, got '$processes'"
  if [ "${NODE_RANK:-0}" = 0 ]; then
    error=$("$PYTHON" -c 'import socket, sys; socket.create_server(("", int(sys.argv[1])))' "$port" 2>&1) ||
      die "port $port cannot be used (${error##*$'\n'}), set PORT to a free one"
  fi
  if [ -z "${OMP_NUM_THREADS:-}" ]; then
    threads=$(($(nproc) / processes))
    export OMP_NUM_THREADS=$((threads > 1 ? threads : 1))
  fi
  exec "$PYTHON" -m torch.distributed.run \
    --nnodes="$nodes" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="$port" \
    --nproc_per_node="$processes" \
    "${@:2}"
}

# slurm_launch PARTITION JOB_NAME SCRIPT [arguments]
slurm_launch() {
  local gpus=${GPUS:-8} gpus_per_node=${GPUS_PER_NODE:-8} tasks
  if [ "$gpus" = 0 ] || [ "$gpus_per_node" = 0 ]; then
    [ -n "${TASKS:-}" ] || die "without GPUs (GPUS=$gpus, GPUS_PER_NODE=$gpus_per_node), set TASKS, the number of processes"
    tasks=(--ntasks="$TASKS" ${TASKS_PER_NODE:+--ntasks-per-node="$TASKS_PER_NODE"})
  else
    tasks=(--gres="gpu:$gpus_per_node" --ntasks="$gpus" --ntasks-per-node="$gpus_per_node")
  fi
  # SRUN_ARGS holds several arguments and is meant to be split.
  # shellcheck disable=SC2086
  exec srun -p "$1" \
    --job-name="$2" \
    "${tasks[@]}" \
    --cpus-per-task="${CPUS_PER_TASK:-5}" \
    --kill-on-bad-exit=1 \
    ${SRUN_ARGS:-} \
    "$PYTHON" -u "${@:3}"
}
