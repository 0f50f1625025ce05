import torch

from mmpersonsearch.models.backbones import ResNetIBN
from mmpersonsearch.models.roi_heads import SharedResNetIBN


def test_it_is_the_last_map_of_the_backbones_stages():
    shared, backbone = SharedResNetIBN(18, stages=(3, 4)).eval(), ResNetIBN(18, stages=(3, 4)).eval()
    backbone.load_state_dict(shared.state_dict())
    maps = torch.randn(3, 128, 16, 8)
    out = shared(maps)
    assert out.shape == (3, shared.out_channels, 4, 2)
    assert torch.equal(out, backbone(maps)[-1])
