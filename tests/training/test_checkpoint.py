import json
import os
import re
import resource
from pathlib import Path

import pytest
import torch

from gptasks.errors import RunError
from gptasks.training import checkpoint as module
from gptasks.training.checkpoint import Checkpoint, Checkpoints


def checkpoint(number: int) -> Checkpoint:
    return Checkpoint({"weight": torch.full((2, 3), float(number))}, {"step": number})


def names(folder: Path) -> set[str]:
    return {p.name for p in folder.iterdir()} if folder.exists() else set()


@pytest.fixture
def kept(tmp_path) -> Checkpoints:
    """Checkpoint 1, replaced by checkpoint 2."""
    made = Checkpoints(tmp_path / "checkpoints")
    made.save("last", checkpoint(1))
    made.save("last", checkpoint(2))
    return made


def test_a_checkpoint_comes_back_bit_for_bit(tmp_path):
    made = Checkpoints(tmp_path)
    tensors = {
        "full": torch.randn(3, 5),
        "half": torch.randn(4).to(torch.bfloat16),
        "bytes": torch.arange(7, dtype=torch.uint8),
        "one": torch.tensor(3.0),
        "view": torch.randn(4, 6).T[1:3],
        "trained": torch.nn.Parameter(torch.ones(2)),
    }
    state = {"best": 0.1 + 0.2, "none": None, "odd": float("nan"), "text": "负面"}
    made.save("last", Checkpoint(tensors, state))
    back = made.load("last")
    assert back is not None
    assert {k: v.dtype for k, v in back.tensors.items()} == {k: v.dtype for k, v in tensors.items()}
    assert all(torch.equal(back.tensors[name], tensors[name]) for name in tensors)
    assert back.state["odd"] != back.state["odd"]
    assert {**back.state, "odd": 0} == {**state, "odd": 0}


def test_nothing_is_pickled(kept):
    assert names(kept.folder) == {"last", "last.before"}
    for place in kept.folder.iterdir():
        assert names(place) == {"state.json", "tensors.safetensors"}


def test_a_name_never_saved_gives_none(tmp_path):
    assert Checkpoints(tmp_path / "none").load("last") is None


def test_the_newest_comes_first(kept):
    assert [each.state["step"] for each in kept.versions("last")] == [2, 1]


def spoil_tensors(place: Path) -> None:
    path = place / "tensors.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def truncate_tensors(place: Path) -> None:
    path = place / "tensors.safetensors"
    path.write_bytes(path.read_bytes()[:-5])


def truncate_state(place: Path) -> None:
    path = place / "state.json"
    path.write_text(path.read_text()[:-20])


def spoil_state(place: Path) -> None:
    path = place / "state.json"
    text = path.read_text()
    assert '"step": 2' in text
    path.write_text(text.replace('"step": 2', '"step": 3'))


def open_seal(place: Path) -> None:
    path = place / "state.json"
    path.write_text(path.read_text().replace('"seal"', '"sael"'))


def empty_state(place: Path) -> None:
    (place / "state.json").write_text("[]")


def deepen_state(place: Path) -> None:
    (place / "state.json").write_text("[" * 100_000)


def drop_state(place: Path) -> None:
    (place / "state.json").unlink()


def drop_tensors(place: Path) -> None:
    (place / "tensors.safetensors").unlink()


def age(place: Path) -> None:
    path = place / "state.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 1}))


DAMAGES = [
    (spoil_tensors, "its tensors do not match their SHA-256"),
    (truncate_tensors, "its tensors do not match their SHA-256"),
    (truncate_state, "Unterminated string"),
    (spoil_state, "its state does not match its SHA-256"),
    (open_seal, "'seal'"),
    (empty_state, "list indices must be"),
    (deepen_state, "maximum recursion depth"),
    (drop_state, "No such file"),
    (drop_tensors, "No such file"),
    (age, "it is of format 1, this gptasks reads 3"),
]


