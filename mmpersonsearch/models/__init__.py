"""Models: backbones, detectors, RoI heads, Re-ID models, memories and losses."""

from mmpersonsearch.registry import import_mmdet

import_mmdet()  # before a module below uses MMCV's operators
