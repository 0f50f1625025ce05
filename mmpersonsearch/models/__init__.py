"""Models: backbones, detectors, RoI heads, Re-ID models, memories and losses."""
