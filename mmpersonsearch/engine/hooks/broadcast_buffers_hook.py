"""Validation of one model by all ranks."""

from mmengine.dist import broadcast
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmpersonsearch.registry import HOOKS


@HOOKS.register_module()
class BroadcastBuffersHook(Hook):
    """Give rank 0's buffers to all ranks before a validation.

    Each rank's batch norm keeps statistics of its own images, and the checkpoints have rank 0's. Without this hook each
    rank would validate its share of the images with another model, and none of them all with the one that is saved.
    """

    def before_val_epoch(self, runner: Runner) -> None:
        """Broadcast; each rank has to call this."""
        for buffer in runner.model.buffers():
            broadcast(buffer)
