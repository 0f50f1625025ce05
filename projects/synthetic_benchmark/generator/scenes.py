"""Which persons meet in which scene, where they stand, and the finished frame with its visible boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .cameras import Camera, draw_prop
from .identities import Identity, draw_identity, draw_look_alike
from .persons import draw_person, draw_pose
from .props import PROPS
from .props import draw_prop as draw_prop_sprite
from .sprites import Sprite

UNLABELLED = -2
TOGETHER = 0.85  # probability that a member of a group is there when the group is
GROUP_SIZES = (1, 2, 3, 4)
GROUP_SHARES = (0.3, 0.3, 0.2, 0.2)
PASSERS_BY = 0.3  # mean share of unlabelled persons
LOOK_ALIKES = 0.5  # share of the passers-by who wear the colors of an identity of the split
MIN_VISIBLE = 0.4  # persons of whom less is seen are not annotated
MAX_COVER = 0.45  # aimed at when placing persons

_LAYOUT_TRIES = 30
_BODY_WIDTH = 0.30  # width of a person over the height, for the layout
_WINDOW = 6  # how many groups ahead a scene may choose from


@dataclass(frozen=True)
class Scene:
    """What a scene holds, before it is drawn.

    Attributes:
        name: Frame name without suffix.
        camera: Index of the camera.
        groups: Numbers of the identities that walk together.
        num_passers_by: How many unlabelled persons there are.
        seed: Of everything else that is drawn in the scene.
    """

    name: str
    camera: int
    groups: tuple[tuple[int, ...], ...]
    num_passers_by: int
    seed: int


@dataclass(frozen=True)
class Person:
    """Somebody in a scene: who, how high (pixels), and where the feet are (pixels)."""

    identity: Identity
    height: float
    x: float
    y: float

    def box(self) -> tuple[float, float, float, float]:
        """About x1, y1, x2, y2 of the body, whether it is seen or not."""
        half = self.height * _BODY_WIDTH / 2
        return self.x - half, self.y - self.height, self.x + half, self.y


def draw_groups(rng: np.random.Generator, numbers: range) -> list[tuple[int, ...]]:
    """Divide the identities into groups of one to four."""
    order = [int(number) for number in rng.permutation(np.asarray(numbers))]
    groups = []
    while order:
        size = min(int(rng.choice(GROUP_SIZES, p=GROUP_SHARES)), len(order))
        groups.append(tuple(order[:size]))
        order = order[size:]
    return groups


def plan_scenes(
    rng: np.random.Generator,
    groups: list[tuple[int, ...]],
    count: int,
    first: int,
    num_cameras: int,
    persons: float,
) -> list[Scene]:
    """Deal groups to scenes so that each comes about equally often and goes round the cameras.

    Args:
        rng: Source of all choices.
        groups: Identities that walk together.
        count: Number of scenes.
        first: Number of the first frame.
        num_cameras: Number of cameras.
        persons: Mean number of persons in a scene.
    """
    deck = _Deck(rng, groups, num_cameras)
    cameras = np.concatenate([rng.permutation(num_cameras) for _ in range(count // num_cameras + 1)])
    scenes: list[Scene] = []
    dealt = 0
    for i, camera in enumerate(cameras[:count]):
        # A group cannot be dealt in part, so a scene that took too many leaves fewer to the next.
        wanted = max(1.0, persons * (1 - PASSERS_BY) * (i + 1) - dealt + rng.normal(-0.5, 1.0))
        present: list[tuple[int, ...]] = []
        while sum(map(len, present)) < wanted and len(present) < len(groups):
            present.append(deck.deal(int(camera), present))
        dealt += sum(map(len, present))
        scenes.append(
            Scene(
                name=f"c{camera + 1}s1_{first + i:06d}",
                camera=int(camera),
                groups=tuple(present),
                num_passers_by=int(rng.poisson(persons * PASSERS_BY)),
                seed=int(rng.integers(2**63)),
            )
        )
    return scenes


class _Deck:
    """Groups in random order, again and again; of the next few, the one comes that its camera saw least."""

    def __init__(self, rng: np.random.Generator, groups: list[tuple[int, ...]], num_cameras: int) -> None:
        self.rng, self.groups = rng, groups
        self.seen = np.zeros((len(groups), num_cameras), int)
        self.queue: list[int] = []

    def deal(self, camera: int, taken: list[tuple[int, ...]]) -> tuple[int, ...]:
        """The members of the next group who are there; a group that a scene has already is passed over."""
        members = {number for group in taken for number in group}
        free = [g for g in self.queue if members.isdisjoint(self.groups[g])]
        if not free:
            self.queue += [int(g) for g in self.rng.permutation(len(self.groups))]
            free = [g for g in self.queue if members.isdisjoint(self.groups[g])]
        best = min(free[:_WINDOW], key=lambda g: self.seen[g, camera])
        self.queue.remove(best)
        self.seen[best, camera] += 1
        group = self.groups[best]
        there = [number for number in group if self.rng.random() < TOGETHER]
        return tuple(there or [int(self.rng.choice(group))])


def draw_scene(scene: Scene, camera: Camera, identities: dict[int, Identity]) -> tuple[np.ndarray, np.ndarray]:
    """Draw a scene.

    Args:
        scene: What it holds.
        camera: The camera that sees it.
        identities: The identities of the split by number.

    Returns:
        Frame (H, W, 3) uint8 and annotation (N, 5) float64: number of the identity, x, y, w, h in pixels. A box spans
        what is seen of a person, of whom ``MIN_VISIBLE`` is seen at least.
    """
    rng = np.random.default_rng(scene.seed)
    height, width = camera.background.shape[:2]
    props = [*camera.props, *_extra_props(rng)]
    persons = _place(rng, scene, camera, identities, (width, height))
    light = camera.background.copy()
    owner = np.full((height, width), -1)
    things = [(person.y, i, person) for i, person in enumerate(persons)]
    things += [(prop.y * height, len(persons) + i, prop) for i, prop in enumerate(props)]
    areas = np.zeros(len(persons))
    for y, i, thing in sorted(things, key=lambda entry: entry[:2]):
        if i < len(persons):
            _shadow(light, thing)
            sprite = draw_person(thing.identity, draw_pose(rng), thing.height)
            areas[i] = (sprite.alpha > 0.5).sum()
            paste(light, owner, sprite, thing.x, y, i)
        else:
            size = camera.height(thing.y) * height
            paste(light, owner, draw_prop_sprite(thing.kind, thing.color, size), thing.x * width, y, i)
    frame = camera.shoot(light * _daylight(rng, width), rng)
    return frame, _annotate(owner, areas, [person.identity.number for person in persons])


def _extra_props(rng: np.random.Generator) -> list:
    if rng.random() < 0.5:
        return []
    return [draw_prop(rng, str(rng.choice(list(PROPS))), float(rng.random()))]


def _daylight(rng: np.random.Generator, width: int) -> np.ndarray:
    """(1, W, 3) light of the moment: brighter or darker, warmer or colder, and not the same on both sides."""
    level = rng.uniform(0.88, 1.12) * (1 + rng.uniform(-0.04, 0.04, 3))
    ramp = 1 + rng.uniform(-0.1, 0.1) * np.linspace(-1, 1, width)
    return (ramp[None, :, None] * level).astype(np.float32)


def _place(
    rng: np.random.Generator,
    scene: Scene,
    camera: Camera,
    identities: dict[int, Identity],
    size: tuple[int, int],
) -> list[Person]:
    """Find places for all, such that nobody is hidden much; where none is found, the best of those tried."""
    clusters = [[identities[number] for number in group] for group in scene.groups]
    clusters += [[_draw_passer_by(rng, identities)] for _ in range(scene.num_passers_by)]
    placed: list[Person] = []
    for cluster in clusters:
        tries = (_place_cluster(rng, cluster, camera, size) for _ in range(_LAYOUT_TRIES))
        best, best_cover = None, np.inf
        for persons in tries:
            cover = max(_covers([*placed, *persons], camera, size))
            if cover < best_cover:
                best, best_cover = persons, cover
            if cover <= MAX_COVER:
                break
        placed += best
    return placed


def _draw_passer_by(rng: np.random.Generator, identities: dict[int, Identity]) -> Identity:
    if rng.random() < LOOK_ALIKES:
        return draw_look_alike(rng, identities[int(rng.choice(list(identities)))])
    return draw_identity(rng, UNLABELLED)


def _place_cluster(
    rng: np.random.Generator, cluster: list[Identity], camera: Camera, size: tuple[int, int]
) -> list[Person]:
    """People side by side at about the same distance, in random order."""
    width, height = size
    distance = float(np.exp(rng.uniform(np.log(camera.far[0]), np.log(camera.near[0]))))
    unit = distance * height
    gaps = rng.uniform(0.24, 0.46, len(cluster)) * unit
    offsets = np.cumsum(gaps) - gaps[0]
    reach = max(width - offsets[-1], 0.2 * width)
    x = rng.uniform(0, reach) + offsets[rng.permutation(len(cluster))]
    persons = []
    for identity, place in zip(cluster, x):
        here = float(np.clip(distance * rng.uniform(0.92, 1.08), camera.far[0], camera.near[0]))
        y = camera.foot(here) * height
        persons.append(Person(identity, here * height * identity.stature, float(place), y))
    return persons


def _covers(persons: list[Person], camera: Camera, size: tuple[int, int]) -> list[float]:
    """Share of each person's box that is out of the frame or behind nearer persons and things, added up."""
    width, height = size
    boxes = np.array([person.box() for person in persons])
    nearer = [(person.y, box) for person, box in zip(persons, boxes)]
    for prop in camera.props:
        half = 0.12 * camera.height(prop.y) * height
        top = prop.y * height - 4 * half
        nearer.append((prop.y * height, np.array([prop.x * width - half, top, prop.x * width + half, prop.y * height])))
    covers = []
    for person, (x1, y1, x2, y2) in zip(persons, boxes):
        area = (x2 - x1) * (y2 - y1)
        cover = 1 - _overlap((x1, y1, x2, y2), (0, 0, width, height)) / area
        cover += sum(_overlap((x1, y1, x2, y2), box) for y, box in nearer if y > person.y) / area
        covers.append(cover)
    return covers


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _shadow(light: np.ndarray, person: Person) -> None:
    """Darken the ground at a person's feet."""
    height, width = light.shape[:2]
    rx, ry = 0.2 * person.height, 0.035 * person.height
    mask = Image.new("L", (width, height))
    ellipse = (person.x - rx, person.y - ry, person.x + rx, person.y + ry)
    ImageDraw.Draw(mask).ellipse(ellipse, fill=90)
    left, top = max(0, int(ellipse[0]) - 4), max(0, int(ellipse[1]) - 4)
    right, bottom = min(width, int(ellipse[2]) + 4), min(height, int(ellipse[3]) + 4)
    if left < right and top < bottom:
        soft = mask.crop((left, top, right, bottom)).filter(ImageFilter.GaussianBlur(0.012 * person.height))
        light[top:bottom, left:right] *= 1 - np.asarray(soft, dtype=np.float32)[..., None] / 255


