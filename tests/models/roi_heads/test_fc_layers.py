import pytest
import torch
from torch.nn import functional as F

from mmpersonsearch.models.roi_heads import FCLayers
from mmpersonsearch.registry import MODELS


def test_two_layers_on_the_flattened_map():
    fc = FCLayers(4, (3, 2), out_channels=5).eval()
    maps = torch.randn(7, 4, 3, 2)
    out = fc(maps.contiguous(memory_format=torch.channels_last))
    hidden = F.relu(maps.flatten(1) @ fc[0].weight.t() + fc[0].bias)
    expected = F.relu(hidden @ fc[3].weight.t() + fc[3].bias)
    assert out.shape == (7, 5, 1, 1)
    assert torch.allclose(out[:, :, 0, 0], expected, atol=1e-6)
    assert (fc.train()(maps) == 0).float().mean() > (out == 0).float().mean()  # dropout


@pytest.mark.parametrize(("size", "fits"), [((7, 7), True), ((14, 7), False)])
def test_names_and_shapes_are_those_of_vggs_classifier(size, fits):
    with torch.device("meta"):
        vgg = MODELS.build(dict(type="mmpretrain.VGG", depth=16, num_classes=10)).classifier.state_dict()
        fc = FCLayers(512, size).state_dict()
    assert fc.keys() <= vgg.keys()
    assert all(fc[key].shape == vgg[key].shape for key in fc) == fits
