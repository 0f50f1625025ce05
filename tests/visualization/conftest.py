"""MMDetection is imported after the package, which makes torchvision importable beside a PyTorch without CUDA."""

import mmpersonsearch.registry  # noqa: F401
