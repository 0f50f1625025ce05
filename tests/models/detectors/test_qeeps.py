"""QEEPS as its configs have it, against OIM and against what the equations say."""

import pytest
import torch
from mmdet.structures.bbox import bbox2roi, bbox_overlaps
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from mmengine.structures import InstanceData
from tiny_models import NUM_IDS, draw_batch

from mmpersonsearch.models.backbones import QSSE
from mmpersonsearch.models.detectors.qeeps_detector import draw_pairs
from mmpersonsearch.registry import MODELS
from mmpersonsearch.structures import PairImages
from mmpersonsearch.utils.config_files import find_config
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.forward_modes import batch_norms

VARIANTS = ["", "_wo-qsse", "_wo-qrpn", "_wo-qsimnet"]
PARTS = ("qsse.", "qrpn.", "roi_head.qsimnet.")


def read_config(name):
    cfg = Config.fromfile(find_config(name))
    init_default_scope(cfg.default_scope)
    return cfg


def read(name):
    return read_config(name).model


def read_small(name):
    cfg = read(name)
    cfg.roi_head.reid_head.num_ids = NUM_IDS
    cfg.test_cfg.rcnn.score_thr = 0.0
    cfg.test_cfg.rpn.update(nms_pre=50, max_per_img=6)
    cfg.train_cfg.rpn_proposal.update(nms_pre=50, max_per_img=16)
    return cfg


def build(variant="", name="qeeps_r18_synth-mini"):
    """The untrained model for few identities and RoIs, whose new layers tell images apart."""
    torch.manual_seed(0)
    cfg = read_small(name + variant)
    model = MODELS.build(cfg)
    for key, parameter in model.named_parameters():
        if key.startswith(PARTS):
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def draw(num_persons=(3, 2, 2, 4), **kwargs):
    """Images pair by pair: each two neighbors show one person in common, the first of each image."""
    images, samples = draw_batch(num_persons, num_queries=[1] * len(num_persons), **kwargs)
    for i, sample in enumerate(samples):
        sample.gt_instances.person_ids = torch.tensor([i // 2, *range(4 + 4 * (i % 2), 8 + 4 * (i % 2))])[
            : num_persons[i]
        ]
    return images, samples


@torch.no_grad()
def search(model, images, samples, queries, galleries):
    """Results of pairs of images of a batch, whose shared maps are computed once."""
    shared = model.extract_shared(images)
    sides = [PairImages(shared[side], [samples[i] for i in side]) for side in (queries, galleries)]
    return model.detect_pairs(*sides)


def assert_same(found, expected, tolerance=1e-5):
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected):
        assert len(one) == len(other) > 0
        for key in ("bboxes", "scores", "similarities"):
            torch.testing.assert_close(
                one[key], other[key], atol=tolerance * (100 if key == "bboxes" else 1), rtol=1e-5
            )


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_training_step_has_all_losses_and_reaches_every_parameter(variant):
    model = build(variant).train()
    loss, logged = model.parse_losses(model.loss(*draw()))
    expected = {"loss", "acc", "loss_rpn_cls", "loss_rpn_bbox", "loss_cls", "loss_bbox", "loss_id"}
    expected |= {"loss_qrpn"} - ({"loss_qrpn"} if "qrpn" in variant else set())
    expected |= {"loss_similarity"} - ({"loss_similarity"} if "qsimnet" in variant else set())
    assert logged.keys() == expected
    assert torch.isfinite(loss)
    loss.backward()
    assert [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None] == []
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.requires_grad)
    assert (model.roi_head.reid_head.loss_id.lut.features[:2].norm(dim=1) > 0).all()
    # Batch norms see queries and galleries in one batch.
    assert {int(norm.num_batches_tracked) for norm in batch_norms(model)} == {1}


def test_pairs_of_a_batch():
    """Each role and each common person is drawn; a person that only one of the images shows, or unlabelled, is not."""
    _, samples = draw([3, 3])
    samples[0].gt_instances.person_ids = torch.tensor([-1, 4, 6])
    samples[1].gt_instances.person_ids = torch.tensor([6, -1, 4])
    torch.manual_seed(0)
    drawn = set()
    for _ in range(50):
        pairs = draw_pairs(samples)
        (person_id,) = pairs.person_ids.tolist()
        truth = samples[pairs.order[0]].gt_instances
        assert sorted(pairs.order) == [0, 1]
        assert torch.equal(pairs.query_boxes[0], truth.bboxes[truth.person_ids == person_id])
        drawn.add((pairs.order[0], person_id))
    assert drawn == {(0, 4), (0, 6), (1, 4), (1, 6)}


