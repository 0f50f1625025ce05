"""Pictures of ranking lists: each query beside its best matches, as crops or whole scenes."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from PIL import Image

from mmpersonsearch.structures import Query, RankingList, SceneImage, SearchProtocol
from mmpersonsearch.utils.scene_files import names_below

LoadImage = Callable[[str | int], Image.Image | np.ndarray]

RIGHT, WRONG, QUERY, OTHER = "#008c3c", "#d62728", "#ffb000", "#696969"
DPI = 100
_CROP, _SCENE = (120, 240), (490, 280)  # width and height of a cell in pixels
_WHOLE = (0, 0, 1e6, 1e6)  # box of an image of one person; it is clipped to the image
_GAP, _LINE = 14, 16  # between cells; of a title's line
# DejaVu Sans has the tick and the cross.
_STYLE = {"font.family": "DejaVu Sans", "axes.facecolor": "#ececec", "axes.linewidth": 3.6, "legend.frameon": False}


def draw_ranking(
    protocol: SearchProtocol,
    rankings: Sequence[RankingList],
    load_image: LoadImage,
    out_file: str | Path | None = None,
    title: str = "",
    row_titles: Sequence[str] | None = None,
    scenes: bool = False,
    match_titles: Sequence[str] | None = None,
) -> Figure:
    """Draw rows: a query, then the best match of each of its k best gallery images.

    True matches have a green frame and a tick, false ones a red frame and a cross. Rank, similarity, camera and image
    of a match are below it.

    Args:
        protocol: Test images and queries.
        rankings: Rows, from :func:`mmpersonsearch.evaluation.rank_gallery`. Successive rows of one query, such as
            several models', show it once.
        load_image: Function from an ``img_id`` to a PIL image or (h, w, 3) uint8 RGB.
        out_file: PNG, JPEG or SVG file to write.
        title: Title of the picture.
        row_titles: Titles of the rows, above their queries; see :func:`query_titles`.
        scenes: Draw whole scenes, not crops: with the box of the query; with the matched box of a match, green (true)
            or red (false), the other detections, thin and gray, and dashed the true box if another was matched.
        match_titles: Titles of the rows' matches, such as the models' names; with them ``row_titles`` should be short.

    Returns:
        The figure.

    Raises:
        ValueError: There is no row, or a wrong number of titles.
    """
    if len(rankings) == 0:
        raise ValueError("draw_ranking: no ranking list to draw")
    for name, titles in (("row_titles", row_titles), ("match_titles", match_titles)):
        if titles is not None and len(titles) != len(rankings):
            raise ValueError(f"draw_ranking: {len(rankings)} rows but {len(titles)} {name}")
    num_columns = 1 + max(1, *(len(ranking.image_inds) for ranking in rankings))
    width = (_SCENE if scenes else _CROP)[0]
    page = num_columns * (width + _GAP) - _GAP
    title = _wrap(title, page, 14)
    of_matches = [_wrap(text, page - width - _GAP, 9) for text in match_titles or [""] * len(rankings)]
    of_queries = [_wrap(text, page if match_titles is None else width, 9) for text in row_titles or of_matches]
    num_lines = 1 + max(text.count("\n") for text in (*of_queries, *of_matches))
    is_new = [a is None or a.query_ind != b.query_ind for a, b in zip((None, *rankings), rankings)]
    with rc_context(_STYLE):
        legend = _legend(protocol) if scenes else []
        figure, rows = _make_page(len(rankings), num_columns, title, num_lines, legend, scenes)
        cells = _Cells(protocol, load_image, scenes)
        for row, ranking, of_query, of_match, new in zip(rows, rankings, of_queries, of_matches, is_new):
            for axes, text in ((row[0], of_query if new or match_titles is None else ""), (row[1], of_match)):
                axes.set_title(text, loc="left", fontsize=9, parse_math=False)
            if new:
                cells.draw_query(row[0], ranking)
            else:
                row[0].set_axis_off()
            for rank, axes in enumerate(row[1:]):
                if rank < len(ranking.image_inds):
                    cells.draw_match(axes, ranking, rank)
                else:
                    axes.set_axis_off()
        if not all(is_new):
            _rule_between_queries(figure, [row[0] for row, new in zip(rows, is_new) if new][1:], num_lines)
    if out_file is not None:
        Path(out_file).parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(out_file)
    return figure


def draw_crop_ranking(
    queries: Sequence[tuple[str, int, int]],
    gallery: Sequence[tuple[str, int, int]],
    rankings: Sequence[RankingList],
    load_image: LoadImage,
    out_file: str | Path | None = None,
    title: str = "",
    aps: Mapping[int, float] | None = None,
) -> Figure:
    """Draw ranking lists of Re-ID as :func:`draw_ranking` does those of person search.

    Args:
        queries: Path, person and camera of each query's image.
        gallery: Likewise of the gallery.
        rankings: Rows, from :func:`mmpersonsearch.evaluation.rank_reid`.
        load_image: Function from a path to a PIL image or (h, w, 3) uint8 RGB.
        out_file: PNG, JPEG or SVG file to write.
        title: Title of the picture.
        aps: Average precision by query, for the titles of the rows.
    """
    names = names_below(path for path, *_ in (*queries, *gallery))
    paths = {name: path for path, name in names.items()}
    images = [
        SceneImage(names[path], [_WHOLE], [person], camera)
        for path, person, camera in dict.fromkeys((*gallery, *queries))
    ]
    protocol = SearchProtocol(images, [Query(names[path], _WHOLE, person) for path, person, _ in queries])
    rankings = [replace(one, bboxes=np.tile(_WHOLE, (len(one.image_inds), 1))) for one in rankings]
    titles = query_titles(protocol, [one.query_ind for one in rankings], aps)
    return draw_ranking(protocol, rankings, lambda name: load_image(paths[name]), out_file, title, titles)


def query_titles(
    protocol: SearchProtocol, query_inds: Sequence[int], aps: Mapping[int, float] | None = None
) -> list[str]:
    """Make titles of rows from identity, camera and, if given, average precision of queries."""
    titles = []
    for query_ind in query_inds:
        query = protocol.queries[query_ind]
        camera = protocol.images[protocol.image_index[query.img_id]].camera_id
        parts = [f"query {query_ind}", f"{protocol.class_name} {query.person_id}"]
        parts += [] if camera is None else [f"camera {camera}"]
        parts += [] if aps is None else [ap_title(aps, query_ind)]
        titles.append(", ".join(parts))
    return titles


def ap_title(aps: Mapping[int, float], query_ind: int) -> str:
    """Make a text of a query's average precision, where it has one."""
    return f"AP {100 * aps[query_ind]:.1f}%" if query_ind in aps else "in no gallery image"


