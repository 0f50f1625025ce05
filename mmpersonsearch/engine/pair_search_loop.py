"""Test loop of models whose detections depend on the query (QEEPS): queries and gallery images in pairs."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import scale_boxes
from mmengine.config import ConfigDict
from mmengine.dist import barrier, broadcast_object_list, get_rank, get_world_size, is_main_process
from mmengine.evaluator import Evaluator
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop, Runner, autocast
from mmengine.structures import InstanceData
from torch import Tensor, nn
from torch.utils.data import DataLoader

from mmpersonsearch.evaluation.index.pairs import galleries_alone, paired_images
from mmpersonsearch.evaluation.metrics.pair_search import PairResultsMetric
from mmpersonsearch.evaluation.provenance import describe_versions
from mmpersonsearch.registry import LOOPS
from mmpersonsearch.structures import PairImages, SearchProtocol
from mmpersonsearch.utils.errors import InputError

from .pair_results import PairResultFiles

_LOG_SECONDS = 30


@LOOPS.register_module()
class PairSearchLoop(BaseLoop):
    """Test loop that pairs each query with each image of its gallery; ``mmpersonsearch test`` runs it by the config::

        test_cfg = dict(type="PairSearchLoop", batch_size=8)
        test_evaluator = dict(type="PairSearchMetric")

    The model has ``extract_shared(images)``, the maps that do not depend on the other image of a pair, and
    ``detect_pairs(queries, galleries)`` of :class:`PairImages`: per pair ``bboxes`` (n, 4) in pixels of the gallery's
    input, ``scores`` and ``similarities`` (n,).

    A pass holds the maps of ``max_queries`` queries and visits the images of their galleries. Each image is read,
    and its maps are computed, once a pass: once in all if there are no more queries than that, as on PRW-mini. Images
    are not padded to each other's size: a batch has one gallery image, and queries whose images have one size.

    Results are written to ``work_dir/pair_search/<fingerprint>`` while the test runs. A test that was interrupted
    resumes there, with any number of processes; another model, protocol, pipeline or version has another fingerprint.
    Several processes share the pairs, each pair is run once; they need the same ``work_dir``.

    Args:
        runner, dataloader, evaluator: As MMEngine's ``TestLoop``; of the loader the workers are used, not the sampler.
        batch_size: Pairs at a time.
        max_queries: Queries whose maps are held. A map at 900 x 1500 pixels takes 86 MB with QSSE on ResNet-50 (the
            first block's), 22 MB without (the whole base's).
        save_interval: Seconds after which results are written, and which an interruption costs at most.
        fp16: Whether to run under autocast.

    Raises:
        InputError: The metrics are not those of search by pairs, the test split has no single protocol, or the model
            does not search by pairs.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader | dict,
        evaluator: Evaluator | dict | list,
        batch_size: int = 8,
        max_queries: int = 32,
        save_interval: float = 30.0,
        fp16: bool = False,
    ) -> None:
        super().__init__(runner, dataloader)
        for name, value in (("batch_size", batch_size), ("max_queries", max_queries)):
            if not isinstance(value, int) or value < 1:
                raise InputError(f"PairSearchLoop: {name} must be an integer >= 1, got {value!r}")
        self.evaluator = runner.build_evaluator(evaluator) if isinstance(evaluator, dict | list) else evaluator
        meta = self.dataloader.dataset.metainfo
        if not isinstance(meta.get("search_protocol"), SearchProtocol):
            several = f", choose one of {', '.join(meta['data_sets'])} by --data-set" if "data_sets" in meta else ""
            raise InputError(f"PairSearchLoop: test_dataloader.dataset must be the test split of one data set{several}")
        self.evaluator.dataset_meta = runner.visualizer.dataset_meta = meta
        self.protocol: SearchProtocol = meta["search_protocol"]
        self.batch_size = batch_size
        self.max_queries = max_queries
        self.save_interval = save_interval
        self.fp16 = fp16

    def run(self) -> dict[str, float]:
        """Run all pairs that have no results yet, and evaluate; returns the metrics."""
        for metric in self.evaluator.metrics:
            if not isinstance(metric, PairResultsMetric):
                raise InputError(
                    f"PairSearchLoop: test_evaluator has {type(metric).__name__}, which needs embeddings of all "
                    "detections; expected PairSearchMetric"
                )
        model = self._model()
        if missing := [name for name in ("extract_shared", "detect_pairs") if not hasattr(model, name)]:
            raise InputError(f"PairSearchLoop: {type(model).__name__} does not search by pairs, it has no {missing[0]}")
        self.runner.call_hook("before_test")
        self.runner.call_hook("before_test_epoch")
        model.eval()
        facts = describe_search(model, self.runner.cfg, self.protocol, self.max_queries, self.fp16)
        folder = Path(self.runner.work_dir) / "pair_search" / hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
        files = PairResultFiles(folder, len(self.protocol.queries), self.max_queries)
        self._search(self._model().eval(), files, facts)  # which hooks may have exchanged
        self.evaluator.process(data_samples=[files])
        metrics = self.evaluator.evaluate(1)
        self.runner.call_hook("after_test_epoch", metrics=metrics)
        self.runner.call_hook("after_test")
        return metrics

    def _model(self) -> nn.Module:
        return self.runner.model.module if is_model_wrapper(self.runner.model) else self.runner.model

    @torch.no_grad()
    def _search(self, model: nn.Module, files: PairResultFiles, facts: dict[str, Any]) -> None:
        """Run this process' share of the pairs and wait for the others'."""
        galleries = galleries_alone(self.protocol, self.protocol.galleries.sizes or [None])
        wanted = [paired_images(galleries, torch.tensor(queries)) for queries in files.passes]
        done: list = [[files.done(number) for number in range(len(wanted))] if is_main_process() else None]
        broadcast_object_list(done)
        missing = [sorted(set(torch.nonzero(w.any(0)).flatten().tolist()) - d) for w, d in zip(wanted, done[0])]
        shares = [images[get_rank() :: get_world_size()] for images in missing]
        if is_main_process():
            files.describe(facts)
            number, left = int(sum(w.sum() for w in wanted)), _count(wanted, missing)
            self.runner.logger.info(f"Search by pairs: {left} of {number} pairs to run, results in {files.folder}")
        progress = _Progress(self.runner.logger, _count(wanted, shares))
        with autocast(enabled=self.fp16):
            for number, share in enumerate(shares):
                if share:
                    self._run_pass(model, files, number, share, wanted[number], progress)
        barrier()
        lost = [any(set(images) - files.done(number) for number, images in enumerate(missing))]
        broadcast_object_list(lost)
        if lost[0]:
            raise InputError(
                f"{files.folder} lacks what other processes have found: --work-dir must be a folder that they share"
            )

    def _run_pass(
        self,
        model: nn.Module,
        files: PairResultFiles,
        number: int,
        image_inds: list[int],
        wanted: Tensor,
        progress: _Progress,
    ) -> None:
        """Pair a pass' queries with some images; ``wanted`` (R, S) says which are in their galleries."""
        queries = files.passes[number]
        groups = self._group_queries(model, queries)
        pairs, done, last = {}, [], time.monotonic()
        for image_ind, maps, sample in self._shared(model, image_inds):
            for group in groups:
                rows = group.rows[wanted[group.rows, image_ind]]
                for part in rows.split(self.batch_size) if len(rows) else ():
                    found = model.detect_pairs(group.take(part), PairImages(maps, [sample]))
                    keys = [(queries[row], image_ind) for row in part.tolist()]
                    pairs.update(zip(keys, (_in_original(one, sample) for one in found), strict=True))
            done.append(image_ind)
            progress.add(int(wanted[:, image_ind].sum()))
            if time.monotonic() - last >= self.save_interval:
                files.write(number, done, pairs)
                pairs, done, last = {}, [], time.monotonic()
        if done:
            files.write(number, done, pairs)

    def _group_queries(self, model: nn.Module, queries: Sequence[int]) -> list[_QueryGroup]:
        """Compute the maps of some queries; those of one size are a group."""
        places = [self.protocol.image_index[self.protocol.queries[i].img_id] for i in queries]
        shared = {image: (maps, sample) for image, maps, sample in self._shared(model, sorted(set(places)))}
        by_size: dict[tuple, list[int]] = {}
        for row, image in enumerate(places):
            maps, sample = shared[image]
            by_size.setdefault((maps.shape, sample.batch_input_shape), []).append(row)
        return [
            _QueryGroup(
                rows=torch.tensor(rows),
                maps=torch.cat([shared[places[row]][0] for row in rows]),
                data_samples=[with_query(shared[places[row]][1], queries[row]) for row in rows],
            )
            for rows in by_size.values()
        ]

    def _shared(self, model: nn.Module, image_inds: Sequence[int]) -> Iterator[tuple[int, Tensor, DetDataSample]]:
        """Read images and compute their maps (1, C, h, w)."""
        own = self.dataloader
        loader = DataLoader(
            own.dataset,
            batch_size=1,
            sampler=list(image_inds),
            num_workers=min(own.num_workers, len(image_inds)),
            collate_fn=own.collate_fn,
            worker_init_fn=own.worker_init_fn,
        )
        for image_ind, batch in zip(image_inds, loader):
            data = model.data_preprocessor(batch, False)
            yield image_ind, model.extract_shared(data["inputs"]), data["data_samples"][0]


