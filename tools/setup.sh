#!/usr/bin/env bash
# Makes the virtual environment .venv: pinned packages, MMCV with its compiled operators, this package.
# Quick where all is in place already; an interrupted or outdated set-up is done anew.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly VENV=.venv
readonly PY=$VENV/bin/python
readonly STAMP=$VENV/setup-done
readonly CONSTRAINTS=requirements/constraints.txt
# The compiled operators. An installation without them looks complete until the first call.
readonly CHECK_OPS='import mmcv._ext'

say() { printf '== %s\n' "$*"; }
die() { printf 'set-up: %s\n' "$*" >&2; exit 1; }

# What the environment was made from; any change makes set-up run again.
fingerprint() {
  echo "$PWD"
  cat requirements/*.txt pyproject.toml tools/setup.sh | cksum
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

# Downloads and compilation are to be seen; a check of what is there already need not be.
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

mmcv_ops_load() { "$PY" -c "$CHECK_OPS"; }

ensure_mmcv_ops() {
  local error
  error=$(mmcv_ops_load 2>&1) && return
  "$PY" -c 'import torch, mmengine' ||
    die "$VENV is damaged, see the error above. Remove $VENV and run make again."
  say "MMCV is installed without working operators: ${error##*$'\n'}"
  say "That happens when it was built before PyTorch was there, or when pip kept such a build."
  say "Building it again, past pip's cache (11 to 16 minutes on two cores)"
  check_compiler
  pip_install --no-build-isolation --no-cache-dir --force-reinstall --no-deps onedl-mmcv
  mmcv_ops_load ||
    die "MMCV's operators do not load after a rebuild, see the error above. Remove $VENV and run make again."
  say "MMCV's operators work. If this returns with every new $VENV: pip cache remove onedl_mmcv"
}

set_up() {
  rm -f "$STAMP"
  make_venv
  mmcv_ops_load 2>/dev/null && quiet=--quiet
  say "[1/5] pip, setuptools, wheel"
  pip_install -U pip setuptools wheel
  say "[2/5] PyTorch (a download of 0.2 to 3 GB the first time)"
  pip_install -r requirements/build.txt
  say "[3/5] MMEngine, MMCV, MMDetection, MMPretrain (compiles MMCV once: 11 to 16 minutes on two cores; pip keeps the result)"
  "$PY" -c 'import mmcv' 2>/dev/null || check_compiler
  pip_install --no-build-isolation -r requirements/openmmlab.txt
  say "[4/5] MMCV's operators"
  ensure_opencv
  ensure_mmcv_ops
  say "[5/5] Test tools and this package"
  pip_install -r requirements/tests.txt
  "$PY" -m pip install --disable-pip-version-check --quiet --no-build-isolation --no-deps -e .
  fingerprint >"$STAMP"
  say "Set-up is complete"
}

if [ -f "$STAMP" ] && [ "$(cat "$STAMP")" = "$(fingerprint)" ] && mmcv_ops_load 2>/dev/null; then
  exit 0
fi
set_up
