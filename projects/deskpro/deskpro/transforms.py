"""Transforms of a person's streams: body with clothes mask, and face with restored face.

``results['stacks']`` holds what has the same geometry as one image: ``body`` (H, W, 3) or, with the mask as fourth
channel (255 on clothes), (H, W, 4); ``face`` (h, w, 3) or, with the restored face behind it, (h, w, 6). uint8, BGR.
"""

from __future__ import annotations

import numpy as np
import torch
from mmcv.image import imflip, imresize
from mmcv.transforms import BaseTransform
from mmdet.structures import ReIDDataSample
from mmengine.structures import PixelData
from mmpretrain.datasets.transforms import RandomErasing

from mmpersonsearch.datasets import LoadSceneImage
from mmpersonsearch.registry import TRANSFORMS
from mmpersonsearch.utils.errors import InputError

FACES = ("face", "restored_face")
MASK_THRESHOLD = 128  # in mask files, darker pixels are clothes


@TRANSFORMS.register_module()
class LoadStreams(BaseTransform):
    """Loader of the streams of one person, resized bilinearly.

    In a mask file, of the size of the body's image, clothes are black and all else is white, as in the authors' files.
    A missing face is black.

    Args:
        body_size: Height and width of the body in pixels.
        face_size: Of both faces.
    """

    def __init__(self, body_size: tuple[int, int] = (384, 128), face_size: tuple[int, int] = (224, 224)) -> None:
        self.body_size, self.face_size = tuple(body_size), tuple(face_size)
        self._color, self._gray = LoadSceneImage(), LoadSceneImage(color_type="grayscale")

    def transform(self, results: dict) -> dict:
        """Load ``stream_paths`` and ``mask_path`` into ``stacks``; ``streams`` names the streams in their order.

        Raises:
            FileNotFoundError: A file is missing.
            InputError: A file cannot be decoded, or a mask differs in size from its image.
        """
        paths, results["stacks"] = results["stream_paths"], {}
        if "body" in results["streams"]:
            body = self._load(self._color, paths["body"])
            if results["mask_path"] is not None:
                body = np.dstack([body, self._load_mask(results["mask_path"], body.shape[:2])])
            results["stacks"]["body"] = imresize(body, self.body_size[::-1])
        faces = [stream for stream in FACES if stream in results["streams"]]
        if faces:
            black = np.zeros((*self.face_size, 3), np.uint8)
            images = [self._load(self._color, paths[face]) if results["has_face"] else black for face in faces]
            results["stacks"]["face"] = np.dstack([imresize(image, self.face_size[::-1]) for image in images])
        return results

    def _load_mask(self, path: str, shape: tuple[int, int]) -> np.ndarray:
        mask = self._load(self._gray, path)
        if mask.shape[:2] != shape:
            raise InputError(f"{path}: expected a mask of its image's size, {shape}, got {mask.shape[:2]}")
        return np.where(mask < MASK_THRESHOLD, 255, 0).astype(np.uint8).reshape(shape)

    @staticmethod
    def _load(loader: LoadSceneImage, path: str) -> np.ndarray:
        return loader.transform(dict(img_path=path))["img"]


@TRANSFORMS.register_module()
class FlipStreams(BaseTransform):
    """Mirror all streams of a person together, with probability ``prob``."""

    def __init__(self, prob: float = 0.5) -> None:
        self.prob = prob

    def transform(self, results: dict) -> dict:
        """Mirror ``stacks``; ``flip`` tells whether they were."""
        results["flip"] = bool(np.random.rand() < self.prob)
        if results["flip"]:
            results["stacks"] = {key: np.ascontiguousarray(imflip(one)) for key, one in results["stacks"].items()}
        return results


@TRANSFORMS.register_module()
class CropStreams(BaseTransform):
    """Enlarge each stack and crop a random part of its former size, as LightMBN does.

    Args:
        prob: Probability of each stack, on its own.
        scale: Factor of the enlargement.
    """

    def __init__(self, prob: float = 0.5, scale: float = 1.05) -> None:
        self.prob, self.scale = prob, scale

    def transform(self, results: dict) -> dict:
        """Crop ``stacks``."""
        for key, stack in results["stacks"].items():
            if np.random.rand() < self.prob:
                height, width = stack.shape[:2]
                large = imresize(stack, (round(width * self.scale), round(height * self.scale)))
                y, x = (np.random.randint(n - m + 1) for n, m in zip(large.shape[:2], (height, width)))
                results["stacks"][key] = np.ascontiguousarray(large[y : y + height, x : x + width])
        return results


@TRANSFORMS.register_module()
class EraseStreams(RandomErasing):
    """MMPretrain's ``RandomErasing`` of each stack, with a rectangle of its own.

    Where the body is erased there are no clothes: the mask is 0 there.
    """

    def transform(self, results: dict) -> dict:
        """Erase rectangles of ``stacks``."""
        for stack in results["stacks"].values():
            if not self.random_disable():
                self._fill_pixels(stack, *self.random_patch(*stack.shape[:2]))
        return results

    def _fill_pixels(self, img: np.ndarray, top: int, left: int, h: int, w: int) -> np.ndarray:
        channels = img.shape[2]
        for i in range(0, channels - channels % 3, 3):
            super()._fill_pixels(img[..., i : i + 3], top, left, h, w)
        img[top : top + h, left : left + w, channels - channels % 3 :] = 0
        return img


@TRANSFORMS.register_module()
class PackStreams(BaseTransform):
    """Packer of the streams of one person, for a model of streams and for :class:`ReIDMetric`."""

    meta_keys = ("img_path", "person_id", "camera_id", "clothes_id", "is_query", "has_face")

    def transform(self, results: dict) -> dict:
        """Pack the streams.

        Returns:
            ``inputs``: (3, H, W) uint8 BGR of each stream by name. ``data_samples``: a ``ReIDDataSample`` with
            ``gt_label``, meta information (of the class, and ``flip``), and, where masks were loaded,
            ``gt_cloth_mask.mask`` (1, H, W) uint8, 1 on clothes.
        """
        inputs, stacks = {}, results["stacks"]
        if "body" in stacks:
            inputs["body"] = _to_tensor(stacks["body"][..., :3])
        for i, face in enumerate(face for face in FACES if face in results["streams"]):
            inputs[face] = _to_tensor(stacks["face"][..., 3 * i : 3 * i + 3])
        sample = ReIDDataSample(metainfo={key: results[key] for key in self.meta_keys})
        sample.set_metainfo(dict(flip=results.get("flip", False)))
        sample.set_gt_label(results["gt_label"])
        if results["mask_path"] is not None:
            sample.gt_cloth_mask = PixelData(mask=_to_tensor((stacks["body"][..., 3:] > 127).astype(np.uint8)))
        return dict(inputs=inputs, data_samples=sample)


def _to_tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
