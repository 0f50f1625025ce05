"""Models: backbones, detectors, RoI heads, Re-ID models, memories and losses."""

import mmpersonsearch.registry  # noqa: F401  (first of all: it makes torchvision importable for MMDetection)
