"""Runs made once more: the same to the last bit, or what differs, how far, and why."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import gptasks
from safetensors.torch import load_file, save_file
from small_runs import results_of

from gptasks.errors import ConfigError, RunError
from gptasks.reproduction import check, compared, configuration
from gptasks.runs import RunFolder, read_config


@pytest.fixture
def other(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, to be changed."""
    return shutil.copytree(finished, tmp_path / "other")


def change_results(run: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    values = results_of(run)
    change(values)
    (run / "results.json").write_text(json.dumps(values), "utf-8")


def differing(finished: Path, other: Path) -> dict[str, str]:
    return {one.name: one.differs for one in compared(finished, other).parts if one.differs}


# -- made again ---------------------------------------------------------------------------


def test_a_run_made_again_is_the_same_bit_for_bit(finished: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    again = tmp_path / "again"
    done = gptasks("reproduce", str(finished), "--run", str(again))
    assert done.code == 0, done.err
    assert (
        done.out
        == f"""{finished}, made again in {again}:
  same     data                    train 81, validation 8, test 31 rows
  same     model                   4 files
  same     adapter                 5 files
  same     history                 5 points
  same     validation predictions  8 rows
  same     test predictions        31 rows
  same     scores                  14 values with intervals
  same     baselines               14 values with intervals
  same     other results           fit, truncation, tally
the same, bit for bit
"""
    )
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*")} == before
    results = results_of(again)
    assert results["command"] == (f"python -m gptasks --config {finished}/config.yaml run={again}")
    # Named once more it is only compared; one that was not the same ends with 1.
    change_results(again, lambda r: r["metrics"]["test"]["accuracy"].update(value=0.5))
    done = gptasks("reproduce", str(finished), "--run", str(again), "--json")
    assert done.code == 1
    assert done.err.splitlines()[-1] == f"gptasks: {again} is not the same as {finished}"
    told = json.loads(done.out)
    assert [part["name"] for part in told["parts"] if part["differs"]] == ["scores"]
    done = gptasks("reproduce", str(finished), "--run", str(again))
    assert done.out.endswith(
        "  same     other results           fit, truncation, tally\n"
        "what could explain it, by what the two runs tell:\n"
        "  nothing: versions, device, processor, precision and threads are the same\n"
    )
    assert "  differs  scores                  test.accuracy.value 1.0, now 0.5\n" in done.out


def test_a_folder_of_its_own_is_found_beside_the_run(
    other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def place(run: Path = other) -> str | None:
        return configuration(run, None).run.run

    assert place() == f"{other}-again"
    # One that was stopped goes on; one that is finished, and one that is another's, stay.
    stopped = shutil.copytree(other, Path(f"{other}-again"))
    (stopped / "results.json").unlink()
    assert place() == f"{other}-again"
    (stopped / "results.json").write_text("{}", "utf-8")
    assert place() == f"{other}-again-2"
    Path(f"{other}-again-2").mkdir()
    Path(f"{other}-again-2", "letter.txt").touch()
    assert place() == f"{other}-again-3"
    config = read_config(other) | {"seed": 5}
    third = Path(f"{other}-again-3")
    third.mkdir()
    (third / "config.yaml").write_text(yaml.safe_dump(config), "utf-8")
    (third / "model").mkdir()
    assert place() == f"{other}-again-4"
    monkeypatch.chdir(other)
    assert place(Path(".")) == f"{other}-again-4"


@pytest.mark.parametrize("inside", ["", "/model"])
def test_the_run_itself_is_never_written_to(other: Path, inside: str) -> None:
    with pytest.raises(ConfigError, match=r"--run .* is the run itself, or in it; give another"):
        configuration(other, Path(f"{other}{inside}"))


def test_another_configuration_in_the_folder_is_refused(finished: Path, other: Path) -> None:
    config = read_config(other) | {"seed": 5}
    (other / "config.yaml").write_text(yaml.safe_dump(config), "utf-8")
    done = gptasks("reproduce", str(finished), "--run", str(other))
    assert done.code == 2
    assert done.faults == [
        f"gptasks: {other} holds a run of another configuration: seed is 5 there and 0 here. "
        "Choose another run=DIR, or remove that folder."
    ]


@pytest.mark.parametrize(
    ("argv", "fault"),
    [
        ([], "reproduce: RUN is missing. See gptasks reproduce --help."),
        (["nix"], "run folder nix does not exist."),
        (["half"], "the run in half is not finished: it has no results.json. Repeat its command to "
         "go on."),
        (["half", "--rn", "x"], "reproduce has no argument '--rn'; did you mean '--run'? See "
         "gptasks reproduce --help."),
    ],
)  # fmt: skip
def test_what_is_no_finished_run_ends_with_2(argv: list[str], fault: str) -> None:
    Path("half").mkdir()
    Path("half", "config.yaml").write_text("seed: 1\n", "utf-8")
    assert gptasks("reproduce", *argv) == (2, "", f"gptasks: {fault}\n")


def test_data_that_are_not_found_end_it_before_anything_is_written(
    finished: Path, other: Path
) -> None:
    config = other / "config.yaml"
    config.write_text(config.read_text("utf-8").replace(f"{finished.parent}/", ""), "utf-8")
    done = gptasks("reproduce", str(other))
    assert (done.code, done.out) == (2, "")
    missing, hint = done.faults
    assert missing.startswith("gptasks: no file 'reviews.csv' in ")
    assert hint == (
        f"gptasks: {other} names its data by relative paths, which start from the current folder: "
        "go where the run was started, and name the run from there."
    )
    assert not Path(f"{other}-again").exists()


def test_data_that_have_changed_are_told_of_at_once(
    other: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("logging.Logger.propagate", True, raising=False)
    change_results(other, lambda r: r["data"]["train"].update(sha256="a" * 64))
    check(other, configuration(other, None))
    assert f"train changed since {other} was made: the two will differ" in caplog.text
    (other / "history.jsonl").unlink()
    check(other, configuration(other, None))
    assert f"history.jsonl, train changed since {other} was made" in caplog.text


def test_predictions_that_are_gone_end_it_before_anything_is_written(other: Path) -> None:
    path = other / "predictions" / "validation.jsonl"
    path.unlink()
    assert gptasks("reproduce", str(other)) == (2, "", f"gptasks: {path} is missing.\n")
    path.write_text('{"id": "a"}\n', "utf-8")
    assert gptasks("reproduce", str(other)).err == (
        f"gptasks: {path}, line 1, is damaged: prediction is missing.\n"
    )
    assert not Path(f"{other}-again").exists()


def test_a_plugin_that_is_not_here_is_named(other: Path) -> None:
    config = other / "config.yaml"
    text = config.read_text("utf-8")
    config.write_text(text.replace("kind: sequence_class", "kind: acme_class"), "utf-8")
    with pytest.raises(RunError, match="can't be made again: it does not fit this gptasks: "):
        configuration(other, None)
    change_results(other, lambda r: r.update(plugins={"acme": "2.0"}))
    said = "can't be made again: it was made with the plugin acme 2.0, which is not installed"
    with pytest.raises(RunError, match=said):
        configuration(other, None)


def test_a_stop_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(argv: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gptasks.verbs.reproduce.run", stop)
    assert gptasks("reproduce", "runs/a") == (
        130, "", "gptasks: stopped; to go on: python -m gptasks reproduce runs/a\n",
    )  # fmt: skip


# -- what differs -------------------------------------------------------------------------


def test_a_copy_differs_in_nothing(finished: Path, other: Path) -> None:
    found = compared(finished, other)
    assert (found.is_same, found.explanations) == (True, [])


def test_answers_and_scores_that_differ_are_counted_and_measured(
    finished: Path, other: Path
) -> None:
    path = other / "predictions" / "test.jsonl"
    first, second, *rest = map(json.loads, path.read_text("utf-8").splitlines())
    first["prediction"] = {"good": "bad", "bad": "good"}[first["prediction"]]
    second["scores"]["bad"] += 0.25
    lines = [json.dumps(one) for one in (first, second, *rest)]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    told = {"test predictions": "1 of 31 answers; scores by up to 0.25"}
    assert differing(finished, other) == told
    path.write_text("\n".join(lines[1:]) + "\n", "utf-8")
    assert differing(finished, other) == {"test predictions": "of other rows"}


def test_weights_that_differ_say_how_far(finished: Path, other: Path) -> None:
    path = other / "adapter" / "adapter_model.safetensors"
    tensors = load_file(path)
    name = min(tensors)
    tensors[name].view(-1)[0] += 0.5
    save_file(tensors, path)
    told = {"adapter": "adapter_model.safetensors; weights by up to 0.5"}
    assert differing(finished, other) == told
    (other / "model" / "config.json").unlink()
    assert differing(finished, other) == told | {"model": "config.json"}
    path.write_bytes(b"no weights")
    told = {"adapter": "adapter_model.safetensors; weights by up to inf"}
    assert differing(finished, other) == told | {"model": "config.json"}


def test_a_model_that_is_gone_is_compared_by_what_the_results_hold_of_it(
    finished: Path, other: Path
) -> None:
    shutil.rmtree(other / "model")
    assert compared(other, finished).is_same
    shutil.rmtree(other / "adapter")
    change_results(other, lambda r: r["model"].update({"config.json": "a" * 64}))
    change_results(other, lambda r: r.update(adapter={}))
    found = {part.name: part.differs for part in compared(other, finished).parts if part.differs}
    assert found["model"] == "config.json"
    assert "adapter_config.json" in found["adapter"]


def test_curves_that_differ_say_from_where_on(finished: Path, other: Path) -> None:
    path = other / "history.jsonl"
    points = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for point in points:
        point["time/seconds"] = 1e9
    text = "\n".join(map(json.dumps, points)) + "\n"
    path.write_text(text, "utf-8")
    assert differing(finished, other) == {}
    points[-1]["validation/accuracy"] = 0.125
    path.write_text("\n".join(map(json.dumps, points)) + "\n", "utf-8")
    step = points[-1]["step"]
    assert differing(finished, other) == {
        "history": f"from step {step} on: validation/accuracy 1.0, now 0.125"
    }
    path.write_text("\n".join(text.splitlines()[:-1]) + "\n", "utf-8")
    assert differing(finished, other) == {"history": f"{len(points)} points, now {len(points) - 1}"}


def test_other_rows_baselines_and_facts_are_told_the_farthest_first(
    finished: Path, other: Path
) -> None:
    def change(values: dict[str, Any]) -> None:
        values["data"]["test"] |= {"sha256": "a" * 64, "n": 30}
        values["baselines"]["tfidf"]["ece"]["low"] += 0.1
        values["baselines"]["tfidf"]["accuracy"]["value"] -= 0.2
        values["fit"]["steps"] += 3

    steps = results_of(finished)["fit"]["steps"]
    change_results(other, change)
    found = compared(finished, other)
    told = {one.name: one.differs for one in found.parts if one.differs}
    assert told == {
        "data": "other rows in test (31 rows, now 30)",
        "baselines": "tfidf.accuracy.value 1.0, now 0.8; also tfidf.ece.low",
        "other results": f"fit.steps {steps}, now {steps + 3}",
    }
    assert found.explanations == ["the test rows are others"]


def test_what_could_explain_it_is_what_the_two_runs_tell(finished: Path, other: Path) -> None:
    def change(values: dict[str, Any]) -> None:
        values["versions"] |= {"torch": "1.0"}
        values["plugins"] = {"acme": "2.0"}
        values["timing"] |= {"threads": 64, "processor": "Abacus", "precision": "bf16"}
        values["timing"] |= {"device": "cuda", "processes": 2}

    change_results(other, change)
    config = other / "config.yaml"
    config.write_text(config.read_text("utf-8").replace("seed: 0\n", "seed: 4\n"), "utf-8")
    old = results_of(finished)
    assert compared(finished, other).explanations == [
        "backbone.seed is 0 there and 4 here",
        "seed is 0 there and 4 here",
        f"torch {old['versions']['torch']} then, 1.0 now",
        "device cpu then, cuda now",
        f"processor {old['timing']['processor']} then, Abacus now",
        "precision fp32 then, bf16 now",
        "processes 1 then, 2 now",
        f"threads {old['timing']['threads']} then, 64 now",
        "a GPU may add numbers up in another order each time",
    ]
    config.write_text(config.read_text("utf-8") + "# edited\n", "utf-8")
    assert compared(other, finished).explanations[0] == (
        "config.yaml of the first run is not as it was when that was made"
    )
    change_results(other, lambda r: r.update(files=RunFolder(other).digests()))
    copied = shutil.copytree(other, other.with_name("third"))
    change_results(copied, lambda r: r["plugins"].update(acme="2.1"))
    assert compared(other, copied).explanations == [
        "acme 2.0 then, 2.1 now",
        "a GPU may add numbers up in another order each time",
    ]


def test_predictions_that_are_missing_end_it(finished: Path, other: Path) -> None:
    (other / "predictions" / "test.jsonl").unlink()
    with pytest.raises(RunError, match=r"test\.jsonl is missing\."):
        compared(finished, other)
