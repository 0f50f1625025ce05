import io
from itertools import pairwise

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.text import Text
from PIL import Image

from mmpersonsearch.visualization import (
    plot_gallery_sizes,
    plot_loss_weights,
    plot_precision_recall,
    plot_rcp_parameters,
)

SIZES = [50, 100, 4000]


def size_run(shift):
    return {
        ranking: {"mAP": [0.9 - shift, 0.8 - shift, 0.7 - shift + gain], "top-1": [0.95, 0.9, 0.85 + gain]}
        for ranking, gain in (("similarity", 0), ("rcp", 0.02))
    }


def rcp_run(shift):
    return {
        "similarity": {"mAP": 0.5 + shift, "top-1": 0.7},
        "threshold": {"mAP": [0.5 + shift, 0.55 + shift], "top-1": [0.7, 0.75]},
        "weight": {"mAP": [0.52, 0.53, 0.51 + shift], "top-1": [0.7, 0.72, 0.6]},
    }


def curve_run(mAP):
    search = {"recall": [0, 0.5, 1], "precision": [0.9, 0.6, 0.1]}
    return {
        "search": {"similarity": {**search, "mAP": mAP}, "rcp": {**search, "mAP": mAP + 0.05}},
        "detection": {"recall": [0.25, 0.25, 0.75], "precision": [1.0, 0.5, 0.6], "ap": 0.55},
    }


pytestmark = pytest.mark.filterwarnings("error:constrained_layout not applied")


def plain_lines(axes):
    return [line for line in axes.lines if line.get_linestyle() == "--"]


def assert_told_apart_without_colours(axes):
    looks = {(line.get_marker(), line.get_linestyle(), line.get_markerfacecolor() == "white") for line in axes.lines}
    assert len(looks) == len(axes.lines)


def place_of(annotation):
    return Text.get_window_extent(annotation)  # an annotation's own reaches to the point that it names


def pixels(figure):
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=60)
    return np.asarray(Image.open(content).convert("RGB"))


def test_gallery_sizes():
    figure = plot_gallery_sizes(SIZES, {"TDN": size_run(0), "OIM*": size_run(0.3)})
    assert [axes.get_ylabel() for axes in figure.axes] == ["mAP (%)", "top-1 (%)"]
    for axes, name in zip(figure.axes, ("mAP", "top-1")):
        assert axes.get_xlabel() == "Gallery size (images)"
        assert [text.get_text() for text in axes.get_xticklabels()] == ["50", "100", "4000"]
        expected = [size_run(shift)[r][name] for shift in (0, 0.3) for r in ("similarity", "rcp")]
        assert len(axes.lines) == 4 and len(plain_lines(axes)) == 2
        for line, values in zip(axes.lines, expected):
            np.testing.assert_array_equal(line.get_xdata(), SIZES)
            np.testing.assert_allclose(line.get_ydata(), 100 * np.array(values))
        assert_told_apart_without_colours(axes)
        assert {text.get_text() for text in axes.texts} == {"TDN", "TDN + RCP", "OIM*", "OIM* + RCP"}


def test_names_stand_at_their_lines_in_order_and_apart():
    # Four lines end within a point and a half.
    runs = {f"run {i}": {"similarity": {"mAP": [0.2, 0.4, 0.4 + i / 200], "top-1": [0, 0.5, 1]}} for i in (2, 0, 3, 1)}
    figure = plot_gallery_sizes(SIZES, runs)
    figure.draw_without_rendering()
    axes = figure.axes[0]
    by_height = sorted(axes.texts, key=lambda text: place_of(text).y0)
    assert [text.get_text() for text in by_height] == ["run 0", "run 1", "run 2", "run 3"]
    assert [text.xy[1] for text in by_height] == pytest.approx([40, 40.5, 41, 41.5])
    boxes = [place_of(text) for text in by_height]
    for low, high in pairwise(boxes):
        assert high.y0 >= low.y0 + 8 * figure.dpi / 72  # 8 points
    colors = {line.get_color() for line in axes.lines}
    assert {text.get_color() for text in axes.texts} == colors and len(colors) == 4