@pytest.mark.parametrize(("damage", "why"), DAMAGES, ids=[d.__name__ for d, _ in DAMAGES])
def test_a_damaged_checkpoint_gives_way_to_the_one_before_with_a_line(damage, why, kept, caplog):
    damage(kept.folder / "last")
    back = kept.load("last")
    assert back is not None
    assert back.state == {"step": 1}
    assert torch.equal(back.tensors["weight"], torch.ones(2, 3))
    (record,) = caplog.records
    assert re.fullmatch(
        f"checkpoint .*/last is damaged \\(.*{re.escape(why)}.*\\); taking the one before",
        record.getMessage(),
    )


def test_where_all_are_damaged_there_is_none(kept, caplog):
    spoil_tensors(kept.folder / "last")
    drop_state(kept.folder / "last.before")
    assert kept.load("last") is None
    assert "last.before is damaged" in caplog.text
    assert caplog.text.count("there is none before it") == 1


def test_checkpoints_of_other_rows_are_not_used(tmp_path, caplog):
    Checkpoints(tmp_path, data="old rows").save("last", checkpoint(1))
    assert Checkpoints(tmp_path, data="new rows").load("last") is None
    assert "last is of other rows: the data has changed since; it is not used" in caplog.text
    assert Checkpoints(tmp_path, data="old rows").load("last") is not None


class Stop(BaseException):
    """Stands for a kill: nothing may catch it."""


def stop_at(patch: pytest.MonkeyPatch, owner: object, name: str, call: int) -> None:
    """Make the `call`th use of a function the last thing that happens."""
    real, count = getattr(owner, name), 0

    def counted(*arguments, **named):
        nonlocal count
        count += 1
        if count == call:
            raise Stop
        return real(*arguments, **named)

    patch.setattr(owner, name, counted)


@pytest.mark.parametrize(
    ("owner", "name", "call"),
    [(module, "sha256", 1), (os, "fsync", 1), (os, "fsync", 2), (Path, "rename", 1)],
)
def test_a_stop_while_writing_leaves_the_checkpoint_before(owner, name, call, kept, monkeypatch):
    with monkeypatch.context() as patch:
        stop_at(patch, owner, name, call)
        with pytest.raises(Stop):
            kept.save("last", checkpoint(3))
    back = kept.load("last")
    assert back is not None
    assert back.state == {"step": 2}


def test_a_stop_between_the_two_renames_leaves_the_checkpoint_before(kept, monkeypatch, caplog):
    with monkeypatch.context() as patch:
        stop_at(patch, Path, "rename", 2)
        with pytest.raises(Stop):
            kept.save("last", checkpoint(3))
    back = kept.load("last")
    assert back is not None
    assert back.state == {"step": 2}
    assert not caplog.records  # nothing is damaged
    kept.save("last", checkpoint(4))
    assert [each.state["step"] for each in kept.versions("last")] == [4, 2]


def test_what_a_killed_process_left_half_written_is_cleared_away(kept):
    part = kept.folder / ".last.part"
    part.mkdir()
    (part / "tensors.safetensors").write_bytes(b"half")
    (part / "rubbish").write_bytes(b"half")
    kept.save("last", checkpoint(3))
    assert names(kept.folder) == {"last", "last.before"}
    assert names(kept.folder / "last") == {"state.json", "tensors.safetensors"}


def test_only_the_named_ones_of_a_prefix_are_kept(kept):
    for step in (0, 2, 2, 4):
        kept.save(f"best-{step}", checkpoint(step))
    kept.keep("best-", {"best-2", "best-4"})
    assert names(kept.folder) == {"last", "last.before", "best-2", "best-2.before", "best-4"}


@pytest.fixture
def full_disk():
    """No file may grow beyond 4 KiB, as on a disk without room."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_one_line_and_costs_nothing(kept, full_disk):
    big = Checkpoint({"weight": torch.ones(5000)}, {"step": 3})
    with pytest.raises(
        RunError,
        match=r"checkpoints/last can't be written: .*too large.*"
        r"Make room, then repeat the command to go on\.",
    ) as fault:
        kept.save("last", big)
    assert "\n" not in str(fault.value)
    assert fault.value.exit_code == 1
    assert names(kept.folder) == {"last", "last.before"}
    back = kept.load("last")
    assert back is not None
    assert back.state == {"step": 2}


def test_a_place_that_is_no_folder_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="file/last can't be written: File exists") as fault:
        Checkpoints(tmp_path / "file").save("last", checkpoint(1))
    assert fault.value.exit_code == 1
