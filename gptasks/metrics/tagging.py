"""Metrics of tagged words: precision, recall and F1 of entities in two readings, token accuracy.

An entity is found if its label and both its ends are right. The strict reading and conlleval's
differ only where tags are no valid BIO (`gptasks.tags`). All counts are over the whole set, so that
an entity counts the same in whichever row it stands (micro average). Where nothing is predicted
precision is 0.0, where nothing is expected recall is, and F1 where either is: by convention, as in
seqeval, and in a resample as on the whole set.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import datasets
import numpy as np

from gptasks.errors import DataError
from gptasks.metrics.base import Metric
from gptasks.metrics.bootstrap import Measure
from gptasks.tags import Span, entities


class TagMetric(Metric):
    """A metric that compares the tags of a row's words with those that they should have.

    predictions, references: per row a list of tags, one a word; both of a row are as long.
    """

    answer = "tags"
    columns: ClassVar[Mapping[str, Any]] = {
        "predictions": datasets.Sequence(datasets.Value("string")),
        "references": datasets.Sequence(datasets.Value("string")),
    }

    def prepare(
        self, predictions: Sequence[Any], references: Sequence[Any], **given: Any
    ) -> Measure:
        """predictions, references: n lists of tags, one a word."""
        from scipy.sparse import csr_matrix

        _check_rows(predictions, references)
        rows = enumerate(zip(predictions, references, strict=True))
        counts = [self.count(row, *pair) for row, pair in rows]
        matrix = csr_matrix(np.array(counts, dtype=np.float64).T)  # (C, n); as in `group_sums`
        return lambda weights: self.from_counts(*(matrix @ weights))

    def pack(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """As they are; checked, since Arrow's message would name no row."""
        _check_rows(columns["predictions"], columns["references"])
        return dict(columns)

    @abstractmethod
    def count(self, row: int, predicted: Sequence[str], expected: Sequence[str]) -> tuple[int, ...]:
        """What is counted of one row, from its tags; row: its number, for messages."""

    @abstractmethod
    def from_counts(self, *totals: np.ndarray) -> np.ndarray:
        """The metric's R values from the rows' summed counts, (R,) each."""


class TokenAccuracy(TagMetric):
    """The share of words whose tag is the expected one, `O` included, in [0, 1].

    Any words serve as tags, of parts of speech too. Without a word it is undefined, not a number,
    and such resamples are left out of the interval.
    """

    name = "token_accuracy"
    source = (
        "Nakayama 2018: seqeval: A Python framework for sequence labeling evaluation "
        "(accuracy_score)."
    )
    urls = ("https://github.com/chakki-works/seqeval",)

    def count(self, row: int, predicted: Sequence[str], expected: Sequence[str]) -> tuple[int, ...]:
        """Words tagged rightly, and words."""
        return sum(a == b for a, b in zip(predicted, expected, strict=True)), len(expected)

    def from_counts(self, *totals: np.ndarray) -> np.ndarray:
        """Right words per word."""
        right, words = totals
        return np.divide(right, words, out=np.full_like(words, np.nan), where=words > 0)


class _EntityMetric(TagMetric):
    """A metric that follows from the numbers of entities found, predicted and expected."""

    source = (
        "Nakayama 2018: seqeval: A Python framework for sequence labeling evaluation "
        "(mode='strict', scheme=IOB2). Ramshaw and Marcus 1995: Text Chunking using "
        "Transformation-Based Learning. Third Workshop on Very Large Corpora."
    )
    urls = ("https://github.com/chakki-works/seqeval", "https://aclanthology.org/W95-0107/")
    strict: ClassVar[bool] = True

    def count(self, row: int, predicted: Sequence[str], expected: Sequence[str]) -> tuple[int, ...]:
        """Entities found, predicted and expected."""
        said = self._entities(row, "predictions", predicted)
        meant = self._entities(row, "references", expected)
        return len(said & meant), len(said), len(meant)

    def _entities(self, row: int, column: str, tags: Sequence[str]) -> set[Span]:
        try:
            return set(entities(tags, strict=self.strict))
        except DataError as error:
            raise DataError(f"row {row} (from 0), {column}: {error}") from error

    def settings(self, **given: Any) -> tuple[str, ...]:
        """How tags are read, and how rows become one number."""
        return ("reading:strict" if self.strict else "reading:conlleval", "average:micro")


class EntityPrecision(_EntityMetric):
    """The share of predicted entities that are expected, in [0, 1]; only `B-` begins one."""

    name = "entity_precision"

    def from_counts(self, *totals: np.ndarray) -> np.ndarray:
        """Found per predicted."""
        found, predicted, _ = totals
        return _share(found, predicted)


class EntityRecall(_EntityMetric):
    """The share of expected entities that are predicted, in [0, 1]; only `B-` begins one."""

    name = "entity_recall"

    def from_counts(self, *totals: np.ndarray) -> np.ndarray:
        """Found per expected."""
        found, _, expected = totals
        return _share(found, expected)


class EntityF1(_EntityMetric):
    """The harmonic mean of entity precision and recall, in [0, 1]; only `B-` begins an entity."""

    name = "entity_f1"

    def from_counts(self, *totals: np.ndarray) -> np.ndarray:
        """2 P R / (P + R), in seqeval's order of steps, so that the last digit is the same."""
        found, predicted, expected = totals
        precision, recall = _share(found, predicted), _share(found, expected)
        return _share(2 * precision * recall, precision + recall)


class _Conlleval(_EntityMetric):
    """The same by conlleval's rules."""

    source = (
        "Tjong Kim Sang and Buchholz 2000: Introduction to the CoNLL-2000 Shared Task: Chunking. "
        "CoNLL-2000 (conlleval)."
    )
    urls = (
        "https://aclanthology.org/W00-0726/",
        "https://www.clips.uantwerpen.be/conll2000/chunking/output.html",
    )
    strict = False


class EntityPrecisionConll(_Conlleval, EntityPrecision):
    """The share of predicted entities that are expected, in [0, 1]; a stray `I-` begins one too."""

    name = "entity_precision_conll"


class EntityRecallConll(_Conlleval, EntityRecall):
    """The share of expected entities that are predicted, in [0, 1]; a stray `I-` begins one too."""

    name = "entity_recall_conll"


class EntityF1Conll(_Conlleval, EntityF1):
    """The harmonic mean of entity precision and recall, in [0, 1]; a stray `I-` begins one too."""

    name = "entity_f1_conll"


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, (R,); 0.0 where the whole is 0."""
    return np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0)


def _check_rows(predictions: Sequence[Any], references: Sequence[Any]) -> None:
    """Raise DataError, naming the row, unless each is two lists of tags of the same length."""
    for row, (predicted, expected) in enumerate(zip(predictions, references, strict=True)):
        for column, tags in (("predictions", predicted), ("references", expected)):
            if isinstance(tags, str) or not isinstance(tags, Sequence | np.ndarray):
                raise DataError(
                    f"row {row} (from 0), {column}: a row is a list of tags, one a word; "
                    f"got {tags!r}"
                )
        if len(predicted) != len(expected):
            raise DataError(
                f"row {row} (from 0): {len(predicted)} predicted tags for {len(expected)} "
                "expected; give one of each per word"
            )
