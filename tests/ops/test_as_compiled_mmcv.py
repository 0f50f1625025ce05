"""Held against MMCV's compiled operators: their recorded results, and where MMCV is compiled they themselves."""

import importlib

import mmcv_cases
import numpy as np
import pytest
import torch

import mmpersonsearch.models  # noqa: F401
from mmpersonsearch.ops import mmcv_ext
from mmpersonsearch.ops.mmcv_ops import is_compiled

ALIGN, NMS = list(mmcv_cases.make_align_cases()), list(mmcv_cases.make_nms_cases())
RECORDED = np.load(mmcv_cases.RECORD)
only_compiled = pytest.mark.skipif(
    not is_compiled(importlib.import_module("mmcv._ext")), reason="MMCV is not compiled here"
)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("name", "options"), ALIGN, ids=[name for name, _ in ALIGN])
def test_roi_align_is_as_recorded(name, options, layout):
    output, gradient = mmcv_cases.run_align(mmcv_ext, options, layout)
    assert np.abs(output.numpy() - RECORDED[name]).max() < 1e-5
    assert np.abs(gradient.numpy() - RECORDED[f"{name}_gradient"]).max() < 1e-4


@pytest.mark.parametrize(("name", "boxes", "scores", "options"), NMS, ids=[case[0] for case in NMS])
def test_nms_is_as_recorded(name, boxes, scores, options):
    assert mmcv_ext.nms(boxes, scores, **options).tolist() == RECORDED[name].tolist()


def test_the_record_is_complete():
    names = [name for name, _ in ALIGN] + [f"{name}_gradient" for name, _ in ALIGN] + [case[0] for case in NMS]
    assert sorted(names) == sorted(RECORDED)


@only_compiled
@pytest.mark.parametrize("options", [options for _, options in ALIGN], ids=[name for name, _ in ALIGN])
def test_roi_align_is_as_compiled(options):
    ours, compiled = (mmcv_cases.run_align(ext, options) for ext in (mmcv_ext, mmcv_cases.Compiled()))
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(ours, compiled))


@only_compiled
def test_nms_is_as_compiled():
    for _, boxes, scores, options in NMS:
        assert torch.equal(mmcv_ext.nms(boxes, scores, **options), mmcv_cases.Compiled().nms(boxes, scores, **options))
