"""Detection and embedding of persons in one's own pictures and videos."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.dataset import Compose
from mmengine.visualization import Visualizer
from torch import nn

from mmpersonsearch.engine.fast_testing import make_fast
from mmpersonsearch.models.detectors import QEEPSDetector
from mmpersonsearch.registry import TRANSFORMS, import_mmdet
from mmpersonsearch.utils.config_files import find_config, read_config_file
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.media import Item, list_items, read_frame, split_frame
from mmpersonsearch.utils.scene_files import names_below

from .gallery import Gallery
from .indexing import CameraAndTime, index_archive
from .model import build_model, config_of_training, fingerprint, published_weights
from .query import Query, embed_query

import_mmdet()  # hides its notices

from mmdet.apis import DetInferencer  # noqa: E402
from mmdet.structures import DetDataSample  # noqa: E402


class PersonSearchInferencer(DetInferencer):
    """MMDetection's ``DetInferencer`` for models that embed persons.

    ::

        searcher = PersonSearchInferencer("two-step_coco_msmt17", device="cuda")
        searcher(["a.jpg", "b.jpg"], out_dir="out")
        query = searcher.embed("me.jpg", bbox=(10, 20, 60, 180))

    It is called with files, folders (with all that is below), videos, BGR arrays or lists of these, and MMDetection's
    options (``batch_size``, ``out_dir``, ``return_datasamples``, ``pred_score_thr``, ...). A prediction has ``bboxes``,
    ``scores``, ``labels`` and ``reid_feats``.

    Args:
        model: A config, its file, or the name of one of the package's; None takes it from the weights, if they are of
            one of this package's trainings.
        weights: File or URL; None takes the metafile's, where it has some.
        device: By default the accelerator, if there is one.
        detector_weights: Of a two-step model in two files, see ``TwoStepPersonSearch.load_parts``.
        reid_weights: The Re-ID model's.
        amp: Whether to compute in mixed precision.
        compile: Whether to compile the networks by ``torch.compile``; see :func:`make_fast`.
        fps: Frames a second that are taken from a video.
        cfg_options: Dotted keys of the config and their values.
        show_progress: Whether to show a progress bar.

    Raises:
        FileNotFoundError: There is no such config or file.
        InputError: No weights; they do not fit the model; the model compares pairs of images (QEEPS); no C++ compiler.
    """

    def __init__(
        self,
        model: str | Path | Config | None = None,
        weights: str | None = None,
        device: str | None = None,
        detector_weights: str | None = None,
        reid_weights: str | None = None,
        amp: bool = False,
        compile: bool = False,
        fps: float = 1.0,
        cfg_options: dict[str, Any] | None = None,
        show_progress: bool = True,
    ) -> None:
        if (detector_weights is None) != (reid_weights is None) or (weights and reid_weights):
            raise InputError("expected weights, or detector_weights and reid_weights")
        if model is None and weights is None:
            raise InputError("expected model, a config or its name, or weights that have their config")
        self.amp, self.fps, self.cfg_options = amp, fps, cfg_options or {}
        texts = dict(weights=weights, detector_weights=detector_weights, reid_weights=reid_weights, model=str(model))
        texts = {key: os.path.abspath(text) if text and os.path.exists(text) else text for key, text in texts.items()}
        self.arguments = dict(cfg_options=cfg_options, **texts)  # by which a gallery's command builds it again
        self.name = "checkpoint" if model is None else Path(getattr(model, "filename", None) or str(model)).stem
        parts = None if reid_weights is None else [str(detector_weights), str(reid_weights)]
        config = read_config_file(find_config(str(model))) if isinstance(model, str | Path) else model
        config = config_of_training(weights) if config is None else config
        if weights is None and isinstance(model, str | Path):
            weights = parts or published_weights(str(config.filename))
        super().__init__(config, weights or parts, device, scope="mmpersonsearch", show_progress=show_progress)
        self.fingerprint = fingerprint(self.model, self.cfg)
        self.model = make_fast(self.model, compile, self.device)

    def _init_model(self, cfg: Config, weights: str | list[str] | None, device: str) -> nn.Module:
        if weights is None:
            raise InputError(f"{self.name} has no published weights, expected weights, a checkpoint")
        cfg.merge_from_dict(self.cfg_options)
        model = build_model(cfg, weights if isinstance(weights, str) else None)
        if isinstance(model, QEEPSDetector):
            raise InputError(f"{self.name} (QEEPS) compares pairs of images, expected a model that embeds persons")
        if not isinstance(weights, str):
            model.load_parts(*weights)
        model.dataset_meta = dict(classes=("person",), palette=[(0, 114, 178)])
        self.device = torch.device(device)
        return model.to(device)

    def _init_pipeline(self, cfg: ConfigDict) -> Callable[[Item | dict], dict]:
        steps = [dict(step) for step in cfg.test_dataloader.dataset.pipeline]
        loads = [step for step in steps if step["type"].rpartition(".")[2].startswith("Load")]
        self._loader = TRANSFORMS.build(loads[0])
        transforms = Compose([TRANSFORMS.build(step) for step in steps if step not in loads])

        def prepare(item: Item | dict) -> dict:
            given = item if isinstance(item, dict) else dict(img=item)
            return transforms({**self.load(given["img"]), **{k: v for k, v in given.items() if k != "img"}})

        return prepare

    def _init_visualizer(self, cfg: ConfigDict) -> Visualizer | None:
        if "visualizer" in cfg:
            cfg.visualizer.vis_backends = None  # files are written by their own names, see visualize
            # MMEngine would give the one of this name, with this data set's identities, to a later runner.
            cfg.visualizer.pop("name", None)
        return super()._init_visualizer(cfg)

    def load(self, item: Item) -> dict[str, Any]:
        """Load a picture as a pipeline has it: ``img`` (h, w, 3) BGR, ``img_path``, ``img_shape``, ``ori_shape``.

        Raises:
            FileNotFoundError: There is no such file.
            InputError: It cannot be read.
        """
        path, second = split_frame(item) if isinstance(item, str) else ("", None)
        if isinstance(item, str) and second is None:
            return self._loader(dict(img_path=item, img_id=item))
        image = item if second is None else read_frame(path, second)
        if image.ndim != 3 or image.shape[2] != 3:
            raise InputError(f"expected an image (h, w, 3) in BGR, got shape {image.shape}")
        shape = image.shape[:2]
        return dict(img=image, img_path=str(item) if second else path, img_id=path, img_shape=shape, ori_shape=shape)

    def _inputs_to_list(self, inputs: Item | Path | Iterable[Item | Path]) -> list[Item]:
        """List the pictures: files of folders, sorted, and the sampled frames of videos."""
        items = list_items(inputs, self.fps)
        self._names = names_below([split_frame(item)[0] for item in items if isinstance(item, str)])
        return items

    def forward(self, inputs: dict, **kwargs: Any) -> list[DetDataSample]:
        """Run the model on a batch."""
        with torch.autocast(self.device.type, enabled=self.amp):
            return super().forward(inputs, **kwargs)

    def predict(self, items: Iterable[Item | dict], batch_size: int = 1) -> Iterator[DetDataSample | Exception]:
        """Yield the data sample of each picture, or the error for which it cannot be read.

        Args:
            items: Pictures, or ``dict(img=picture, query_instances=dict(bboxes=(Q, 4), query_ids=(Q,)))``.
            batch_size: Pictures that the model sees at a time.
        """
        waiting: list[dict | Exception] = []
        for item in items:
            try:
                waiting.append(self.pipeline(item))
            except (InputError, OSError) as error:
                waiting.append(error)
            if len(waiting) == batch_size:
                yield from self._predict(waiting)
                waiting = []
        yield from self._predict(waiting)

    def _predict(self, waiting: list[dict | Exception]) -> Iterator[DetDataSample | Exception]:
        readable = [one for one in waiting if isinstance(one, dict)]
        samples = iter(self.forward(self.collate_fn(readable)) if readable else [])
        return (next(samples).cpu() if isinstance(one, dict) else one for one in waiting)

    def embed(
        self,
        pictures: Item | Sequence[Item],
        bbox: Sequence[float] | Sequence[Sequence[float]] | None = None,
        pick: int | Sequence[int] | None = None,
        score_thr: float | None = None,
    ) -> Query:
        """Embed a person for a search.

        Args:
            pictures: One or several of the same person.
            bbox: The person, xyxy in pixels; of several pictures, one box each.
            pick: Number of the person among the detections, from 1, from left to right, without a box; or one each.
            score_thr: Least score of detections, by default the config's ``det_thr``.

        Raises:
            FileNotFoundError: A picture is missing.
            InputError: A picture cannot be read; a box is none or outside; without a box, nobody or several persons
                were detected: the message lists the numbered boxes.
        """
        return embed_query(self, pictures, bbox, pick, self.score_thr if score_thr is None else score_thr)

    @property
    def score_thr(self) -> float:
        """Least score of detections that are indexed: the config's ``test_evaluator.det_thr``, else 0.5."""
        evaluator = self.cfg.get("test_evaluator")
        return evaluator.get("det_thr", 0.5) if isinstance(evaluator, dict) else 0.5

    def index(
        self,
        inputs: str | Path | Sequence[str | Path],
        out: str | Path,
        camera: str | None = None,
        time_format: str | None = None,
        batch_size: int = 1,
        score_thr: float | None = None,
        index_type: str | None = None,
        **server: str,
    ) -> Gallery | None:
        """Add the persons of an archive to a gallery; what it has already is not embedded again.

        In a distributed run, each rank embeds its share and rank 0 adds all.

        Args:
            inputs: Folder, files, videos.
            out: Folder of the gallery, or address of a server; see :class:`Gallery`.
            camera: See :class:`CameraAndTime`.
            time_format: See :class:`CameraAndTime`.
            batch_size: Pictures that the model sees at a time.
            score_thr: Least score of persons, by default the config's ``det_thr``; a gallery keeps that of its first.
            index_type: See :meth:`Gallery.set_index`; None keeps what the gallery has, exact in a new one.
            server: ``collection``, ``token`` and ``db_name`` of :class:`Gallery`.

        Returns:
            The gallery, whose ``report`` tells what was added and skipped; None in ranks other than 0.

        Raises:
            FileNotFoundError: A file is missing.
            InputError: There is no picture; the gallery is another model's, or held by another process; its disk is
                full, its server gone: what was added before is kept, and the same call resumes.
        """
        meta = CameraAndTime(camera, time_format)
        return index_archive(self, inputs, out, meta, batch_size, score_thr, index_type, server)

    @property
    def width(self) -> int:
        """Width of the embeddings."""
        with torch.no_grad(), torch.device(self.device):
            return self.model.embed(torch.zeros(1, 3, 64, 64), [torch.zeros(0, 4)])[0].shape[1]

    def visualize(
        self,
        inputs: list[Item],
        preds: list[DetDataSample],
        return_vis: bool = False,
        show: bool = False,
        no_save_vis: bool = False,
        img_out_dir: str = "",
        **kwargs: Any,
    ) -> list[np.ndarray] | None:
        """Draw the detections; in ``img_out_dir`` under ``vis/``, by the files' paths below their common folder."""
        img_out_dir = "" if no_save_vis else img_out_dir
        if not (show or return_vis or img_out_dir):
            return None
        pictures = []
        for item, sample in zip(inputs, preds):
            name = self._out_name(item, self.num_visualized_imgs)
            file = name if name.lower().endswith((".jpg", ".jpeg", ".png")) else f"{name}.jpg"
            out_file = os.path.join(img_out_dir, "vis", file) if img_out_dir else None
            image = self.load(item)["img"][..., ::-1]
            options = {key: kwargs[key] for key in ("wait_time", "draw_pred", "pred_score_thr") if key in kwargs}
            self.visualizer.add_datasample(name, image, sample, draw_gt=False, show=show, out_file=out_file, **options)
            pictures.append(self.visualizer.get_image())
            self.num_visualized_imgs += 1
        return pictures

    def pred2dict(self, data_sample: DetDataSample, pred_out_dir: str = "") -> dict[str, Any]:
        """Return a prediction as plain data, and write it to ``preds/`` in a folder that is given."""
        found = data_sample.pred_instances.cpu()
        result = {key: found[key].tolist() for key in ("labels", "scores", "bboxes", "reid_feats")}
        if pred_out_dir:
            name = self._out_name(data_sample.img_path, self.num_predicted_imgs)
            path = Path(pred_out_dir, "preds", f"{name}.json")
            self.num_predicted_imgs += 1
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(result))
        return result

    def _out_name(self, item: Item, number: int) -> str:
        if not isinstance(item, str) or split_frame(item)[0] not in self._names:
            return f"{number:08d}"
        path, second = split_frame(item)
        return self._names[path] + ("" if second is None else f"_{second:.3f}s")
