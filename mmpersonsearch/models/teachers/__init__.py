"""Frozen models that teach."""

from .detector_teacher import DetectorTeacher
from .frozen_teacher import FrozenTeacher, TeacherOwner
from .reid_teacher import ReIDTeacher
from .same_pixels import check_same_pixels

__all__ = ["DetectorTeacher", "FrozenTeacher", "ReIDTeacher", "TeacherOwner", "check_same_pixels"]
