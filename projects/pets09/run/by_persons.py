"""mAP and top-1 of all queries, of those whose person is in training, and of the others.

python -m projects.pets09.run.by_persons CONFIG --fixed                         # embeddings without a model, true boxes
python -m projects.pets09.run.by_persons CONFIG --checkpoint model.pth          # a model on the true boxes
python -m projects.pets09.run.by_persons CONFIG --predictions predictions.pkl   # of mmpersonsearch test --out
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmengine.structures import InstanceData
from torch import Tensor

from mmpersonsearch.apis import build_model
from mmpersonsearch.cli.command_line import add_config, exit_on_bad_input, print_table
from mmpersonsearch.cli.on_boxes import embed, given_boxes
from mmpersonsearch.cli.run_config import build_evaluation, read_config_of
from mmpersonsearch.evaluation import evaluate_search
from mmpersonsearch.evaluation.metrics.search_results import SearchResultsMetric
from mmpersonsearch.evaluation.predictions import read_predictions
from mmpersonsearch.registry import DATASETS
from projects.synthetic_benchmark.run.fixed_embeddings import embed_true_boxes, random_embedding, stripe_histogram

PROG = "python -m projects.pets09.run.by_persons"


class ByPersonsMetric(SearchResultsMetric):
    """mAP and top-1, in [0, 1], of ``all`` queries, the ``seen`` and the ``unseen`` ones; galleries stay whole.

    Args:
        trained: Identities of the training set.
        kwargs: Arguments of :class:`SearchResultsMetric`.
    """

    def __init__(self, trained: set[int], **kwargs) -> None:
        super().__init__(**kwargs)
        self.trained = trained

    def measure(self, detections: Sequence[InstanceData], query_feats: Tensor) -> dict[str, float]:
        """See :meth:`SearchResultsMetric.measure`; a group without queries is left out."""
        protocol = self.search_protocol()
        seen = torch.tensor([query.person_id in self.trained for query in protocol.queries])
        metrics = {}
        for name, kept in {"all": torch.ones_like(seen), "seen": seen, "unseen": ~seen}.items():
            if kept.any():
                part = replace(protocol, queries=[query for query, keep in zip(protocol.queries, kept) if keep])
                result = evaluate_search(part, detections, query_feats[kept], topk=(1,))
                metrics |= {f"{name} ({len(part.queries)}) mAP": result.mAP, f"{name} top-1": result.topk[1]}
        return metrics


def trained_persons(config: Config) -> set[int]:
    """Return the identities of a config's training set, as its annotations number them."""
    dataset = DATASETS.build({**config.train_dataloader.dataset, "pipeline": []})
    return {int(person) for scene in dataset.read_training() for person in scene.person_ids if person >= 0}


def measure_on_true_boxes(config: Config, checkpoint: str, metric: ByPersonsMetric) -> dict[str, float]:
    """Embed the true boxes by a model, as ``mmpersonsearch on-boxes`` does, and measure."""
    model = build_model(config, checkpoint, "cpu")
    boxes = given_boxes(metric.search_protocol(), None)
    with DefaultScope.overwrite_default_scope(config.default_scope):
        loader = Runner.build_dataloader(config.test_dataloader)
    for batch in loader:
        metric.process(batch, [sample.to_dict() for sample in embed(model, batch, boxes)])
    return metric.evaluate(len(loader.dataset))


def main(argv: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog=PROG, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_config(parser)
    parser.add_argument("--fixed", action="store_true", help="a random embedding and a six-stripe histogram")
    parser.add_argument("--checkpoint", help="of the config's model")
    parser.add_argument("--predictions", metavar="PREDICTIONS.pkl", help="the model's own boxes")
    args = parser.parse_args(argv)
    rows = {}
    with exit_on_bad_input(PROG):
        config = read_config_of(args)
        _, dataset = build_evaluation(config)
        metric = ByPersonsMetric(trained_persons(config))
        metric.dataset_meta = dataset.metainfo
        if args.fixed:
            for name, embedding in {"random": random_embedding(0), "six-stripe histogram": stripe_histogram}.items():
                rows[name] = metric.measure(*embed_true_boxes(dataset, embedding))
        if args.predictions:
            found = read_predictions(args.predictions, metric.search_protocol(), det_thr=metric.det_thr)
            rows["own boxes"] = metric.measure(found.detections, found.query_feats)
        if args.checkpoint:
            rows["true boxes"] = measure_on_true_boxes(config, args.checkpoint, metric)
    if not rows:
        parser.error("expected --fixed, --checkpoint or --predictions")
    keys = next(iter(rows.values()))
    percents = [(name, *(f"{100 * row[key]:.1f}" for key in keys)) for name, row in rows.items()]
    print_table("Search (%)", ("", *keys), percents)


if __name__ == "__main__":
    main()
