# docker build -t mmpersonsearch .
# docker build -t mmpersonsearch:cuda --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu126 .
# docker run --rm -v "$PWD/data:/work/data" -v "$PWD/work_dirs:/work/work_dirs" mmpersonsearch train tdn_r50ibn_prw
#
# For CPUs as it is; TORCH_INDEX names where PyTorch with CUDA comes from, PYTHON_VERSION the image (3.10 to 3.12).
ARG PYTHON_VERSION=3.11
FROM python:${PYTHON_VERSION}-slim
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY . /opt/mmpersonsearch
WORKDIR /opt/mmpersonsearch
RUN python -m pip install -c requirements/constraints.txt --extra-index-url "$TORCH_INDEX" torch torchvision
RUN python -m pip install -c requirements/constraints.txt --build-constraint requirements/constraints.txt ".[onedl,onnx,gallery,serve]"
RUN python -m pip install -c requirements/constraints.txt --force-reinstall --no-deps opencv-python-headless
RUN mmpersonsearch --version
WORKDIR /work
ENTRYPOINT ["mmpersonsearch"]
CMD ["--help"]
