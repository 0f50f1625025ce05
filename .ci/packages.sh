#!/usr/bin/env bash
# Tries the package with other versions, in a new environment that is removed again: TORCH is a version of PyTorch (2.4) or
# current, the one of requirements/constraints.txt; PACKAGES is onedl (the forks), openmmlab (the original packages) or none (without MMDetection and its kin, where
# metrics, memories and losses serve). PYTHON makes the environment.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
torch=${TORCH:-current} packages=${PACKAGES:-onedl}

env=$(mktemp -d)
trap 'rm -rf "$env"' EXIT
trap 'exit 1' TERM INT
"${PYTHON:-python3}" -m venv "$env"
py=$env/bin/python
case $torch in
  current) mapfile -t wanted < <(grep -E '^torch(vision)?==' requirements/constraints.txt) ;;
  2.4) wanted=("torch==2.4.*" "torchvision==0.19.*" "numpy<2.3" "scipy<1.18") ;;
  *) echo "TORCH=$torch is unknown: 2.4 or current" >&2; exit 1 ;;
esac
install() { "$py" -m pip install -q --disable-pip-version-check "$@"; }

if [ "$packages" = none ]; then
  install "${wanted[@]}" mmengine-lite packaging scipy opencv-python-headless pycocotools "setuptools<81" scikit-learn
  "$py" - <<'END'
import importlib.util

import mmpersonsearch
from mmpersonsearch.evaluation import evaluate_search
from mmpersonsearch.registry import METRICS, MODELS

assert importlib.util.find_spec("mmdet") is None and evaluate_search
print("1 passed, 0 failed")
END
  exit
fi
# MMCV is built apart from PyTorch, which keeps it from compiling; the build reads pkg_resources.
echo "setuptools<81" >"$env/build.txt"
PIP_BUILD_CONSTRAINT=$env/build.txt install "${wanted[@]}" ".[$packages]" pytest tensorboard onnxruntime
"$py" -c 'import cv2' 2>/dev/null || install --force-reinstall --no-deps opencv-python-headless
"$py" -c 'import mmdet, torch; print(f"PyTorch {torch.__version__}, MMDetection {mmdet.__version__}")'
OMP_NUM_THREADS=1 "$py" -m pytest tests/test_one_batch.py tests/test_registry.py tests/test_training.py tests/ops
