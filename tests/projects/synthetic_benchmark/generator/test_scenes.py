"""Who meets whom where, which boxes are annotated, which persons are queries."""

from collections import defaultdict

import numpy as np
import pytest

from projects.synthetic_benchmark.generator import scenes, synthetic_set
from projects.synthetic_benchmark.generator.sprites import Sprite


def planned(num_ids=60, count=200, num_cameras=6, persons=4.0):
    rng = np.random.default_rng(3)
    groups = scenes.draw_groups(rng, range(1, num_ids + 1))
    return groups, scenes.plan_scenes(rng, groups, count, 1, num_cameras, persons)


def test_groups_partition_the_identities_and_walk_together():
    groups, plan = planned()
    assert sorted(number for group in groups for number in group) == list(range(1, 61))
    assert {len(group) for group in groups} <= {1, 2, 3, 4}
    there = np.zeros((len(plan), 61), bool)
    for i, scene in enumerate(plan):
        there[i, [number for group in scene.groups for number in group]] = True
    pairs = [(a, b) for group in groups for a in group for b in group if a != b]
    together = np.mean([there[there[:, a], b].mean() for a, b in pairs])
    # A member comes with probability 0.85 when the group does, a stranger with about 3 of 60.
    assert 0.78 < together < 0.95
    assert there[:, 1:].mean() < 0.07


def test_plan_holds_the_mean_number_of_persons_and_spreads_groups_over_cameras():
    _, plan = planned()
    counts = [sum(map(len, scene.groups)) + scene.num_passers_by for scene in plan]
    assert abs(np.mean(counts) - 4.0) < 0.25
    assert min(sum(map(len, scene.groups)) for scene in plan) >= 1
    sightings = defaultdict(list)
    for scene in plan:
        for number in {number for group in scene.groups for number in group}:
            sightings[number].append(scene.camera)
    assert min(map(len, sightings.values())) >= 3 and len(sightings) == 60
    assert min(len(set(seen)) for seen in sightings.values()) >= 2


def test_nobody_comes_twice_in_a_scene_however_few_the_groups():
    for scene in planned(num_ids=7, count=60, persons=9.0)[1]:
        present = [number for group in scene.groups for number in group]
        assert len(set(present)) == len(present)


def test_queries_need_a_sighting_in_another_camera():
    def truth_of(*names):
        plan = [scenes.Scene(name, int(name[1]) - 1, ((1,),), 0, 0) for name in names]
        world = synthetic_set.World([], {"test": {0: {1: None}}}, {}, {"test": plan})
        return world, {name: np.array([[1.0, 2, 3, 4, 5]]) for name in names}

    rng = np.random.default_rng(0)
    assert len(synthetic_set.choose_queries(*truth_of("c1s1_000001", "c2s1_000002"), 2, rng)) == 2
    for names in (("c1s1_000001", "c1s1_000002"), ("c1s1_000001",)):
        with pytest.raises(ValueError, match=f"test identity 1 is seen in {len(names)} frames"):
            synthetic_set.choose_queries(*truth_of(*names), 1, rng)


def test_box_spans_what_is_seen_and_hidden_persons_are_left_out():
    def block(width, height):
        ones = np.ones((height, width), np.float32)
        return Sprite(np.repeat(ones[..., None], 3, axis=2), ones, (0, height - 1))

    light, owner = np.zeros((40, 60, 3), np.float32), np.full((40, 60), -1)
    scenes.paste(light, owner, block(10, 20), 5, 24, 0)  # x 5..14, y 5..24
    scenes.paste(light, owner, block(10, 20), 55, 24, 1)  # half of it is out of the frame
    scenes.paste(light, owner, block(10, 20), 30, 24, 2)
    scenes.paste(light, owner, block(30, 13), 0, 27, 4)  # hides y 15..24 of the first: half
    scenes.paste(light, owner, block(7, 25), 30, 29, 5)  # hides 7 of 10 columns of the third
    areas = np.array([200, 200, 200])
    rows = scenes._annotate(owner, areas, [11, 12, 13])
    np.testing.assert_array_equal(rows, [[11, 5, 5, 10, 10], [12, 55, 5, 5, 20]])
