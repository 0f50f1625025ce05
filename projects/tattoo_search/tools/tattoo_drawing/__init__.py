"""Parts of the synthetic tattoos: their shapes, their ink, the limbs that carry them, and the photos of these."""
