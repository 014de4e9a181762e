"""What a comparison holds: plain data, from which every output is made.

`Comparison.as_json` is all of it. Numbers that refer to runs or systems are places in the lists
`runs` and `systems`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from gptasks.metrics import Score
from gptasks.tracking.tracker import plain


@dataclass(frozen=True)
class RunRecord:
    """A finished run, as its folder tells it."""

    path: str
    """The folder, as it was named or found."""

    task: str
    kind: str
    backbone: str
    strategy: str
    seed: int

    select: str
    """The metric that chose the best model, on validation."""

    labels: tuple[str, ...]
    """The classes, in the order of the model's outputs."""

    scores: Mapping[str, Mapping[str, Score]]
    """Scores by split, then by metric."""

    baselines: Mapping[str, Mapping[str, Score]]
    """Scores on test by baseline, then by metric."""

    data: Mapping[str, Mapping[str, Any]]
    """Number of rows and SHA-256 by split."""

    truncation: Mapping[str, Mapping[str, Any]]
    """What was cut away, by split."""

    settings: Mapping[str, Any]
    """The whole configuration, its keys dotted."""

    command: str
    """The command line that repeats the run."""

    timing: Mapping[str, Any]
    """How long its steps took, and on what."""

    versions: Mapping[str, Any]
    """The libraries it was made with."""


@dataclass(frozen=True)
class Broken:
    """A folder that could not be read as a finished run."""

    path: str
    reason: str

    @property
    def said(self) -> str:
        """The reason, with the path where it does not name it."""
        return self.reason if self.path in self.reason else f"{self.path}: {self.reason}"


@dataclass
class Column:
    """One metric of one task."""

    task: str
    metric: str
    is_better_higher: bool

    rows: int = 0
    """Number of test rows that the cells without a flag were scored on."""

    test_sha256: str = ""
    """SHA-256 of those rows."""


@dataclass(frozen=True)
class System:
    """A line of the table: one configuration, whatever its seeds, or a baseline."""

    name: Mapping[str, str]
    """What it is called, by key; all systems have the same keys."""

    baseline: str | None = None
    """Name of the baseline; None for a configuration."""


@dataclass
class Cell:
    """What one system reached on one metric of one task."""

    system: int
    column: int
    runs: list[int]
    """The runs it was made of, one for each seed; for a baseline the run that told it."""

    value: float
    """Mean over the seeds; not a number where it is undefined."""

    low: float
    """Lower end of the 95% interval over test rows: the mean over the seeds of the lower ends."""

    high: float
    """Upper end of that interval."""

    seed_sd: float | None
    """Standard deviation over the seeds, on the same test rows; None for fewer than two."""

    rows: int
    """Number of test rows."""

    flags: list[str] = field(default_factory=list)
    """Why it can't be compared with the other cells of its column; empty where it can."""

    untested: str = ""
    """Why it takes part in no test though it could be compared; empty where it does."""

    is_best: bool = False
    """Whether it is significantly better than every other cell of its column."""


@dataclass
class Test:
    """Two systems on one metric of one task, by their predictions on the same rows."""

    column: int
    a: int
    """The system with the better value."""

    b: int
    """The other one."""

    rows: int
    """Number of rows that both have predicted."""

    difference: float
    """Value of a less that of b, in the metric's own unit; below 0 where lower is better."""

    low: float
    """Lower end of the difference's 95% interval, by paired bootstrap over the rows."""

    high: float
    """Upper end of that interval."""

    p_bootstrap: float
    """Two-sided, by that bootstrap."""

    p_randomisation: float
    """Two-sided, by approximate randomisation of the rows."""

    p_mcnemar: float | None
    """Two-sided and exact; None where the metric is not accuracy, or a side has several seeds."""

    p_seeds: float | None
    """Two-sided, Welch's t-test over the seeds; None unless both sides have several."""

    p: float
    """The one that counts: McNemar's where there is one, else that of the randomisation; the
    larger of it and `p_seeds`, where there is one."""

    effect: float | None
    """Difference per standard deviation of one row's share in it; None where there is no such."""

    rows_needed: int | None
    """Rows with which a difference of this size would be found at 5% in 80% of all cases."""

    p_holm: float = 1.0
    """`p` after Holm's correction over all tests of the comparison."""

    is_significant: bool = False
    """Whether `p_holm` is below 0.05."""

    needs_seeds: bool = False
    """Whether it is not, and `p_seeds` alone is why: more seeds would tell, and more rows not."""

    def lacks_seeds(self, alpha: float) -> bool:
        """Whether the rows are enough for significance below `alpha`, and the seeds are not."""
        return (
            self.p_seeds is not None
            and self.p_randomisation < alpha <= self.p_holm
            and self.p_seeds == self.p
        )


@dataclass
class Comparison:
    """Runs beside each other."""

    by: tuple[str, ...]
    """The keys of the systems' names: those asked for, then those that had to be added."""

    runs: list[RunRecord]
    broken: list[Broken]
    columns: list[Column]
    systems: list[System]
    cells: list[Cell]
    tests: list[Test] = field(default_factory=list)

    notes: list[str] = field(default_factory=list)
    """What a reader has to know beside the numbers, a sentence each."""

    def as_json(self) -> dict[str, Any]:
        """All of it in JSON's own types, with None for what is not a number."""
        return plain(asdict(self))
