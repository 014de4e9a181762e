"""`gptasks export`: what is given away opens by itself, and nothing that was there is lost."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import gptasks, train
from tiny_models import backbone, full_disk
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from gptasks.api import load
from gptasks.errors import ConfigError, RunError

TEXTS = ["the film number 3 was great", "the meal number 4 was awful"]

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # PEFT


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def scores(model: Any, tokenizer: Any) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(**tokenizer(TEXTS, padding=True, return_tensors="pt")).logits.softmax(1)


def expected(run: Path) -> torch.Tensor:
    return torch.tensor([list(found.scores.values()) for found in load(run).predict(TEXTS)])


# -- what is given away -------------------------------------------------------------------


def test_the_model_opens_in_plain_transformers_and_has_its_card(run: Path, tmp_path: Path) -> None:
    before = content(run)
    done = gptasks("export", str(run), "deep/down/given")
    assert (done.code, done.out, done.err) == (0, "model folder: deep/down/given\n", "")
    given = Path("deep/down/given")
    assert content(given) == content(run / "model")
    assert content(run) == before
    assert [path.name for path in given.parent.iterdir()] == ["given"]
    assert (given / "README.md").read_text("utf-8").startswith("---\nlibrary_name: transformers\n")
    opened = AutoModelForSequenceClassification.from_pretrained(given)
    found = scores(opened, AutoTokenizer.from_pretrained(given))
    torch.testing.assert_close(found, expected(run), rtol=0, atol=1e-5)


def test_the_adapter_opens_as_its_card_says(run: Path, tmp_path: Path) -> None:
    base = tmp_path / "backbone"
    tiny = backbone()
    tiny.model.save_pretrained(base)
    tiny.tokenizer.save(base)
    done = gptasks("export", "--adapter", str(run), "given")
    assert (done.code, done.out, done.err) == (0, "adapter folder: given\n", "")
    card = Path("given/README.md").read_text("utf-8")
    assert card.startswith("---\nlibrary_name: peft\n")
    assert "An adapter for the GPT `tiny`, cut at layer " in card
    (code,) = re.findall(r"^```python\n(.*?)^```$", card, re.MULTILINE | re.DOTALL)
    for said, meant in (("THIS FOLDER OR REPOSITORY", "given"), ("THE BACKBONE'S FOLDER", base)):
        assert said in code
        code = code.replace(said, str(meant))
    opened: dict[str, Any] = {}
    exec(compile(code, "README.md", "exec"), opened)
    found = scores(opened["model"], opened["tokenizer"])
    torch.testing.assert_close(found, expected(run), rtol=0, atol=1e-5)
    bare = scores(opened["model"].unload(), opened["tokenizer"])
    assert (bare - found).abs().max() > 0.001


def test_a_path_of_this_machine_in_an_adapter_is_told(run: Path) -> None:
    place = run / "adapter" / "adapter_config.json"
    named = {**json.loads(place.read_text()), "base_model_name_or_path": "/home/me/gpt"}
    place.write_text(json.dumps(named))
    results = json.loads((run / "results.json").read_text())
    results["adapter"][place.name] = hashlib.sha256(place.read_bytes()).hexdigest()
    (run / "results.json").write_text(json.dumps(results))
    assert gptasks("export", str(run), "given", "--adapter").err == (
        "warning: adapter_config.json names the backbone by its path on this machine "
        "(/home/me/gpt); before you give the adapter away, write there where others find that "
        "backbone\n"
    )


def test_a_run_exports_itself(run: Path, tmp_path: Path) -> None:
    assert load(run).export(tmp_path / "given") == tmp_path / "given"
    assert load(run).export("other", adapter=True) == Path("other").resolve()
    assert content(Path("other")) == content(run / "adapter")


# -- where to -----------------------------------------------------------------------------


def test_a_folder_with_files_is_left_alone_unless_forced(run: Path) -> None:
    given = Path("given")
    given.mkdir()
    (given / "notes.txt").write_text("mine")
    (given / "README.md").write_text("mine too")
    before = content(given)
    done = gptasks("export", str(run), "given")
    assert done.code == 2
    assert done.err == (
        "gptasks: given is not empty (it has: README.md, notes.txt); choose another folder, or add "
        "--force: files of the same names are replaced, the others stay.\n"
    )
    assert content(given) == before
    done = gptasks("export", str(run), "given", "--force")
    assert (done.code, done.err) == (0, "given also holds, as before: notes.txt\n")
    assert content(given) == {"notes.txt": b"mine", **content(run / "model")}


def test_an_empty_folder_is_taken_as_it_is(run: Path) -> None:
    Path("given").mkdir()
    number = Path("given").stat().st_ino
    assert gptasks("export", str(run), "given").code == 0
    assert content(Path("given")) == content(run / "model")
    assert Path("given").stat().st_ino == number


def test_a_folder_that_can_not_be_taken_is_one_line(run: Path) -> None:
    Path("file").write_text("mine")
    before = content(run)
    for given, fault in (
        ("file", r"^file can't be written into \(Not a directory\); choose another folder\.$"),
        (run / "model", r"model lies in the run folder itself; choose another folder\.$"),
        (run / "new", r"new lies in the run folder itself; choose another folder\.$"),
        ("file/given", r"^file/given can't be made \(.*\); choose another folder\.$"),
        ("a\0b", r"^a\0b can't be made \(embedded null byte\); choose another folder\.$"),
    ):
        with pytest.raises(ConfigError, match=fault):
            load(run).export(given, force=True)
    assert content(run) == before
    assert Path("file").read_text() == "mine"


def test_a_full_disk_leaves_nothing_behind(run: Path) -> None:
    with full_disk(), pytest.raises(RunError, match=r"given can't be written: .* Make room"):
        load(run).export("given")
    assert list(Path().iterdir()) == []
    Path("given").mkdir()
    Path("given/config.json").write_text("mine")
    with full_disk(), pytest.raises(RunError, match=r"given can't be written: .* Make room"):
        load(run).export("given", force=True)
    assert content(Path("given")) == {"config.json": b"mine"}


# -- what can't be given away -------------------------------------------------------------


def test_an_unfinished_run_is_refused(run: Path) -> None:
    (run / "results.json").unlink()
    done = gptasks("export", str(run), "given")
    assert done.code == 2
    assert done.err == (
        f"gptasks: the run in {run} is not finished: it has no results.json. Repeat its command to "
        "go on.\n"
    )
    assert not Path("given").exists()


def test_a_run_without_an_adapter_has_none_to_give(tmp_path: Path) -> None:
    run = train(tmp_path)
    done = gptasks("export", str(run), "given", "--adapter")
    assert done.code == 2
    assert done.err == (
        f"gptasks: {run} holds no adapter (strategy=head); only strategy=lora makes one. Its model "
        "can be exported.\n"
    )
    assert gptasks("export", str(run), "given").code == 0


@pytest.mark.parametrize("name", ["model/config.json", "adapter/adapter_config.json"])
def test_a_run_that_is_not_whole_is_refused(name: str, run: Path) -> None:
    (run / name).unlink()
    with pytest.raises(RunError, match=rf"is not whole: .*{name} is missing; copy the run folder"):
        load(run).export("given", adapter=name.startswith("adapter"))


def test_a_damaged_model_is_not_given_away(run: Path) -> None:
    weights = run / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(RunError, match=r"model\.safetensors is not as the run wrote it; copy"):
        load(run).export("given")
    assert not Path("given").exists()


def test_a_damaged_adapter_is_not_given_away(run: Path) -> None:
    weights = run / "adapter" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(RunError, match=r"adapter_model\.safetensors is not as the run wrote it"):
        load(run).export("given", adapter=True)
    assert not Path("given").exists()
    assert load(run).export("given") == Path("given").resolve()


def test_a_head_that_only_gptasks_opens_is_not_given_away_without_its_run(run: Path) -> None:
    (run / "model" / "head.safetensors").write_bytes(b"")
    for adapter in (False, True):
        with pytest.raises(
            RunError, match=r"only gptasks opens it, by gptasks\.load\(RUN\): give away the whole"
        ):
            load(run).export("given", adapter=adapter)
    assert not Path("given").exists()
