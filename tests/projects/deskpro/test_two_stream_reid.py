"""Both streams of DeSKPro: losses by equations 5 to 7, the frozen teacher, missing faces, preprocessing, export."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmdet.structures import ReIDDataSample
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData

from mmpersonsearch.apis import build_model
from mmpersonsearch.engine.num_ids import count_rows
from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.errors import InputError
from projects.deskpro.deskpro.two_stream_reid import facial_knowledge_propagation

NUM_IDS = 4
PREPROCESSOR = dict(
    type="StreamsDataPreprocessor", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True
)
HEAD = dict(
    type="LightMBNReIDHead",
    in_channels=128,
    num_ids=NUM_IDS,
    feat_channels=8,
    loss_id=dict(type="mmdet.CrossEntropyLoss"),
    loss_triplet=dict(type="mmdet.TripletLoss", margin=0.7),
)
FACE = dict(type="LightMBN", backbone=dict(type="MultiBranchOSNet", width=0.25), head=HEAD)
BODY = dict(
    type="MaskGuidedLightMBN",
    backbone=dict(type="AttentiveOSNet", width=0.25),
    head=HEAD,
    loss_attention=dict(type="MaskGuidedAttentionLoss"),
)
TEACHER = dict(type="TwoStreamReID", data_preprocessor=PREPROCESSOR, face=FACE, face_input="restored_face")
FKP = dict(type="FacialKnowledgePropagationLoss", temperature=5.0)


def build(seed=0, **kwargs):
    init_default_scope("mmpersonsearch")
    torch.manual_seed(seed)
    model = MODELS.build(dict(type="TwoStreamReID", data_preprocessor=PREPROCESSOR, **kwargs))
    for module in model.modules():  # as if trained
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.normal_(module.weight)
    return model


@pytest.fixture(scope="module")
def teacher_file(tmp_path_factory):
    """Checkpoint of a teacher, as training writes it."""
    path = tmp_path_factory.mktemp("teacher") / "epoch_1.pth"
    model = build(7, face=FACE, face_input="restored_face").train()
    with torch.no_grad():
        model({"restored_face": torch.randn(8, 3, 32, 32)})  # statistics that matter
    torch.save(dict(state_dict=model.state_dict(), meta={}), path)
    return path


@pytest.fixture
def deskpro(teacher_file):
    model = build(body=BODY, face=FACE, teacher=dict(model=TEACHER, checkpoint=str(teacher_file)), loss_distill=FKP)
    model.load_frozen(model, {}, resumed=False)
    return model.train()


def draw_batch(n=4, has_face=None):
    g = torch.Generator().manual_seed(1)
    inputs = {"body": torch.randn(n, 3, 64, 32, generator=g)}
    inputs |= {name: torch.randn(n, 3, 32, 32, generator=g) for name in ("face", "restored_face")}
    samples = []
    for i in range(n):
        sample = ReIDDataSample(metainfo=dict(has_face=True if has_face is None else has_face[i])).set_gt_label(i // 2)
        sample.gt_cloth_mask = PixelData(mask=torch.ones(1, 64, 32, dtype=torch.uint8))
        samples.append(sample)
    return inputs, samples


def slow_divergence(student, teacher, temperature):
    """Equation 5, number by number."""
    total = 0.0
    for ours, theirs in zip(student, teacher):
        for s, t in zip(ours.tolist(), theirs.tolist()):
            p = np.exp(np.array(t) / temperature)
            q = np.exp(np.array(s) / temperature)
            p, q = p / p.sum(), q / q.sum()
            total += sum(a * math.log(a / b) for a, b in zip(p, q)) / len(ours)
    return temperature**2 * total


@pytest.mark.parametrize("temperature", [1.0, 5.0])
def test_equation_5_with_gradients(temperature):
    g = torch.Generator().manual_seed(2)
    student, teacher = (
        [torch.randn(3, 5, generator=g, dtype=torch.double).requires_grad_() for _ in range(7)] for _ in range(2)
    )
    loss = facial_knowledge_propagation(student, teacher, temperature)
    assert loss.item() == pytest.approx(slow_divergence(student, teacher, temperature))
    loss.backward()
    for s, t in zip(student, teacher):
        gradient = temperature * ((s / temperature).softmax(1) - (t / temperature).softmax(1)) / 3
        assert torch.allclose(s.grad, gradient)
        assert t.grad is None
    assert facial_knowledge_propagation(student, student, temperature).item() == pytest.approx(0, abs=1e-12)


def test_equation_7(deskpro):
    inputs, samples = draw_batch()
    state = {key: value.clone() for key, value in deskpro.state_dict().items()}
    losses = deskpro(inputs, samples, mode="loss")
    deskpro.load_state_dict(state)  # the batch norms' statistics
    expected = {f"body.{key}": value for key, value in deskpro.body.loss(inputs["body"], samples).items()}
    plain = deskpro.face.loss(inputs["face"], samples)
    deskpro.load_state_dict(state)
    scores = deskpro.face.head.classify(deskpro.face.head.reduce(deskpro.face.backbone(inputs["face"])))
    model = deskpro.teacher.model
    assert not any(module.training for module in model.modules())
    theirs = model.face.head.classify(model.face.head.reduce(model.face.backbone(inputs["restored_face"])))
    expected["face.loss_fkp"] = 0.7 * torch.tensor(slow_divergence(scores, theirs, 5.0))
    expected["face.loss_id"] = 0.3 * plain["loss_id"]
    expected["face.loss_triplet"], expected["face.acc"] = plain["loss_triplet"], plain["acc"]
    assert losses.keys() == expected.keys()
    for key, value in expected.items():
        assert losses[key].item() == pytest.approx(value.item(), rel=1e-3), key
    assert deskpro.parse_losses(losses)[0].item() == pytest.approx(
        sum(value.item() for key, value in expected.items() if "loss" in key), rel=1e-3
    )


def test_the_teacher_is_hidden_and_frozen(deskpro):
    before = {key: value.clone() for key, value in deskpro.teacher.model.state_dict().items()}
    inputs, samples = draw_batch()
    deskpro.parse_losses(deskpro(inputs, samples, mode="loss"))[0].backward()
    assert all(p.grad is not None for p in deskpro.parameters() if p.requires_grad)
    assert not any("teacher" in key for key in deskpro.state_dict())
    assert all(p.grad is None for p in deskpro.teacher.model.parameters())
    assert all(torch.equal(before[key], value) for key, value in deskpro.teacher.model.state_dict().items())
    assert count_rows(deskpro.state_dict()) == NUM_IDS


def test_without_teacher_the_faces_cross_entropy_has_weight_1():
    model = build(face=FACE).train()
    inputs, samples = draw_batch()
    losses = model({"face": inputs["face"]}, samples, mode="loss")
    assert set(losses) == {"face.loss_id", "face.loss_triplet", "face.acc"}
    torch.testing.assert_close(losses["face.loss_id"], model.face.loss(inputs["face"], samples)["loss_id"])


def test_the_similarity_is_the_sum_of_part_wise_cosines_and_a_missing_face_counts_nothing():
    model = build(body=BODY, face=FACE).eval()
    inputs, samples = draw_batch(has_face=[True, True, False, True])
    feats = torch.stack([sample.pred_feature for sample in model(inputs, samples, mode="predict")])
    assert feats.shape == (4, 14 * 8)
    body, face = model.body.embed(inputs["body"]), model.face.embed(inputs["face"])
    for i, j in [(0, 1), (0, 2), (2, 3)]:
        cosines = sum(F.cosine_similarity(body[i, k], body[j, k], dim=0) for k in range(7))
        if 2 not in (i, j):
            cosines = cosines + sum(F.cosine_similarity(face[i, k], face[j, k], dim=0) for k in range(7))
        assert (feats[i] @ feats[j]).item() == pytest.approx(cosines.item(), abs=1e-4)
    assert torch.equal(feats[2, 56:], torch.zeros(56))
    assert model(inputs, mode="tensor")[2, 56:].norm().item() == pytest.approx(7**0.5)


def test_a_restored_face_is_read_in_the_faces_place():
    model = build(face=FACE, face_input="restored_face").eval()
    inputs, _ = draw_batch()
    assert torch.equal(model(inputs), model.face.embed(inputs["restored_face"]).flatten(1))
    with pytest.raises(InputError, match="no images of restored_face, add it to the data set's streams"):
        model({"face": inputs["face"]})


def test_each_stream_is_normalized():
    model = build(body=BODY, face=FACE)
    images = {"body": [torch.full((3, 64, 32), i, dtype=torch.uint8) for i in (0, 200)]}
    images["face"] = [torch.stack([torch.full((32, 32), c) for c in (10, 20, 30)]).to(torch.uint8)] * 2
    samples = draw_batch(2)[1]
    data = model.data_preprocessor(dict(inputs=images, data_samples=samples), training=True)
    assert data["inputs"]["body"].shape == (2, 3, 64, 32)
    red, green, blue = data["inputs"]["face"][0, :, 5, 5].tolist()
    assert red == pytest.approx((30 - 123.675) / 58.395)
    assert green == pytest.approx((20 - 116.28) / 57.12)
    assert blue == pytest.approx((10 - 103.53) / 57.375)
    assert [sample.gt_label.label.item() for sample in data["data_samples"]] == [0, 0]


def test_trained_weights_serve_in_a_model_without_teacher(deskpro, teacher_file, tmp_path):
    torch.save(dict(state_dict=deskpro.state_dict(), meta={}), tmp_path / "epoch_2.pth")
    init_default_scope("mmpersonsearch")
    config = dict(type="TwoStreamReID", data_preprocessor=PREPROCESSOR, body=BODY, face=FACE)
    alone = MODELS.build(config)
    alone.load_state_dict(deskpro.state_dict(), strict=True)
    inputs, samples = draw_batch()
    assert torch.equal(alone.eval()(inputs, samples), deskpro.eval()(inputs, samples))
    trained = Config(dict(model=dict(config, teacher=dict(model=TEACHER, checkpoint="gone.pth"), loss_distill=FKP)))
    model = build_model(trained, str(tmp_path / "epoch_2.pth"))
    assert model.teacher is None
    assert torch.equal(model(inputs, samples), alone(inputs, samples))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({}, "body and face are None"),
        (dict(face=FACE, loss_distill=FKP), "teacher, loss_distill and face belong together"),
        (dict(face=FACE, teacher=dict(model=TEACHER, checkpoint="x.pth")), "belong together"),
        (dict(body=BODY, teacher=dict(model=TEACHER, checkpoint="x.pth"), loss_distill=FKP), "belong together"),
        (
            dict(
                face=FACE,
                teacher=dict(model=dict(type="TwoStreamReID", body=BODY), checkpoint="x.pth"),
                loss_distill=FKP,
            ),
            "teacher.model has no face stream",
        ),
    ],
)
def test_bad_combinations_are_named(kwargs, message):
    with pytest.raises(InputError, match=message):
        build(**kwargs)


def test_a_teacher_that_normalizes_otherwise_is_refused(teacher_file):
    other = dict(PREPROCESSOR, to_rgb=False)
    teacher = dict(model=dict(TEACHER, data_preprocessor=other), checkpoint=str(teacher_file))
    model = build(face=FACE, teacher=teacher, loss_distill=FKP)
    with pytest.raises(InputError, match="must normalize images alike"):
        model.load_frozen(model, {}, resumed=False)