def _wrap(text: str, width: int, size: float) -> str:
    """Break a text into lines of a width in pixels; a character is 0.85 of its size in points on average."""
    return textwrap.fill(text, max(8, int(width / (0.85 * size))))


def _make_page(
    num_rows: int, num_columns: int, title: str, num_lines: int, legend: list[Patch], scenes: bool
) -> tuple[Figure, np.ndarray]:
    """Make a figure and its (rows, columns) cells, all of the same size in pixels."""
    width, height = _SCENE if scenes else _CROP
    above, below = 2 + num_lines * _LINE, 62  # room for the texts of a cell
    head, texts = 14 + (6 + 20 * (1 + title.count("\n"))) * bool(title) + 26 * bool(legend), above + below
    size = np.array([num_columns * (width + _GAP) + _GAP, head + num_rows * (height + texts)])
    figure = Figure(figsize=size / DPI, dpi=DPI)
    cells = figure.subplots(num_rows, num_columns, squeeze=False)
    figure.subplots_adjust(
        left=_GAP / size[0],
        right=1 - _GAP / size[0],
        top=1 - (head + above) / size[1],
        bottom=below / size[1],
        wspace=_GAP / width,
        hspace=texts / height,
    )
    left = _GAP / size[0]
    figure.text(left, 1 - 10 / size[1], title, va="top", weight="bold", size=12, parse_math=False)
    if legend:
        place = (left, 1 - (head - 26) / size[1])
        figure.legend(handles=legend, loc="upper left", bbox_to_anchor=place, ncols=5, borderaxespad=0, borderpad=0)
    return figure, cells


def _rule_between_queries(figure: Figure, firsts: list[Axes], num_lines: int) -> None:
    """Draw a thin line above the first rows of queries that have several."""
    width, height = figure.bbox.size
    for axes in firsts:
        y = axes.get_position().y1 + (2 + num_lines * _LINE + 5) / height
        figure.add_artist(Line2D([_GAP / width, 1 - _GAP / width], [y, y], color="#b4b4b4", linewidth=0.8))


def _legend(protocol: SearchProtocol) -> list[Patch]:
    texts = {
        "query": (QUERY, 2, "-"),
        "true match ✓": (RIGHT, 2, "-"),
        "false match ✗": (WRONG, 2, "-"),
        f"the {protocol.class_name}, if another was matched": (RIGHT, 2, "--"),
        "other detections": (OTHER, 0.8, "-"),
    }
    return [
        Patch(fill=False, edgecolor=color, linewidth=width, linestyle=style, label=text)
        for text, (color, width, style) in texts.items()
    ]


