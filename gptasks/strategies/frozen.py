"""Windows on the frozen layers of a backbone: what is computed there is computed once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import pairwise

import numpy as np
import torch

from gptasks.backbone import Backbone
from gptasks.data.batching import collate, sorted_batches
from gptasks.data.encoding import Window
from gptasks.errors import TrainingError
from gptasks.model import decode
from gptasks.progress import Progress
from gptasks.room import holding
from gptasks.task import Probe

UNIT = "layer-tokens"
"""What progress counts: tokens times the layers that they go through."""


class Frozen:
    """The windows of train and validation, on their way up a frozen backbone.

    A few of them, drawn by `seed`, go first: `cuts` are numbers of rows, and `rows`, where a method
    asks for it, is one of them and means the first so many of either split. Each group between
    two cuts has batches of its own, which never change. So states are the same to the last bit,
    whether they were computed in one go or in several.

    memory: bytes of states that are held for later, beside those of the layer reached last.
    """

    def __init__(
        self,
        backbone: Backbone,
        train: Sequence[Window],
        validation: Sequence[Window],
        *,
        cuts: Sequence[int],
        memory: float,
        batch_tokens: int,
        seed: int,
    ) -> None:
        self.backbone, self.windows, self.memory = backbone, (train, validation), memory
        self.cuts, self.seed, self.batch_tokens = cuts, seed, batch_tokens
        self.groups = self._grouped()

    def at(self, batch_tokens: int) -> Frozen:
        """This, in batches of so many tokens; where they are others, all begins anew."""
        if batch_tokens != self.batch_tokens:
            self.batch_tokens = batch_tokens
            self.groups = self._grouped()
        return self

    @property
    def size(self) -> int:
        """Bytes that the states of all windows take on one layer."""
        return sum(group.size for group in self.groups)

    def work(self, layer: int, rows: int) -> int:
        """Layer-tokens still to compute for the features of `rows` rows on `layer`."""
        return sum(group.work(layer) for group in self._first(rows))

    def features(
        self, probe: Probe, layer: int, rows: int, progress: Progress, *, hold: bool = False
    ) -> list[np.ndarray]:
        """What a fit takes: train's features (N, D) and targets (N,), then validation's.

        hold: keep the states of `layer`, so that higher layers can go on from them.
        """
        groups = list(self._first(rows))
        for group in groups:
            group.read(probe, layer, progress, hold)
        return [
            np.concatenate([group.found[layer][part] for group in groups if group.split == split])
            for split in range(len(self.windows))
            for part in range(2)
        ]

    def forget(self, layer: int) -> None:
        """Free the states that `layer`, and layers above it, can be computed without."""
        for group in self.groups:
            group.forget(layer)
        while sum(group.spare for group in self.groups) > self.memory:
            for group in self.groups:
                group.forget_lowest()

    def forget_states(self) -> None:
        """Free all states: nothing higher will be asked for."""
        for group in self.groups:
            group.held = {}

    def forget_features(self) -> None:
        """Free all features and targets."""
        for group in self.groups:
            group.found = {}

    def hold(self, layer: int) -> None:
        """Hold the states of all windows on `layer`, and no others."""
        total = sum(group.way(layer) for group in self.groups)
        with Progress(f"frozen layers 1-{layer}", total, UNIT) as progress:
            for group in self.groups:
                group.climb(layer, progress)
                group.held = {layer: group.held[layer]}

    def with_states(self, layer: int) -> tuple[list[Window], list[Window]]:
        """Train and validation, each window with its `states` (T, D) on `layer`, which are no
        longer held here."""
        self.hold(layer)
        train, validation = (list(windows) for windows in self.windows)
        for group in self.groups:
            group.hand_over(layer, (train, validation)[group.split])
        return train, validation

    def _grouped(self) -> list[_Group]:
        return [
            _Group(self.backbone, windows, split, start, drawn, self.batch_tokens)
            for split, windows in enumerate(self.windows)
            for start, drawn in _drawn(len(windows), self.cuts, self.seed)
        ]

    def _first(self, rows: int) -> Iterator[_Group]:
        return (group for group in self.groups if group.start < rows)


class _Group:
    """Some windows of one split, in batches that stay the same.

    held: layer to states (B, T, D), batch by batch; found: layer to features and targets there.
    """

    def __init__(
        self,
        backbone: Backbone,
        windows: Sequence[Window],
        split: int,
        start: int,
        drawn: Sequence[int],
        batch_tokens: int,
    ) -> None:
        self.backbone, self.windows, self.split, self.start = backbone, windows, split, start
        lengths = [len(windows[i]["input_ids"]) for i in drawn]
        self.tokens = sum(lengths)
        self.batches = [[drawn[i] for i in b] for b in sorted_batches(lengths, batch_tokens)]
        self.held: dict[int, list[torch.Tensor]] = {}
        self.found: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    @property
    def size(self) -> int:
        """Bytes of its states on one layer, without padding."""
        return self.tokens * self.backbone.hidden_size * self.backbone.dtype.itemsize

    @property
    def spare(self) -> int:
        """Bytes held beside the states of the highest layer."""
        return self.size * max(0, len(self.held) - 1)

    def way(self, layer: int) -> int:
        """Layer-tokens from the nearest held states up to `layer`."""
        return self.tokens * (layer - self._nearest(layer))

    def work(self, layer: int) -> int:
        """Layer-tokens to the features of `layer`: none where they are known."""
        return 0 if layer in self.found else self.way(layer)

    def climb(self, layer: int, progress: Progress) -> None:
        """Hold the states on `layer`."""
        if layer not in self.held:
            held = [states.cpu() for _, states in self._run(layer, progress)]
            self.held[layer] = held[::-1]

    def read(self, probe: Probe, layer: int, progress: Progress, hold: bool) -> None:
        """Find the features of `layer`; TrainingError where some are no numbers."""
        if layer in self.found:
            return
        held, features, targets = [], [], []
        for data, states in self._run(layer, progress):
            with self._held(data), torch.no_grad():
                numbers = probe.features(self.backbone.norm(states), data)
            if not torch.isfinite(numbers).all():
                raise TrainingError(
                    f"backbone {self.backbone.name!r} gives states at layer {layer} that are no "
                    "numbers; compute in precision=fp32, or take another backbone."
                )
            features.append(numbers.cpu().numpy())
            targets.append(probe.targets(data))
            if hold:
                held.append(states.cpu())
        if hold:
            self.held[layer] = held[::-1]
        self.found[layer] = np.concatenate(features[::-1]), np.concatenate(targets[::-1])

    def forget(self, layer: int) -> None:
        """Free the states below the nearest to `layer`."""
        nearest = self._nearest(layer)
        self.held = {k: states for k, states in self.held.items() if k >= nearest}

    def forget_lowest(self) -> None:
        """Free the states of the lowest layer, unless they are all there is."""
        if len(self.held) > 1:
            del self.held[min(self.held)]

    def hand_over(self, layer: int, windows: list[Window]) -> None:
        """Put the states held on `layer` into `windows`, without padding."""
        batches = self.held.pop(layer)
        for batch in self.batches:
            states = batches.pop(0)
            for row, i in enumerate(batch):
                length = len(windows[i]["input_ids"])
                windows[i] = {**windows[i], "states": states[row, :length].clone()}

    def _run(
        self, layer: int, progress: Progress
    ) -> Iterator[tuple[dict[str, torch.Tensor], torch.Tensor]]:
        """Each batch, and its states on `layer`; the last first, whose texts are the longest, so
        that a lack of memory shows at once."""
        start = self._nearest(layer)
        piece = self.backbone.piece(start, layer) if start < layer else None
        for n, batch in reversed(list(enumerate(self.batches))):
            windows = [self.windows[i] for i in batch]
            data = collate(windows, self.backbone.tokenizer.pad_id, self.backbone.device)
            below = self.held[start][n].to(self.backbone.device) if start else None
            if piece is None:
                assert below is not None
                yield data, below
                continue
            with self._held(data), torch.no_grad():
                states = decode(piece, data, below)
            progress.add(int(data["attention_mask"].sum()) * (layer - start))
            yield data, states

    def _held(self, data: Mapping[str, torch.Tensor]) -> AbstractContextManager[None]:
        """Work on a batch, which memory may not hold."""
        return holding(*data["input_ids"].shape)

    def _nearest(self, layer: int) -> int:
        """The highest layer up to `layer` with states held; 0, the text, where there is none."""
        return max((k for k in self.held if k <= layer), default=0)


def _drawn(count: int, cuts: Sequence[int], seed: int) -> Iterator[tuple[int, list[int]]]:
    """The rows of a split as drawn, cut into groups: the place where each starts, and its rows in
    their order."""
    order = np.random.default_rng([seed, count]).permutation(count)
    for start, stop in pairwise([0, *sorted({cut for cut in cuts if cut < count}), count]):
        yield start, sorted(order[start:stop].tolist())
