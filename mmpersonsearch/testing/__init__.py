"""A slow evaluation written from its definition, and random cases: what faster code is held against."""

from .random_cases import draw_case
from .reference import galleries_of, iou, kept, slow_detections, slow_rcp, slow_search

__all__ = ["draw_case", "galleries_of", "iou", "kept", "slow_detections", "slow_rcp", "slow_search"]
