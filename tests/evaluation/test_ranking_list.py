import numpy as np
import pytest
from random_cases import draw_case
from slow_evaluation import slow_rcp

from mmpersonsearch.evaluation import RankingWithContextPersons, SearchResult, evaluate_search, rank_gallery
from mmpersonsearch.evaluation.ranking_list import worst_queries
from mmpersonsearch.structures import AllImages, CrossCamera
from mmpersonsearch.testing import galleries_of, iou, kept

pytestmark = pytest.mark.filterwarnings("ignore:queries skipped")


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("galleries", [AllImages(), CrossCamera(), (6,)])
@pytest.mark.parametrize("with_rcp", [False, True])
def test_equals_the_definition(seed, galleries, with_rcp):
    case = draw_case(seed, galleries=galleries)
    protocol, detections, query_feats = case
    persons = kept(detections, 0.5)
    rerank = slow_rcp(*case, 0.5, 0.3, 0.2)
    inds = [7, 0, 3]
    lists = rank_gallery(*case, inds, k=4, ranking=RankingWithContextPersons() if with_rcp else None)
    assert [one.query_ind for one in lists] == inds
    for one in lists:
        gallery = galleries_of(protocol, 6)[one.query_ind]
        best = []
        for image, true in gallery:
            boxes, feats = persons[image]
            if boxes:
                sims = feats @ query_feats[one.query_ind].numpy()
                sims = rerank(one.query_ind, image, sims) if with_rcp else sims
                top = int(sims.argmax())
                box = boxes[top]
                if true is not None:
                    w, h = true[2] - true[0], true[3] - true[1]
                    right = iou(box, true) >= min(0.5, w * h / ((w + 10) * (h + 10)))
                others = boxes[:top] + boxes[top + 1 :]
                best.append((sims.max(), image, box, true is not None and right, true, others))
        best = sorted(best, key=lambda entry: -entry[0])[:4]
        assert one.image_inds.tolist() == [image for _, image, *_ in best]
        np.testing.assert_allclose(one.similarities, [s for s, *_ in best], atol=1e-6)
        np.testing.assert_array_equal(one.bboxes.reshape(-1, 4), np.array([b[2] for b in best]).reshape(-1, 4))
        assert one.right.tolist() == [b[3] for b in best]
        true = [None if b[4] is None else b[4].tolist() for b in best]
        assert [None if box is None else box.tolist() for box in one.true_bboxes] == true
        assert [boxes.tolist() for boxes in one.other_bboxes] == [b[5] for b in best]


def test_the_first_is_right_where_top_1_is():
    case = draw_case(3, num_images=30, num_queries=20)
    result = evaluate_search(*case)
    lists = rank_gallery(*case, result.query_inds.tolist(), k=1)
    assert 0 < result.topk[1] == pytest.approx(np.mean([one.right[0] for one in lists]))


def test_a_query_that_is_nowhere_has_only_wrong_matches():
    protocol, detections, query_feats = draw_case(4)
    protocol.queries[2].person_id = 77
    (one,) = rank_gallery(protocol, detections, query_feats, [2], k=50)
    assert not one.right.any()
    assert len(one.image_inds) == len(set(one.image_inds.tolist())) <= 11


def test_worst_queries_come_first_by_average_precision():
    result = SearchResult(
        mAP=0.5,
        topk={},
        aps=np.array([0.9, 0.2, 0.2, 0.0, 1.0]),
        query_inds=np.array([1, 2, 5, 6, 9]),
        num_skipped=3,
        gallery="all",
    )
    assert worst_queries(result, 3) == [6, 2, 5]
    assert worst_queries(result, 99) == [6, 2, 5, 1, 9]


def test_bad_query():
    with pytest.raises(ValueError, match="9 is not a query, the protocol has 9"):
        rank_gallery(*draw_case(5), [9])
