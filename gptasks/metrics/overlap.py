"""ROUGE: how much of a reference text is in the predicted one, in any script."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

import numpy as np

from gptasks.errors import DataError
from gptasks.metrics.base import Metric
from gptasks.metrics.bootstrap import Measure, group_sums
from gptasks.words import words


def tokens(text: str) -> list[str]:
    """What ROUGE compares: the words in lower case, each unspaced letter by itself.

    Where all letters and digits are ASCII these are the tokens of the rouge-score library without
    its stemmer. That drops every other letter: nothing of a Chinese or Russian text is left, and
    "café" becomes "caf". Here every script keeps its letters (`gptasks.words`), and a letter is the
    same whether its accent is part of the code point or follows it (NFC).
    """
    return words(unicodedata.normalize("NFC", text.lower()))


class _Rouge(Metric):
    """A variant of ROUGE, called by its name in the rouge-score library.

    predictions, references: n texts.
    """

    answer = "text"
    source = (
        "Lin 2004: ROUGE: A Package for Automatic Evaluation of Summaries. "
        "Text Summarization Branches Out, 74-81 (as in the rouge-score library)."
    )
    urls = (
        "https://aclanthology.org/W04-1013/",
        "https://github.com/google-research/google-research/tree/master/rouge",
    )

    def prepare(
        self, predictions: Sequence[Any], references: Sequence[Any], **given: Any
    ) -> Measure:
        """predictions, references: n texts."""
        values = np.empty(len(references))
        for row, (predicted, expected) in enumerate(zip(predictions, references, strict=True)):
            for column, text in (("prediction", predicted), ("reference", expected)):
                if not isinstance(text, str):
                    raise DataError(
                        f"row {row} (from 0): metric '{self.name}' compares texts; the {column} "
                        f"is {text!r}"
                    )
            values[row] = _f_measure(self.name, expected, predicted)
        total = group_sums(np.zeros(len(values), dtype=np.int64), 1, values)
        return lambda weights: total(weights)[0] / weights.sum(axis=0)

    def settings(self, **given: Any) -> tuple[str, ...]:
        """What is averaged, and what is compared."""
        compared = ("case:lower", "tokens:words+unspaced-letters", "stemmer:no")
        return ("f-measure", "average:rows", *compared)


class Rouge1(_Rouge):
    """The mean over rows of ROUGE-1's F-measure, in [0, 1]: tokens in common, in any order.

    A text without tokens, such as an empty one, scores 0.
    """

    name = "rouge1"


class Rouge2(_Rouge):
    """The mean over rows of ROUGE-2's F-measure, in [0, 1]: pairs of neighbouring tokens in common.

    A text of fewer than two tokens has no pair and scores 0, even against itself.
    """

    name = "rouge2"


class RougeL(_Rouge):
    """The mean over rows of ROUGE-L's F-measure, in [0, 1]: the longest common subsequence.

    A text without tokens, such as an empty one, scores 0.
    """

    name = "rougeL"


class RougeLsum(_Rouge):
    """The mean over rows of ROUGE-L's F-measure of summaries, in [0, 1]: sentence by sentence.

    Each reference sentence counts the tokens that it has in common, in order, with any predicted
    one. Sentences are lines. A text without tokens, such as an empty one, scores 0.
    """

    name = "rougeLsum"

    def settings(self, **given: Any) -> tuple[str, ...]:
        """The same, and where sentences end."""
        return (*super().settings(), "sentences:lines")


@lru_cache(maxsize=2**16)
def _f_measure(name: str, expected: str, predicted: str) -> float:
    """One row's. Kept, since tests of many pairs prepare a system's rows once for each pair."""
    return _scorer(name).score(expected, predicted)[name].fmeasure


@cache
def _scorer(name: str) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer([name], tokenizer=_Tokenizer())


class _Tokenizer:
    """`tokens`, as rouge-score calls it."""

    def tokenize(self, text: str) -> list[str]:
        return tokens(text)