@dataclass
class _QueryGroup:
    """Queries of a pass, by their (n,) ``rows`` in it, whose images have one size."""

    rows: Tensor
    maps: Tensor
    data_samples: list[DetDataSample]

    def take(self, rows: Tensor) -> PairImages:
        """Return the queries of some of the rows, in order; without a copy of the maps if they are neighbors."""
        places = torch.searchsorted(self.rows, rows).tolist()
        neighbors = places[-1] - places[0] == len(places) - 1
        maps = self.maps[places[0] : places[-1] + 1] if neighbors else self.maps[places]
        return PairImages(maps, [self.data_samples[place] for place in places])


class _Progress:
    """Log of how many pairs this process has run, with an estimate of the time."""

    def __init__(self, logger: Any, total: int) -> None:
        self.logger = logger
        self.total = total
        self.number = 0
        self.start = self.last = time.monotonic()

    def add(self, number: int) -> None:
        """Count pairs; log at times and at the end, in the main process."""
        self.number += number
        now = time.monotonic()
        if is_main_process() and (now - self.last >= _LOG_SECONDS or self.number == self.total):
            self.last, pace = now, (now - self.start) / max(self.number, 1)
            eta = timedelta(seconds=round(pace * (self.total - self.number)))
            self.logger.info(
                f"Search by pairs: {self.number}/{self.total} of this process, {1000 * pace:.1f} ms a pair, eta: {eta}"
            )


