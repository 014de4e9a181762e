"""Runs scored once more and compared with what they say: each thing that can be changed is seen."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from command_line import gptasks
from small_runs import predictions_of, results_of, write_reviews

from gptasks import load
from gptasks.data.splits import load_splits
from gptasks.errors import RunError
from gptasks.runs import RunFolder
from gptasks.verification import Check, Verifier, finished_runs
from gptasks.verification.checks import CHECKS

SOUND = dict.fromkeys(CHECKS, "ok")


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


def seal(run: Path) -> None:
    """Let results.json hold the SHA-256 of the run's files as they are."""
    results(lambda values: values.update(files=RunFolder(run).digests()))(run)


def found(verifier: Verifier, run: Path) -> dict[str, Check]:
    return {check.name: check for check in verifier.checks(run)}


def states(checks: dict[str, Check]) -> dict[str, str]:
    return {name: check.state for name, check in checks.items()}


def results(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def do(run: Path) -> None:
        path = run / "results.json"
        values = json.loads(path.read_text("utf-8"))
        change(values)
        path.write_text(json.dumps(values), "utf-8")

    return do


def line(number: int, **changes: Any) -> Callable[[Path], None]:
    """Change a line of the test predictions."""

    def do(run: Path) -> None:
        path = run / "predictions" / "test.jsonl"
        lines = path.read_text("utf-8").splitlines()
        lines[number - 1] = json.dumps(json.loads(lines[number - 1]) | changes)
        path.write_text("\n".join(lines) + "\n", "utf-8")

    return do


def file(name: str, change: Callable[[bytes], bytes | None]) -> Callable[[Path], None]:
    """Change the bytes of a file; None removes it."""

    def do(run: Path) -> None:
        path = run / name
        path.parent.mkdir(parents=True, exist_ok=True)
        held = change(path.read_bytes() if path.exists() else b"")
        path.unlink() if held is None else path.write_bytes(held)

    return do


def flipped(run: Path) -> None:
    """Another answer in line 2, of a row that was answered rightly."""
    path = run / "predictions" / "test.jsonl"
    record = json.loads(path.read_text("utf-8").splitlines()[1])
    other = {"good": "bad", "bad": "good"}[record["prediction"]]
    assert record["prediction"] == record["reference"]
    line(2, prediction=other)(run)


# -- a sound run --------------------------------------------------------------------------


def test_a_run_is_what_it_says(finished: Path) -> None:
    done = gptasks("verify", str(finished))
    assert (done.code, done.err) == (0, "")
    assert (
        done.out
        == f"""{finished}
  ok           configuration      task sequence_classification, backbone tiny, strategy lora, seed 0
  ok           files              4 files, as the run wrote them
  ok           validation scores  7 scores of 8 rows, bit for bit
  ok           test scores        7 scores of 31 rows, bit for bit
  ok           tally              this task counts nothing
  ok           data               train 81, validation 8, test 31 rows, as they were
  ok           predicted rows     ids, inputs and references are those of the data
  ok           truncation         nothing was cut
  ok           baselines          majority, tfidf: bit for bit
  ok           model              4 files, as the run wrote them
  ok           adapter            5 files, as the run wrote them
  ok           labels             bad, good: those of the data and model/
1 run: 12 ok
"""
    )


def test_the_same_as_json(finished: Path) -> None:
    done = gptasks("verify", str(finished), "--json")
    assert done.code == 0
    checks = json.loads(done.out)[str(finished)]
    assert {check["name"]: check["state"] for check in checks} == SOUND


# -- what was changed ---------------------------------------------------------------------


def broken_labels(values: dict[str, Any]) -> None:
    values["labels"] = ["bad", "fine"]


CHANGES: dict[str, tuple[Callable[[Path], None], dict[str, str]]] = {
    "an answer": (
        flipped,
        {"test scores": "accuracy value is 1.0 in results.json, 0.967741935483871 by the "
         "predictions; so differ accuracy low, f1_macro value, f1_macro low, f1_weighted value "
         "and 3 more"},
    ),
    "a number": (
        results(lambda r: r["metrics"]["test"]["accuracy"].update(value=0.99)),
        {"test scores": "accuracy value is 0.99 in results.json, 1.0 by the predictions"},
    ),
    "a number of validation": (
        results(lambda r: r["metrics"]["validation"]["ece"].update(high=None)),
        {"validation scores": "ece high is None in results.json, *"},
    ),
    "a signature": (
        results(lambda r: r["metrics"]["test"]["accuracy"].update(signature="accuracy|v:7")),
        {"test scores": "accuracy signature is accuracy|v:7 in results.json, accuracy|v:1 by *"},
    ),
    "a metric": (
        results(lambda r: r["metrics"]["test"].pop("ece")),
        {"test scores": "results.json has the scores accuracy, *, log_loss, where the task asks "
         "for accuracy, *"},
    ),
    "a baseline": (
        results(lambda r: r["baselines"]["tfidf"]["accuracy"].update(value=0.1)),
        {"baselines": "tfidf: accuracy value is 0.1 in results.json, 1.0 by the predictions"},
    ),
    "a baseline left out": (
        results(lambda r: r["baselines"].pop("majority")),
        {"baselines": "results.json has tfidf, where the task makes majority, tfidf"},
    ),
    "a byte of the weights": (
        file("model/model.safetensors", lambda held: held[:-1] + bytes([held[-1] ^ 1])),
        {"model": "model.safetensors has changed"},
    ),
    "a setting": (
        file("config.yaml", lambda held: held.replace(b"max_length: 512", b"max_length: 99")),
        {"files": "config.yaml has changed"},
    ),
    "the curves": (
        file("history.jsonl", lambda held: held.replace(b'"step": 0', b'"step": 1')),
        {"files": "history.jsonl has changed"},
    ),
    "the hashes of the files": (
        results(lambda r: r.update(files={})),
        {"files": "config.yaml is not of the run; *"},
    ),
    "a file below the model": (
        file("model/more/code.py", lambda _: b"1"),
        {"model": "more/code.py is not of the run"},
    ),
    "files of the model": (
        lambda run: [file("model/tokenizer_config.json", lambda _: None)(run),
                     file("model/adapter_config.json", lambda _: b"{}")(run),
                     file("model/.DS_Store", lambda _: b"")(run),
                     file("model/README.md", lambda _: b"edited")(run)],
        {"model": "tokenizer_config.json is missing; adapter_config.json is not of the run"},
    ),
    "the weights of the adapter": (
        file("adapter/adapter_model.safetensors", lambda held: held[:-1] + bytes([held[-1] ^ 1])),
        {"adapter": "adapter_model.safetensors has changed"},
    ),
    "no adapter": (
        lambda run: shutil.rmtree(run / "adapter"),
        {"adapter": "adapter_config.json is missing; *"},
    ),
    "the names of the labels in the model": (
        file("model/config.json", lambda held: held.replace(b'"good"', b'"fine"')),
        {"model": "config.json has changed",
         "labels": "model/config.json says id2label={0: 'bad', 1: 'fine'}, where this run has *"},
    ),
    "the configuration of the model": (
        file("model/config.json", lambda _: b'{"id2label": 5}'),
        {"model": "config.json has changed", "labels": "*/model/config.json can't be read: *"},
    ),
    "labels": (
        results(broken_labels),
        {"labels": "bad, fine in results.json, bad, good by the data",
         "validation scores": "*the reference 'good' is none of the 2 labels (bad, fine)*",
         "test scores": "*the reference 'good' is none of the 2 labels (bad, fine)*"},
    ),
    "what was trained": (
        results(lambda r: r.update(strategy="full", select="accuracy")),
        {"configuration": "strategy is 'full' in results.json and 'lora' by config.yaml; select "
         "is 'accuracy' in results.json and 'log_loss' by config.yaml"},
    ),
    "the count of rows": (
        results(lambda r: r["data"]["test"].update(n=30)),
        {"test scores": "test.jsonl holds 31 predictions, where results.json says 30",
         "data": "test has changed: n 30 in results.json, 31 now"},
    ),
    "a ledger": (
        results(lambda r: r["truncation"]["test"].update(tokens_lost=9)),
        {"truncation": "test tokens_lost is 9 in results.json, 0 by the data"},
    ),
    "the hashes of the model": (
        results(lambda r: r.update(model={})),
        {"model": "config.json is not of the run; *"},
    ),
    "the hashes of the adapter": (
        results(lambda r: r.update(adapter={})),
        {"adapter": "adapter_config.json is not of the run; *"},
    ),
    "a tally": (
        results(lambda r: r["tally"].update(test={"empty": 2})),
        {"tally": "test empty is 2 in results.json, the predictions give None"},
    ),
    "a reference": (
        line(3, reference=5),
        {"test scores": "*the reference 5 is none of the 2 labels (bad, good)*",
         "predicted rows": "test.jsonl, line 3, has the reference 5, where reviews.csv:* has "
         "'*'"},
    ),
    "an id": (
        line(1, id="other.csv:2"),
        {"predicted rows": "test.jsonl, line 1, has the id 'other.csv:2', where reviews.csv:*"},
    ),
    "an input": (
        line(4, input="the film was long"),
        {"predicted rows": "test.jsonl, line 4, has the input 'the film was long', where *"},
    ),
    "a score that is none": (
        line(2, scores={"bad": "much"}),
        dict.fromkeys(("test scores", "tally", "predicted rows"),
                      "*test.jsonl, line 2, is damaged: scores.bad is 'much', where *"),
    ),
    "details that are none": (
        line(2, details=5),
        dict.fromkeys(("test scores", "tally", "predicted rows"),
                      "*test.jsonl, line 2, is damaged: details is 5, where an object should be."),
    ),
    "the predictions": (
        file("predictions/test.jsonl", lambda _: None),
        dict.fromkeys(("test scores", "tally", "predicted rows"),
                      "*/predictions/test.jsonl is missing.")
        | {"files": "predictions/test.jsonl is missing"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_what_was_changed_is_seen_and_only_that(what: str, run: Path, verifier: Verifier) -> None:
    change, told = CHANGES[what]
    path = run / "predictions" / "test.jsonl"
    predictions = path.read_bytes()
    change(run)
    if path.is_file() and path.read_bytes() != predictions:
        told = told | {"files": "predictions/test.jsonl has changed"}
    checks = found(verifier, run)
    unsure = {"truncation": "not checked"} if "model" in told else {}
    assert states(checks) == SOUND | dict.fromkeys(told, "FAILED") | unsure
    for name, text in told.items():
        assert fits(checks[name].text, text), checks[name].text


def fits(text: str, pattern: str) -> bool:
    """Whether a text is as the pattern says, * being anything."""
    first, *others = pattern.split("*")
    if not text.startswith(first):
        return False
    for part in others:
        _, was_there, text = text.partition(part) if part else ("", True, "")
        if not was_there:
            return False
    return bool(pattern.endswith("*") or not others or not text)


def test_a_run_that_is_not_as_it_says_ends_with_1(run: Path) -> None:
    flipped(run)
    done = gptasks("verify", str(run))
    assert done.code == 1
    assert "  FAILED       test scores        accuracy value is 1.0 in results.json" in done.out
    assert done.out.endswith("1 run: 10 ok, 2 FAILED\n")
    assert done.err == "gptasks: of 1 run 1 is not what it says\n"


def keys(values: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in values.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from keys(value, (*above, key))


def test_no_key_of_the_results_can_be_taken_away_or_be_none(
    finished: Path, run: Path, verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But those of what nothing else tells: how training went, in what time and by what."""
    untold = {"fit", "versions", "plugins", "timing"}
    whole = results_of(finished)
    for *above, last in keys(whole):
        if set(above) & untold:
            continue
        for change in ("taken away", "none"):
            values = copy.deepcopy(whole)
            place = values
            for key in above:
                place = place[key]
            if change == "taken away":
                del place[last]
            else:
                place[last] = None
            (run / "results.json").write_text(json.dumps(values), "utf-8")
            states = {check.state for check in verifier.checks(run)}
            assert "FAILED" in states, f"{'.'.join((*above, last))}, {change}"


def test_results_that_can_not_be_read_fail(run: Path, verifier: Verifier) -> None:
    (run / "results.json").write_text("{", "utf-8")
    (check,) = verifier.checks(run)
    assert (check.state, "can't be read" in check.text) == ("FAILED", True)


# -- data ---------------------------------------------------------------------------------


def test_changed_data_are_seen(run: Path, data: Path) -> None:
    predicted = {
        one["id"] for split in ("validation", "test") for one in predictions_of(run, split)
    }
    row = next(n for n in range(120) if f"reviews.csv:{n + 2}" not in predicted)
    text = data.read_text("utf-8")
    data.write_text(text.replace(f"number {row} was", f"number {row} is"), "utf-8")
    checks = found(Verifier(), run)
    assert states(checks) == SOUND | {
        "data": "FAILED", "truncation": "not checked", "baselines": "not checked",
    }  # fmt: skip
    sha = results_of(run)["data"]["train"]["sha256"][:8]
    assert fits(checks["data"].text, f"train has changed: sha256 {sha}… in results.json, *… now")
    assert checks["baselines"].text == "train has changed"


def test_columns_kept_for_slices_are_those_of_the_rows(run: Path, data: Path) -> None:
    lines = data.read_text("utf-8").splitlines()
    shop = [f"{line},{n % 3}" for n, line in enumerate(lines[1:])]
    data.write_text("\n".join([lines[0] + ",shop", *shop]) + "\n", "utf-8")
    config = run / "config.yaml"
    config.write_text(
        config.read_text("utf-8").replace("slice_by: []", "slice_by: [shop]"), "utf-8"
    )
    rows = {f"reviews.csv:{n + 2}": {"shop": str(n % 3)} for n in range(120)}
    shas = {name: split.sha256 for name, split in load_splits(load(run).task).items()}
    results(lambda r: [r["data"][name].update(sha256=sha) for name, sha in shas.items()])(run)
    for name in ("validation", "test"):
        path = run / "predictions" / f"{name}.jsonl"
        kept = [one | {"slices": rows[one["id"]]} for one in predictions_of(run, name)]
        path.write_text("".join(json.dumps(one) + "\n" for one in kept), "utf-8")
    seal(run)
    assert states(found(Verifier(), run)) == SOUND
    line(2, slices={"shop": "9"})(run)
    text = found(Verifier(), run)["predicted rows"].text
    assert fits(
        text, """test.jsonl, line 2, has the slices {"shop": "9"}, where reviews.csv:* has *"""
    )


def test_predictions_of_rows_that_have_changed_are_not_compared_with_them(
    run: Path, data: Path
) -> None:
    row = predictions_of(run)[0]["input"]
    data.write_text(data.read_text("utf-8").replace(row, f"{row}!"), "utf-8")
    checks = found(Verifier(), run)
    assert states(checks) == SOUND | {
        "data": "FAILED", "predicted rows": "not checked", "truncation": "not checked",
        "baselines": "not checked",
    }  # fmt: skip


def test_data_that_no_longer_can_be_read_as_it_was_are_changed(run: Path, data: Path) -> None:
    data.write_text(data.read_text("utf-8").replace("text,label", "review,label"), "utf-8")
    checks = found(Verifier(), run)
    assert states(checks) == SOUND | {
        "data": "FAILED", "predicted rows": "not checked", "truncation": "not checked",
        "baselines": "not checked",
    }  # fmt: skip
    assert checks["data"].text.startswith("the data can't be read as it was: reviews.csv, all 120")


def test_a_damaged_file_has_changed_and_one_that_may_not_be_read_is_not_checked(
    run: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data.write_bytes(b"text,label\n\xff,good\n")
    text = found(Verifier(), run)["data"].text
    assert text.startswith("the data can't be read as it was: ")
    opened = Path.open

    def refused(path: Path, *given: Any, **more: Any) -> Any:
        if path == data:  # root, as tests run in containers, may read all
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *given, **more)

    monkeypatch.setattr(Path, "open", refused)
    check = found(Verifier(), run)["data"]
    assert (check.state, "Permission denied" in check.text) == ("not checked", True)


def test_data_that_were_moved_are_not_checked_which_strict_takes_for_a_fault(
    run: Path, data: Path
) -> None:
    data.rename(data.with_name("moved.csv"))
    done = gptasks("verify", str(run))
    assert (done.code, done.err) == (0, "")
    reason = "the data can't be had: no file 'reviews.csv'"
    assert f"  not checked  data               {reason}" in done.out
    assert "current folder" not in done.out  # the path was absolute
    assert "  not checked  baselines          needs the data\n" in done.out
    assert "  ok           labels             bad, good: those of model/\n" in done.out
    assert done.out.endswith("1 run: 8 ok, 4 not checked\n")
    done = gptasks("verify", str(run), "--strict")
    assert (done.code, done.err) == (1, "gptasks: of 1 run 1 could not be checked in full\n")


def test_a_relative_path_says_where_it_starts(run: Path, data: Path) -> None:
    config = run / "config.yaml"
    config.write_text(config.read_text("utf-8").replace(f"{data.parent}/", ""), "utf-8")
    seal(run)
    text = found(Verifier(), run)["data"].text
    assert text.endswith(
        "Relative paths start from the current folder: go where the run was started."
    )


def test_without_data_and_model_there_is_not_much_to_check(run: Path, data: Path) -> None:
    data.unlink()
    shutil.rmtree(run / "model")
    checks = found(Verifier(), run)
    missing = ["data", "predicted rows", "truncation", "baselines", "model", "labels"]
    assert states(checks) == SOUND | dict.fromkeys(missing, "not checked")
    assert checks["model"].text == "there is no model/"
    assert checks["labels"].text == "neither the data nor a model/ that names them is there"


def test_a_model_that_names_nothing_leaves_the_labels_to_the_data(
    run: Path, verifier: Verifier
) -> None:
    (run / "model" / "head.safetensors").touch()
    assert found(verifier, run)["labels"].text == "bad, good: those of the data"


def test_a_run_of_a_plugin_that_is_not_here_is_not_checked(run: Path, verifier: Verifier) -> None:
    config = run / "config.yaml"
    text = config.read_text("utf-8").replace("kind: sequence_classification", "kind: acme_desk")
    config.write_text(text, "utf-8")
    seal(run)
    results(lambda values: values.update(plugins={"acme-desk": "1.0"}))(run)
    checks = found(verifier, run)
    assert states(checks) == SOUND | dict.fromkeys(
        set(CHECKS) - {"files", "model", "adapter"}, "not checked"
    )
    said = "* was made with the plugin acme-desk 1.0, which is not installed; pip install *"
    assert fits(checks["configuration"].text, said)
    assert checks["data"].text == checks["test scores"].text == "needs the configuration"


# -- rounding -----------------------------------------------------------------------------


def test_rounding_of_another_processor_is_told_and_no_fault_unless_it_is_asked_for(
    run: Path, verifier: Verifier
) -> None:
    def nudged(values: dict[str, Any]) -> None:
        values["metrics"]["test"]["log_loss"]["value"] *= 1 + 1e-12
        values["baselines"]["tfidf"]["log_loss"]["low"] *= 1 + 1e-7

    results(nudged)(run)
    checks = found(verifier, run)
    assert states(checks) == SOUND
    rounded = "the same but for rounding, by up to *e-*, of "
    assert fits(checks["test scores"].text, f"7 scores of 31 rows, {rounded}log_loss value")
    said = "majority: bit for bit; tfidf: "
    assert fits(checks["baselines"].text, f"{said}{rounded}log_loss low")
    strict = Verifier(strict=True)
    failed = dict.fromkeys(("test scores", "baselines"), "FAILED")
    assert states(found(strict, run)) == SOUND | failed


# -- which runs ---------------------------------------------------------------------------


def test_runs_are_found_in_folders_and_unfinished_ones_are_named(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gptasks.verification.CHECKS", {"labels": CHECKS["labels"]})
    shutil.copytree(run, tmp_path / "half" / "run")
    (tmp_path / "half" / "run" / "results.json").unlink()
    done = gptasks("verify", str(tmp_path), str(run))
    assert done.code == 0
    assert done.out.splitlines() == [
        str(run),
        "  ok           labels             bad, good: those of the data and model/",
        str(tmp_path / "half" / "run"),
        "  left out     the run is not finished",
        "1 run: 1 ok",
    ]


@pytest.mark.parametrize(
    ("argv", "fault"),
    [
        ([], "verify: RUN is missing. See gptasks verify --help."),
        (["nix"], "run folder nix does not exist."),
        (["."], ". is no run folder: it has no config.yaml (it has: half, more, text.txt)."),
        (["text.txt"], "text.txt is a file, not a run folder."),
        (["half"], "the run in half is not finished: it has no results.json. Repeat its command to "
         "go on."),
        (["more"], "more holds no finished run, of 2 that began."),
        (["half", "--strickt"], "verify has no argument '--strickt'; did you mean '--strict'? See "
         "gptasks verify --help."),
    ],
)  # fmt: skip
def test_what_is_no_finished_run_ends_with_2(argv: list[str], fault: str) -> None:
    Path("text.txt").touch()
    for place in ("half", "more/a", "more/b"):
        Path(place).mkdir(parents=True)
        Path(place, "config.yaml").write_text("seed: 1\n", "utf-8")
    if argv == ["."]:
        for place in ("half", "more/a", "more/b"):
            Path(place, "config.yaml").unlink()
    assert gptasks("verify", *argv) == (2, "", f"gptasks: {fault}\n")


def test_a_run_named_twice_counts_once(finished: Path) -> None:
    found, others = finished_runs([finished, finished.parent])
    assert (found, others) == ([finished], [])
    with pytest.raises(RunError, match=r"run folder .* does not exist; did you mean 'run'\?"):
        finished_runs([finished.with_name("runs")])
