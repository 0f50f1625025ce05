"""The page in Gradio: its parts, and what their events call."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.times import time_text

from . import views
from .desk import Desk, Filters, Visit

_HERE = Path(__file__).parent
CSS = (_HERE / "page.css").read_text()
_JS = (_HERE / "page.js").read_text()
_VISIT_SECONDS = 3600  # after which what a visitor left is forgotten


def build_blocks(desk: Desk, name: str, most_megabytes: float) -> gr.Blocks:
    """Build the page.

    Args:
        desk: What it does.
        name: Of the gallery.
        most_megabytes: Size of pictures that a visitor may bring.
    """
    page = _Page(desk, most_megabytes)
    with _Blocks(title=f"Person search: {name}", analytics_enabled=False, fill_width=True) as blocks:
        page.lay_out(name)
        page.connect(blocks)
    return blocks.queue(default_concurrency_limit=4, max_size=64, api_open=False)


class _Blocks(gr.Blocks):
    """Blocks that take no files: Gradio would copy what a request names, of this machine or of another."""

    def validate_inputs(self, block_fn: Any, inputs: list[Any]) -> None:
        """Raise Gradio's error for a value that is no text, no number and no list of texts."""
        super().validate_inputs(block_fn, inputs)
        values = [one for value in inputs for one in (value if isinstance(value, list) else [value])]
        if not all(one is None or isinstance(one, str | int | float) for one in values):
            raise gr.Error("expected texts and numbers", print_exception=False)


