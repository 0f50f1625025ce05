"""Frozen models that teach."""

from .frozen_teacher import DetectorTeacher, FrozenTeacher, ReIDTeacher, TeacherOwner, check_same_pixels

__all__ = ["DetectorTeacher", "FrozenTeacher", "ReIDTeacher", "TeacherOwner", "check_same_pixels"]
