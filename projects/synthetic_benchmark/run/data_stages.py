"""What demo and benchmark share: the stages that make the data, the variables of the configs, the metrics shown."""

from pathlib import Path

from .stages import Stage

METRICS = {
    "mAP": "person_search/mAP",
    "top-1": "person_search/top-1",
    "mAP_rcp": "person_search/rcp/mAP",
    "top-1_rcp": "person_search/rcp/top-1",
    "det_ap": "detection/ap",
    "det_recall": "detection/recall",
}


def data_variables(work_dir: Path) -> dict[str, str]:
    """Variables by which the configs find the set and the crops."""
    return {"SYNTH_ROOT": f"{work_dir}/synth/", "SYNTH_REID_ROOT": f"{work_dir}/reid/"}


def make_data_stages(
    work_dir: Path,
    seed: int = 0,
    crop_size: tuple[int, int] = (128, 64),
    splits: tuple[str, ...] = ("train", "test"),
) -> list[Stage]:
    """Lay out the stages that draw the set into ``synth`` and cut the Re-ID models' crops into ``reid``.

    Args:
        work_dir: Absolute folder.
        seed: Of the set; another one has other persons and cameras.
        crop_size: Height and width of the crops.
        splits: Those that are cropped.
    """
    synth, crops = work_dir / "synth", work_dir / "reid"
    draw = ["-m", "projects.synthetic_benchmark.generator", "--force", "--seed", str(seed), "--out", str(synth)]
    crop = ["tools/dataset_converters/crop_reid.py", "--dataset", "PRW", "--data-root", str(synth), "--out", str(crops)]
    crop += ["--size", *map(str, crop_size), "--split"]
    persons = dict(train="training persons", test="test persons")
    return [
        Stage("synth", "Draw the synthetic set", draw, synth),
        *(
            Stage(
                f"crops-{split}",
                f"Crop the {persons[split]} for the teacher",
                [*crop, split],
                crops / split,
                beside=(crops / f"{split}.txt", crops / f".crop-{split}.files.json"),
            )
            for split in splits
        ),
    ]