def paste(light: np.ndarray, owner: np.ndarray, sprite: Sprite, x: float, y: float, index: int) -> None:
    """Lay a sprite with its foot at (x, y) over a (H, W, 3) scene; note whose pixels they are in ``owner``, (H, W)."""
    height, width = owner.shape
    left, top = round(x) - sprite.foot[0], round(y) - sprite.foot[1]
    x1, y1 = max(left, 0), max(top, 0)
    x2, y2 = min(left + sprite.alpha.shape[1], width), min(top + sprite.alpha.shape[0], height)
    if x1 >= x2 or y1 >= y2:
        return
    part = np.s_[y1 - top : y2 - top, x1 - left : x2 - left]
    here = np.s_[y1:y2, x1:x2]
    alpha = sprite.alpha[part][..., None]
    light[here] = light[here] * (1 - alpha) + sprite.rgb[part] * alpha
    owner[here][sprite.alpha[part] > 0.5] = index


def _annotate(owner: np.ndarray, areas: np.ndarray, numbers: list[int]) -> np.ndarray:
    rows = []
    for i, (area, number) in enumerate(zip(areas, numbers)):
        ys, xs = np.nonzero(owner == i)
        if len(xs) < MIN_VISIBLE * area:
            continue
        rows.append((number, xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1))
    return np.array(rows, dtype=np.float64).reshape(-1, 5)
