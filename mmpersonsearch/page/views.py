"""HTML of the page's parts. Pictures are inside of it, so that no file is served.

A click on what has ``data-act`` is an event of the page with all of the element's ``data-``; see ``page.js``.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Sequence
from functools import lru_cache

from mmpersonsearch.apis import Hit, Hits, Query
from mmpersonsearch.apis.timeline import place_of
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.media import Item, open_picture
from mmpersonsearch.utils.times import time_text
from mmpersonsearch.visualization.hit_pictures import HitPicture, crop_person, data_url, thumbnail

from .archive import Archive
from .desk import Desk, Visit

PAGE_SIZE = 12  # pictures of the archive
_LARGEST = (1280, 1280)  # pixels of the scene
_BLUE, _GREEN, _RED = (0, 114, 178), (0, 158, 115), (213, 94, 0)
_THUMB = "M2 10h4v11H2zM8 10l4-8c2 0 3 1.5 2.6 3.2L13.8 9H20c1.5 0 2.4 1.4 2 2.8l-2 7.2c-.3 1.2-1.3 2-2.5 2H8z"


def escape(text: object) -> str:
    """Escape a text for HTML, its attributes and Gradio's templates, which would read braces and ``$``."""
    text = html.escape(str(text))
    return text.translate({ord(char): f"&#{ord(char)};" for char in "{}$`"})


def note(text: str, kind: str = "hint") -> str:
    """Show a text; kind ``error`` in red."""
    return f"<p class='note {kind}' role='{'alert' if kind == 'error' else 'status'}'>{escape(text)}</p>"


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' * (number != 1)}"


def drop_zone(most_megabytes: float) -> str:
    """Show where a picture is dropped, chosen or pasted."""
    limit = int(most_megabytes * 2**20)
    return (
        f"<label class='drop' data-most='{limit}'><input type='file' accept='image/*' aria-label='picture'>"
        "<strong>Drop a picture here</strong><span>or click to choose one, or paste one</span>"
        f"<small>JPEG, PNG, WebP, BMP or TIFF, up to {most_megabytes:g} MB. It is not kept.</small></label>"
        "<p class='note error' role='alert' hidden></p>"
    )