def describe_search(
    model: nn.Module, config: ConfigDict, protocol: SearchProtocol, max_queries: int, fp16: bool
) -> dict[str, Any]:
    """Describe what the results of pairs depend on, as plain data: weights, model, pipeline and protocol."""
    weights = hashlib.sha256()
    for name, value in model.state_dict().items():
        weights.update(f"{name} {value.dtype} {tuple(value.shape)}\0".encode())
        weights.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    dataset = config.get("test_dataloader", {}).get("dataset", {})
    parts = (config.get("model"), dataset.get("pipeline"))
    names = [scene.img_id for scene in protocol.images]
    galleries = hashlib.sha256(repr((type(protocol.galleries).__name__, names)).encode())
    for lists in getattr(protocol.galleries, "lists", {}).values():
        for one in lists:
            galleries.update(one.image_inds.tobytes() + b"\0")
    for query in protocol.queries:
        galleries.update(f"{query.img_id} {query.bbox.tolist()}\0".encode())
    return dict(
        weights=weights.hexdigest(),
        config=hashlib.sha256(repr(parts).encode()).hexdigest(),
        protocol=galleries.hexdigest(),
        data=dict(protocol.data),
        max_queries=max_queries,
        fp16=fp16,
        version=describe_versions()["mmpersonsearch"],
    )


def _count(wanted: Sequence[Tensor], image_inds: Sequence[list[int]]) -> int:
    """Number of pairs of each pass' queries with some images."""
    return int(sum(w[:, images].sum() for w, images in zip(wanted, image_inds)))


def with_query(sample: DetDataSample, query_ind: int) -> DetDataSample:
    """Return a data sample of one of the queries of an image, for :class:`PairImages`."""
    queries = sample.query_instances
    alone = DetDataSample(metainfo=sample.metainfo)
    alone.query_instances = InstanceData(bboxes=queries.bboxes[queries.query_ids == query_ind])
    return alone


def _in_original(found: InstanceData, sample: DetDataSample) -> InstanceData:
    """A pair's results on the CPU, with boxes in pixels of the original image."""
    bboxes = scale_boxes(found.bboxes, [1 / s for s in sample.scale_factor])
    return InstanceData(bboxes=bboxes.cpu(), scores=found.scores.cpu(), similarities=found.similarities.cpu())
