"""Heads on whole maps that MMDetection lacks."""

from .qrpn import QRPN

__all__ = ["QRPN"]
