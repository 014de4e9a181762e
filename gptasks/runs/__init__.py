"""What one command did, in a folder of its own, and found again by the next."""

from gptasks.runs.folder import LOCK, RunFolder
from gptasks.runs.history import HISTORY, HistoryFile
from gptasks.runs.reading import (
    CONFIG,
    FORMAT,
    RESULTS,
    SHAPE,
    read_config,
    read_results,
    read_run,
)
from gptasks.runs.settings import compare, flat, to_yaml
from gptasks.runs.writing import PART, writing

__all__ = [
    "CONFIG",
    "FORMAT",
    "HISTORY",
    "LOCK",
    "PART",
    "RESULTS",
    "SHAPE",
    "HistoryFile",
    "RunFolder",
    "compare",
    "flat",
    "read_config",
    "read_results",
    "read_run",
    "to_yaml",
    "writing",
]
