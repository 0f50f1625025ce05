"""Centres of the labelled identities' features (I-Net, DC-I-Net)."""

from mmpersonsearch.registry import MODELS

from .lookup_table import LookupTable


@MODELS.register_module()
class ClassCenters(LookupTable):
    """Class centres of DC-I-Net (Zhang et al., equation 7): c <- phi * c + (1 - phi) * x, sample by sample in order.

    A :class:`LookupTable` whose rows are not normalised, so that the lengths of centre and feature weigh in the next
    mean: after one update a centre is half as long as a feature. Only its direction is used, by the cosine of
    equation 8. The paper does not say where a centre starts: here at zero.

    Args:
        num_ids: Number of identities (rows).
        feat_channels: Width of a feature.
        momentum: phi, 0.5 in the paper.
    """

    normalises_rows = False
