"""What a column of the data looked at holds."""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

MOST_LABELS = 50
"""Different values that a column of labels may have."""

_ID = re.compile(r"(^|_)(id|idx|index|uuid|guid|key|nr|no|number)$|^unnamed", re.IGNORECASE)
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T]\d\d:\d\d.*)?")
_TAG = re.compile(r"O|[BIESLUM]-\S+")


@dataclass
class Column:
    """What a column holds, in the rows looked at."""

    name: str
    values: list[Any] = field(repr=False)
    """Those that are not empty."""

    rows: int
    """How many rows there are."""

    @property
    def empty(self) -> int:
        """Rows in which it is empty."""
        return self.rows - len(self.values)

    @cached_property
    def counts(self) -> Counter[str]:
        """Each value, as text, and how often it stands there."""
        return Counter(str(value).strip() for value in self.values)

    @property
    def is_list(self) -> bool:
        """Whether it holds lists."""
        return bool(self.values) and all(isinstance(value, list) for value in self.values[:100])

    @cached_property
    def numbers(self) -> list[float]:
        """Its values as numbers; empty where not all are."""
        try:
            found = [float(value) for value in self.values]
        except (TypeError, ValueError):
            return []
        return found if all(map(math.isfinite, found)) else []

    @cached_property
    def is_identifier(self) -> bool:
        """Whether it numbers or names the rows, or dates them."""
        texts = [str(value) for value in self.values[:200]]
        if texts and all(_DATE.fullmatch(text) for text in texts):
            return True
        differ = len(self.counts) == len(self.values)
        is_counted = bool(self.numbers) and all(number.is_integer() for number in self.numbers)
        is_called_so = bool(_ID.search(self.name)) and len(self.counts) > len(self.values) / 2
        return is_called_so or (is_counted and differ and len(self.values) > MOST_LABELS)

    @cached_property
    def length(self) -> float:
        """Mean length of its texts, in characters; 0 where it holds none."""
        texts = [value for value in self.values if isinstance(value, str)]
        return statistics.fmean(map(len, texts)) if texts and not self.numbers else 0.0

    def long(self, share: float = 0.95) -> int:
        """The length, in characters, that so many of its texts do not exceed."""
        lengths = sorted(len(str(value)) for value in self.values)
        return lengths[min(len(lengths) - 1, int(share * len(lengths)))] if lengths else 0


def tags_of(column: Column) -> bool:
    """Whether a column of lists holds tags of words."""
    return all(_TAG.fullmatch(str(tag)) for tags in column.values[:200] for tag in tags)


def share_of_chinese(texts: Sequence[str]) -> float:
    """Share of Chinese characters among all that are no white space."""
    signs = "".join("".join(text.split()) for text in texts[:500])
    return len(re.findall(r"[\u3400-\u9fff]", signs)) / len(signs) if signs else 0.0
