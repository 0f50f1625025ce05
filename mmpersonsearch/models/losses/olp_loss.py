"""On-line pairing loss (I-Net)."""

import torch
from torch import Tensor, nn

from mmpersonsearch.models.memories import FeatureDictionary
from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.distributed import gather_batch
from mmpersonsearch.utils.forward_modes import at_least_like, float32


def positive_pairs(person_ids: Tensor) -> Tensor:
    """Mark the pairs of one labelled person among (N,) ``person_ids``: (N, N) bool, False on the diagonal."""
    same = (person_ids[:, None] == person_ids) & (person_ids >= 0)
    return same.fill_diagonal_(False)


@MODELS.register_module()
class OLPLoss(nn.Module):
    r"""On-line pairing (OLP) loss of I-Net (Zhang et al., *Tasks Integrated Networks*, equations 1 to 4).

    Each ordered pair (a, p) of samples of one identity is a subgroup: :math:`L = -\frac{1}{m} \sum_{i=1}^m \log
    \frac{e^{d(x_a, x_p)}}{e^{d(x_a, x_p)} + \sum_k e^{d(x_a, x_{n_k})}}`, d the cosine, without temperature. The
    negatives are the entries of the feature dictionary of another identity or none, from before the batch; only
    training mode enters the batch, with its unlabelled persons. The gradient reaches a sample as an anchor only, not
    as a positive (equation 2, whose missing factor 1 / m is equation 1's). Two boxes of one image make a pair, which
    the paper leaves open. A subgroup without negatives has the loss 0.

    Args:
        feat_channels: Width of the embedding.
        dictionary_size: Entries of the feature dictionary, 40 x 128 in the paper.
        loss_weight: Factor of the loss, alpha in equation 6.
    """

    def __init__(self, feat_channels: int = 256, dictionary_size: int = 5120, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.dictionary = FeatureDictionary(dictionary_size, feat_channels)

    @float32()
    def forward(self, feats: Tensor, person_ids: Tensor) -> Tensor:
        """Compute the loss and, in training mode, enter the batch into the dictionary.

        Args:
            feats: (N, feat_channels) L2-normalized embeddings.
            person_ids: (N,) int64 identities; ``-1`` marks an unlabelled person.

        Returns:
            Scalar, mean over the subgroups, of the joint batch of all ranks; 0 with a graph where there is none.
        """
        anchors, anchor_ids, joint_feats, is_pair = self._subgroups(feats, person_ids)
        positives = (anchors @ joint_feats.detach().t()).exp()
        negatives = self._negatives(anchors, anchor_ids)[0].exp().sum(dim=1, keepdim=True)
        loss = torch.log1p(negatives / positives)[is_pair].sum() / is_pair.sum().clamp(min=1)
        if self.training:
            self.dictionary.update(feats, person_ids)
        return self.loss_weight * loss

    @float32()
    @torch.no_grad()
    def hardest_negatives(self, feats: Tensor, person_ids: Tensor, number: int) -> tuple[Tensor, Tensor]:
        """Find the dictionary's entries that are most similar to the anchors (section 3.3, step 2).

        Args:
            feats: See :meth:`forward`, which changes the dictionary and comes after this.
            person_ids: See :meth:`forward`.
            number: r, number of negatives per anchor.

        Returns:
            (k,) identities, ``-1`` and repetitions among them, and their (k,) cosines with an anchor; of all ranks.
        """
        anchors, anchor_ids, _, _ = self._subgroups(feats, person_ids)
        similarities, entry_ids = self._negatives(anchors, anchor_ids)
        similarities, entries = similarities.topk(min(number, len(entry_ids)), dim=1)
        found = similarities > -torch.inf
        return entry_ids[entries[found]], similarities[found]

    def _subgroups(self, feats: Tensor, person_ids: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(A, D) anchors and their (A,) identities, the (N, D) joint batch, and which (A, N) are pairs."""
        feats = at_least_like(feats, self.dictionary.features)
        feats, person_ids = gather_batch(feats, person_ids)
        is_pair = positive_pairs(person_ids)
        anchors = is_pair.any(dim=1)
        return feats[anchors], person_ids[anchors], feats, is_pair[anchors]

    def _negatives(self, anchors: Tensor, anchor_ids: Tensor) -> tuple[Tensor, Tensor]:
        """(A, M) similarities to the dictionary's filled entries, -inf for the own identity's, and their identities."""
        entries, entry_ids = self.dictionary.filled()
        own = anchor_ids[:, None] == entry_ids
        return (anchors @ entries.to(anchors).t()).masked_fill(own, -torch.inf), entry_ids
