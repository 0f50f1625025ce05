"""Steps of a pipeline that person search adds to MMDetection's."""

from .formatting import PackPersonSearchInputs, PackReIDCrop
from .loading import LoadPersonSearchAnnotations, LoadSceneImage

__all__ = ["LoadPersonSearchAnnotations", "LoadSceneImage", "PackPersonSearchInputs", "PackReIDCrop"]
