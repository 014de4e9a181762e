"""Whatever befalls a run folder: the same answers as before, or a line that says what is broken."""

from __future__ import annotations

import contextlib
import copy
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from command_line import gptasks
from fuzzing import fuzz, refusal
from hypothesis import given
from hypothesis import strategies as st
from small_runs import remains, small, write_reviews

from gptasks import cli, load
from gptasks.runs import RunFolder
from gptasks.training.checkpoint import Checkpoint, Checkpoints

TEXTS = ("the film number 3 was great", "awful", "好")
VALUES = (None, True, 0, -1, 7, 1.5, 10**400, "", "x", "bf16", [], [1], {}, {"a": None})

Damage = Callable[[Path], None]


def truncated(name: str, share: float) -> Damage:
    def damage(run: Path) -> None:
        content = (run / name).read_bytes()
        (run / name).write_bytes(content[: int(len(content) * share)])

    return damage


def flipped(name: str, share: float, bit: int) -> Damage:
    def damage(run: Path) -> None:
        content = bytearray((run / name).read_bytes())
        content[int((len(content) - 1) * share)] ^= 1 << bit
        (run / name).write_bytes(content)

    return damage


def removed(name: str, is_folder_there: bool) -> Damage:
    def damage(run: Path) -> None:
        place = run / name
        shutil.rmtree(place) if place.is_dir() else place.unlink()
        if is_folder_there:
            place.mkdir()

    return damage


def replaced(name: str, share: float, value: Any) -> Damage:
    """One of the values of a JSON or YAML file is another, or gone where `value` is KeyError."""

    def damage(run: Path) -> None:
        read, write = (
            (yaml.safe_load, yaml.safe_dump) if name.endswith("yaml") else (json.loads, json.dumps)
        )
        held = read((run / name).read_text(encoding="utf-8"))
        places = list(_places(held))
        inside, key = places[int((len(places) - 1) * share)]
        if value is KeyError:
            del inside[key]
        else:
            inside[key] = copy.deepcopy(value)
        (run / name).write_text(write(held), encoding="utf-8")

    return damage


def _places(held: Any) -> Iterator[tuple[Any, Any]]:
    for key in held if isinstance(held, dict) else range(len(held)):
        yield held, key
        if isinstance(held[key], dict | list):
            yield from _places(held[key])


def stray(name: str, content: bytes) -> Damage:
    def damage(run: Path) -> None:
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_bytes(content)

    return damage


def damages(files: tuple[str, ...], json_files: tuple[str, ...]) -> st.SearchStrategy[Damage]:
    names, shares = st.sampled_from(files), st.floats(0, 1, exclude_max=True)
    values = st.sampled_from((*VALUES, KeyError))
    strays = ("x", "model/x.json", "model/.DS_Store", "predictions/x", "results.json.part", ".lock")
    return st.one_of(
        st.builds(truncated, names, shares),
        st.builds(flipped, names, shares, st.integers(0, 7)),
        st.builds(removed, names, st.booleans()),
        st.builds(replaced, st.sampled_from(json_files), shares, values),
        st.builds(replaced, st.sampled_from(json_files), shares, values),
        st.builds(stray, st.sampled_from(strays), st.sampled_from((b"", b"{", b"\xff" * 9))),
    )


MODEL = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
FILES = ("results.json", "config.yaml", ".id", "history.jsonl", "predictions/test.jsonl",
         *(f"model/{name}" for name in MODEL))  # fmt: skip
JSON = ("results.json", "config.yaml", "model/config.json", "model/tokenizer_config.json")


def damaged(run: Path, damage: Damage) -> Path:
    """A copy of a run, in the current folder, to which that has happened."""
    shutil.rmtree("copy", ignore_errors=True)
    folder = Path(shutil.copytree(run, "copy"))
    damage(folder)
    return folder


@pytest.fixture(scope="module")
def answers(finished: Path) -> list[Any]:
    return [(one.value, pytest.approx(one.scores)) for one in load(finished).predict(TEXTS)]


