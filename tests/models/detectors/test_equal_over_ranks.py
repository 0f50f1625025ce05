"""One process with a batch of 6 images, and two and three that share them: the same losses, weights and memories.

What cannot be equal is taken out, as docs/guide/several_processes.md says: batch norms keep their statistics or have
those of the joint batch, and the sampling of RoIs and anchors depends on the image alone. All but MMDetection's RPN
loss is computed in double precision, so that no rounding changes which boxes NMS keeps.
"""

import pytest
import torch
import torch.nn.functional as F
from distributed import run_in_processes
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.model import MMDistributedDataParallel, convert_sync_batchnorm
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from sync_batch_norm import CPUSyncBatchNorm
from tiny_models import NUM_IDS, SYNTH
from torch import nn

from mmpersonsearch.models.backbones import resnet_ibn
from mmpersonsearch.models.detectors import qeeps_detector
from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.config_files import find_config
from mmpersonsearch.utils.forward_modes import batch_norms

STEPS, SIZE = 6, (72, 104)
# Persons in the 6 images of a step; in some steps a rank of two or of three has none.
PERSONS = [(2, 1, 0, 3, 1, 2), (1, 2, 2, 0, 0, 0), (3, 0, 0, 0, 2, 1), (0, 0, 0, 0, 0, 0), (0, 0, 2, 1, 1, 1)]
# Where the ranks' images begin and end in every other step, as a sampler may give them out at the end of an epoch.
UNEVEN = {1: (0, 6), 2: (0, 2, 6), 3: (0, 1, 3, 6)}
UNEVEN_PAIRS = {1: (0, 6), 2: (0, 4, 6), 3: (0, 2, 4, 6)}
DRAW_PAIRS = qeeps_detector.draw_pairs
DETECTORS = {
    "oim": "oim/oim_r18_synth.py",
    "oim-star": "tdn/tdn_r18ibn_synth_oim-star.py",
    "oim-star-teacher": "tdn/tdn_r18ibn_synth_oim-star-teacher.py",
    "tdn-wo-teacher": "tdn/tdn_r18ibn_synth_wo-teacher.py",
    "tdn": "tdn/tdn_r18ibn_synth.py",
    "fdps-boim": "fdps/fdps_r18_synth_boim.py",
    "inet": "inet/inet_r18_synth.py",
    "dc-inet": "dc_inet/dc_inet_r18_synth.py",
    "kd-det": "oim/oim_r18_synth_kd-det.py",
    "kd-reid": "oim/oim_r18_synth_kd-reid.py",
    "qeeps": "qeeps/qeeps_r18_synth-mini.py",
}


def build_detector(name):
    """A narrow detector in double precision, with few RoIs and its teachers taken as loaded."""
    init_default_scope("mmpersonsearch")
    torch.manual_seed(0)
    cfg = Config.fromfile(find_config(DETECTORS[name])).model
    divide_widths(cfg)
    cfg.train_cfg.rpn.sampler.num = 16
    # With 5 proposals and the ground truth an image has fewer RoIs than are to be sampled, and not all equally many.
    cfg.train_cfg.rpn_proposal.update(nms_pre=50, max_per_img=5)
    cfg.train_cfg.rcnn.sampler.num = 8
    roi_head, reid_head = cfg.roi_head, cfg.roi_head.reid_head
    if "max_rois_per_img" in roi_head:
        roi_head.max_rois_per_img = 3
    reid_head.num_ids = NUM_IDS
    if "teacher" in reid_head:
        reid_head.teacher.model.head.num_ids = NUM_IDS
    if "queue_size" in reid_head.loss_id:
        reid_head.loss_id.queue_size = 20
    if "loss_pair" in reid_head:
        reid_head.loss_pair.update(dictionary_size=20, feat_channels=reid_head.feat_channels)
        reid_head.update(pool_size=8, num_hardest=2)
    model = MODELS.build(cfg).double()
    for owner in (model, model.roi_head.reid_head):
        if getattr(owner, "teacher", None) is not None:
            owner.teacher.loaded = True
    loss_id = model.roi_head.reid_head.loss_id
    if getattr(loss_id, "freeze_lut", False):
        loss_id.lut.features.copy_(F.normalize(torch.randn(loss_id.lut.features.shape)))
        loss_id.lut_loaded = True
    for sampler in (model.rpn_head.sampler, model.roi_head.bbox_sampler):
        sampler.random_choice = choose
    return model


