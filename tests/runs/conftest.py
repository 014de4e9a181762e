"""Folders of runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from run_contents import CONFIG

from gptasks.runs import (
    RunFolder,
)


@pytest.fixture
def place(tmp_path) -> Path:
    """An empty folder."""
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


@pytest.fixture
def begun(tmp_path) -> Path:
    """A run that has learnt something and was stopped."""
    folder = RunFolder(tmp_path / "run")
    assert folder.claim(CONFIG)
    folder.history().append(0, {"validation/log_loss": 0.7})
    folder.release()
    return folder.path
