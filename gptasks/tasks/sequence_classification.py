"""Sequence classification: one label for one text, or for a pair of texts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from gptasks.errors import DataError, listing, suggest
from gptasks.progress import counted
from gptasks.task import Layout, Prediction, Probe, Row, Task
from gptasks.tasks.template import template_parts
from gptasks.tasks.texts import check_columns, check_text, names_of, plain_text, text_of

if TYPE_CHECKING:
    from torch import Tensor, nn

    from gptasks.backbone import Backbone
    from gptasks.tokenizer import Tokenizer

METRICS = ("accuracy", "f1_macro", "f1_weighted", "matthews", "auroc", "log_loss", "ece")


@dataclass
class SequenceClassification(Task):
    """One label for one text, or for a pair of texts.

    The head is linear, without bias, on the state of the last real token: a causal model has read
    the whole text only there (Radford et al. 2018, sec. 3.3).
    """

    name: ClassVar[str] = "sequence_classification"

    text: str = field(default="text", metadata={"column": True})
    """Column with the text."""

    text_pair: str | None = field(default=None, metadata={"column": True})
    """Column with the second text of a pair; it follows the first, so it is read knowing it."""

    label: str = field(default="label", metadata={"column": True})
    """Column with the label."""

    template: str | None = None
    """How the model is shown a text: words around {text}, and {text_pair} for a pair. The head
    reads the last token, so words after the text, such as "{text} The movie is", let the model
    draw its conclusion first. A line break is \\n in double quotes. Null is the bare text, or the
    two texts on a line each."""

    pooling: str = field(default="last", metadata={"choices": ("last", "mean")})
    """The state the head reads: the last real token's, or the mean over all real tokens."""

    truncation_side: str = field(default="right", metadata={"choices": ("right", "left")})
    """The side on which a text longer than `max_length` loses tokens."""

    metrics: list[str] = field(default_factory=lambda: list(METRICS))
    """Names of the metrics to report, the first being the one shown as the headline."""

    select: str = "log_loss"
    """The metric that chooses the best model, on validation; log loss is the least noisy."""

    def __post_init__(self) -> None:
        """Raise ConfigError for a template that can't be filled with this task's texts."""
        self._template()

    # -- rows -----------------------------------------------------------------------------

    def read_input(self, row: Row) -> Row:
        """Check that the row has its text or texts."""
        check_columns(row, self._columns())
        for column in self._columns().values():
            check_text(text_of(row[column], column), column)
        return row

    def read(self, row: Row) -> Row | None:
        """Check that the row has its texts and a label."""
        check_columns(row, {"label": self.label, **self._columns()})
        if not text_of(row[self.label], self.label).strip():
            raise DataError(f"column '{self.label}' has no label")
        return self.read_input(row)

    def key(self, row: Row) -> str:
        """The text, or both texts of a pair on a line each."""
        return "\n".join(self._texts(row))

    def reference(self, row: Row) -> str | None:
        """The row's label; None if it has none."""
        return plain_text(row.get(self.label)).strip() or None

    def shown(self, row: Row) -> Any:
        """The text, or {"text": first, "text_pair": second}."""
        texts = self._texts(row)
        return texts[0] if len(texts) == 1 else {"text": texts[0], "text_pair": texts[1]}

    def row_of(self, text: str, id: str) -> Row:
        """A row of one typed text. Raises DataError for a task on pairs."""
        if self.text_pair is not None:
            raise DataError(
                f"this task reads pairs of texts; give a file with columns '{self.text}' and "
                f"'{self.text_pair}': gptasks predict RUN --input FILE."
            )
        return Row({self.text: text}, id=id)

    def learn_labels(self, rows: Sequence[Row]) -> None:
        """Read the labels off the rows: numbers in numeric order, words in alphabetic order."""
        if self.labels:
            return
        found = Counter(str(self.reference(row)) for row in rows)
        if len(found) > 20 and len(found) > len(rows) / 2:
            raise DataError(
                f"column '{self.label}' holds {len(found):,} different values in {len(rows):,} "
                "training rows, which looks like text or ids rather than labels; "
                "set task.label to the column with the labels."
            )
        self.labels = sorted(found, key=_natural)

    def check_rows(self, split: str, rows: Sequence[Row]) -> None:
        """Refuse a single label, and labels that the model could never say."""
        if len(self.labels) < 2:
            raise _one_label(self.labels)
        counts = Counter(str(self.reference(row)) for row in rows)
        unknown = sorted(set(counts) - set(self.labels))
        if unknown:
            row = next(row for row in rows if str(self.reference(row)) == unknown[0])
            affected = counted(sum(counts[label] for label in unknown), "row")
            # Those of train that are unknown are so because others were named.
            among = "task.labels" if split == "train" else "the labels of train"
            raise DataError(
                f"label '{unknown[0]}' of {split} ({row.id}) is not among {among}"
                f"{suggest(unknown[0], self.labels) or '.'} Labels there: {listing(self.labels)}; "
                f"not among them: {listing(unknown)} ({affected}). "
                "Correct the rows, or name all labels by task.labels=[…]."
            )
        if split == "train" and len(counts) < 2:
            raise _one_label(list(counts))

    # -- tokens ---------------------------------------------------------------------------

    def tokenizer(self, tokenizer: Tokenizer) -> Tokenizer:
        """Carry length, cutting side and template in the tokenizer."""
        tokenizer = tokenizer.limited(self.max_length, self.truncation_side)
        return tokenizer.with_template(*self._template())

    def encode(self, row: Row, tokenizer: Tokenizer) -> Iterator[dict[str, Any]]:
        """One window. No end-of-text token is added: plain transformers skips it when it is the
        pad token too, and would read the head one token early."""
        ids, own, lost = tokenizer.encode(*self._texts(row))
        window: dict[str, Any] = {"input_ids": ids, "source": own, "lost": lost}
        reference = self.reference(row)
        if reference in self.labels:
            window["label"] = self.labels.index(reference)
        yield window

    # -- model ----------------------------------------------------------------------------

    def head(self, backbone: Backbone) -> nn.Module:
        """Linear, (B, D) to (B, K), without bias as plain transformers has it."""
        from torch import nn

        head = nn.Linear(backbone.hidden_size, len(self.labels), bias=False)
        nn.init.normal_(head.weight, std=0.02)
        return head

    def pool(self, hidden: Tensor, batch: Mapping[str, Any]) -> Tensor:
        """(B, T, D) to (B, D), by `pooling`; the batch is padded on the right."""
        import torch

        mask = batch["attention_mask"]
        if self.pooling == "mean":
            weights = mask.to(torch.float32).unsqueeze(-1)  # (B, T, 1)
            return (hidden.float() * weights).sum(1) / weights.sum(1)
        last = mask.sum(1) - 1
        return hidden[torch.arange(len(hidden), device=hidden.device), last]

    def loss(self, logits: Tensor, batch: Mapping[str, Any]) -> tuple[Tensor, int]:
        """Cross entropy, in nats, summed over the batch; one target a text."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(logits, batch["label"], reduction="sum"), len(logits)

    def predict(self, model: Any, batch: Mapping[str, Any]) -> list[Prediction]:
        """The likeliest label, with every label's probability."""
        probabilities = model(batch).double().softmax(-1).tolist()
        return [
            Prediction(self.labels[row.index(max(row))], dict(zip(self.labels, row, strict=True)))
            for row in probabilities
        ]

    def probe(self) -> Probe:
        """Logistic regression on frozen states: a convex fit."""
        from gptasks.tasks.logistic import LogisticProbe

        return LogisticProbe(self.pool, len(self.labels))

    def layout(self) -> Layout | None:
        """Plain transformers pools the last token; it has no class that pools the mean."""
        if self.pooling != "last":
            return None
        return Layout(
            "AutoModelForSequenceClassification",
            ("score",),
            {**names_of(self.labels), "problem_type": "single_label_classification"},
            {"text": "a text", "text_pair": "another"} if self.text_pair else "a text",
            call="truncation=True",
        )

    def baselines(
        self, train: Sequence[Row], validation: Sequence[Row], test: Sequence[Row]
    ) -> dict[str, list[Prediction]]:
        """The majority class, and TF-IDF with logistic regression."""
        from gptasks.tasks.baselines import majority, tfidf

        def labelled(rows: Sequence[Row]) -> tuple[list[str], list[str]]:
            return [self.key(row) for row in rows], [str(self.reference(row)) for row in rows]

        texts = [self.key(row) for row in test]
        return {
            "majority": majority(labelled(train)[1], len(texts), self.labels),
            "tfidf": tfidf(labelled(train), labelled(validation), texts, self.labels),
        }

    def _template(self) -> tuple[str, str, str]:
        """What stands before, between and after the texts."""
        return template_parts(self.template, list(self._columns()))

    def _columns(self) -> dict[str, str]:
        """The columns with the texts, by the option that says each."""
        pair = {} if self.text_pair is None else {"text_pair": self.text_pair}
        return {"text": self.text, **pair}

    def _texts(self, row: Row) -> list[str]:
        return [plain_text(row[column]) for column in self._columns().values()]


def _one_label(labels: Sequence[str]) -> DataError:
    return DataError(
        f"the training rows have one label only ('{''.join(labels)}'); "
        "a classifier needs two or more. Is task.label the right column?"
    )


def _natural(label: str) -> tuple[int, float, str]:
    """Sorts numbers by value, before words by letter."""
    try:
        number = float(label)
    except ValueError:
        number = math.nan
    return (0, number, label) if math.isfinite(number) else (1, 0.0, label)
