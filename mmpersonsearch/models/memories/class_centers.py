"""Centres of the labelled identities' features (I-Net, DC-I-Net)."""

from torch import Tensor

from mmpersonsearch.registry import MODELS

from .lookup_table import LookupTable, occurrence_numbers


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

    def _enter(self, feats: Tensor, identities: Tensor, of_sample: Tensor, counts: Tensor) -> None:
        # Without norms the n updates of a centre are one sum: phi^n c + (1 - phi) sum_k phi^(n - 1 - k) x_k.
        later = counts[of_sample] - 1 - occurrence_numbers(of_sample)
        samples = feats * ((1 - self.momentum) * self.momentum ** later.to(feats))[:, None]
        centers = self.features[identities] * (self.momentum ** counts.to(feats))[:, None]
        self.features[identities] = centers.index_add_(0, of_sample, samples)
