"""Person search on MMDetection: one model finds persons in scene images and tells who they are."""

from mmpersonsearch.ops.mmcv_ext_finder import install_mmcv_ext_finder
from mmpersonsearch.ops.torchvision_ops import install_torchvision_finder
from mmpersonsearch.utils.config_files import register_with_mmengine

__version__ = "0.1.0"

install_torchvision_finder()
install_mmcv_ext_finder()
register_with_mmengine()
