"""The synthetic set: what is drawn from one seed, its queries, and its files."""

from __future__ import annotations

import argparse
import json
import multiprocessing
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from mmpersonsearch.utils.errors import InputError

from . import prw_layout
from .cameras import Camera, draw_cameras
from .identities import Identity, draw_identities
from .mini import write_mini
from .scenes import Scene, draw_groups, draw_scene, plan_scenes
from .wardrobe import Wardrobe, draw_wardrobe

FORMAT_VERSION = 1


@dataclass(frozen=True)
class World:
    """All that the scenes are drawn from.

    Attributes:
        wardrobes: The identities of each split as they are dressed in each camera; the same in all by default.
    """

    cameras: list[Camera]
    wardrobes: dict[str, Wardrobe]
    groups: dict[str, list[tuple[int, ...]]]
    scenes: dict[str, list[Scene]]

    def identities(self, split: str) -> dict[int, Identity]:
        """Return the identities of a split by number, as they are dressed in the first camera."""
        return self.wardrobes[split][0]


Truth = dict[str, np.ndarray]  # annotation (N, 5) of each frame by name


def draw_world(args: argparse.Namespace) -> World:
    """Draw cameras, identities and who meets whom where."""
    camera_rng, *split_rngs = np.random.default_rng(args.seed).spawn(3)
    cameras = draw_cameras(camera_rng, args.cameras, tuple(args.size))
    wardrobes, groups, scenes = {}, {}, {}
    first_id = first_frame = 1
    for split, rng in zip(("train", "test"), split_rngs):
        num_ids, num_scenes = getattr(args, f"{split}_ids"), getattr(args, f"{split}_scenes")
        numbers = range(first_id, first_id + num_ids)
        if args.change_clothes:
            wardrobes[split] = draw_wardrobe(rng, numbers, args.cameras)
        else:
            identities = {who.number: who for who in draw_identities(rng, numbers)}
            wardrobes[split] = dict.fromkeys(range(args.cameras), identities)
        groups[split] = draw_groups(rng, numbers)
        scenes[split] = plan_scenes(rng, groups[split], num_scenes, first_frame, args.cameras, args.persons)
        first_id, first_frame = first_id + num_ids, first_frame + num_scenes
    return World(cameras, wardrobes, groups, scenes)


def draw_frames(world: World, root: Path, workers: int) -> Truth:
    """Draw and writes all frames; returns their annotation."""
    jobs = [(split, i) for split, scenes in world.scenes.items() for i in range(len(scenes))]
    progress = {"total": len(jobs), "desc": "scenes", "unit": "frame"}
    if workers == 1:
        _start_worker(world, root)
        return dict(tqdm(map(_draw_frame, jobs), **progress))
    context = multiprocessing.get_context("spawn")
    with context.Pool(workers, _start_worker, (world, root)) as pool:
        return dict(tqdm(pool.imap(_draw_frame, jobs, chunksize=4), **progress))


_WORKER: dict = {}  # what a process draws from: the world and the folder, sent to it once


def _start_worker(world: World, root: Path) -> None:
    _WORKER.update(world=world, root=root)


def _draw_frame(job: tuple[str, int]) -> tuple[str, np.ndarray]:
    split, index = job
    world: World = _WORKER["world"]
    scene = world.scenes[split][index]
    frame, annotation = draw_scene(scene, world.cameras[scene.camera], world.wardrobes[split][scene.camera])
    prw_layout.write_frame(_WORKER["root"], scene.name, frame, annotation)
    return scene.name, annotation


def choose_queries(world: World, truth: Truth, count: int, rng: np.random.Generator) -> list[tuple[str, np.ndarray]]:
    """Choose ``count`` queries, as many of each test identity, each from a frame of its own.

    Returns:
        Frame name and annotation row (5,) of each, by identity.

    Raises:
        InputError: An identity is seen too seldom.
    """
    sightings: dict[int, list[tuple[str, np.ndarray]]] = defaultdict(list)
    for scene in world.scenes["test"]:
        for row in truth[scene.name]:
            sightings[int(row[0])].append((scene.name, row))
    numbers = list(world.identities("test"))
    queries = []
    for i, number in enumerate(numbers):
        wanted = count // len(numbers) + (i < count % len(numbers))
        seen = sightings[number]
        if len(seen) < max(2, wanted) or len({name[:2] for name, _ in seen}) < 2:
            raise InputError(
                f"test identity {number} is seen in {len(seen)} frames, expected {max(2, wanted)} or more and two "
                "cameras: raise --test-scenes, or lower --test-ids or --queries"
            )
        queries += [seen[k] for k in sorted(rng.permutation(len(seen))[:wanted])]
    return queries


def write_set(args: argparse.Namespace, root: Path) -> dict:
    """Draw and writes the whole set into the empty folder ``root``; returns what ``synth.json`` says."""
    world = draw_world(args)
    prw_layout.make_folders(root)
    truth = draw_frames(world, root, args.workers)
    queries = choose_queries(world, truth, args.queries, np.random.default_rng([args.seed, 1]))
    for split, scenes in world.scenes.items():
        prw_layout.write_split(root, split, [scene.name for scene in scenes], list(world.identities(split)))
    prw_layout.write_queries(root, queries)
    write_mini(root)
    facts = {"format": FORMAT_VERSION, "parameters": _parameters(args), **_describe(world, truth, queries)}
    (root / "synth.json").write_text(json.dumps(facts, indent=1) + "\n")
    return facts


def _parameters(args: argparse.Namespace) -> dict:
    """The arguments that decide what is drawn."""
    left_out = ["out", "workers", "force"]
    left_out += [] if args.change_clothes else ["change_clothes"]  # as in sets of before there was the option
    values = {name: value for name, value in vars(args).items() if name not in left_out}
    return {**values, "size": list(args.size)}


def _describe(world: World, truth: Truth, queries: list) -> dict:
    """Counts of what was drawn, and who is whose twin and walks with whom."""
    facts: dict = {"counts": {}, "groups": {}, "twins": {}}
    for split, scenes in world.scenes.items():
        rows = np.concatenate([truth[scene.name] for scene in scenes])
        facts["counts"][split] = {
            "frames": len(scenes),
            "boxes": len(rows),
            "labelled_boxes": int((rows[:, 0] >= 0).sum()),
            "identities": len(world.identities(split)),
            "box_heights_5_50_95": [float(h) for h in np.percentile(rows[:, 4], (5, 50, 95))],
        }
        facts["groups"][split] = [list(group) for group in world.groups[split]]
        pairs = [(who.number, who.twin, who.cue) for who in world.identities(split).values() if who.twin]
        facts["twins"][split] = [list(pair) for pair in pairs if pair[0] < pair[1]]
    facts["counts"]["test"]["queries"] = len(queries)
    return facts
