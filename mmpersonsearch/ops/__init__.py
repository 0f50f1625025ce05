"""RoIAlign, RoIPool and NMS: replacements of MMCV's compiled operators, and faster ones on a CPU.

This module imports nothing, so that ``import mmpersonsearch`` stays fast.
"""
