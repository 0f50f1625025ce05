"""Person-search models as detectors."""

from .kd_det_detector import DistilledPersonSearchDetector
from .person_search_detector import PersonDetector, PersonSearchDetector, PersonSearchModel, query_boxes
from .qeeps_detector import QEEPSDetector
from .two_step_person_search import TwoStepPersonSearch

__all__ = [
    "DistilledPersonSearchDetector",
    "PersonDetector",
    "PersonSearchDetector",
    "PersonSearchModel",
    "QEEPSDetector",
    "TwoStepPersonSearch",
    "query_boxes",
]
