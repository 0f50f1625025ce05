import numpy as np
import pytest

from mmpersonsearch.visualization import plot_center_similarities, plot_embeddings

pytestmark = pytest.mark.filterwarnings("error:constrained_layout not applied")


def draw_run(identities, seed=0):
    rng = np.random.default_rng(seed)
    person_ids = np.repeat(identities, 3)
    return rng.normal(size=(len(person_ids), 2)), person_ids


def looks(axes):
    return {(tuple(points.get_facecolor()[0]), points.get_paths()[0].vertices.tobytes()) for points in axes.collections}


def test_each_identity_has_its_points_in_each_panel():
    identities = [3, 8, 480]
    runs = {"OIM": draw_run(identities), "BO$_$IM": draw_run(identities, 1)}
    figure = plot_embeddings(runs, identities)
    figure.draw_without_rendering()
    assert [axes.get_title() for axes in figure.axes] == list(runs)
    for axes, (positions, person_ids) in zip(figure.axes, runs.values()):
        for points, identity in zip(axes.collections, identities, strict=True):
            np.testing.assert_array_equal(points.get_offsets(), positions[person_ids == identity])
        assert len(looks(axes)) == 3
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["3", "8", "480"]


def test_many_identities_are_told_apart_and_stay_within_the_picture():
    identities = list(range(64))
    figure = plot_embeddings({name: draw_run(identities) for name in "ABC"}, identities)
    figure.draw_without_rendering()
    shown = [axes for axes in figure.axes if axes.axison]
    assert len(shown) == 3 and all(len(looks(axes)) == 64 for axes in shown)
    legend = figure.legends[0].get_window_extent()
    assert legend.x0 >= 0 and legend.y0 >= 0 and legend.x1 <= figure.bbox.width
    assert all(legend.y1 <= axes.get_window_extent().y0 for axes in shown)
    with pytest.raises(ValueError, match="1 to 64 identities, got 1 and 65"):
        plot_embeddings({"A": draw_run(identities)}, range(65))


def test_an_identity_without_points_is_named():
    figure = plot_embeddings({"A": draw_run([1])}, [1, 2])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["1", "2"]


def test_center_similarities():
    edges = np.linspace(-1, 1, 11)
    runs = {
        "OIM": {"shares": [0, 0, 0, 0, 0, 0.5, 0.5, 0, 0, 0], "mean": 0.2},
        "BOIM": {"shares": [0, 0, 0, 0.25, 0.75, 0, 0, 0, 0, 0], "mean": -0.15},
    }
    (axes,) = plot_center_similarities(edges, runs).axes
    outlines = [patch for patch in axes.patches if not patch.get_fill()]
    for outline, run in zip(outlines, runs.values(), strict=True):
        np.testing.assert_allclose(outline.get_data().values, 100 * np.array(run["shares"]))
        np.testing.assert_allclose(outline.get_data().edges, edges)
    assert len({outline.get_linestyle() for outline in outlines}) == 2  # told apart without colours
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["OIM (mean 0.20)", "BOIM (mean -0.15)"]
    low, high = axes.get_xlim()
    assert low <= -0.4 and high >= 0.4 and (low, high) != (-1, 1)  # what is empty at the sides is left out


@pytest.mark.parametrize("number", [0, 5])
def test_too_few_or_many_runs(number):
    runs = {str(i): {"shares": [1.0], "mean": 0.0} for i in range(number)}
    with pytest.raises(ValueError, match=f"1 to 4 runs, got {number}"):
        plot_center_similarities([-1, 1], runs)
