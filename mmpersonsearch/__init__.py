"""Person search on MMDetection: one model finds persons in scene images and tells who they are."""

from mmpersonsearch.ops.import_hooks import install_import_hooks
from mmpersonsearch.utils.config_files import register_with_mmengine

__version__ = "0.2.0"

install_import_hooks()
register_with_mmengine()
