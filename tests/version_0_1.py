"""What ``fixtures/version_0_1`` holds, which ``fixtures/write_version_0_1.py`` has written with version 0.1.0."""

import hashlib
from pathlib import Path

import torch

FOLDER = Path(__file__).resolve().parent / "fixtures/version_0_1"
# Checkpoint: stem of the config whose model it fills.
CHECKPOINTS = {
    "tdn.pth": "tdn_r18ibn_synth",
    "oim.pth": "oim_r18_synth",
    "fdps_boim.pth": "fdps_r18_synth_boim",
    "dc_inet.pth": "dc_inet_r18_synth",
    "bot.pth": "bot_r18ibn_synth",
    "faster_rcnn.pth": "faster-rcnn_r18ibn_synth",
    "two_step.pth": "faster-rcnn_bot_synth",
}
# Folder with annotations, predictions and their figures: variable of the data set's root, config and options.
SEARCHES = {
    "prw": ("PRW_ROOT", "tdn_r50ibn_prw_baseline", []),
    "cuhk": ("CUHK_ROOT", "tdn_r50ibn_cuhk_baseline", ["--gallery-sizes", "100", "50"]),
}
RANKINGS = [
    *["--ranking", "RankingWithContextPersons"],
    *["--ranking", "ContextBipartiteGraphMatching", "num_images=3", "num_persons=3"],
]
IDENTITIES = list(range(2, 452, 3))  # of the training set that the checkpoints name


def weights_for(key, like):
    """Weights that tell under which key they were saved: one number, or for a LUT 256 signs shifted row by row.

    They are views of a few numbers, and so they are saved.

    Args:
        key: The key.
        like: A tensor of the shape and type.
    """
    digest = hashlib.sha256(key.encode()).digest()
    if key.endswith("lut.features"):
        rows, columns = like.shape
        signs = [1 if byte % 2 else -1 for byte in hashlib.shake_256(digest).digest(rows + columns)]
        # Rows of length 1, as in training.
        return (torch.tensor(signs, dtype=like.dtype) / columns**0.5).as_strided((rows, columns), (1, 1))
    number = int.from_bytes(digest[:3], "big")
    if like.is_floating_point():
        number /= 1 << 24
    elif key.endswith("queue.head"):
        number %= 100
    return torch.tensor(number, dtype=like.dtype).expand(like.shape)