def build_two_step():
    init_default_scope("mmpersonsearch")
    torch.manual_seed(0)
    cfg = Config.fromfile(SYNTH / "two_step/faster-rcnn_bot_synth.py").model
    divide_widths(cfg)
    cfg.reid.head.num_ids = NUM_IDS
    return MODELS.build(cfg).double()


def divide_widths(cfg):
    """Make every map of a config an eighth as wide."""
    for key, value in cfg.items():
        if key in ("in_channels", "out_channels", "feat_channels", "fc_out_channels") and value:
            cfg[key] = value // 8
        elif isinstance(value, dict):
            divide_widths(value)


def divide_widths_of_resnets():
    """Make the package's ResNets an eighth as wide, too, as long as this process lives."""
    layer, ibn, make_stem = resnet_ibn.ResLayer, resnet_ibn.IBN, resnet_ibn.ResNetIBN._make_stem

    def make_narrow_stem(self, with_relu, padding):
        make_stem(self, with_relu, padding)
        self.conv1 = nn.Conv2d(3, 8, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(8)

    resnet_ibn.ResLayer = lambda block, in_channels, planes, *args, **kwargs: layer(
        block, in_channels // 8, planes // 8, *args, **kwargs
    )
    resnet_ibn.IBN = lambda channels: ibn(channels // 8)
    resnet_ibn.ResNetIBN._make_stem = make_narrow_stem


def draw_images(step):
    """(6, 3, 72, 104) images of a step, and their data samples."""
    generator = torch.Generator().manual_seed(step)
    samples = []
    for number in PERSONS[step % len(PERSONS)]:
        corners = torch.rand(number, 2, generator=generator) * torch.tensor([69.0, 17.0])
        sizes = torch.rand(number, 2, generator=generator) * torch.tensor([15.0, 20.0]) + torch.tensor([20.0, 35.0])
        sample = DetDataSample(metainfo=dict(img_shape=SIZE, pad_shape=SIZE, batch_input_shape=SIZE))
        sample.gt_instances = InstanceData(
            bboxes=torch.cat((corners, corners + sizes), dim=1),
            labels=torch.zeros(number).long(),
            person_ids=torch.randint(-1, NUM_IDS, (number,), generator=generator),
        )
        samples.append(sample)
    return torch.randn(len(samples), 3, *SIZE, generator=generator).double(), samples


def choose(candidates, number):
    """Sample by a generator that only depends on how many candidates the image has."""
    generator = torch.Generator().manual_seed(len(candidates))
    return candidates[torch.randperm(len(candidates), generator=generator)[:number]]


def draw_pairs(samples):
    """Draw which image is the query, and its person, by generators that only depend on the pair's first image."""
    pairs = []
    for i in range(0, len(samples), 2):
        torch.manual_seed(len(samples[i].gt_instances))
        pairs.append(DRAW_PAIRS(samples[i : i + 2]))
    order = [2 * i + one for i, pair in enumerate(pairs) for one in pair.order]
    boxes = [box for pair in pairs for box in pair.query_boxes]
    return qeeps_detector.TrainingPairs(order, boxes, torch.cat([pair.person_ids for pair in pairs]))


def add_common_persons(samples):
    """Add one person to both images of each pair."""
    for i, sample in enumerate(samples):
        person = InstanceData(
            bboxes=torch.tensor([[40.0 + 5 * (i % 2), 12, 68, 64]]),
            labels=torch.zeros(1).long(),
            person_ids=torch.tensor([i // 2]),
        )
        sample.gt_instances = InstanceData.cat([sample.gt_instances, person])


def to_float(values):
    """``Tensor.float`` that keeps double precision."""
    return values if values.dtype == torch.float64 else values.to(torch.float32)


def share_of(rank, world_size):
    """A rank's images, equally many where the number of ranks divides 6."""
    return slice(rank * 6 // world_size, (rank + 1) * 6 // world_size)


def prepare_process():
    """As long as this process lives, double precision is kept and ResNets are narrow."""
    torch.Tensor.float = to_float
    qeeps_detector.draw_pairs = draw_pairs
    divide_widths_of_resnets()


def train_on_rank(rank, world_size, name, path, synchronised=False):
    prepare_process()
    model = build_detector(name)
    if synchronised:
        torch.nn.modules.batchnorm.SyncBatchNorm = CPUSyncBatchNorm
        MMDistributedDataParallel._passing_sync_batchnorm_handle = lambda *_: None  # refuses those on a CPU
        model = convert_sync_batchnorm(model, "torch")  # as MMEngine's runner does with sync_bn="torch"
    model.train()
    for norm in batch_norms(model):
        norm.train(synchronised)
    # As MMEngine's runner wraps it. A single process needs no wrapper.
    wrapped = MMDistributedDataParallel(model, broadcast_buffers=False) if world_size > 1 else model
    optimizer = OptimWrapper(
        torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, weight_decay=1e-4), clip_grad=dict(max_norm=10.0)
    )
    losses = []
    for step in range(STEPS):
        images, samples = draw_images(step)
        mine = slice(*UNEVEN[world_size][rank : rank + 2]) if step % 2 else share_of(rank, world_size)
        if name == "qeeps":
            add_common_persons(samples)
            mine = slice(*UNEVEN_PAIRS[world_size][rank : rank + 2])
        torch.manual_seed(100 * rank + step)  # ranks draw differently
        with optimizer.optim_context(wrapped):
            found = wrapped(images[mine], samples[mine], mode="loss")
        loss, logs = model.parse_losses(found)
        optimizer.update_params(loss)
        losses.append({key: value.item() for key, value in logs.items()})
    torch.save((losses, model.state_dict()), f"{path}/{world_size}_{rank}.pth")


def run(function, world_size, name, path, *args):
    """What each rank saved."""
    run_in_processes(world_size, function, world_size, name, str(path), *args)
    return [torch.load(path / f"{world_size}_{rank}.pth", weights_only=False) for rank in range(world_size)]


def assert_equal(name, found, expected, tolerance=1e-5):
    """Absolutely below 1, relatively above: the RPN's loss has MMDetection's single precision."""
    found, expected = torch.as_tensor(found).double(), torch.as_tensor(expected).double()
    difference = ((found - expected).abs() / expected.abs().clamp(min=1)).max().item()
    assert difference <= tolerance, f"{name} differs by {difference:.1e}"


@pytest.mark.parametrize("name", DETECTORS)
def test_training(name, tmp_path):
    check_training(name, tmp_path, (2, 3))


@pytest.mark.parametrize("name", ["oim", "tdn", "dc-inet"])
def test_training_with_synchronised_batch_norms(name, tmp_path):
    """They have the joint batch's statistics; a rank without persons runs the same layers as the others."""
    check_training(name, tmp_path, (3,), True)


def check_training(name, path, world_sizes, *args):
    ((losses, state),) = run(train_on_rank, 1, name, path, *args)
    assert max(logs["loss_id"] for logs in losses) > 0.1
    for world_size in world_sizes:
        ranks = run(train_on_rank, world_size, name, path, *args)
        for step, logs in enumerate(losses):
            for key in logs.keys() - {"acc"}:
                mean = sum(rank_losses[step][key] for rank_losses, _ in ranks) / world_size
                assert_equal(f"{world_size} ranks: step {step}: {key}", mean, logs[key])
        for rank, (_, rank_state) in enumerate(ranks):
            assert rank_state.keys() == state.keys()
            for key, value in state.items():
                if value.numel():
                    assert_equal(f"{world_size} ranks: rank {rank}: {key}", rank_state[key], value)


def predict_on_rank(rank, world_size, name, path):
    prepare_process()
    model = (build_two_step() if name == "two-step" else build_detector(name)).eval()
    roi_head = model.detector.roi_head if name == "two-step" else model.roi_head
    roi_head.test_cfg.update(score_thr=0.0, max_per_img=4)
    images, samples = draw_images(0)
    for sample in samples:
        sample.set_metainfo(dict(ori_shape=SIZE, scale_factor=(1.0, 1.0)))
        sample.query_instances = InstanceData(bboxes=sample.gt_instances.bboxes)
    results = []
    for i in range(6)[share_of(rank, world_size)]:  # image by image; four ranks have one or two
        with torch.no_grad():
            results += model.predict(images[i : i + 1], samples[i : i + 1])
    if world_size == 1:
        with torch.no_grad():
            results = model.predict(images, samples)
    torch.save([one.to_dict() for one in results], f"{path}/{world_size}_{rank}.pth")


@pytest.mark.parametrize("name", ["oim", "tdn", "two-step"])
def test_testing(name, tmp_path):
    """One process in one batch, and two and four image by image, give the same detections and embeddings."""
    (expected,) = run(predict_on_rank, 1, name, tmp_path)
    for world_size in (2, 4):
        found = [one for results in run(predict_on_rank, world_size, name, tmp_path) for one in results]
        assert len(found) == len(expected) == 6
        for one, other in zip(found, expected):
            assert len(one["pred_instances"]["scores"]) == 4
            for kind in ("pred_instances", "query_instances"):
                for key, value in other[kind].items():
                    if len(value):
                        assert_equal(key, one[kind][key], value)
