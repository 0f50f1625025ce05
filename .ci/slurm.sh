#!/usr/bin/env bash
# A Slurm of this machine alone, for tests: `.ci/slurm.sh start FOLDER`, `.ci/slurm.sh stop FOLDER`.
# FOLDER is new and takes configuration, keys and logs; nothing outside it is changed but for the packages' installation.
# Clients find it by SLURM_CONF=FOLDER/slurm.conf; the partition is "test". Needs root and, to install, Debian or Ubuntu.
set -euo pipefail

# More than small machines have, so that a job of a few tasks does not wait for ever.
readonly NODE_CPUS=4

die() { printf 'Slurm is not started: %s\n' "$*" >&2; exit 1; }

install_packages() {
  command -v slurmctld slurmd srun munged >/dev/null && return
  command -v apt-get >/dev/null || die "neither slurmctld, slurmd, srun and munged nor apt-get are here"
  { timeout 120 apt-get -q update && DEBIAN_FRONTEND=noninteractive timeout 300 \
    apt-get -q install -y --no-install-recommends slurm-wlm munge; } >"$folder/install.log" 2>&1 ||
    die "apt-get install slurm-wlm munge failed: $(tail -n 1 "$folder/install.log")"
}

# Two free ports, for the controller and for the node.
free_ports() {
  python3 -c 'import socket
sockets = [socket.create_server(("", 0)) for _ in range(2)]
print(*[s.getsockname()[1] for s in sockets])'
}

write_configuration() {
  local controller_port node_port
  read -r controller_port node_port < <(free_ports)
  mkdir -p "$folder/state" "$folder/spool"
  cat >"$folder/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=$controller_port
SlurmdPort=$node_port
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CryptoType=crypto/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
KillWait=5
SlurmdParameters=config_overrides
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=$NODE_CPUS State=UNKNOWN
PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
}

start() {
  [ "$(id -u)" = 0 ] || die "it needs root"
  mkdir -p "$folder"
  chmod 755 "$folder"
  install_packages
  write_configuration
  export SLURM_CONF=$folder/slurm.conf
  (umask 077 && head -c 1024 /dev/urandom >"$folder/munge.key")
  munged --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
    --log-file="$folder/munged.log" --seed-file="$folder/munge.seed" || die "munged failed, see $folder/munged.log"
  slurmctld || die "slurmctld failed, see $folder/slurmctld.log"
  slurmd || die "slurmd failed, see $folder/slurmd.log"
  for _ in $(seq 60); do
    [ "$(sinfo --noheader --partition=test --format=%t 2>/dev/null)" != idle ] || return 0
    sleep 0.5
  done
  die "its node is not idle after 30 s, see $folder/slurmctld.log and $folder/slurmd.log"
}

stop() {
  local daemon pid
  for daemon in slurmd slurmctld munged; do
    [ -f "$folder/$daemon.pid" ] || continue
    pid=$(cat "$folder/$daemon.pid")
    kill "$pid" 2>/dev/null || continue
    for _ in $(seq 100); do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.1
    done
  done
}

[ $# = 2 ] || { echo "usage: $0 start|stop FOLDER" >&2; exit 2; }
folder=$2
case $1 in
  start) start || { stop; exit 1; } ;;
  stop) stop ;;
  *) echo "usage: $0 start|stop FOLDER" >&2; exit 2 ;;
esac