class _Page:
    """Parts of the page and their events."""

    def __init__(self, desk: Desk, most_megabytes: float) -> None:
        self.desk, self.most_megabytes = desk, most_megabytes

    def lay_out(self, name: str) -> None:
        """Create the parts."""
        archive = self.desk.archive
        self.visit = gr.State(Visit(), time_to_live=_VISIT_SECONDS)
        gr.Markdown(
            f"# Person search\n{views.escape(name)}: {archive.number:,} pictures, {archive.persons:,} persons"
            + (f", {len(archive.cameras)} cameras" if archive.cameras else "")
        )
        with gr.Row():
            with gr.Column(scale=2, min_width=320):
                gr.Markdown("## 1. Choose a picture")
                with gr.Tab("Your own"):
                    self.drop = _part(views.drop_zone(self.most_megabytes), "drop")
                with gr.Tab("Of the archive"):
                    with gr.Row():
                        self.text = gr.Textbox(label="Part of the name", min_width=120)
                        choices = [("all", ""), *((camera, camera) for camera in archive.cameras)]
                        shown = bool(archive.cameras)
                        self.camera = gr.Dropdown(choices, value="", label="Camera", min_width=120, visible=shown)
                    self.listing = _part("", "archive")
                gr.Markdown("## 2. Click the person")
                self.stage = _part(views.stage(Visit()), "stage")
            with gr.Column(scale=3, min_width=320):
                gr.Markdown("## 3. Look at the hits")
                self.filters = self._lay_out_filters()
                self.results = _part(views.results(Visit(), self.desk), "results")

    def _lay_out_filters(self) -> list[gr.components.Component]:
        archive = self.desk.archive
        ends = [time_text(time).removesuffix(" s") for time in archive.times or (0, 0)]
        with gr.Accordion("Filters and order", open=False):
            rcp = gr.Checkbox(
                label="Rank with context persons (RCP)",
                info="Scenes that also show companions of the person come first.",
            )
            with gr.Row():
                shown = bool(archive.cameras)
                cameras = gr.Dropdown(archive.cameras, multiselect=True, label="Cameras", min_width=160, visible=shown)
                topk = gr.Slider(5, 100, 20, step=5, label="Number of hits", min_width=160)
                least = gr.Slider(0, 1, self.desk.min_similarity, step=0.01, label="Least similarity", min_width=160)
            with gr.Row(visible=archive.times is not None):
                after = gr.Textbox(label="From", placeholder=ends[0], min_width=160)
                before = gr.Textbox(label="Before", placeholder=ends[1], min_width=160)
        return [rcp, topk, cameras, after, before, least]

    def connect(self, blocks: gr.Blocks) -> None:
        """Connect the parts' events with the desk."""
        options = dict(show_progress="minimal", api_visibility="private")
        inputs, outputs = [self.visit, *self.filters], [self.visit, self.stage, self.results]
        opened = [self.visit, self.stage]
        # In their order: Gradio's default drops a click that comes before the last one is answered.
        acts = options | dict(trigger_mode="multiple", concurrency_limit=1)
        self.drop.act(self.on_drop, [self.visit], opened, **acts)
        self.listing.act(self.on_listing, [self.visit], [*opened, self.listing], **acts)
        self.stage.act(self.on_stage, inputs, outputs, **acts)
        self.results.act(self.on_results, inputs, outputs, **acts)
        rcp, topk, cameras, after, before, least = self.filters
        events = [part.change for part in (rcp, topk, cameras, least)]
        events += [event for text in (after, before) for event in (text.submit, text.blur)]
        found = [self.visit, self.results]
        gr.on(events, self.on_filter, inputs, found, trigger_mode="always_last", **options)
        events = [blocks.load, self.text.submit, self.text.blur, self.camera.change]
        listed = [self.visit, self.listing]
        gr.on(events, self.on_list, [self.visit, self.text, self.camera], listed, **options)

    def on_drop(self, event: gr.EventData, visit: Visit) -> tuple:
        """Open a picture that was dropped."""
        return self._open(visit, lambda: self.desk.open_upload(visit, _content(event), str(event.name)[:200]))

    def on_listing(self, event: gr.EventData, visit: Visit) -> tuple:
        """Open a picture of the list, or turn its page."""
        number = int(event.number)
        if event.act == "page":
            with self.desk.lock:
                return visit, gr.skip(), views.archive_page(visit, self.desk.archive, number)
        return *self._open(visit, lambda: self.desk.open_archived(visit, _of(visit.listed, number)["image"])), gr.skip()

    def on_stage(self, event: gr.EventData, visit: Visit, *filters: Any) -> tuple:
        """Choose a person, by a click or two, and search."""

        def choose() -> None:
            if event.act == "box":
                self.desk.choose_box(visit, [float(x) for x in event.corners])
            else:
                self.desk.choose(visit, int(event.number))

        with self.desk.lock:
            error = _error_of(choose)
            wrong = "" if error else _error_of(lambda: self.desk.search(visit, _filters(filters)))
            return visit, views.stage(visit, error), gr.skip() if error else views.results(visit, self.desk, wrong)

    def on_results(self, event: gr.EventData, visit: Visit, *filters: Any) -> tuple:
        """Mark a hit, search again, or open the scene of a hit."""
        if event.act == "scene":
            rank = int(event.number)
            opened = self._open(visit, lambda: self.desk.open_archived(visit, self.desk.hit(visit, rank).image))
            return *opened, gr.skip()

        def act() -> None:
            if event.act == "again":
                self.desk.search(visit, _filters(filters))
            else:
                self.desk.mark(visit, int(event.number), event.act == "right")

        return visit, gr.skip(), self._results(visit, act)

    def on_filter(self, visit: Visit, *filters: Any) -> tuple:
        """Search again by other filters."""
        return visit, self._results(visit, lambda: self.desk.search(visit, _filters(filters)))

    def on_list(self, visit: Visit, text: str, camera: str) -> tuple:
        """List pictures of the archive."""
        with self.desk.lock:
            visit.listed = self.desk.archive.list(text or "", camera or "")
            return visit, views.archive_page(visit, self.desk.archive, 0)

    def _open(self, visit: Visit, open_picture: Callable[[], None]) -> tuple:
        with self.desk.lock:
            return visit, views.stage(visit, _error_of(open_picture))

    def _results(self, visit: Visit, act: Callable[[], None]) -> str:
        with self.desk.lock:
            return views.results(visit, self.desk, _error_of(act))


def _part(value: str, name: str) -> gr.HTML:
    return gr.HTML(value, js_on_load=_JS, elem_id=name, elem_classes="page-part", apply_default_css=False)


def _error_of(act: Callable[[], None]) -> str:
    """Do something and return the message of its error of input, which is shown; empty without."""
    try:
        act()
    except (InputError, OSError) as error:
        return str(error)
    return ""


def _content(event: gr.EventData) -> bytes:
    try:
        return base64.b64decode(event.content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError("the picture did not arrive whole: send it again") from error


def _of(listed: list[dict[str, Any]], number: int) -> dict[str, Any]:
    if not 0 <= number < len(listed):
        raise InputError(f"there is no picture {number}")
    return listed[number]


def _filters(values: tuple) -> Filters:
    rcp, topk, cameras, after, before, least = values
    ranking = "rcp" if rcp else "similarity"
    return Filters(ranking, int(topk or 20), cameras or (), after or "", before or "", float(least or 0))
