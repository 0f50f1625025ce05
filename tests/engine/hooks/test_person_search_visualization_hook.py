from types import SimpleNamespace

import pytest
from dataset_writers import write_image
from distributed import run_in_processes
from mmdet.engine.hooks import DetVisualizationHook
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.dataset import DefaultSampler

from mmpersonsearch.engine.hooks import PersonSearchVisualizationHook


class Recorded(PersonSearchVisualizationHook):
    def __init__(self):
        self.draw, self._test_index, self.drawn, self.test_out_dir = True, 0, [], None


def draw(self, runner, batch_idx, data_batch, outputs):  # MMDetection's counts what it draws, too
    self._test_index += len(outputs)
    self.drawn += [sample.img_id for sample in outputs]


class Images:
    def __init__(self, paths):
        self.paths = paths

    def __len__(self):
        return len(self.paths)

    def get_data_info(self, i):
        return dict(img_path=self.paths[i])


def draw_batches(rank, batch_size, num_images):
    DetVisualizationHook.after_test_iter = draw  # of a forked process
    dataset = Images([f"cam{i % 2}/{i // 2}.jpg" for i in range(num_images)])
    runner = SimpleNamespace(test_dataloader=SimpleNamespace(dataset=dataset))
    images = list(DefaultSampler(dataset, shuffle=False, seed=0))
    hook = Recorded()
    for i in range(0, len(images), batch_size):
        batch = [DetDataSample(metainfo=dict(img_id=image)) for image in images[i : i + batch_size]]
        hook.after_test_iter(runner, i, {}, batch)
    assert sorted(hook.drawn) == (list(range(num_images)) if rank == 0 else [])


@pytest.mark.parametrize(("world_size", "batch_size", "num_images"), [(1, 2, 5), (2, 1, 4), (2, 2, 7), (3, 1, 7)])
def test_rank_0_draws_each_image_once(world_size, batch_size, num_images):
    run_in_processes(world_size, draw_batches, batch_size, num_images)


def test_nothing_is_drawn_unless_it_is_asked_for(monkeypatch):
    monkeypatch.setattr(DetVisualizationHook, "after_test_iter", None)
    hook = Recorded()
    hook.draw = False
    hook.after_test_iter(None, 0, {}, [])


def test_the_configs_have_it():
    cfg = Config.fromfile("configs/_base_/default_runtime.py")
    assert cfg.default_hooks.visualization.type == PersonSearchVisualizationHook.__name__


def test_images_of_one_name_in_two_folders_are_both_drawn(tmp_path):
    drawn = []
    hook = Recorded()
    hook._visualizer = SimpleNamespace(add_datasample=lambda *args, out_file, **kwargs: drawn.append(out_file))
    hook.backend_args, hook.show, hook.wait_time, hook.score_thr = None, False, 0, 0.3
    hook.test_out_dir = str(tmp_path / "shown")
    paths = [str(tmp_path / folder / "0001.jpg") for folder in ("cam1", "cam2")]
    for path in paths:
        write_image(path)
    loader = SimpleNamespace(dataset=Images(paths))
    runner = SimpleNamespace(test_dataloader=loader, work_dir=str(tmp_path), timestamp="now", iter=0)
    for i, path in enumerate(paths):
        hook.after_test_iter(runner, i, {}, [DetDataSample(metainfo=dict(img_path=path))])
    assert drawn == [str(tmp_path / "shown" / folder / "0001.jpg") for folder in ("cam1", "cam2")]
