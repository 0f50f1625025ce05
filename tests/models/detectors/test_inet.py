"""I-Net and DC-I-Net as their configs have them."""

import mmcv.ops
import pytest
import torch
from distributed import run_in_two_processes
from mmengine.config import Config
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import init_default_scope
from tiny_models import NUM_IDS, draw_batch

from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.config_files import find_config

SYNTH = ["inet_r18_synth", "dc_inet_r18_synth", "dc_inet_r18_synth_triplet-hep", "dc_inet_r18_synth_contrastive"]
VGG = ["inet_vgg16_cuhk", "dc_inet_vgg16_cuhk"]


def read(name):
    cfg = Config.fromfile(find_config(name))
    init_default_scope(cfg.default_scope)
    return cfg


def build(name):
    """The untrained model for few identities; one on VGG-16 with narrow layers."""
    torch.manual_seed(0)
    cfg = read(name).model
    cfg.test_cfg.rcnn.score_thr = 0.0
    cfg.roi_head.reid_head.num_ids = NUM_IDS
    if "vgg" in name:
        cfg.train_cfg.rpn.allowed_border = -1
        cfg.roi_head.reid_head.in_channels = 8
        cfg.roi_head.bbox_head.in_channels = cfg.roi_head.shared_head.out_channels = 8
        if name.startswith("dc"):
            cfg.roi_head.part2.out_channels = 8
    return MODELS.build(cfg)


@pytest.mark.parametrize("name", [*SYNTH, *VGG])
def test_loss_reaches_every_parameter(name):
    model = build(name).train()
    for num_persons in ([2, 2], [1, 0], [0, 0]):
        loss, logged = model.parse_losses(model.loss(*draw_batch(num_persons)))
        assert {"loss_rpn_cls", "loss_rpn_bbox", "loss_cls", "loss_bbox", "loss_id", "loss_pair"} <= logged.keys()
        assert torch.isfinite(loss)
        model.zero_grad()
        loss.backward()
        assert [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None] == []


