"""Identities are told apart by what is drawn of them, twins and look-alikes by little."""

import dataclasses
import math

import numpy as np
import pytest

from projects.synthetic_benchmark.generator import identities, persons


def test_twins_differ_by_their_cue_alone():
    who = {i.number: i for i in identities.draw_identities(np.random.default_rng(0), range(1, 101))}
    assert sorted(who) == list(range(1, 101))
    twins = [i for i in who.values() if i.twin is not None]
    assert len(twins) == 50
    assert {i.cue for i in twins} == set(identities.FINE_CUES)
    for one in twins:
        other = who[one.twin]
        assert other.twin == one.number and other.cue == one.cue
        unlike = {f.name for f in dataclasses.fields(one) if getattr(one, f.name) != getattr(other, f.name)}
        assert unlike == {"number", "twin", "bag" if one.cue == "bag" else "pattern"}
    assert len({dataclasses.replace(i, number=0, twin=None) for i in who.values()}) == 100


def test_builds_change_what_they_name():
    """Breadths of shoulders and hips, and where the bottom begins, in heights of the person."""
    who = identities.draw_identity(np.random.default_rng(0), 1)
    who = dataclasses.replace(who, pattern="plain", bag="none", top=0, bottom=2, bottom_kind="trousers", width=1.0)
    pose = persons.Pose(facing=0.0, phase=0.0, stride=0.0, shade=1.0, slant=0.0)

    def measure(**build):
        sprite = persons.draw_person(dataclasses.replace(who, build=identities.Build(**build)), pose, 400)
        crown = sprite.foot[1] - 400
        blue = ((abs(sprite.rgb - identities.BOTTOMS[2]) < 0.1).all(2) & (sprite.alpha > 0.9))[crown:]
        return [*((sprite.alpha[crown + row] > 0.5).sum() / 400 for row in (100, 192)), blue.any(1).argmax() / 400]

    shoulders, hips, waist = measure()
    assert measure(shoulders=1.2)[0] > 1.1 * shoulders and abs(measure(shoulders=1.2)[2] - waist) < 0.01
    assert measure(hips=1.25)[1] > 1.03 * hips and measure(hips=1.25)[0] == shoulders
    for at in (0.43, 0.57):
        assert abs(measure(waist=at)[2] - waist - (at - 0.5)) < 0.015


def share_unlike(one, other, facing):
    """Share of a person's pixels that show the two unlike, at 100 pixels' height."""
    pose = persons.Pose(facing=facing, phase=0.5, stride=0.5, shade=1.0, slant=0.0)
    a, b = (persons.draw_person(identity, pose, 100) for identity in (one, other))
    unlike = np.abs(a.rgb * a.alpha[..., None] - b.rgb * b.alpha[..., None]).max(axis=-1) > 0.2
    return unlike.sum() / (a.alpha > 0.5).sum()


def test_twins_can_be_told_apart_on_a_small_crop():
    who = {i.number: i for i in identities.draw_identities(np.random.default_rng(1), range(1, 81))}
    for one in who.values():
        if one.twin is not None:
            assert share_unlike(one, who[one.twin], facing=0.3) > 0.01, (one, who[one.twin])


@pytest.mark.parametrize("facing", [0.0, 0.6, math.pi, math.pi / 2])
def test_patterns_can_be_told_apart_from_all_sides(facing):
    plain = dataclasses.replace(identities.draw_identity(np.random.default_rng(0), 1), bag="none", hair_style="short")
    worn = [dataclasses.replace(plain, pattern=pattern) for pattern in identities.PATTERNS]
    for i, one in enumerate(worn):
        for other in worn[:i]:
            assert share_unlike(one, other, facing) > 0.01, (one.pattern, other.pattern)


def test_look_alikes_wear_the_same_colours_in_another_pattern():
    rng = np.random.default_rng(2)
    for _ in range(20):
        one = identities.draw_identity(rng, 7)
        other = identities.draw_look_alike(rng, one)
        assert other.number == -2
        assert (other.top, other.bottom) == (one.top, one.bottom) and other.pattern != one.pattern


def test_a_person_is_as_high_as_asked_and_stands_on_the_foot_point():
    rng = np.random.default_rng(4)
    for facing in np.linspace(-math.pi, math.pi, 7):
        who = dataclasses.replace(identities.draw_identity(rng, 1), hair_style="short")
        sprite = persons.draw_person(who, persons.Pose(facing, 0.0, 0.0, 1.0, 0.0), 120)
        ys, xs = np.nonzero(sprite.alpha > 0.5)
        assert abs(np.ptp(ys) + 1 - 120) < 5
        assert abs(ys.max() - sprite.foot[1]) < 3
        assert xs.min() < sprite.foot[0] < xs.max()
