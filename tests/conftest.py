"""Every test runs offline, in folders of its own, on tiny backbones."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import pytest
from small_runs import small, write_reviews

OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "WANDB_MODE": "offline",
    "WANDB_SILENT": "true",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_NUM_THREADS": "1",  # tiny models are many times slower where threads wait for each other
}
os.environ.update(OFFLINE)  # before any of these libraries is imported


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty current folder and cache; no settings of the person who runs the tests."""
    monkeypatch.setenv("GPTASKS_CACHE", str(tmp_path / "cache"))
    for name in ("GPTASKS_PLUGINS", "GPTASKS_BLOCK", "WANDB_API_KEY", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "cwd"
    folder.mkdir()
    monkeypatch.chdir(folder)


FROZEN = pytest.StashKey[int]()
"""How many modules were imported when their objects were last left out of garbage collections."""


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Leave out of garbage collections what was imported meanwhile.

    Each training ends with one, and to go through all of torch and transformers takes half a
    second.
    """
    if len(sys.modules) > item.config.stash.get(FROZEN, 0) + 100:
        item.config.stash[FROZEN] = len(sys.modules)
        gc.collect()
        gc.freeze()


def pytest_sessionfinish() -> None:
    """Let hypothesis find, at the end, who holds which generator of random numbers."""
    gc.unfreeze()


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run, lora on the tiny backbone; copy it before changing it."""
    from gptasks import cli

    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GPTASKS_CACHE", str(folder / "cache"))
        patch.chdir(folder)
        data = write_reviews(folder / "reviews.csv", rows=120)
        assert cli.main(small(data, "run=run")) == 0
    return folder / "run"


@pytest.fixture
def reviews(tmp_path: Path) -> dict[str, str]:
    """Overrides of a small, learnable task on a file of its own: two labels, made-up sentences."""
    return {"task.data.train": str(write_reviews(tmp_path / "reviews.csv"))}
