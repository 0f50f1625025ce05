"""Results of search by pairs on disk, which processes write as they go."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from mmengine.structures import InstanceData

from mmpersonsearch.evaluation import QueryResults
from mmpersonsearch.evaluation.index.ragged import ragged_ranges
from mmpersonsearch.utils.files import write_json_file, write_whole

FIELDS = ("bboxes", "scores", "similarities")
Pairs = Mapping[tuple[int, int], InstanceData]  # results by query and image


class PairResultFiles(Sequence[QueryResults]):
    """Results by query, in files of a folder: one per pass over some images, of ``max_queries`` queries at a time.

    Each file appears whole. Processes may write at once, and read what others have written in the same folder.

    Args:
        folder: The folder; it must be of one model and one protocol.
        num_queries: Queries of the protocol.
        max_queries: Queries of a pass: pass p has the queries p * max_queries and the following.
    """

    def __init__(self, folder: str | Path, num_queries: int, max_queries: int) -> None:
        self.folder = Path(folder)
        self.num_queries = num_queries
        self.max_queries = max_queries
        self._read: tuple[int | None, dict[int, QueryResults]] = (None, {})  # the pass that was read last

    @property
    def passes(self) -> list[range]:
        """The queries of each pass."""
        starts = range(0, self.num_queries, self.max_queries)
        return [range(start, min(start + self.max_queries, self.num_queries)) for start in starts]

    def describe(self, facts: Mapping[str, Any]) -> None:
        """Write what the results depend on, for people to read."""
        write_json_file(self.folder / "facts.json", dict(facts))

    def write(self, number: int, image_inds: Sequence[int], pairs: Pairs) -> None:
        """Write what one process found in a pass.

        Args:
            number: The pass.
            image_inds: The images that are done for all queries of the pass.
            pairs: ``bboxes`` (n, 4) in pixels of the original image, ``scores`` (n,) and ``similarities`` (n,) of each
                of the pass' queries with each of these images that it is searched in.
        """
        table = np.array([(*pair, len(found.scores)) for pair, found in pairs.items()], np.int64).reshape(-1, 3)
        fields = {}
        for name, shape in zip(FIELDS, ((0, 4), 0, 0)):
            found = (one[name].numpy() for one in pairs.values())
            fields[name] = np.concatenate([np.zeros(shape, np.float32), *found])
        content = io.BytesIO()
        np.savez(content, images=np.array(image_inds, np.int64), pairs=table, **fields)
        write_whole(self.folder / f"pass-{number:04d}_image-{image_inds[0]:07d}.npz", content.getvalue())

    def done(self, number: int) -> set[int]:
        """Return the images that are done in a pass."""
        images: set[int] = set()
        for path in self._paths(number):
            with np.load(path) as file:
                images.update(file["images"].tolist())
        return images

    def _paths(self, number: int) -> list[Path]:
        return sorted(self.folder.glob(f"pass-{number:04d}_image-*.npz"))

    def __len__(self) -> int:
        return self.num_queries

    @overload
    def __getitem__(self, index: int) -> QueryResults: ...
    @overload
    def __getitem__(self, index: slice) -> list[QueryResults]: ...
    def __getitem__(self, index):
        """Read the results of a query, which those of its pass come with, or of several."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        number = index // self.max_queries
        if self._read[0] != number:
            self._read = (number, self._read_pass(number))
        return self._read[1][index]

    def _read_pass(self, number: int) -> dict[int, QueryResults]:
        parts = []
        for path in self._paths(number):
            with np.load(path) as file:
                parts.append({name: torch.from_numpy(file[name]) for name in file.files})
        if not parts:  # none of the queries is searched in an image
            none = torch.zeros(0, dtype=torch.int64)
            nothing = QueryResults(none, none, torch.zeros(0, 4), torch.zeros(0), torch.zeros(0))
            return dict.fromkeys(self.passes[number], nothing)
        whole = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        queries, images, counts = whole["pairs"].unbind(1)
        keys = queries * (int(images.max()) + 1 if len(images) else 1) + images
        # Each pair once, also where two tests that were started at once have both run it.
        order = torch.from_numpy(np.unique(keys.numpy(), return_index=True)[1])
        starts = counts.cumsum(0) - counts
        results = {}
        for query in self.passes[number]:
            own = order[queries[order] == query]
            inds, _ = ragged_ranges(starts[own], counts[own])
            fields = (whole[name][inds] for name in FIELDS)
            results[query] = QueryResults(images[own], counts[own], *fields)
        return results