@fuzz(70)
@given(damages(FILES, JSON))
def test_a_damaged_run_answers_as_before_or_is_refused(
    finished: Path, answers: list[Any], damage: Damage
) -> None:
    folder = damaged(finished, damage)
    with refusal():
        run = load(folder)
        assert [(one.value, one.scores) for one in run.predict(TEXTS)] == answers
        assert set(run.metrics) >= {"validation", "test"}
        run.evaluate()


@fuzz(25)
@given(damages(FILES, JSON), st.sampled_from(("evaluate", "predict", "train")))
def test_a_damaged_run_ends_a_command_well_or_in_one_line(
    finished: Path, damage: Damage, verb: str
) -> None:
    folder = damaged(finished, damage)
    if verb == "train":  # a run without results would be trained to its end
        argv = small(finished.parent / "reviews.csv", f"run={folder}", "limit=null")
        if not (folder / "results.json").is_file():
            return
    else:
        argv = [verb, str(folder), *["a text"] * (verb == "predict")]
    done = gptasks(*argv)
    assert "Traceback" not in done.err
    assert (done.code, len(done.faults)) in ((0, 0), (2, 1)), done


# -- a run that was stopped ---------------------------------------------------------------


def state(number: int) -> Checkpoint:
    return Checkpoint({"weight": torch.full((9,), float(number))}, {"step": number, "best": 0.1})


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of checkpoints: the second of two states, and the one before."""
    folder = tmp_path_factory.mktemp("saved")
    for number in (1, 2):
        Checkpoints(folder).save("last", state(number))
    return folder


STATES = ("last/state.json", "last.before/state.json")
TENSORS = ("last/tensors.safetensors", "last.before/tensors.safetensors")


@fuzz(150)
@given(st.lists(damages((*STATES, *TENSORS), STATES), min_size=1, max_size=2))
def test_a_damaged_checkpoint_is_never_taken_for_a_whole_one(
    saved: Path, several: list[Damage]
) -> None:
    folder = damaged(saved, several[0])
    for damage in several[1:]:
        with contextlib.suppress(OSError, ValueError, IndexError):  # nothing left to damage there
            damage(folder)
    for found in Checkpoints(folder).versions("last"):
        whole = state(found.state["step"])
        assert found.state == whole.state
        assert torch.equal(found.tensors["weight"], whole.tensors["weight"])


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was stopped just before its results, after some validations."""
    folder = tmp_path_factory.mktemp("stopped")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GPTASKS_CACHE", str(folder / "cache"))
        patch.setattr(RunFolder, "clear_checkpoints", lambda self: None)
        data = write_reviews(folder / "reviews.csv", rows=60)
        assert cli.main(small(data, f"run={folder / 'run'}", "bootstrap=0")) == 0
    return folder / "run"


@pytest.fixture(scope="module")
def whole(stopped: Path) -> dict[str, Any]:
    """What the run left at its end; after this it is a stopped one."""
    left = remains(stopped)
    (stopped / "results.json").unlink()
    return left


GOING_ON = (
    truncated("checkpoints/last/state.json", 0.5),
    flipped("checkpoints/last/tensors.safetensors", 0.9, 0),
    replaced("checkpoints/last/state.json", 0.8, "x"),
    removed("checkpoints/probe", is_folder_there=True),
    removed("checkpoints", is_folder_there=False),
    flipped(".id", 0.5, 7),
    stray("checkpoints/last/x", b""),
)


@pytest.mark.parametrize("damage", GOING_ON)
def test_a_damaged_run_that_goes_on_ends_as_it_would_have(
    stopped: Path, whole: dict[str, Any], damage: Damage
) -> None:
    folder = damaged(stopped, damage)
    done = gptasks(*small(stopped.parent / "reviews.csv", f"run={folder}", "bootstrap=0"))
    assert "Traceback" not in done.err
    assert (done.code, done.faults) == (0, []), done
    left = remains(folder)
    left["results"]["command"] = whole["results"]["command"]
    assert left == whole
