"""Drawing of detections in tests by several processes."""

from collections.abc import Sequence

from mmdet.engine.hooks import DetVisualizationHook
from mmdet.structures import DetDataSample
from mmengine.dist import all_gather_object, is_main_process
from mmengine.runner import Runner

from mmpersonsearch.registry import HOOKS


@HOOKS.register_module()
class PersonSearchVisualizationHook(DetVisualizationHook):
    """MMDetection's drawing hook, for the images of all ranks.

    MMEngine's visualizers draw on rank 0 only, so that rank 0 gets the other ranks' samples. ``DefaultSampler`` gives
    the n-th image to rank n modulo the number of ranks, and where the images do not come out even, the first ones once
    more, so that all ranks test equally many. These are not drawn again.
    """

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict, outputs: Sequence[DetDataSample]
    ) -> None:
        """Draw a batch of each rank on rank 0; each rank has to call this."""
        if not self.draw:
            return
        ranks = all_gather_object([sample.cpu() for sample in outputs])
        if is_main_process():
            samples = [sample for samples in zip(*ranks) for sample in samples]
            left = len(runner.test_dataloader.dataset) - self._test_index
            super().after_test_iter(runner, batch_idx, data_batch, samples[:left])
