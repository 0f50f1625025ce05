"""The parts of this project; a config imports them by ``custom_imports``."""

from .losses import TemplateLoss

__all__ = ["TemplateLoss"]
