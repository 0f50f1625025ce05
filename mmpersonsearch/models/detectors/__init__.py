"""Person-search models as detectors."""

from .person_detector import PersonDetector
from .person_search_detector import PersonSearchDetector
from .two_step_person_search import TwoStepPersonSearch

__all__ = ["PersonDetector", "PersonSearchDetector", "TwoStepPersonSearch"]