def test_batches_that_are_no_pairs():
    _, samples = draw([3, 2, 2, 4])
    with pytest.raises(InputError, match="a batch of 3 images, expected pairs"):
        draw_pairs(samples[:3])
    samples[3].set_metainfo(dict(img_path="b.jpg"))
    samples[3].gt_instances.person_ids[0] = -1
    with pytest.raises(InputError, match=r"b\.jpg.* show no labelled person in common.*IdentityPairBatchSampler"):
        draw_pairs(samples)


@torch.no_grad()
def test_maps_of_a_pair_are_gated_block_by_block():
    """As the equations have it, with blocks and gates called one by one for one pair at a time."""
    model = build().eval()
    images, samples = draw()
    shared = model.extract_shared(images)
    sides = [PairImages(shared[side], [samples[i] for i in side]) for side in ([0, 2], [1, 3])]
    found = model.extract_pairs(*sides)
    blocks = [block for stage in (1, 2) for block in getattr(model.backbone, f"layer{stage}")]
    assert len(blocks) == len(model.qsse) == 4
    for i in range(2):
        maps = [model.backbone.forward_stem(images[j : j + 1]) for j in (2 * i, 2 * i + 1)]
        for block, gate in zip(blocks, model.qsse):
            maps = [block(one) for one in maps]
            z = torch.cat([one.mean((2, 3)) for one in maps], dim=1)
            hidden = torch.relu(z @ gate.squeeze.weight.T + gate.squeeze.bias)
            s = torch.sigmoid(hidden @ gate.excite.weight.T + gate.excite.bias)[..., None, None]
            maps = [s * one for one in maps]
        for side in range(2):
            torch.testing.assert_close(found[side][i : i + 1], maps[side], atol=1e-4, rtol=1e-4)
    alone = PairImages(shared[:1], samples[:1])
    torch.testing.assert_close(model.extract_feat(images[:1])[0], model.extract_pairs(alone, alone)[0])


@pytest.mark.parametrize("variant", ["", "_wo-qsse"])
def test_sharing_equals_recomputing_everything(variant):
    """One query and several galleries, one gallery and several queries, and each pair alone from its pixels."""
    model = build(variant).eval()
    images, samples = draw()

    def recompute(query, gallery):
        pair = [query, gallery]
        return search(model, images[pair], [samples[i] for i in pair], [0], [1])

    for query, gallery in (([0], [1, 2, 3]), ([0, 2, 3], [1])):
        pairs = [(q, g) for q in query for g in gallery]
        expected = [found for pair in pairs for found in recompute(*pair)]
        assert_same(search(model, images, samples, query, gallery), expected)
        # The same images in every pair
        every = [[q for q, _ in pairs], [g for _, g in pairs]]
        assert_same(search(model, images, samples, *every), expected)


def test_pairs_may_be_in_any_order_and_batch():
    model = build().eval()
    images, samples = draw()
    samples[3].set_metainfo(dict(img_shape=(70, 100)))  # the rest is padding
    together = search(model, images, samples, [0, 2, 1], [1, 3, 3])
    assert_same(search(model, images, samples, [1, 0, 2], [3, 1, 3]), [together[i] for i in (2, 0, 1)])
    for i, (query, gallery) in enumerate([(0, 1), (2, 3), (1, 3)]):
        assert_same(search(model, images, samples, [query], [gallery]), together[i : i + 1])
    other = search(model, images, samples, [2], [1])
    assert not torch.allclose(other[0].similarities[:3], together[0].similarities[:3])


@torch.no_grad()
def test_without_its_three_parts_it_is_oim():
    """Boxes, scores and the cosines of OIM's embeddings."""
    oim = build("", "oim_r18_synth").eval()
    cfg = read_small("qeeps_r18_synth-mini_wo-qsimnet")
    cfg.update(qsse=None, qrpn=None)
    model = MODELS.build(cfg).eval()
    model.load_state_dict(oim.state_dict())
    images, samples = draw(scale=0.5)
    found = search(model, images, samples, [0], [1, 2, 3])
    results = oim.predict(images, samples, rescale=False)
    query = results[0].query_instances.reid_feats[0]
    expected = [
        InstanceData(bboxes=one.bboxes, scores=one.scores, similarities=(one.reid_feats @ query).double())
        for one in (result.pred_instances for result in results[1:])
    ]
    assert_same(found, expected)


@torch.no_grad()
def test_proposals_are_by_the_sum_of_both_probabilities(monkeypatch):
    model = build().eval()
    images, samples = draw()
    seen, predict = [], model.rpn_head.predict_by_feat

    def watch(logits, *args, **kwargs):
        seen.append(logits[0])
        return predict(logits, *args, **kwargs)

    monkeypatch.setattr(model.rpn_head, "predict_by_feat", watch)
    search(model, images, samples, [0, 2], [1, 3])
    shared = model.extract_shared(images)
    sides = [PairImages(shared[side], [samples[i] for i in side]) for side in ([0, 2], [1, 3])]
    query_map, gallery_map = model.extract_pairs(*sides)
    boxes = [samples[i].query_instances.bboxes for i in (0, 2)]
    of_query = model.qrpn(model.roi_head.bbox_roi_extractor((query_map,), bbox2roi(boxes)), gallery_map)
    of_rpn = model.rpn_head((gallery_map,))[0][0]
    torch.testing.assert_close(2 * seen[0].sigmoid(), of_rpn.sigmoid() + of_query.sigmoid())


