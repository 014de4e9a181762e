"""Names that columns often have, and what they tell."""

from __future__ import annotations

import re
from collections.abc import Iterable

from gptasks.errors import ConfigError, suggest

SURE_LABELS = ("label", "labels", "标签")
"""Names of columns of labels, whatever else there is."""

LABELS = (
    *SURE_LABELS, "class", "category", "sentiment", "target", "topic", "intent", "polarity",
    "emotion", "stars", "rating", "y", "类别", "分类", "类型", "情感", "意图",
)  # fmt: skip
"""Names that columns of labels often have, or end in."""

MEASURES = (*LABELS, "score", "similarity", "relevance", "分数", "评分")
"""Names of columns that tell what is to be predicted where they hold numbers."""

PAIRS = (
    ("premise", "hypothesis"), ("question", "passage"), ("question", "sentence"),
    ("question", "context"), ("query", "document"), ("query", "passage"), ("text", "hypothesis"),
    ("passage", "question"), ("context", "question"), ("前提", "假设"),
)  # fmt: skip
"""Names of two texts that are judged together; others are such as text1 and text2."""

WRITTEN = (
    ("article", "summary"), ("document", "summary"), ("text", "summary"), ("dialogue", "summary"),
    ("article", "highlights"), ("article", "headline"), ("body", "headline"), ("text", "headline"),
    ("article", "title"), ("body", "title"), ("content", "title"), ("text", "title"),
    ("abstract", "title"), ("source", "target"), ("src", "tgt"), ("input", "output"),
    ("input", "target"), ("prompt", "completion"), ("prompt", "response"),
    ("instruction", "response"), ("instruction", "output"), ("question", "answer"),
    ("原文", "摘要"), ("正文", "摘要"), ("文本", "摘要"), ("正文", "标题"), ("内容", "标题"),
    ("原文", "译文"), ("问题", "答案"), ("问题", "回答"),
)  # fmt: skip
"""Names of a text and of what is written from it."""

LANGUAGES = ("ar", "cs", "de", "en", "es", "fi", "fr", "hi", "it", "ja", "ko", "nl", "pl", "pt",
             "ro", "ru", "sv", "tr", "uk", "vi", "zh")  # fmt: skip
"""Names of columns that hold the same in several languages."""

SPLITS = ("split", "fold", "subset")
"""Names of columns that tell the split."""

TEXTS = ("text", "sentence", "review", "content", "文本", "内容", "句子", "评论")
"""Names that columns of texts often have, be they short."""

_NUMBERED = re.compile(r"(.+?)[ _-]?([12ab])")


def is_called(name: str, known: Iterable[str]) -> bool:
    """Whether a column has one of these names, or ends in one, as gold_label does."""
    whole = name.strip().lower()
    return {whole, re.split(r"[\W_]+", whole)[-1]} & set(known) != set()


def are_numbered(first: str, second: str) -> bool:
    """Whether two names differ in their number only, as text1 and text2, or in a and b."""
    one, other = (_NUMBERED.fullmatch(name.lower()) for name in (first, second))
    if not one or not other or one[1] != other[1]:
        return False
    return one[2] + other[2] in ("12", "ab")


def check_columns(flags: dict[str, str | None], columns: Iterable[str]) -> None:
    """Raise ConfigError for a flag that names no column."""
    columns = list(columns)
    for flag, name in flags.items():
        if name is not None and name not in columns:
            near = suggest(name, columns) or f"; there are {', '.join(columns)}"
            raise ConfigError(f"{flag}: no column '{name}'{near}")
