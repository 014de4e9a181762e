"""What the tests of whole runs share."""

from pathlib import Path

import pytest
from small_runs import write_reviews


@pytest.fixture
def data(tmp_path) -> Path:
    return write_reviews(tmp_path / "reviews.csv", rows=120)
