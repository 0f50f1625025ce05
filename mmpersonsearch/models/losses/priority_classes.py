"""The classes that HEP and C2HEP tell apart, and the softmax over them (I-Net, DC-I-Net)."""

import torch
from mmengine.dist import all_reduce, broadcast
from torch import Tensor


@torch.no_grad()
def select_priority_classes(
    person_ids: Tensor,
    num_classes: int,
    pool_size: int,
    hardest: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """Fill the pool P of priority classes (Zhang et al., *Tasks Integrated Networks*, section 3.3).

    First come the identities of the batch, then those of the hardest negatives, then random classes, drawn by torch's
    generator (rank 0's). Where more negatives are hard than there is room for, the most similar ones stay, and a batch
    of more than T identities makes the pool larger, since each sample needs its own class: the paper says neither.
    Unlabelled negatives have no class. Under distribution the pool is the joint batch's; each rank has to call this.

    Args:
        person_ids: (N,) int64 identities of the batch; ``-1`` marks an unlabelled person.
        num_classes: Number of classes to choose from.
        pool_size: T.
        hardest: (k,) identities of hard negatives, ``-1`` and repetitions allowed, and their (k,) cosines in [-1, 1],
            as of :meth:`OLPLoss.hardest_negatives`.

    Returns:
        (min(T, num_classes),) int64 different classes, more where the batch has more.

    Raises:
        ValueError: An identity is not below ``num_classes``.
    """
    if bool((person_ids >= num_classes).any()):
        raise ValueError(f"select_priority_classes: person_id {int(person_ids.max())} of {num_classes} classes")
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
