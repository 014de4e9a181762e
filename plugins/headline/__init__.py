"""Headlines of English news: the first line of an article, written from the rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from gptasks import ConditionalGeneration, DataError, Row, hookimpl

GPTASKS_CONTRACT = 2


@dataclass
class Headline(ConditionalGeneration):
    """A headline from the body of an article; articles have theirs as their first line."""

    name: ClassVar[str] = "headline"

    article: str = field(default="text", metadata={"column": True})
    """Column with a whole article, its headline as the first line; a row without it has its
    columns `source` and `target`."""

    def read(self, row: Row) -> Row | None:
        """Part an article into headline and body."""
        if self.source in row or self.article not in row:
            return super().read(row)
        title, _, body = str(row[self.article]).strip().partition("\n")
        if not body.strip():
            raise DataError(f"column '{self.article}' has one line only: a headline and no body")
        others = {name: value for name, value in row.items() if name != self.article}
        return super().read(Row({**others, self.source: body.strip(), self.target: title}, row.id))


@hookimpl
def register_tasks() -> list[type[Headline]]:
    """The task."""
    return [Headline]
