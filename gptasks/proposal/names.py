"""Names that columns often have, and what they tell."""

from __future__ import annotations

LABELS = (
    "label", "labels", "class", "category", "sentiment", "target", "topic", "intent", "polarity",
    "stars", "rating", "y", "标签", "类别", "情感",
)  # fmt: skip
"""Names that columns of labels often have."""

PAIRS = (
    ("premise", "hypothesis"), ("sentence1", "sentence2"), ("text1", "text2"),
    ("text_a", "text_b"), ("question1", "question2"), ("question", "passage"),
    ("question", "sentence"), ("query", "document"), ("query", "passage"), ("句子1", "句子2"),
)  # fmt: skip
"""Names of two texts that are judged together."""

WRITTEN = (
    ("article", "summary"), ("document", "summary"), ("text", "summary"), ("dialogue", "summary"),
    ("article", "headline"), ("body", "headline"), ("article", "title"), ("body", "title"),
    ("content", "title"), ("source", "target"), ("input", "output"), ("prompt", "completion"),
    ("instruction", "response"), ("instruction", "output"), ("question", "answer"), ("en", "zh"),
    ("zh", "en"), ("原文", "摘要"), ("正文", "标题"), ("内容", "标题"), ("问题", "答案"),
)  # fmt: skip
"""Names of a text and of what is written from it."""

SPLITS = ("split", "fold", "subset")
"""Names of columns that tell the split."""

TEXTS = ("text", "sentence", "review", "content", "文本", "内容")
"""Names that columns of texts often have."""
