"""Names in Chinese texts, learnt from sentences whose words are tagged with parts of speech."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from gptasks import DataError, Row, TokenClassification, hookimpl

LABELS = {"nr": "person", "ns": "place", "nt": "organisation"}
"""The parts of speech that are names, as the corpus of the People's Daily marks them."""

FAMILIES = tuple(
    re.findall(
        "..",
        "欧阳司马司徒诸葛南宫令狐上官皇甫尉迟慕容东方端木公孙夏侯独孤长孙宇文轩辕淳于申屠太史闻人"
        "钟离鲜于濮阳单于呼延赫连澹台",
    )
)
"""Family names of two characters."""

GPTASKS_CONTRACT = 2


@dataclass
class NerZh(TokenClassification):
    """Persons, places and organisations in a Chinese text, character by character.

    A row of words and parts of speech (`江/nr 泽民/nr 发表/v 讲话/n`) becomes the text that the
    words make, with the names marked in it; so the model reads texts as they are typed, and needs
    no one to cut them into words.
    """

    name: ClassVar[str] = "ner_zh"

    tagged: str = field(default="text", metadata={"column": True})
    """Column with words and their parts of speech; it is read where a row has neither `spans` nor
    `tokens`, which are then taken as in every task of this kind."""

    labels: list[str] = field(default_factory=lambda: list(LABELS.values()))
    """The names of the entities."""

    def read(self, row: Row) -> Row | None:
        """Turn words and parts of speech into a text and its spans, where there are any."""
        if self.tagged not in row or self.spans in row or self.tokens in row:
            return super().read(row)
        words = list(_words(row[self.tagged], self.tagged))
        text = "".join(word for word, _ in words)
        spans = [
            {"start": start, "end": end, "label": label} for label, start, end in _names(words)
        ]
        return super().read(Row({**row, self.text: text, self.spans: spans}, row.id))


@hookimpl
def register_tasks() -> list[type[NerZh]]:
    """The task."""
    return [NerZh]


def _words(value: Any, column: str) -> Iterator[tuple[str, str]]:
    """Words with their parts of speech."""
    if not isinstance(value, str):
        raise DataError(f"column '{column}' holds a {type(value).__name__}, where a text is read")
    for one in value.split():
        word, _, part = one.rpartition("/")
        if not word or not part:
            raise DataError(
                f"column '{column}': {one!r} is no word with its part of speech, such as 北京/ns; "
                "a text that has none of these needs a column 'spans' or 'tokens'"
            )
        yield word, part


def _names(words: list[tuple[str, str]]) -> Iterator[tuple[str, int, int]]:
    """Label, first character and the one after the last, of each name.

    The corpus writes a Chinese person's family name and given name as two words, and persons who
    follow each other without anything between them: `杜 中武 孙 传刚` are two. So a family name,
    of one character or among FAMILIES, goes with the word after it; every other word is a name by
    itself, foreign names (`约翰·加朗`) among them. Three alone, of one, one and two characters, are
    one person with two family names (`陈 方 安生`).
    """
    start = place = 0
    while place < len(words):
        part, count = words[place][1], 1
        if part == "nr":
            run = place
            while run < len(words) and words[run][1] == part:
                run += 1
            lengths = [len(word) for word, _ in words[place:run]]
            is_first = place == 0 or words[place - 1][1] != part
            if is_first and lengths == [1, 1, 2]:
                count = 3
            elif run - place > 1 and (lengths[0] == 1 or words[place][0] in FAMILIES):
                count = 2
        end = start + sum(len(word) for word, _ in words[place : place + count])
        if part in LABELS:
            yield LABELS[part], start, end
        start, place = end, place + count