def test_many_names_stay_within_the_picture():
    # All lines of a panel end at one point, at its lower edge.
    run = {ranking: {"mAP": [0.9, 0.5, 0.1], "top-1": [0.1, 0.5, 0.9]} for ranking in ("similarity", "rcp")}
    figure = plot_gallery_sizes(SIZES, {f"run {i}": run for i in range(8)})
    figure.draw_without_rendering()
    for axes in figure.axes:
        boxes = sorted(map(place_of, axes.texts), key=lambda box: box.y0)
        assert len(boxes) == 16 and boxes[0].y0 >= 0 and boxes[-1].y1 <= figure.bbox.height
        assert all(high.y0 >= low.y0 + 8 * figure.dpi / 72 for low, high in pairwise(boxes))


def test_a_name_alone_stands_at_its_line():
    figure = plot_gallery_sizes(SIZES, {"TDN": {"similarity": {"mAP": [0.3, 0.2, 0.1], "top-1": [0.5, 0.5, 0.5]}}})
    figure.draw_without_rendering()
    for axes in figure.axes:
        (text,) = axes.texts
        height = axes.transData.transform(text.xy)[1]
        box = place_of(text)
        assert (box.y0 + box.y1) / 2 == pytest.approx(height, abs=2)


def test_rcp_parameters():
    figure = plot_rcp_parameters([0.1, 0.2], [0.3, 0.4, 0.5], {"A": rcp_run(0), "B": rcp_run(0.2)}, 0.3, 0.2)
    assert len(figure.axes) == 8
    labels = [(axes.get_ylabel(), axes.get_xlabel()) for axes in figure.axes[:4]]
    by_threshold, by_weight = "Threshold b (λ = 0.2)", "Weight λ (b = 0.3)"
    assert labels == [(f"{name} (%)", x) for name in ("mAP", "top-1") for x in (by_threshold, by_weight)]
    assert [axes.get_title(loc="left") for axes in figure.axes[::4]] == ["A", "B"]
    for row, run in zip((figure.axes[:4], figure.axes[4:]), (rcp_run(0), rcp_run(0.2))):
        for axes, (name, parameter) in zip(row, [(n, p) for n in ("mAP", "top-1") for p in ("threshold", "weight")]):
            level, line = axes.lines
            assert list(level.get_ydata()) == pytest.approx([100 * run["similarity"][name]] * 2)
            np.testing.assert_allclose(line.get_ydata(), 100 * np.array(run[parameter][name]))
            assert list(line.get_xdata()) == ([0.1, 0.2] if parameter == "threshold" else [0.3, 0.4, 0.5])
        for first, second in (row[:2], row[2:]):
            assert first.get_ylim() == second.get_ylim()
            low, high = first.get_ylim()
            assert all(low < y < high for axes in (first, second) for line in axes.lines for y in line.get_ydata())
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["RCP", "plain similarity"]
    assert plain_lines(figure.axes[0]) == [figure.axes[0].lines[0]]
    handles = figure.legends[0].legend_handles
    assert [handle.get_linestyle() for handle in handles] == ["-", "--"]


def test_precision_recall():
    figure = plot_precision_recall({"A": curve_run(0.2), "B": curve_run(0.4)})
    search, detection = figure.axes
    for axes in figure.axes:
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("Recall (%)", "Precision (%)")
        assert_told_apart_without_colours(axes)
    legend = search.get_legend()
    assert [text.get_text().split() for text in legend.get_texts()] == [
        ["45.0", "B", "+", "RCP"],
        ["40.0", "B"],
        ["25.0", "A", "+", "RCP"],
        ["20.0", "A"],
    ]
    # Each entry shows the look of its own curve.
    for handle, line in zip(legend.legend_handles, [search.lines[i] for i in (3, 2, 1, 0)]):
        assert (handle.get_marker(), handle.get_linestyle()) == (line.get_marker(), line.get_linestyle())
    np.testing.assert_allclose(search.lines[0].get_xydata(), [[0, 90], [50, 60], [100, 10]])
    # The area of the drawn steps is the average precision: 0.25 * 1 + 0.5 * 0.6.
    line = detection.lines[0]
    assert line.get_drawstyle() == "steps-pre"
    np.testing.assert_allclose(line.get_xydata(), [[0, 100], [25, 100], [25, 50], [75, 60]])
    assert detection.get_legend().get_texts()[0].get_text().split() == ["55.0", "A"]


WEIGHTED = {
    "OIM": {"weights": [0.1, 0.3, 1.0], "detection AP": [0.83, 0.81, 0.75], "search mAP": [0.55, 0.7, 0.78]},
    "OIM + KD_det": {"weights": [0.3, 1.0], "detection AP": [0.82, 0.79], "search mAP": [0.73, 0.78]},
    "$KD_reid": {"weights": [0.1], "detection AP": [0.82], "search mAP": [0.81]},
}


