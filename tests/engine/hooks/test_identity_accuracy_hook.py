from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from mmengine.logging import MessageHub
from tiny_models import NUM_IDS, build_model, draw_batch

from mmpersonsearch.engine.hooks import IdentityAccuracyHook
from mmpersonsearch.models.losses import C2HEPLoss
from mmpersonsearch.models.roi_heads.reid_heads import OIMReIDHead, PairReIDHead, SoftmaxReIDHead
from mmpersonsearch.utils.errors import InputError

NAME = "train/identity/accuracy"


def runner_of(model):
    return SimpleNamespace(model=model, message_hub=MessageHub(f"hub {id(model)}"))


@pytest.fixture(scope="module")
def case():
    """An OIM* in training mode, and a batch of two images with labelled and unlabelled persons."""
    model = build_model("_oim-star").train()
    images, samples = draw_batch([3, 2])
    for sample, ids in zip(samples, ([4, -1, 7], [4, 9])):
        sample.gt_instances.person_ids = torch.tensor(ids)
    return model, dict(inputs=[image.mul(50).add(120).byte() for image in images], data_samples=samples)


def test_accuracy_is_that_of_the_labelled_true_boxes(case):
    model, batch = case
    model.eval()
    boxes = [sample.gt_instances.bboxes for sample in batch["data_samples"]]
    first, _, second, third, fourth = torch.cat(model.embed(model.data_preprocessor(batch)["inputs"], boxes))
    model.train()
    lut = model.roi_head.reid_head.loss_id.lut.features
    runner, hook = runner_of(model), IdentityAccuracyHook(interval=5)
    hook.before_train(runner)
    # Identity 4 is in both images; identity 1 looks like the person of row 9, who is not told rightly.
    for rows, expected in (
        ({4: first + third, 7: second, 9: fourth}, 1.0),
        ({4: first + third, 7: second, 9: -fourth, 1: fourth}, 0.75),
        ({4: -first - third, 7: -second, 9: -fourth, 1: fourth, 0: first + third + second}, 0.0),
    ):
        lut.zero_()
        for row, feat in rows.items():
            lut[row] = F.normalize(feat, dim=0)
        hook.before_train_iter(runner, 4, batch)
        assert runner.message_hub.get_scalar(NAME).current() == pytest.approx(expected)
    runner.message_hub.get_scalar(NAME)
    count = len(runner.message_hub.get_scalar(NAME).data[0])
    hook.before_train_iter(runner, 5, batch)  # not its turn
    for sample in batch["data_samples"]:
        sample.gt_instances.person_ids[:] = -1
    hook.before_train_iter(runner, 9, batch)  # no labelled person
    assert len(runner.message_hub.get_scalar(NAME).data[0]) == count == 3


def test_training_does_not_notice(case):
    model, batch = case
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    boxes = [sample.gt_instances.bboxes.clone() for sample in batch["data_samples"]]
    IdentityAccuracyHook(interval=1).before_train_iter(runner_of(model), 0, batch)
    assert model.training and torch.equal(random, torch.get_rng_state())
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    for sample, before in zip(batch["data_samples"], boxes):
        assert torch.equal(sample.gt_instances.bboxes, before)


def test_each_identity_loss_tells_identities():
    init = dict(in_channels=6, num_ids=NUM_IDS, feat_channels=5)
    feats = F.normalize(torch.randn(4, 5, generator=torch.Generator().manual_seed(0)))
    oim = OIMReIDHead(**init, loss_id=dict(type="OIMLoss", queue_size=3))
    softmax = SoftmaxReIDHead(**init, loss_id=dict(type="mmdet.CrossEntropyLoss"))
    pairs = dict(loss_pair=dict(type="OLPLoss", feat_channels=5, dictionary_size=8))
    hep, c2hep = (PairReIDHead(**init, **pairs, loss_id=dict(type=kind)) for kind in ("HEPLoss", "C2HEPLoss"))
    assert isinstance(c2hep.loss_id, C2HEPLoss)
    rows = torch.eye(NUM_IDS)[:, :5] * torch.arange(1, NUM_IDS + 1)[:, None]
    oim.loss_id.lut.features.copy_(F.normalize(rows))
    c2hep.loss_id.centers.features.copy_(rows)
    with torch.no_grad():
        softmax.classifier.weight.copy_(rows)
        hep.loss_id.classifier.bias[-1] = 1e6  # the background, which is no identity
    assert torch.allclose(oim.identity_scores(feats), feats @ F.normalize(rows).t())
    assert torch.allclose(c2hep.identity_scores(feats), 10 * feats @ F.normalize(rows).t())
    assert torch.equal(softmax.identity_scores(feats).argmax(1), softmax.classifier(7 * feats).argmax(1))
    scores = hep.identity_scores(feats)
    assert scores.shape == (4, NUM_IDS) and torch.allclose(scores, hep.loss_id.classifier(feats)[:, :-1])


def test_a_model_without_identities_is_refused():
    with pytest.raises(InputError, match=r"Linear has no roi_head\.reid_head that tells identities"):
        IdentityAccuracyHook().before_train(runner_of(torch.nn.Linear(1, 1)))
