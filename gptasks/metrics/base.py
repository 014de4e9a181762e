"""What every metric shares: `evaluate.Metric`, whole-set computation, an interval, a signature.

Nothing here knows of classes: texts, spans or tags are scored through the same four members. A new
metric sets `name`, `source`, `answer` and `is_better_higher`, and answers `prepare`; one that reads
more than predictions and references names that in `inputs` and `columns`. `simple.py` has what asks
for less.
"""

from __future__ import annotations

import inspect
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence, Sized
from typing import Any, ClassVar

import datasets
import evaluate

from gptasks.errors import DataError, listing, suggest
from gptasks.metrics.bootstrap import Measure, estimate


class Metric(evaluate.Metric, ABC):
    """A metric that needs no network and leaves no files.

    Used like any metric of evaluate: `add`, `add_batch`, `compute`, `evaluate.combine`. `compute`
    gives {name: value, name_low: ..., name_high: ...}, the two being a 95% percentile-bootstrap
    interval; it also takes `seed=0` and `resamples=1000`, where `resamples=0` gives the value only.
    """

    name: ClassVar[str]
    """What selects it, and the key of its value."""

    source: ClassVar[str]
    """Where it is defined: author, year, title, place."""

    answer: ClassVar[str]
    """What it scores, as `Task.answer` says it: `label`, `tags` or `text`."""

    urls: ClassVar[tuple[str, ...]] = ()
    """Pages of that source."""

    version: ClassVar[int] = 1
    """Raised whenever the same input gives another number."""

    is_better_higher: ClassVar[bool] = True
    """Whether a higher value is the better one."""

    inputs: ClassVar[tuple[str, ...]] = ()
    """What `prepare` takes beside predictions and references; there are `scores` and `labels`."""

    columns: ClassVar[Mapping[str, Any]] = {
        "predictions": datasets.Value("string"),
        "references": datasets.Value("string"),
    }
    """What is kept of each example: name to feature, as Arrow stores it."""

    @abstractmethod
    def prepare(
        self, predictions: Sequence[Any], references: Sequence[Any], **given: Any
    ) -> Measure:
        """The metric on these n examples, as a function of weights (n, R) to (R,) values.

        A weight says how often an example counts; all ones give the metric itself. given: what
        `inputs` names. Raises DataError where the examples can't be scored.
        """

    def settings(self, **given: Any) -> tuple[str, ...]:
        """The choices behind the number, for `signature`; given: what `inputs` names."""
        return ()

    def signature(self, **given: Any) -> str:
        """A line that changes whenever the number could: name, choices, version.

        `labels=[...]` adds their number where the metric depends on it.
        """
        known = {name: value for name, value in given.items() if name in self.inputs}
        return "|".join((self.name, *self.settings(**known), f"v:{self.version}"))

    def check_lengths(self, columns: Mapping[str, Sized]) -> None:
        """Raise DataError unless all columns have the same number of examples, at least one."""
        lengths = {name: len(column) for name, column in columns.items()}
        if len(set(lengths.values())) > 1:
            counts = listing(f"{length} {name}" for name, length in lengths.items())
            raise DataError(f"metric '{self.name}' needs one of each per example; got {counts}")
        if 0 in lengths.values():
            raise DataError(f"metric '{self.name}' got no examples; give it at least one")

    def pack(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """Columns as the caller gives them to columns as `columns` declares them."""
        return dict(columns)

    def unpack(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """The reverse of `pack`."""
        return dict(columns)

    # -- evaluate's own methods -------------------------------------------------------------

    def __init__(
        self,
        config_name: str | None = None,
        keep_in_memory: bool | None = None,
        num_process: int = 1,
        **others: Any,
    ) -> None:
        """As `evaluate.Metric`, but in memory wherever that is possible: in a single process."""
        if keep_in_memory is None:
            keep_in_memory = num_process == 1
        super().__init__(config_name, keep_in_memory, num_process=num_process, **others)

    def compute(self, *, predictions: Any = None, references: Any = None, **given: Any) -> Any:
        """The metric on the examples given here and by `add` and `add_batch` before."""
        columns = {"predictions": predictions, "references": references, **given}
        needed = {name: columns.get(name) for name in self._feature_names()}
        if any(column is not None for column in needed.values()):
            missing = [name for name, column in needed.items() if column is None]
            if missing:
                raise DataError(
                    f"metric '{self.name}' needs {listing(missing)} as well; "
                    f"it takes one of each per example: {listing(needed)}"
                )
        elif self.writer is None and self.process_id == 0:
            raise DataError(f"metric '{self.name}' got no examples; give it at least one")
        return super().compute(predictions=predictions, references=references, **given)

    def add_batch(self, *, predictions: Any = None, references: Any = None, **given: Any) -> None:
        """Keep these examples for `compute`; every argument has one entry per example."""
        columns = {"predictions": predictions, "references": references, **given}
        missing = [name for name in self._feature_names() if columns.get(name) is None]
        if missing:
            raise DataError(f"metric '{self.name}' needs {listing(missing)} as well")
        self.check_lengths(columns)
        super().add_batch(**self.pack(columns))

    def add(self, *, prediction: Any = None, reference: Any = None, **given: Any) -> None:
        """Keep this one example for `compute`."""
        columns = {"predictions": prediction, "references": reference, **given}
        self.add_batch(**{name: [value] for name, value in columns.items()})

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=inspect.getdoc(type(self)) or self.name,
            citation=self.source,
            inputs_description=inspect.getdoc(type(self).prepare) or "",
            features=datasets.Features(dict(self.columns)),
            reference_urls=list(self.urls),
        )

    def _compute(
        self,
        *,
        predictions: Any = None,
        references: Any = None,
        seed: int = 0,
        resamples: int = 1000,
        **given: Any,
    ) -> dict[str, float]:
        unknown = [name for name in given if name not in self.inputs]
        if unknown:
            raise DataError(
                f"metric '{self.name}' has no argument {unknown[0]!r}"
                f"{suggest(unknown[0], self.inputs) or '; it takes: ' + listing(self.inputs)}"
            )
        columns = self.unpack({"predictions": predictions, "references": references, **given})
        self.check_lengths({name: columns[name] for name in ("predictions", "references")})
        measure = self.prepare(**columns)
        n = len(columns["references"])
        value, low, high = estimate({self.name: measure}, n, seed=seed, resamples=resamples)[
            self.name
        ]
        if resamples == 0:
            return {self.name: value}
        return {self.name: value, f"{self.name}_low": low, f"{self.name}_high": high}

    def _build_data_dir(self) -> str:
        """As evaluate's, but without making a folder that examples in memory don't need."""
        if self.keep_in_memory:
            return os.path.join(self._data_dir_root, self.name, self.config_name)
        return super()._build_data_dir()
