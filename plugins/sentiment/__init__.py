"""Sentiment of English movie snippets: positive or negative."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

from gptasks import DataError, Row, SequenceClassification, hookimpl

GPTASKS_CONTRACT = 2


@dataclass
class Sentiment(SequenceClassification):
    """Positive or negative, from the sign of a mean rating; rows rated 0 are left out."""

    name: ClassVar[str] = "sentiment"

    rating: str | None = field(default="rating", metadata={"column": True})
    """Column with a number whose sign is the label; a file without it is read by its column of
    labels (`task.label`)."""

    def read(self, row: Row) -> Row | None:
        """Turn the rating into a label, where there is one."""
        if self.rating is None or (self.rating not in row and self.label in row):
            return super().read(row)
        if self.rating not in row:
            raise DataError(
                f"neither column '{self.rating}' nor column '{self.label}' is there (it has: "
                f"{', '.join(row)}); set task.rating=COLUMN or task.label=COLUMN"
            )
        try:
            rating = float(row[self.rating])
        except (TypeError, ValueError):
            rating = math.nan
        if not math.isfinite(rating):
            raise DataError(
                f"column '{self.rating}' holds {row[self.rating]!r}, which is no number"
            )
        if rating == 0:
            return None
        label = "positive" if rating > 0 else "negative"
        return super().read(Row({**row, self.label: label}, row.id))


@hookimpl
def register_tasks() -> list[type[Sentiment]]:
    """The task."""
    return [Sentiment]
