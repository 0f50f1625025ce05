"""What holds for every search, by hypothesis: where images and queries stand, and how long vectors are, is nothing."""

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from random_cases import draw_case

from mmpersonsearch.evaluation import RankingWithContextPersons, evaluate_search
from mmpersonsearch.structures import AllImages, CrossCamera, SearchProtocol
from mmpersonsearch.testing import slow_search
from mmpersonsearch.utils.errors import InputError

hypothesis = pytest.importorskip("hypothesis", reason="hypothesis is of the extra dev")
st = hypothesis.strategies

pytestmark = pytest.mark.filterwarnings("ignore:queries skipped")
few = hypothesis.settings(max_examples=15, derandomize=True, deadline=None, database=None)


def draw(**options):
    """A case, of which there is none where nobody is labelled."""
    try:
        return draw_case(**options)
    except ValueError:
        hypothesis.reject()


cases = st.builds(
    draw,
    seed=st.integers(0, 10**6),
    num_images=st.integers(2, 9),
    num_persons=st.integers(1, 4),
    num_queries=st.integers(1, 6),
    width=st.integers(1, 3),
    levels=st.sampled_from([None, 1, 2]),  # 1: nearly all similarities tie
    galleries=st.sampled_from([AllImages(), CrossCamera()]),
)
rankings = st.sampled_from([None, RankingWithContextPersons()])


def evaluate(case, **kwargs):
    """None where no query can be evaluated."""
    try:
        return evaluate_search(*case, **kwargs)
    except InputError as error:
        assert "none of the" in str(error)
        return None


def assert_same(one, other, order=None):
    if one is None:
        assert other is None
        return
    order = np.arange(len(one.aps)) if order is None else order
    np.testing.assert_allclose(other.aps, one.aps[order], atol=1e-6)
    assert other.topk == pytest.approx(one.topk)


@few
@hypothesis.given(cases, st.randoms(use_true_random=False))
def test_the_order_of_queries_is_nothing(case, random):
    protocol, detections, feats = case
    order = random.sample(range(len(feats)), len(feats))
    shuffled = SearchProtocol(protocol.images, [protocol.queries[i] for i in order], protocol.galleries)
    one, other = evaluate(case), evaluate((shuffled, detections, feats[order]))
    if one is None:
        assert other is None
        return
    by_query = dict(zip(one.query_inds.tolist(), one.aps.tolist()))
    assert [order[i] for i in other.query_inds] == [i for i in order if i in by_query]
    np.testing.assert_allclose(other.aps, [by_query[i] for i in order if i in by_query], atol=1e-9)
    assert other.mAP == pytest.approx(one.mAP) and other.topk == pytest.approx(one.topk)


@few
@hypothesis.given(cases, st.randoms(use_true_random=False))
def test_the_order_of_images_decides_ties_alone(case, random):
    """Average precision takes equal similarities together, so that not even those count."""
    protocol, detections, feats = case
    order = random.sample(range(len(detections)), len(detections))
    images = [protocol.images[i] for i in order]
    shuffled = SearchProtocol(images, protocol.queries, protocol.galleries), [detections[i] for i in order], feats
    one, other = evaluate(case), evaluate(shuffled)
    # Which of equally similar detections of an image is its true positive depends on their order within it alone.
    assert (one is None) == (other is None)
    if one is not None:
        np.testing.assert_allclose(other.aps, one.aps, atol=1e-9)


@few
@hypothesis.given(cases, st.floats(0.125, 8), rankings)
def test_the_scale_of_query_vectors_is_nothing(case, factor, ranking):
    protocol, detections, feats = case
    factor = 2.0 ** round(np.log2(factor))  # a power of two keeps every rounding
    kwargs = {} if ranking is None else dict(ranking=ranking)
    assert_same(evaluate(case, **kwargs), evaluate((protocol, detections, feats * factor), **kwargs))


@few
@hypothesis.given(cases)
def test_images_without_detections_and_a_second_search_change_nothing(case):
    protocol, detections, feats = case
    none = InstanceData(bboxes=torch.zeros(0, 4), scores=torch.zeros(0), reid_feats=feats[:0])
    before = [instances.clone() for instances in detections]
    empty = type(protocol.images[0])("empty", np.zeros((0, 4)), [], camera_id=99)
    more = SearchProtocol([*protocol.images, empty], protocol.queries, protocol.galleries), [*detections, none], feats
    assert_same(evaluate(case), evaluate(more))
    for instances, copied in zip(detections, before):
        assert all(torch.equal(instances[key], copied[key]) for key in copied.all_keys())


@few
@hypothesis.given(cases, st.integers(0, 8))
def test_a_detection_twice_gives_what_the_definition_gives(case, place):
    protocol, detections, feats = case
    one = detections[place % len(detections)]
    double = InstanceData(**{key: torch.cat([one[key], one[key]]) for key in one.all_keys()})
    detections = [double if instances is one else instances for instances in detections]
    judge, result = slow_search(protocol, detections, feats), evaluate((protocol, detections, feats))
    assert (judge is None) == (result is None)
    if judge is not None:
        np.testing.assert_allclose(result.aps, judge[2], atol=1e-6)
        assert result.topk == pytest.approx(judge[1])


@few
@hypothesis.given(cases, st.sampled_from([np.nan, np.inf, -np.inf]), st.sampled_from(["reid_feats", "bboxes"]))
def test_a_number_that_is_not_finite_is_an_error(case, number, field):
    protocol, detections, feats = case
    places = [i for i, instances in enumerate(detections) if len(instances.scores)]
    hypothesis.assume(places)
    changed = [instances.clone() for instances in detections]
    changed[places[-1]][field].view(-1)[-1] = number
    changed[places[-1]].scores[-1] = 1.0
    with pytest.raises(InputError):
        evaluate_search(protocol, changed, feats)
