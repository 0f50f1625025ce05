#!/usr/bin/env bash
# Makes the virtual environment .venv: pinned packages and this package. Compiles nothing: MMCV is installed without its
# operators, those that are needed are in mmpersonsearch/ops. OPS=compiled compiles MMCV's, OPS=none undoes it.
# Quick where all is in place already; an interrupted or outdated set-up is done anew.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly VENV=.venv
readonly PY=$VENV/bin/python
readonly STAMP=$VENV/setup-done
# Which operators were asked for, and for which packages they were compiled.
readonly OPS_CHOICE=$VENV/ops
readonly OPS_BUILD=$VENV/ops-compiled-for
readonly CONSTRAINTS=requirements/constraints.txt
readonly FIRST_IMPORT='import pytest, torch, tensorboard, mmpersonsearch.registry, mmdet.apis, mmpretrain.apis
from mmpersonsearch import datasets, engine, evaluation, models, visualization'

say() { printf '== %s\n' "$*"; }
die() { printf 'set-up: %s\n' "$*" >&2; exit 1; }

# none or compiled; without OPS what the environment was made with.
chosen_ops() {
  local ops=${OPS:-}
  [ -n "$ops" ] || ops=$(cat "$OPS_CHOICE" 2>/dev/null) || ops=none
  case $ops in
    none | compiled) echo "$ops" ;;
    *) die "OPS=$ops is unknown. OPS=compiled compiles MMCV's operators, OPS=none installs MMCV without them." ;;
  esac
}

# What the environment was made from; any change makes set-up run again.
fingerprint() {
  echo "$PWD"
  echo "MMCV's operators: $1"
  cat requirements/*.txt pyproject.toml setup.py tools/setup.sh | cksum
}

python_fits() {
  "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null
}

find_python() {
  local candidate
  for candidate in ${PYTHON:-python3 python3.12 python3.11 python3.10}; do
    if python_fits "$candidate"; then
      echo "$candidate"
      return
    fi
  done
  die "no Python 3.10, 3.11 or 3.12 found (looked for: ${PYTHON:-python3 python3.12 python3.11 python3.10}).
Install one, or name it: make PYTHON=/path/to/python3.11 ..."
}

# Downloads are to be seen; a check of what is there already need not be.
quiet=
pip_install() { "$PY" -m pip install --disable-pip-version-check $quiet -c "$CONSTRAINTS" "$@"; }

make_venv() {
  if [ -x "$PY" ] && python_fits "$PY" && "$PY" -m pip --version >/dev/null 2>&1; then
    say "Using the virtual environment $VENV ($("$PY" --version))"
    return
  fi
  local python
  python=$(find_python)
  say "Creating the virtual environment $VENV with $python ($("$python" --version))"
  "$python" -m venv --clear "$VENV" ||
    die "$python cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv"
}

check_compiler() {
  local tool
  for tool in g++ make; do
    command -v "$tool" >/dev/null ||
      die "$tool is missing, which MMCV's operators are compiled with. On Debian and Ubuntu: apt-get install build-essential"
  done
  "$PY" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' ||
    die "Python.h is missing, which MMCV's operators are compiled with. On Debian and Ubuntu: apt-get install python3-dev"
}

# OpenCV comes in two variants that share one folder; the one with windows needs the system's libGL.
ensure_opencv() {
  "$PY" -c 'import cv2' 2>/dev/null && return
  say "OpenCV does not load (mostly for want of libGL.so.1): installing its variant without windows over it"
  pip_install --force-reinstall --no-deps opencv-python-headless
  "$PY" -c 'import cv2' || die "OpenCV does not load, see the error above."
}

# pip keeps the MMCV that it builds, compiled or not, by version alone. So none of its cache here.
install_mmcv() { pip_install --no-cache-dir --force-reinstall --no-deps "$@" onedl-mmcv; }

mmcv_is_installed() { compgen -G "$VENV/lib/python3*/site-packages/mmcv/__init__.py" >/dev/null; }
mmcv_has_compiled_ops() { compgen -G "$VENV/lib/python3*/site-packages/mmcv/_ext*.so" >/dev/null; }
packages_compiled_for() { "$PY" -m pip list --format freeze | grep -iE '^(torch|onedl-mmcv)=='; }
compiled_ops_load() { mmcv_has_compiled_ops && "$PY" -c 'import mmcv._ext'; }

remove_compiled_ops() {
  rm -f "$OPS_BUILD"
  mmcv_has_compiled_ops || return 0
  say "MMCV has compiled operators here, of an earlier set-up or from pip's cache, perhaps for another PyTorch."
  say "Installing it without them (make setup OPS=compiled compiles them for this PyTorch)"
  install_mmcv
  ! mmcv_has_compiled_ops || die "MMCV still has compiled operators. Remove $VENV and run make again."
}

compile_ops() {
  local packages
  packages=$(packages_compiled_for)
  if [ "$(cat "$OPS_BUILD" 2>/dev/null)" = "$packages" ] && compiled_ops_load; then
    return
  fi
  say "Compiling MMCV's operators, past pip's cache (11 to 47 minutes on two cores)"
  check_compiler
  rm -f "$OPS_BUILD"
  quiet=
  pip_install -r requirements/compile.txt
  install_mmcv --no-build-isolation
  compiled_ops_load ||
    die "MMCV's operators do not load after they were compiled, see the error above. Remove $VENV and run make again."
  echo "$packages" >"$OPS_BUILD"
}

in_place() {
  [ "$(cat "$STAMP" 2>/dev/null)" = "$(fingerprint "$1")" ] || return 1
  mmcv_is_installed || return 1
  if [ "$1" = compiled ]; then compiled_ops_load 2>/dev/null; elif mmcv_has_compiled_ops; then return 1; fi
}

set_up() {
  rm -f "$STAMP"
  make_venv
  echo "$1" >"$OPS_CHOICE"
  mmcv_is_installed && quiet=--quiet
  [ "$1" = none ] || check_compiler
  say "[1/4] pip"
  pip_install pip
  say "[2/4] PyTorch, MMDetection, test tools and this package (downloads 0.6 to 3 GB the first time)"
  # One run, since each costs a look at all packages. MMCV is built apart from PyTorch, which keeps it from compiling.
  pip_install --build-constraint "$CONSTRAINTS" --no-compile -e '.[onedl,dev,docs,onnx,gallery,serve]'
  say "[3/4] OpenCV and MMCV's operators"
  ensure_opencv
  if [ "$1" = compiled ]; then compile_ops; else remove_compiled_ops; fi
  say "[4/4] First import"
  # Python compiles what is imported, which is quicker than to have pip compile all 14,000 modules.
  local output
  output=$(env -u PYTHONDONTWRITEBYTECODE "$PY" -c "$FIRST_IMPORT" 2>&1) ||
    die "$output
The installed packages do not import, see the error above. Remove $VENV and run make again."
  fingerprint "$1" >"$STAMP"
  say "Set-up is complete ($SECONDS seconds)"
}

ops=$(chosen_ops)
in_place "$ops" || set_up "$ops"
