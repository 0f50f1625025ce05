"""RoIAlign, RoIPool and NMS from their definitions: loops over numbers, in Python's float64."""

import math

import torch


def interpolate(plane, y, x):
    """The value of an (H, W) plane between its pixels; 0 more than a pixel beyond it."""
    height, width = plane.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return plane.sum() * 0
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = math.floor(y), math.floor(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    ly, lx = y - top, x - left
    upper = (1 - lx) * plane[top, left] + lx * plane[top, right]
    lower = (1 - lx) * plane[bottom, left] + lx * plane[bottom, right]
    return (1 - ly) * upper + ly * lower


def roi_align(maps, rois, output_size, scale, sampling_ratio, aligned):
    outputs = []
    for image, *box in rois.tolist():
        x1, y1, x2, y2 = (side * scale - (0.5 if aligned else 0) for side in box)
        w, h = x2 - x1, y2 - y1
        if not aligned:
            w, h = max(w, 1), max(h, 1)
        rows, columns = output_size
        ny = sampling_ratio or math.ceil(h / rows)
        nx = sampling_ratio or math.ceil(w / columns)
        for plane in maps[int(image)]:
            for row in range(rows):
                for column in range(columns):
                    ys = [y1 + (row + (i + 0.5) / ny) * h / rows for i in range(ny)]
                    xs = [x1 + (column + (j + 0.5) / nx) * w / columns for j in range(nx)]
                    samples = [interpolate(plane, y, x) for y in ys for x in xs]
                    outputs.append(sum(samples, plane.sum() * 0) / max(ny * nx, 1))
    return torch.stack(outputs).view(len(rois), maps.size(1), *output_size)


def roi_pool(maps, rois, output_size, scale):
    """Values, and which pixel of its plane each is; -1 for an empty window."""
    values, places = [], []
    height, width = maps.shape[2:]
    for image, *box in rois.tolist():
        x1, y1 = (side * scale for side in box[:2])
        x2, y2 = ((side + 1) * scale for side in box[2:])
        w, h = x2 - x1, y2 - y1
        rows, columns = output_size
        for plane in maps[int(image)]:
            for row in range(rows):
                for column in range(columns):
                    # In MMCV's order of operations: a border may lie on a pixel's.
                    top, bottom = math.floor(row * (h / rows) + y1), math.ceil((row + 1) * (h / rows) + y1)
                    left = math.floor(column * (w / columns) + x1)
                    right = math.ceil((column + 1) * (w / columns) + x1)
                    value, place = plane.sum() * 0, -1
                    if w > 0 and h > 0:
                        for y in range(min(max(top, 0), height), min(max(bottom, 0), height)):
                            for x in range(min(max(left, 0), width), min(max(right, 0), width)):
                                if place < 0 or plane[y, x] > value:
                                    value, place = plane[y, x], y * width + x
                    values.append(value)
                    places.append(place)
    shape = (len(rois), maps.size(1), *output_size)
    return torch.stack(values).view(shape), torch.tensor(places).view(shape)


def nms(boxes, scores, threshold, offset=0):
    kept = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i].item()):  # stable
        if all(iou(boxes[i].tolist(), boxes[j].tolist(), offset) <= threshold for j in kept):
            kept.append(i)
    return kept


def iou(a, b, offset):
    area_a, area_b = ((box[2] - box[0] + offset) * (box[3] - box[1] + offset) for box in (a, b))
    w = max(min(a[2], b[2]) - max(a[0], b[0]) + offset, 0)
    h = max(min(a[3], b[3]) - max(a[1], b[1]) + offset, 0)
    return w * h / (area_a + area_b - w * h)
