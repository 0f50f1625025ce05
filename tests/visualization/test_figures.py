from matplotlib.figure import Figure

from mmpersonsearch.visualization import write_figure


def test_the_same_numbers_give_the_same_files(tmp_path):
    contents = []
    for _ in range(2):
        figure = Figure(figsize=(1, 1))
        figure.subplots().plot([0, 1], clip_on=True)
        write_figure(figure, {"runs": {}}, str(tmp_path / "out" / "one.two"))
        contents.append({path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()})
    assert contents[0] == contents[1]
    assert set(contents[0]) == {"one.two.png", "one.two.svg", "one.two.json"}