@torch.no_grad()
def test_training_proposes_by_the_sum_in_galleries_alone(monkeypatch):
    model = build().eval()
    images, samples = draw()
    seen, head, loss = {}, model.rpn_head, model.qrpn.loss
    for name in ("loss_by_feat", "predict_by_feat"):
        call = getattr(head, name)
        monkeypatch.setattr(
            head, name, lambda *args, n=name, c=call, **kw: seen.update({n: args[0][0]}) or c(*args, **kw)
        )
    monkeypatch.setattr(model.qrpn, "loss", lambda logits, *args: seen.update(qrpn=logits) or loss(logits, *args))
    model.loss(images, samples)
    own, used = seen["loss_by_feat"], seen["predict_by_feat"]
    assert torch.equal(used[::2], own[::2])
    torch.testing.assert_close(2 * used[1::2].sigmoid(), own[1::2].sigmoid() + seen["qrpn"].sigmoid())


@torch.no_grad()
def test_similarity_is_of_the_querys_box_and_the_galleries_rois(monkeypatch):
    """Which RoIs show the query's person is found by IoU; embeddings are those of each image's own map."""
    model = build().eval()  # batch norms with the statistics of the batch would see all RoIs
    images, samples = draw()
    seen, compare, sample = {}, model.roi_head.qsimnet.loss, model.roi_head.sample_proposals
    monkeypatch.setattr(model.roi_head.qsimnet, "loss", lambda *args: seen.update(rows=args) or compare(*args))
    monkeypatch.setattr(
        model.roi_head, "sample_proposals", lambda *args: seen.update(sampled=sample(*args)) or seen["sampled"]
    )
    torch.manual_seed(3)
    pairs = draw_pairs(samples)
    torch.manual_seed(3)
    model.loss(images, samples)
    shared = model.extract_shared(images)
    sides = [PairImages(shared[side], [samples[i] for i in side]) for side in (pairs.order[::2], pairs.order[1::2])]
    query_map, gallery_map = model.extract_pairs(*sides)
    expected = []
    for pair, gallery in enumerate(pairs.order[1::2]):
        priors, truth = seen["sampled"][2 * pair + 1].priors, samples[gallery].gt_instances.bboxes
        overlaps = bbox_overlaps(priors, truth)
        is_same = (overlaps.argmax(dim=1) == 0) & (overlaps.amax(dim=1) >= 0.5)
        query, boxes = (
            model.roi_head.embed_boxes((one[pair : pair + 1],), bbox2roi([bboxes]), images)
            for one, bboxes in ((query_map, pairs.query_boxes[pair]), (gallery_map, priors))
        )
        expected.append((query.expand_as(boxes), boxes, is_same))
    for found, one in zip(seen["rows"], map(torch.cat, zip(*expected))):
        torch.testing.assert_close(found, one, atol=1e-5, rtol=1e-4)
    assert 0 < seen["rows"][2].sum() < len(seen["rows"][2])


@torch.no_grad()
def test_nms_keeps_the_most_similar_box_above_the_threshold(monkeypatch):
    model = build().eval()
    model.roi_head.test_cfg.update(score_thr=0.5, max_per_img=2)
    boxes = torch.tensor([[0.0, 0, 20, 40], [1, 0, 21, 40], [0, 1, 20, 41], [50, 0, 70, 40], [80, 0, 99, 40]])
    person = torch.tensor([0.9, 0.6, 0.4, 0.8, 0.7])
    raw = InstanceData(bboxes=boxes, scores=torch.stack((person, 1 - person), dim=1))
    monkeypatch.setattr(model.roi_head, "_classify", lambda *_: raw)
    monkeypatch.setattr(model.roi_head.qsimnet, "similarity", lambda *_: torch.tensor([0.2, 0.5, 0.4, 0.1]).double())
    arguments = (torch.zeros(5, 5), torch.randn(5, 512, 4, 2), {}, torch.randn(256))
    found = model.roi_head._match_by_qsimnet(*arguments)
    assert torch.equal(found.bboxes, boxes[[1, 3]])
    assert found.similarities.tolist() == pytest.approx([0.5, 0.4])
    assert torch.equal(found.scores, person[[1, 3]])
    near_one = 1 - torch.tensor([1e-9, 1e-10, 0.9, 1e-11], dtype=torch.float64)  # all but one are 1 in float32
    monkeypatch.setattr(model.roi_head.qsimnet, "similarity", lambda *_: near_one)
    assert torch.equal(model.roi_head._match_by_qsimnet(*arguments).bboxes, boxes[[4, 1]])
    model.roi_head.test_cfg.score_thr = 1.0
    monkeypatch.undo()
    monkeypatch.setattr(model.roi_head, "_classify", lambda *_: raw)
    assert len(model.roi_head._match_by_qsimnet(*arguments)) == 0


