"""Frozen models that teach."""

from .detector_teacher import DetectorTeacher
from .frozen_teacher import FrozenTeacher, TeacherOwner, check_same_pixels
from .reid_teacher import ReIDTeacher

__all__ = ["DetectorTeacher", "FrozenTeacher", "ReIDTeacher", "TeacherOwner", "check_same_pixels"]