@torch.no_grad()
@pytest.mark.parametrize("name", [*SYNTH[:2], *VGG])
def test_detects_and_embeds(name):
    images, samples = draw_batch([2, 1], num_queries=[1, 1])
    for sample in build(name).eval().predict(images, samples):
        found = sample.pred_instances
        assert len(found) > 0 and found.reid_feats.shape == (len(found), 256)
        assert sample.query_instances.reid_feats.shape == (1, 256)
        assert torch.allclose(found.reid_feats.norm(dim=1), torch.ones(len(found)), atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("name", VGG)
def test_vgg_ends_at_conv5_3_and_conv1_and_conv2_are_frozen(name):
    model = build(name).train()
    convolutions = [m for m in model.backbone.modules() if isinstance(m, torch.nn.Conv2d)]
    assert [c.out_channels for c in convolutions] == [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6
    assert [c.weight.requires_grad for c in convolutions] == [False] * 4 + [True] * 9
    (x,) = model.extract_feat(torch.randn(1, 3, 64, 96))
    assert x.shape == (1, 512, 4, 6)
    scores, deltas = model.rpn_head((x,))
    assert scores[0].shape == (1, 9, 4, 6) and deltas[0].shape == (1, 36, 4, 6)
    rois = torch.tensor([[0, 8.0, 8, 40, 60]])
    assert model.roi_head.bbox_roi_extractor((x,), rois).shape == (1, 512, 7, 7)
    assert isinstance(model.roi_head.bbox_roi_extractor.roi_layers[0], mmcv.ops.RoIPool)
    assert read(name).find_unused_parameters


@pytest.mark.parametrize("name", ["dc_inet_vgg16_cuhk", "dc_inet_r50_cuhk"])
def test_reid_is_on_refined_boxes_of_14_by_7(name):
    roi_head = read(name).model.roi_head
    assert roi_head.type == "DisentangledRoIHead"
    assert tuple(roi_head.reid_roi_extractor.roi_layer.output_size) == (14, 7)
    assert roi_head.reid_roi_extractor.roi_layer.type == "RoIAlign"
    assert roi_head.reid_head.loss_id.type == "C2HEPLoss"


RESNETS = [f"{method}_r50_{data}" for method in ("inet", "dc_inet") for data in ("cuhk", "prw")]


@pytest.mark.parametrize("name", [*RESNETS, "dc_inet_r50_cuhk_4-input"])
def test_stem_and_conv2_x_of_a_resnet_are_frozen(name):
    """I-Net, section 5.1.1: the first two stacks."""
    init_default_scope("mmpersonsearch")
    model = MODELS.build(read(name).model.backbone).train()
    frozen = [key for key, parameter in model.named_parameters() if not parameter.requires_grad]
    assert {key.partition(".")[0] for key in frozen} == {"conv1", "bn1", "layer1"}
    # conv1 and bn1; three bottlenecks of 64, 64 and 256 channels with norms, and the projection of the first.
    counts = 64 * 3 * 49 + 128, sum((i + 64 * 9 + 256) * 64 + 768 for i in (64, 256, 256)) + 64 * 256 + 512
    assert sum(model.get_parameter(key).numel() for key in frozen) == sum(counts)


@pytest.mark.parametrize(
    "name", [*RESNETS, *(f"{one}_{data}" for one in ("inet_vgg16", "dc_inet_vgg16") for data in ("cuhk", "prw"))]
)
def test_the_rpn_proposes_128_boxes(name):
    """I-Net, section 5.1.1."""
    assert read(name).model.test_cfg.rpn.max_per_img == 128


def test_both_start_detection_from_the_same_layers():
    """Table 4 compares them: I-Net's fc6 and fc7, pretrained and with dropout, in DC-I-Net too."""
    shared, dc_shared = (read(name).model.roi_head.shared_head for name in VGG)
    assert shared == dc_shared and shared.init_cfg.prefix == "backbone.classifier."
    with torch.device("meta"):
        layers = MODELS.build(dict(dc_shared, init_cfg=None))
    assert sum(p.numel() for p in layers.parameters()) == 4096 * (512 * 49 + 1) + 4096 * 4097
    assert [type(layer).__name__ for layer in layers].count("Dropout") == 2


@pytest.mark.parametrize("name", VGG)
def test_mmpretrains_weights_fill_vgg_and_fully_connected_layers(name, tmp_path, monkeypatch):
    weights = {f"backbone.{key}": torch.rand_like(value) for key, value in build(name).backbone.state_dict().items()}
    shapes = {"0.weight": (8, 25088), "0.bias": (8,), "3.weight": (8, 8), "3.bias": (8,), "6.weight": (10, 8)}
    weights |= {f"backbone.classifier.{key}": torch.rand(shape) for key, shape in shapes.items()}
    torch.save(dict(state_dict=weights), tmp_path / "vgg.pth")
    monkeypatch.setenv("VGG16_WEIGHTS", str(tmp_path / "vgg.pth"))
    model = build(name)
    model.init_weights()
    for prefix, part in (("backbone.", model.backbone), ("backbone.classifier.", model.roi_head.shared_head)):
        assert all(torch.equal(value, weights[prefix + key]) for key, value in part.state_dict().items())
    torch.save({key.partition(".")[2]: value for key, value in weights.items()}, tmp_path / "vgg.pth")  # torchvision's
    with pytest.raises(AssertionError, match="backbone"):
        build(name).init_weights()


@pytest.mark.parametrize("name", ["inet_vgg16_cuhk", "dc_inet_vgg16_cuhk", "dc_inet_r50_cuhk"])
def test_no_weights_means_from_scratch(name, monkeypatch):
    monkeypatch.setenv("VGG16_WEIGHTS", "none")
    monkeypatch.setenv("R50_WEIGHTS", "none")
    cfg = read(name)
    assert "Pretrained" not in str(cfg.model) or name.startswith("dc_inet_r50")
    model = build(name)
    model.init_weights()
    assert all(torch.isfinite(p).all() for p in model.parameters())
    assert model.backbone.state_dict()  # and nothing was looked for on the net


ABLATIONS = {
    # table 4
    "inet_vgg16_cuhk": ("OLPLoss", "HEPLoss", 5120, 100, 2),
    "inet_vgg16_cuhk_c2hep": ("OLPLoss", "C2HEPLoss", 5120, 100, 2),
    "dc_inet_vgg16_cuhk_hep": ("OLPLoss", "HEPLoss", 5120, 100, 2),
    "dc_inet_vgg16_cuhk": ("OLPLoss", "C2HEPLoss", 5120, 100, 2),
    # table 5
    "dc_inet_vgg16_cuhk_triplet-hep": ("BatchHardTripletLoss", "HEPLoss", None, 100, 2),
    "dc_inet_vgg16_cuhk_olp-only": ("OLPLoss", None, 5120, 100, 2),
    "dc_inet_vgg16_cuhk_c2hep-only": (None, "C2HEPLoss", 5120, 100, 2),
    # table 6
    "dc_inet_vgg16_cuhk_dict-20": ("OLPLoss", "C2HEPLoss", 2560, 100, 2),
    "dc_inet_vgg16_cuhk_dict-60": ("OLPLoss", "C2HEPLoss", 7680, 100, 2),
    "dc_inet_vgg16_cuhk_olp-only-dict-20": ("OLPLoss", None, 2560, 100, 2),
    "dc_inet_vgg16_cuhk_olp-only-dict-60": ("OLPLoss", None, 7680, 100, 2),
    # table 7
    "dc_inet_vgg16_cuhk_pool-50": ("OLPLoss", "C2HEPLoss", 5120, 50, 2),
    "dc_inet_vgg16_cuhk_pool-1000": ("OLPLoss", "C2HEPLoss", 5120, 1000, 2),
    "dc_inet_vgg16_cuhk_pool-5532": ("OLPLoss", "C2HEPLoss", 5120, 5532, 2),
    # table 8
    "dc_inet_r50_cuhk": ("OLPLoss", "C2HEPLoss", 5120, 100, 2),
    "dc_inet_r50_cuhk_4-input": ("OLPLoss", "C2HEPLoss", 5120, 100, 4),
    "dc_inet_r50_cuhk_8-input": ("OLPLoss", "C2HEPLoss", 5120, 100, 8),
    "dc_inet_r50_cuhk_contrastive": ("ContrastiveLoss", None, None, 100, 2),
    "dc_inet_r50_cuhk_contrastive-4-input": ("ContrastiveLoss", None, None, 100, 4),
    "dc_inet_r50_cuhk_contrastive-8-input": ("ContrastiveLoss", None, None, 100, 8),
    # the synthetic set's
    "inet_r18_synth": ("OLPLoss", "HEPLoss", 640, 50, 4),
    "dc_inet_r18_synth": ("OLPLoss", "C2HEPLoss", 640, 50, 4),
    "dc_inet_r18_synth_olp-only-dict-60": ("OLPLoss", None, 960, 50, 4),
    "dc_inet_r18_synth_pool-150": ("OLPLoss", "C2HEPLoss", 640, 150, 4),
    "dc_inet_r18_synth_contrastive-2-input": ("ContrastiveLoss", None, None, 50, 2),
}


@pytest.mark.parametrize("name", ABLATIONS)
def test_rows_of_the_papers_tables(name):
    cfg = read(name)
    head = cfg.model.roi_head.reid_head
    loss_pair, loss_id = (loss.type if loss.get("loss_weight", 1) else None for loss in (head.loss_pair, head.loss_id))
    found = (loss_pair, loss_id, head.loss_pair.get("dictionary_size"), head.pool_size, cfg.train_dataloader.batch_size)
    assert found == ABLATIONS[name]
    assert cfg.train_dataloader.batch_sampler.type == "IdentityPairBatchSampler"
    assert cfg.train_cfg.max_iters == (400 if "synth" in name else 70000)


def train_on_rank(rank, name, path):
    """Three steps; in the second, one of the two ranks has no person at all."""
    model = build(name).train()
    wrapped = MMDistributedDataParallel(model)
    optimizer = torch.optim.SGD(wrapped.parameters(), 0.01)
    for step in range(3):
        persons = [2, 1] if (step, rank) != (1, 1) else [0, 0]
        images, samples = draw_batch(persons, seed=10 * step + rank)
        torch.manual_seed(step)
        loss, _ = model.parse_losses(wrapped(images, samples, mode="loss"))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.save(model.state_dict(), f"{path}/{rank}.pth")


@pytest.mark.parametrize("name", SYNTH[:2])
def test_ranks_keep_the_same_weights_and_memories(name, tmp_path):
    run_in_two_processes(train_on_rank, name, str(tmp_path))
    one, other = (torch.load(tmp_path / f"{rank}.pth") for rank in range(2))
    own_of_each_rank = ("running_mean", "running_var", "num_batches_tracked")
    differing = [key for key in one if not key.endswith(own_of_each_rank) and not torch.equal(one[key], other[key])]
    assert differing == []
    assert one["roi_head.reid_head.loss_pair.dictionary.length"] >= 9


def take_parameters_then_freeze(rank, path):
    """As MMEngine's Runner does: the model is wrapped before train() is called."""
    model = build(VGG[0])
    wrapped = MMDistributedDataParallel(model, find_unused_parameters=True)
    for _ in range(2):
        wrapped.train()
        model.parse_losses(wrapped(*draw_batch([2, 1], seed=rank), mode="loss"))[0].backward()
    frozen = [p for p in model.backbone.parameters() if not p.requires_grad]
    torch.save([p.grad for p in frozen], f"{path}/{rank}.pth")


def test_frozen_stages_under_distribution(tmp_path):
    run_in_two_processes(take_parameters_then_freeze, str(tmp_path))
    assert torch.load(tmp_path / "0.pth") == [None] * 8
