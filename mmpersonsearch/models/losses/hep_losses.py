"""Hard example priority losses, HEP (I-Net) and C2HEP (DC-I-Net), and the classes that they tell apart."""

from abc import ABCMeta, abstractmethod

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce, broadcast
from torch import Tensor, nn

from mmpersonsearch.models.memories import ClassCenters
from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.distributed import mean_over_ranks
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.forward_modes import at_least_like, float32


@torch.no_grad()
def select_priority_classes(
    person_ids: Tensor,
    num_classes: int,
    pool_size: int,
    hardest: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """Fill the pool P of priority classes (Zhang et al., *Tasks Integrated Networks*, section 3.3).

    It takes the identities of the batch, then those of the hardest negatives, the most similar first, then random
    classes, drawn by rank 0's torch generator. A batch of more than T identities makes the pool larger, since each
    sample needs its class; the paper does not treat this case. Under distribution the pool is the joint batch's; each
    rank has to call this.

    Args:
        person_ids: (N,) int64 identities of the batch; ``-1`` marks an unlabelled person.
        num_classes: Number of classes to choose from.
        pool_size: T.
        hardest: (k,) identities of hard negatives, ``-1`` and repetitions allowed, and their (k,) cosines in [-1, 1],
            as of :meth:`OLPLoss.hardest_negatives`.

    Returns:
        (min(T, num_classes),) int64 different classes, more where the batch has more.

    Raises:
        InputError: An identity is not below ``num_classes``.
    """
    if bool((person_ids >= num_classes).any()):
        raise InputError(f"select_priority_classes: person_id {int(person_ids.max())} of {num_classes} classes")
    priority = torch.rand(num_classes, device=person_ids.device)
    broadcast(priority)
    if hardest is not None:
        ids, similarities = hardest
        has_class = ids >= 0
        hardness = 3 + similarities[has_class].to(priority).clamp(-1, 1)
        priority.scatter_reduce_(0, ids[has_class], hardness, "amax")
    priority[person_ids[person_ids >= 0]] = 5
    all_reduce(priority, "max")
    num_present = int((priority == 5).sum())
    return priority.topk(min(max(pool_size, num_present), num_classes)).indices


def priority_cross_entropy(scores: Tensor, person_ids: Tensor, pool: Tensor) -> Tensor:
    r"""Sum over samples of equations 5 and 9: :math:`-\sum_i \sum_{j \in P} 1(y_i = j) \log softmax(s_i)_j`.

    Args:
        scores: (n, T) scores of the pool's classes.
        person_ids: (n,) int64; a sample whose class is not in the pool, such as ``-1``, adds nothing.
        pool: (T,) int64 different classes.
    """
    return -scores.log_softmax(dim=1)[person_ids[:, None] == pool].sum()


class PriorityLoss(nn.Module, metaclass=ABCMeta):
    """Cross entropy over a pool of ``num_pool_classes`` priority classes, of scores that a subclass computes."""

    def __init__(self, num_ids: int, num_pool_classes: int, loss_weight: float) -> None:
        super().__init__()
        self.num_ids = num_ids
        self.num_pool_classes = num_pool_classes
        self.loss_weight = loss_weight

    @abstractmethod
    def scores(self, feats: Tensor, pool: Tensor) -> Tensor:
        """Compute the (n, T) scores of the pool's classes for (n, feat_channels) embeddings."""

    @float32()
    def forward(self, feats: Tensor, person_ids: Tensor, pool: Tensor) -> Tensor:
        """Compute the loss.

        Args:
            feats: (N, feat_channels) L2-normalized embeddings.
            person_ids: (N,) int64 identities; ``-1`` marks an unlabelled person.
            pool: (T,) int64 different classes, see :func:`select_priority_classes`.

        Returns:
            Scalar, mean over the labelled samples; 0 with a graph where there is none. Under distribution, see
            :func:`mean_over_ranks`.
        """
        labelled = person_ids >= 0
        scores = self.scores(feats[labelled], pool)
        losses = priority_cross_entropy(scores, person_ids[labelled], pool)
        return self.loss_weight * (losses / mean_over_ranks(labelled.sum()))


@MODELS.register_module()
class HEPLoss(PriorityLoss):
    r"""Hard example priority (HEP) loss of I-Net (Zhang et al., *Tasks Integrated Networks*, equation 5).

    A linear classifier on the embedding, whose softmax is taken over a pool P of classes: :math:`L = -\frac{1}{n}
    \sum_i \sum_{j \in P} 1(y_i = j) \log (e^{s_j^i} / \sum_{t \in P} e^{s_t^i})` over the n labelled samples. The last
    of the C + 1 classes is the background, which no sample has; it may enter the pool at random.

    Args:
        num_ids: C, number of training identities.
        feat_channels: Width of the embedding.
        loss_weight: Factor of the loss, beta in equation 6.
    """

    def __init__(self, num_ids: int, feat_channels: int = 256, loss_weight: float = 1.0) -> None:
        super().__init__(num_ids, num_ids + 1, loss_weight)
        self.classifier = nn.Linear(feat_channels, self.num_pool_classes)

    def scores(self, feats: Tensor, pool: Tensor) -> Tensor:
        """See :meth:`PriorityLoss.scores`."""
        feats = at_least_like(feats, self.classifier.weight)
        return F.linear(feats, self.classifier.weight[pool].to(feats), self.classifier.bias[pool].to(feats))


@MODELS.register_module()
class C2HEPLoss(PriorityLoss):
    r"""C2HEP loss of DC-I-Net (Zhang et al., *Tasks Integrated Networks*, equations 7 to 9).

    :class:`HEPLoss` with :math:`s_j^i = \lambda d(x_i, c_j)`, the scaled cosine of the embedding and the identity's
    center. The centers are those from before the batch, without gradient; only training mode updates them. The cosine
    with an empty (zero) center is 0.

    Args:
        num_ids: Number of training identities.
        feat_channels: Width of the embedding.
        momentum: phi of equation 7.
        scale: lambda of equation 8.
        loss_weight: Factor of the loss, beta in equation 10.
    """

    def __init__(
        self,
        num_ids: int,
        feat_channels: int = 256,
        momentum: float = 0.5,
        scale: float = 10.0,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(num_ids, num_ids, loss_weight)
        self.scale = scale
        self.centers = ClassCenters(num_ids, feat_channels, momentum)

    def scores(self, feats: Tensor, pool: Tensor) -> Tensor:
        """Scale the cosines with the pool's centers."""
        feats = at_least_like(feats, self.centers.features)
        return self.scale * feats @ F.normalize(self.centers.features[pool]).to(feats).t()

    def forward(self, feats: Tensor, person_ids: Tensor, pool: Tensor) -> Tensor:
        """See :meth:`PriorityLoss.forward`; in training mode, update the centers after it."""
        loss = super().forward(feats, person_ids, pool)
        if self.training:
            self.centers.update(at_least_like(feats, self.centers.features), person_ids)
        return loss