def test_boxes_of_queries_are_in_pixels_of_the_original_image():
    model = build().eval()
    images, samples = draw(scale=0.5)
    _, same = draw()
    assert_same(search(model, images, samples, [0], [1]), search(model, images, same, [0], [1]))
    samples[0].query_instances = InstanceData(bboxes=torch.zeros(2, 4))
    with pytest.raises(ValueError, match=r"each query needs one box, got \[2\]"):
        search(model, images, samples, [0], [1])
    with pytest.raises(InputError, match="2 data samples of 1 maps"):
        PairImages(images[:1], samples[:2])


@torch.no_grad()
def test_each_image_alone_is_its_own_query():
    model = build().eval()
    images, samples = draw([2, 1])
    results = model.predict(images, samples)
    shared = model.extract_shared(images)
    for i, result in enumerate(results):
        alone = PairImages(shared[i : i + 1], samples[i : i + 1])
        maps, _ = model.extract_pairs(alone, alone)
        box = torch.cat((torch.zeros(1, 1), samples[i].query_instances.bboxes), dim=1)
        expected = model.roi_head.embed_boxes((maps,), box, images)
        torch.testing.assert_close(result.query_instances.reid_feats, expected, atol=1e-5, rtol=1e-4)
        assert result.pred_instances.reid_feats.shape == (len(result.pred_instances), 256)


def test_autocast():
    model = build().train()
    images, samples = draw()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss, _ = model.parse_losses(model.loss(images, samples))
        loss.backward()
        found = search(model.eval(), images, samples, [0], [1, 3])
    assert torch.isfinite(loss)
    assert all(p.grad.dtype == torch.float32 and torch.isfinite(p.grad).all() for p in model.parameters())
    assert {one.bboxes.dtype for one in found} == {torch.float32}
    assert {one.similarities.dtype for one in found} == {torch.float64}


@pytest.mark.parametrize(("depth", "weights"), [(50, 2_826_240), (18, 65_520 - 1_008)])
def test_oims_checkpoint_fills_all_but_the_new_layers(depth, weights):
    with torch.device("meta"):
        model, oim = (MODELS.build(read(f"{method}_r{depth}_cuhk")) for method in ("qeeps", "oim"))
    shapes, of_oim = ({key: value.shape for key, value in one.state_dict().items()} for one in (model, oim))
    new = {key: shape for key, shape in shapes.items() if key.startswith(PARTS)}
    assert {key.split(".")[0] for key in new} == {"qsse", "qrpn", "roi_head"}
    assert {key: shape for key, shape in shapes.items() if key not in new} == of_oim
    gates = [shape for key, shape in new.items() if key.startswith("qsse.")]
    assert sum(shape.numel() for shape in gates if len(shape) == 2) == weights
    assert depth == 50 or sum(shape.numel() for shape in gates) == 65_520


def test_new_layers_start_as_pytorchs(monkeypatch):
    monkeypatch.setenv("SYNTH_WEIGHTS", "none")
    torch.manual_seed(0)
    model = MODELS.build(read("qeeps_r18_synth-mini"))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.init_weights()
    changed = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    assert changed and not any(key.startswith(PARTS) for key in changed)
    gate = next(part for part in model.modules() if isinstance(part, QSSE))
    bound = gate.squeeze.in_features**-0.5  # of PyTorch's uniform distribution
    assert 0.8 * bound < gate.squeeze.weight.abs().max() <= bound


def test_training_starts_from_oim(tmp_path, monkeypatch):
    oim, path = build("", "oim_r18_synth-mini"), tmp_path / "oim.pth"
    oim.roi_head.reid_head.loss_id.lut.features.normal_()
    torch.save(dict(state_dict=oim.state_dict()), path)
    monkeypatch.setenv("OIM_CHECKPOINT", str(path))
    model = build()
    load_checkpoint(model, read_config("qeeps_r18_synth-mini").load_from)
    ours = model.state_dict()
    assert all(torch.equal(ours[key], value) for key, value in oim.state_dict().items())
    monkeypatch.setenv("OIM_CHECKPOINT", "none")
    assert {read_config(name).load_from for name in ("qeeps_r18_synth-mini", "qeeps_r50_prw", "qeeps_r18_cuhk")} == {
        None
    }