class _Cells:
    """Drawer of queries and matches; see :func:`draw_ranking` for the arguments."""

    def __init__(self, protocol: SearchProtocol, load_image: LoadImage, scenes: bool) -> None:
        self.protocol = protocol
        self.load_image = load_image
        self.scenes = scenes

    def draw_query(self, axes: Axes, ranking: RankingList) -> None:
        query = self.protocol.queries[ranking.query_ind]
        scene = self.protocol.images[self.protocol.image_index[query.img_id]]
        self._draw(axes, scene, query.bbox, QUERY, f"{self.protocol.class_name} {query.person_id}", [])

    def draw_match(self, axes: Axes, ranking: RankingList, rank: int) -> None:
        mark, color = ("✓", RIGHT) if ranking.right[rank] else ("✗", WRONG)
        boxes = [(bbox, OTHER, 0.8, "-") for bbox in ranking.other_bboxes[rank]]
        if not ranking.right[rank] and ranking.true_bboxes[rank] is not None:
            boxes.append((ranking.true_bboxes[rank], RIGHT, 2, "--"))
        scene, text = self.protocol.images[ranking.image_inds[rank]], f"{mark} {ranking.similarities[rank]:.3f}"
        self._draw(axes, scene, ranking.bboxes[rank], color, f"{rank + 1}  {text}", boxes)

    def _draw(
        self, axes: Axes, scene: SceneImage, bbox: np.ndarray, color: str, text: str, other_boxes: list[tuple]
    ) -> None:
        pixels = np.asarray(self.load_image(scene.img_id))
        _show(axes, pixels if self.scenes else _crop(pixels, bbox), color)
        if self.scenes:
            for box in (*other_boxes, (bbox, color, 2, "-")):
                _draw_box(axes, *box)
        name = re.sub(r"\.(jpe?g|png)$", "", str(scene.img_id), flags=re.IGNORECASE)
        most = (_SCENE if self.scenes else _CROP)[0] // 6  # characters
        name = name if len(name) <= most else f"{name[: most // 2]}…{name[-(most // 2 - 1) :]}"
        small = name if scene.camera_id is None else f"camera {scene.camera_id}\n{name}"
        for line, size, shade, down in ((text, 9.5, "#1e1e1e", 5), (small, 7, "#646464", 18)):
            options = dict(textcoords="offset points", ha="center", va="top", parse_math=False)
            axes.annotate(line, (0.5, 0), (0, -down), "axes fraction", size=size, color=shade, **options)


def _crop(pixels: np.ndarray, bbox: np.ndarray) -> np.ndarray:
    """Crop an image to a box, but at least to one pixel."""
    height, width = pixels.shape[:2]
    x, y = np.clip(np.floor(bbox[:2]), 0, [width - 1, height - 1]).astype(int)
    right, bottom = np.ceil(bbox[2:]).astype(int)
    return pixels[y : max(bottom, y + 1), x : max(right, x + 1)]


def _show(axes: Axes, pixels: np.ndarray, color: str) -> None:
    """Show an image without distortion; the rest of the cell is gray."""
    height, width = pixels.shape[:2]
    axes.imshow(pixels, aspect="auto", extent=(0, width, height, 0))
    room = axes.get_window_extent()
    scale = min(room.width / width, room.height / height)
    x, y = room.width / scale / 2, room.height / scale / 2
    axes.set(xticks=[], yticks=[], xlim=(width / 2 - x, width / 2 + x), ylim=(height / 2 + y, height / 2 - y))
    axes.spines[:].set_color(color)


def _draw_box(axes: Axes, bbox: np.ndarray, color: str, line_width: float, line_style: str) -> None:
    """Draw a box outside its content, on a white line for contrast."""
    height, width = axes.images[0].get_array().shape[:2]
    image_pixels = np.ptp(axes.get_xlim()) / axes.get_window_extent().width  # per pixel of the figure
    outside = (line_width / 2 + 0.5) * DPI / 72 * image_pixels
    x1, y1, x2, y2 = np.clip(bbox, 0, [width, height] * 2) + outside * np.array([-1, -1, 1, 1])
    for shade, added, style in (("white", 0.6 * line_width, "-"), (color, 0, line_style)):
        options = dict(fill=False, edgecolor=shade, linewidth=line_width + added, linestyle=style)
        axes.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, **options))
