"""Runs whose data, model or plugin changed or are gone: what is a fault, what is not checked."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from command_line import gptasks
from small_runs import predictions_of, results_of
from verified_runs import SOUND, fits, found, line, results, seal, states

from gptasks import load
from gptasks.data.splits import load_splits
from gptasks.verification import Verifier
from gptasks.verification.checks import CHECKS


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