def test_loss_weights():
    figure = plot_loss_weights(WEIGHTED, {"DET_50": 0.836, "DET_18": 0.824})
    pixels(figure)
    detection, search = figure.axes
    assert [axes.get_ylabel() for axes in figure.axes] == ["Detection AP (%)", "Search mAP (%)"]
    levels, lines = detection.lines[:2], detection.lines[2:]
    assert [list(level.get_ydata()) for level in levels] == [pytest.approx([p, p]) for p in (83.6, 82.4)]
    for axes, drawn, name in ((detection, lines, "detection AP"), (search, search.lines, "search mAP")):
        assert axes.get_xlabel() == "Weight of the OIM loss (λ)"
        for line, curve in zip(drawn, WEIGHTED.values(), strict=True):
            np.testing.assert_allclose(line.get_xdata(), curve["weights"])
            np.testing.assert_allclose(line.get_ydata(), 100 * np.array(curve[name]))
        assert_told_apart_without_colours(search)
        low, high = axes.get_ylim()
        assert all(low < y < high for line in axes.lines for y in line.get_ydata())
    assert {text.get_text(): round(text.xy[1], 6) for text in detection.texts} == {"DET_50": 83.6, "DET_18": 82.4}
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(WEIGHTED)
    assert [handle.get_marker() for handle in legend.legend_handles] == [line.get_marker() for line in lines]
    assert legend.get_window_extent().y1 < detection.get_window_extent().y0


def test_loss_weights_without_a_detector():
    figure = plot_loss_weights(WEIGHTED)
    pixels(figure)
    assert [len(axes.lines) for axes in figure.axes] == [3, 3]


def test_loss_weights_need_curves_with_names_of_their_own():
    with pytest.raises(ValueError, match="different names, got \\[\\] and \\['DET_50'\\]"):
        plot_loss_weights({}, {"DET_50": 0.8})
    with pytest.raises(ValueError, match="different names"):
        plot_loss_weights(WEIGHTED, {"OIM": 0.8})
    with pytest.raises(ValueError, match="1 to 8 runs, got 9"):
        plot_loss_weights(WEIGHTED, {f"d{i}": 0.8 for i in range(6)})


def test_no_detection_is_drawn():
    run = curve_run(0)
    run["detection"] = {"recall": [], "precision": [], "ap": 0.0}
    figure = plot_precision_recall({"none": run})
    assert len(figure.axes[1].lines[0].get_xdata()) == 0
    assert pixels(figure).min() < 50


@pytest.mark.parametrize("num_runs", [1, 8])
def test_legends_hide_no_curve(num_runs):
    figure = plot_precision_recall({f"a name of some length {i}": curve_run(0.01 * i) for i in range(num_runs)})
    figure.draw_without_rendering()
    for axes in figure.axes:
        legend = axes.get_legend().get_window_extent()
        assert legend.y1 < axes.bbox.y0 and legend.y0 >= 0 and axes.bbox.height > 1.5 * figure.dpi


def test_names_are_text_and_no_formulas():
    for figure in (
        plot_gallery_sizes(SIZES, {"$\\no_formula$": size_run(0), "_b": size_run(0.1)}),
        plot_rcp_parameters([0.1, 0.2], [0.3, 0.4, 0.5], {"$\\no_formula$": rcp_run(0)}, 0.3, 0.2),
        plot_precision_recall({"$\\no_formula$": curve_run(0.3), "_b": curve_run(0.2)}),
    ):
        pixels(figure)
        assert len(figure.axes[0].lines) in (2, 4)


def test_figures_are_not_kept_open_and_leave_the_settings_alone():
    before = dict(pyplot.rcParams)
    one, two = (plot_gallery_sizes(SIZES, {"TDN": size_run(0)}) for _ in range(2))
    assert pyplot.get_fignums() == [] and dict(pyplot.rcParams) == before
    np.testing.assert_array_equal(pixels(one), pixels(two))


def test_bad_number_of_runs():
    with pytest.raises(ValueError, match="1 to 8 runs, got 0"):
        plot_precision_recall({})
    with pytest.raises(ValueError, match="1 to 8 runs, got 9: r0, r1"):
        plot_gallery_sizes(SIZES, {f"r{i}": size_run(0) for i in range(9)})
