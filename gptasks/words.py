"""Words of a text in any script, also in those that write none apart."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

UNSPACED = re.compile(
    "["
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\uaa60-\uaa7f"  # Myanmar
    "\u1780-\u17ff"  # Khmer
    "\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303c"  # Chinese numerals, marks of repetition
    "\u3040-\u312f\u31f0-\u31ff\uff66-\uff9f"  # Japanese kana, bopomofo
    "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Chinese characters
    "]"
)
"""Scripts written without spaces, where words can't be had by splitting: Thai, Lao, Myanmar, Khmer,
Japanese, Chinese."""

FULL_WIDTH = re.compile(
    "[\u3001-\u3003\u3008-\u3020\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]"
)
"""Signs as wide as a Chinese character, which bring their own space: 、。「」，（）：…"""

_LETTER = r"[\p{L}\p{N}]\p{M}*"

WORD = rf"(?={UNSPACED.pattern}){_LETTER}|(?:(?!{UNSPACED.pattern}){_LETTER})+"
"""A pattern of one word, and UNIT one of a word or of a sign between words."""

UNIT = rf"{WORD}|\S"


def words(text: str) -> list[str]:
    """The words of a text, in order: runs of letters and digits, and nothing else of it.

    A letter of `UNSPACED` is a word by itself. A letter keeps the marks that stand on it, so that
    Hindi and Thai are not cut at their vowel signs.

    >>> words("GPT-2, für 12 Sätze: 第3行")
    ['GPT', '2', 'für', '12', 'Sätze', '第', '3', '行']
    """
    return _word().findall(text)


def units(text: str) -> list[tuple[int, int]]:
    """Where the words of a text are, and the signs between them, each a unit: start and end.

    >>> units("Dr. Wu")
    [(0, 2), (2, 3), (4, 6)]
    """
    return [match.span() for match in _unit().finditer(text)]


@cache
def _unit() -> Any:
    import regex

    return regex.compile(UNIT)


@cache
def _word() -> Any:
    import regex  # `re` knows no marks

    return regex.compile(WORD)
