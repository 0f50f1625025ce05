"""Operators on boxes: MMCV's where it was built without any, and a RoIAlign that is fast and right on a CPU.

Nothing is imported here: ``import mmpersonsearch`` reads this package, and stays light.
"""