def archive_page(visit: Visit, archive: Archive, page: int) -> str:
    """Show a page, from 0 on, of the pictures that the visit lists."""
    number = len(visit.listed)
    if not number:
        return note("No picture of the archive has this name.")
    page = min(max(page, 0), (number - 1) // PAGE_SIZE)
    start = page * PAGE_SIZE
    cells = []
    for i, row in enumerate(visit.listed[start : start + PAGE_SIZE], start):
        name, persons = escape(row["image"]), _count(row["persons"], "person")
        cells.append(
            f"<button type='button' data-act='open' data-number='{i}' title='{name}'><img alt='{name}' "
            f"src='{_urls(archive, row['image'])[0]}'><span>{name}<small>{persons}</small></span></button>"
        )
    turns = [("previous", page - 1, page > 0), ("next", page + 1, start + PAGE_SIZE < number)]
    before, after = (
        f"<button type='button' data-act='page' data-number='{to}' {'' if there else 'disabled'}>{word}</button>"
        for word, to, there in turns
    )
    listed = f"{start + 1} to {min(start + PAGE_SIZE, number)} of {number:,}"
    if len(archive.pictures) < archive.number:
        listed += f" (the first {len(archive.pictures):,} of {archive.number:,} are listed)"
    return f"<div class='archive'>{''.join(cells)}</div><p class='turn'>{before}<span>{listed}</span>{after}</p>"


def stage(visit: Visit, error: str = "") -> str:
    """Show the open picture with its numbered persons."""
    message = note(error, "error") if error else ""
    if visit.picture is None:
        return message or note("The picture that you choose appears here with its persons.")
    number, (width, height) = len(visit.found.scores), visit.size
    hint = "Nobody was detected in this picture. Set a box yourself: click two opposite corners of the person."
    if number:
        hint = "Click the person whom you look for, or press the button and set a box by two opposite corners."
    image = open_picture(visit.picture)
    image.thumbnail(_LARGEST)
    boxes = [(n, box) for n, box in enumerate(visit.found.bboxes.tolist(), start=1)]
    boxes.sort(key=lambda one: -(one[1][2] - one[1][0]) * (one[1][3] - one[1][1]))  # small ones above large ones
    chosen = _chosen_box(visit)
    buttons = [_box_button(n, box, visit.size, chosen == [round(x, 2) for x in box]) for n, box in boxes]
    if chosen is not None and not any("chosen" in button for button in buttons):
        buttons.append(_box_button(0, chosen, visit.size, True))
    return (
        f"{message}{note(hint)}<div class='stage{'' if number else ' cornering'}' "
        f"data-width='{width}' data-height='{height}'><img alt='{escape(visit.name)}' "
        f"src='{data_url(image)}'>{''.join(buttons)}</div><p class='turn'><button type='button' class='corners' "
        f"aria-pressed='{'false' if number else 'true'}'>Set a box by two clicks</button>"
        f"<span>{escape(visit.name)}, {_count(number, 'person')}</span></p>"
    )


def _chosen_box(visit: Visit) -> list[float] | None:
    if visit.query is None or visit.query.pictures[0] is not visit.picture:
        return None
    return [round(float(x), 2) for x in visit.query.bboxes[0]]


def _box_button(number: int, box: Sequence[float], size: tuple[int, int], chosen: bool) -> str:
    (x1, y1, x2, y2), (width, height) = box, size
    place = zip(("left", "top", "width", "height"), (x1 / width, y1 / height, (x2 - x1) / width, (y2 - y1) / height))
    style = ";".join(f"{key}:{100 * share:.3f}%" for key, share in place)
    act = f"data-act='pick' data-number='{number}' aria-label='person {number}'" if number else "tabindex='-1'"
    label = f"<b>{number}</b>" if number else ""
    return f"<button type='button' class='box{' chosen' * chosen}' {act} style='{style}'>{label}</button>"


def results(visit: Visit, desk: Desk, error: str = "") -> str:
    """Show the query, the hits on a time line and one by one."""
    message = note(error, "error") if error else ""
    if visit.query is None:
        return message or note("The scenes in which the person may be appear here.")
    if visit.hits is None:
        return _query(visit.query) + message
    if not visit.hits:
        return _query(visit.hits.query) + note("No hit: no picture passes the filters. Widen them.", "error")
    scores = [hit.similarity for hit in visit.hits]
    head = f"<strong>{_count(len(scores), 'hit')}</strong>, similarity {max(scores):.3f} to {min(scores):.3f}"
    content = base64.b64encode(json.dumps(desk.to_dict(visit), indent=1).encode()).decode()
    source = f"data:application/json;base64,{content}"
    link = f"<a class='download' download='hits.json' href='{source}'>Download as JSON</a>"
    cards = [_card(rank, hit, visit, desk.archive) for rank, hit in enumerate(visit.hits, start=1)]
    return (
        f"{_query(visit.hits.query)}{message}<p class='turn'><span>{head}</span>{link}</p>{timeline(visit.hits)}"
        f"{_marks(visit)}<div class='hits'>{''.join(cards)}</div>"
    )


def _query(query: Query) -> str:
    places = zip(query.pictures, query.bboxes.tolist())
    crops = [f"<img alt='query' src='{_crop_url(picture, box)}'>" for picture, box in places]
    return f"<div class='query'><span>You look for</span>{''.join(crops)}</div>"


def _marks(visit: Visit) -> str:
    right, wrong = len(visit.right), len(visit.wrong)
    if not right and not wrong:
        return note("Mark hits by their thumbs: right ones are searched with, wrong ones are left out.")
    return (
        f"<p class='turn marks'><span>{right} marked right, {wrong} marked wrong</span>"
        "<button type='button' class='primary' data-act='again'>Search again with the marks</button></p>"
    )


def _card(rank: int, hit: Hit, visit: Visit, archive: Archive) -> str:
    mark, name = visit.mark_of(hit), escape(hit.image)
    scene, crop = _urls(archive, hit.image, hit.bbox, {True: _GREEN, False: _RED, None: _BLUE}[mark])
    camera = f" camera {escape(hit.camera)}" if hit.camera else ""
    moment = f"<span>{escape(time_text(hit.time))}</span>" if hit.time is not None else ""
    thumbs = [
        f"<button type='button' class='thumb {word}' data-act='{word}' data-number='{rank}' title='{word}' "
        f"aria-label='hit {rank} is {word}' aria-pressed='{'true' if mark is of else 'false'}'>"
        f"<svg viewBox='0 0 24 24' aria-hidden='true'><path d='{_THUMB}'/></svg></button>"
        for word, of in (("right", True), ("wrong", False))
    ]
    return (
        f"<figure id='hit-{rank}' class='{ {True: 'right', False: 'wrong', None: ''}[mark] }'><button type='button' "
        f"class='scene' data-act='scene' data-number='{rank}' title='Open this scene'>"
        f"<img alt='{name}' src='{scene}'>{f'<img class=person alt=person src={crop!r}>' if crop else ''}</button>"
        f"<figcaption><span class='rank'>{rank}</span><span class='facts'><span><b title='cosine similarity'>"
        f"{hit.similarity:.3f}</b>{camera}</span>{moment}<small title='{name}'>{name}</small></span>"
        f"{''.join(thumbs)}</figcaption></figure>"
    )


def timeline(hits: Hits) -> str:
    """Show the hits of known time on a line per place, numbered by rank; empty where there are fewer than two.

    Dates and seconds of videos have a scale each.
    """
    scales: dict[bool, dict[str, list[tuple[int, float]]]] = {}
    for rank, hit in enumerate(hits, start=1):
        if hit.time is not None:
            video, place = place_of(hit)
            scales.setdefault(video, {}).setdefault(place, []).append((rank, hit.time))
    if sum(len(places) for lines in scales.values() for places in lines.values()) < 2:
        return ""
    parts = "".join(_lines(lines) for _, lines in sorted(scales.items()))
    return f"<div class='timeline' role='group' aria-label='time line'>{parts}</div>"


def _lines(lines: dict[str, list[tuple[int, float]]]) -> str:
    moments = [moment for line in lines.values() for _, moment in line]
    start, end, rows = min(moments), max(moments), []
    for place, line in sorted(lines.items()):
        dots = [
            f"<button type='button' data-scroll='hit-{rank}' title='hit {rank}: {escape(time_text(moment))}' "
            f"style='left:{100 * (moment - start) / (end - start or 1):.2f}%'>{rank}</button>"
            for rank, moment in reversed(line)  # better ones above
        ]
        rows.append(f"<span title='{escape(place)}'>{escape(place)}</span><div class='track'>{''.join(dots)}</div>")
    ends = "".join(f"<span>{escape(time_text(moment))}</span>" for moment in (start, end))
    return f"{''.join(rows)}<span></span><div class='ends'>{ends}</div>"


def _urls(
    archive: Archive, image: str, bbox: tuple[float, ...] | None = None, color: tuple[int, int, int] = _BLUE
) -> tuple[str, str]:
    """Return a picture with its box, and what is in the box, as URLs; a gray one that says so for one that is gone."""
    try:
        return _cached_urls(archive.path(image), bbox, color)
    except InputError as error:
        return data_url(thumbnail(HitPicture("", None, str(error), ""), color)), ""


@lru_cache(maxsize=1024)
def _cached_urls(path: str, bbox: tuple[float, ...] | None, color: tuple[int, int, int]) -> tuple[str, str]:
    scene = data_url(thumbnail(HitPicture(path, bbox, "", ""), color))
    return scene, "" if bbox is None else _crop_url(path, bbox)


def _crop_url(picture: Item, bbox: Sequence[float]) -> str:
    person = crop_person(HitPicture(picture, bbox, "", ""))
    return "" if person is None else data_url(person)
