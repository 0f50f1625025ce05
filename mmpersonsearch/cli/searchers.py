"""Shared parts of the commands that search pictures: the model's arguments, galleries."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from urllib.parse import urlparse

from mmpersonsearch.apis import Gallery, PersonSearchInferencer
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.memory import keep_freed_memory

from .command_line import add_config_options, add_device, positive

DEFAULT_MODEL = "two-step_coco_msmt17"


def add_model(parser: ArgumentParser) -> None:
    """Add the arguments of a model: config, weights, device."""
    parser.add_argument("--model", help=f"config, its file or a name ({DEFAULT_MODEL}, which needs no training)")
    parser.add_argument("--weights", help="checkpoint, file or URL; by default that of the metafile")
    parser.add_argument("--detector-weights", metavar="FILE", help="of a two-step model's detector: .pth, .onnx or URL")
    parser.add_argument("--reid-weights", metavar="FILE", help="of its Re-ID model: .pth, .onnx or URL")
    parser.add_argument("--amp", action="store_true", help="compute in mixed precision")
    add_device(parser)
    add_config_options(parser)


def add_gallery(parser: ArgumentParser) -> None:
    """Add a gallery and the arguments of a server."""
    parser.add_argument("gallery", help="folder of the gallery, or address of a Milvus server (http://host:19530)")
    add_server(parser)


def add_server(parser: ArgumentParser) -> None:
    """Add the arguments of a server."""
    parser.add_argument("--collection", default="gallery", help="name of the gallery on a server (gallery)")
    parser.add_argument("--token", default="", help="of the server, such as root:Milvus")
    parser.add_argument("--db-name", default="", help="database on the server")


def add_effort(parser: ArgumentParser) -> None:
    """Add the effort of an approximate index."""
    help_text = "of an approximate index: ef of HNSW, nprobe of IVF; more finds more, in more time"
    parser.add_argument("--effort", type=positive, metavar="N", help=help_text)


def server_of(args: Namespace) -> dict[str, str]:
    """Return the arguments of a server."""
    return dict(collection=args.collection, token=args.token, db_name=args.db_name)


def open_gallery(args: Namespace) -> Gallery:
    """Open the gallery that the arguments name; for errors see :class:`Gallery`."""
    return Gallery(args.gallery, **server_of(args))


def build_searcher(args: Namespace, fps: float = 1.0) -> PersonSearchInferencer:
    """Build the inferencer that the arguments name; for errors see there."""
    keep_freed_memory()
    weights = dict(weights=args.weights, detector_weights=args.detector_weights, reid_weights=args.reid_weights)
    model = args.model or (None if args.weights else "two-step_exported" if _exported(args) else DEFAULT_MODEL)
    options = dict(device=args.device, amp=args.amp, fps=fps, cfg_options=args.cfg_options)
    return PersonSearchInferencer(model, **weights, **options)


def searcher_of(args: Namespace, gallery: Gallery) -> PersonSearchInferencer:
    """Build the inferencer that made a gallery, unless the arguments name another.

    Raises:
        InputError: It was made from Python, by a config that is in no file.
    """
    if args.model or args.weights or args.detector_weights:
        return build_searcher(args)
    made_by = gallery.facts["searcher"]
    if made_by["model"].startswith("Config"):
        raise InputError(f"gallery {gallery.place} was made by a config in no file: expected --model and --weights")
    keep_freed_memory()
    made_by = {**made_by, "model": None if made_by["model"] == "None" else made_by["model"]}
    return PersonSearchInferencer(**made_by, device=args.device, amp=args.amp, show_progress=False)


def _exported(args: Namespace) -> bool:
    return urlparse(args.detector_weights or "").path.endswith(".onnx")
