"""Person search on MMDetection: one model finds persons in scene images and tells who they are."""

__version__ = "0.1.0"
