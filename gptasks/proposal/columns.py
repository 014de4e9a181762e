"""What a column of the data looked at holds."""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from gptasks.proposal.names import LABELS, SPLITS, is_called
from gptasks.tasks.texts import plain_text

MOST_CLASSES = 50
"""Different values that a column of labels may have."""

MOST_NAMED_CLASSES = 200
"""Those that one may have whose name says that it holds labels."""

MOST_WHOLE = 20
"""Different whole numbers that may be classes where no name says so."""

MOST_GRADES = 11
"""Different numbers that may be grades, such as 0 to 10, or half stars."""

LABEL_LENGTH = 60
"""Characters of the longest label."""

MOST_TOKENS = 512
"""The longest window that is proposed: what the smallest of the backbones that come along reads."""

_ID = re.compile(
    r"(^|_)(id|idx|index|uuid|guid|key|nr|no|number|date|time|timestamp|url|link|file|filename|path"
    r"|author|user|username)$|^unnamed",
    re.IGNORECASE,
)
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T]\d\d:\d\d.*)?|\d{4}年\d{1,2}月\d{1,2}日.*")
_LINK = re.compile(r"https?://\S+")
_TAG = re.compile(r"O|[BIESLU]-\S+")


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
        """Each value, as a label is read, and how often it stands there."""
        return Counter(plain_text(value).strip() for value in self.values)

    @property
    def is_list(self) -> bool:
        """Whether it holds lists."""
        return bool(self.values) and all(isinstance(value, list) for value in self.values[:100])

    @cached_property
    def numbers(self) -> list[float]:
        """Its values as numbers; empty where not all are."""
        try:
            found = [float(value) for value in self.values if not isinstance(value, bool)]
        except (TypeError, ValueError):
            return []
        return found if len(found) == len(self.values) and all(map(math.isfinite, found)) else []

    @cached_property
    def is_identifier(self) -> bool:
        """Whether it numbers or names the rows, dates them, or links to them."""
        texts = [str(value) for value in self.values[:200]]
        if texts and any(all(map(form.fullmatch, texts)) for form in (_DATE, _LINK)):
            return True
        differ = len(self.counts) == len(self.values)
        is_counted = self.is_whole and differ and len(self.values) > MOST_CLASSES
        return is_counted or (bool(_ID.search(self.name)) and self.is_varied)

    @cached_property
    def is_whole(self) -> bool:
        """Whether it holds whole numbers."""
        return bool(self.numbers) and all(number.is_integer() for number in self.numbers)

    @property
    def is_varied(self) -> bool:
        """Whether most of its values stand there once."""
        return len(self.counts) > len(self.values) / 2

    @cached_property
    def is_measure(self) -> bool:
        """Whether it holds numbers that measure, such as a price or an age, and no classes."""
        if not self.numbers or self.is_identifier:
            return False
        if self.is_whole:
            most = MOST_NAMED_CLASSES if is_called(self.name, LABELS) else MOST_WHOLE
            return len(self.counts) > most
        return len(self.counts) > MOST_GRADES

    @cached_property
    def is_class(self) -> bool:
        """Whether it may be a column of labels: few, short values for many rows."""
        is_named = is_called(self.name, LABELS)
        most = MOST_NAMED_CLASSES if is_named else MOST_CLASSES
        is_few = 2 <= len(self.counts) <= min(most, max(2, len(self.values) / 3))
        is_short = self.long(1.0) <= LABEL_LENGTH and not self.is_list
        is_other = self.is_identifier or self.is_measure or self.name.lower() in SPLITS
        return is_few and is_short and not is_other and (is_named or not _ID.search(self.name))

    @cached_property
    def is_free(self) -> bool:
        """Whether it holds texts, nearly each another."""
        return self.is_varied and self.length >= 6 and not self.is_identifier

    @cached_property
    def length(self) -> float:
        """Mean length of its texts, in characters; 0 where it holds none."""
        texts = [value for value in self.values if isinstance(value, str)]
        return statistics.fmean(map(len, texts)) if texts and not self.numbers else 0.0

    def long(self, share: float = 0.95) -> int:
        """The length, in characters, that so many of its texts do not exceed."""
        lengths = sorted(len(str(value)) for value in self.values)
        return lengths[min(len(lengths) - 1, int(share * len(lengths)))] if lengths else 0

    @cached_property
    def share_of_chinese(self) -> float:
        """Share of Chinese characters among all that are no white space."""
        signs = "".join("".join(str(value).split()) for value in self.values[:500])
        return len(re.findall(r"[\u3400-\u9fff]", signs)) / len(signs) if signs else 0.0

    @property
    def is_chinese(self) -> bool:
        """Whether it is Chinese, by a third and more."""
        return self.share_of_chinese > 0.3

    def tokens(self, share: float = 0.95) -> int:
        """About how many tokens hold so many of its texts, a multiple of 16: three English letters
        or half a Chinese character each, as the default backbone's tokenizer has it."""
        chinese = self.share_of_chinese
        tokens = self.long(share) * (chinese * 2 + (1 - chinese) / 3)
        return max(16, -(-int(tokens * 1.1) // 16) * 16)


def is_tag(text: str) -> bool:
    """Whether it is a tag of a word, in BIO or another of the schemes that are read."""
    return bool(_TAG.fullmatch(text))
