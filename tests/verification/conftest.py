"""A run of which anything may be changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from small_runs import write_reviews
from verified_runs import seal

from gptasks.verification import Verifier


@pytest.fixture(scope="module")
def verifier() -> Verifier:
    """One for all, since it reads data that runs share once."""
    return Verifier()


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A finished run of which anything may be changed but its data."""
    return shutil.copytree(finished, tmp_path / "run")


@pytest.fixture
def data(run: Path, finished: Path, tmp_path: Path) -> Path:
    """The file of that run's rows, which is its own then."""
    path = write_reviews(tmp_path / "reviews.csv", rows=120)
    config = run / "config.yaml"
    text = config.read_text("utf-8")
    assert str(finished.parent / "reviews.csv") in text
    config.write_text(text.replace(str(finished.parent), str(tmp_path)), "utf-8")
    seal(run)
    return path
