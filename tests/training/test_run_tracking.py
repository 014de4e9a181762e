import json

import pytest
from small_runs import points, predictions_of, results_of, run
from wandb_reader import records, values

from gptasks.errors import DataError, TrainingError
from gptasks.tracking import JsonlTracker, NoTracker


def test_a_file_tracker_is_told_the_whole_run(data):
    folder = run(data, "tracking=jsonl")
    told = [json.loads(line) for line in (folder / "tracking.jsonl").read_text().splitlines()]
    assert [told[0]["event"], told[-1]["event"]] == ["start", "finish"]
    assert told[0]["id"].startswith(f"sequence_classification-{folder.name[-8:]}-")
    assert told[-1]["exit_code"] == 0
    curve = [(t["step"], t["values"]) for t in told if t["event"] == "log"]
    assert [(p.pop("step"), p) for p in points(folder)] == curve
    (summary,) = (t["values"] for t in told if t["event"] == "summary")
    results = results_of(folder)
    assert summary["test/accuracy"] == results["metrics"]["test"]["accuracy"]["value"]
    assert summary["test/accuracy/low"] == results["metrics"]["test"]["accuracy"]["low"]
    assert summary["baseline/tfidf/f1_macro"] == results["baselines"]["tfidf"]["f1_macro"]["value"]
    (confusion,) = (t for t in told if t["event"] == "confusion")
    assert confusion["labels"] == ["bad", "good"]
    assert sum(map(sum, confusion["matrix"])) == results["data"]["test"]["n"]
    right = confusion["matrix"][0][0] + confusion["matrix"][1][1]
    accuracy = results["metrics"]["test"]["accuracy"]["value"]
    assert right / results["data"]["test"]["n"] == pytest.approx(accuracy)
    (table,) = (t for t in told if t["event"] == "table")
    assert table["columns"] == ["id", "prediction", "reference", "bad", "good"]
    assert [r[0] for r in table["rows"]] == [row["id"] for row in predictions_of(folder)]


@pytest.mark.parametrize("log_texts", [False, True])
def test_texts_are_tracked_only_where_that_was_asked_for(log_texts, data):
    folder = run(data, "strategy=head", "tracking=jsonl", f"tracking.log_texts={log_texts}")
    text = predictions_of(folder)[0]["input"]
    assert (text in (folder / "tracking.jsonl").read_text()) is log_texts


def test_wandb_has_the_run_offline(data):
    import wandb

    folder = run(data, "tracking=wandb", "trainer.epochs=1")
    wandb.teardown()  # its service writes the end of the file a moment after `finish`
    (file,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    found = list(records(file))
    # A busy machine may have it written twice; it must say the same then.
    started = [r.run for r in found if r.WhichOneof("record_type") == "run"]
    assert {(r.project, r.run_group, r.job_type, r.display_name) for r in started} == {
        ("gptasks", "sequence_classification", "lora", folder.name)
    }
    logged = [values(r.history.item) for r in found if r.WhichOneof("record_type") == "history"]
    losses = {p["_step"]: p["train/loss"] for p in logged if "train/loss" in p}
    assert losses == {p["step"]: p["train/loss"] for p in points(folder) if "train/loss" in p}
    summary: dict = {}
    for record in found:
        if record.WhichOneof("record_type") == "summary":
            summary |= values(record.summary.update)
    accuracy = results_of(folder)["metrics"]["test"]["accuracy"]["value"]
    assert summary["test/accuracy"] == accuracy
    assert {r.exit.exit_code for r in found if r.WhichOneof("record_type") == "exit"} == {0}
    texts = [row["input"].encode() for row in predictions_of(folder)]
    for path in (folder / "wandb").rglob("*"):
        if path.is_file():
            assert not any(text in path.read_bytes() for text in texts), path
    tables = [p for p in folder.glob("wandb/**/*.table.json") if "predictions" in p.name]
    assert json.loads(tables[0].read_text())["columns"][:3] == ["id", "prediction", "reference"]


@pytest.mark.parametrize("method", ["log", "table", "finish"])
def test_a_broken_tracker_never_ends_a_run(method, data, monkeypatch, caplog):
    def fail(*arguments):
        raise OSError("the server is on fire")

    monkeypatch.setattr(NoTracker, method, fail)
    folder = run(data, f"strategy={'lora' if method == 'log' else 'head'}")
    assert results_of(folder)
    assert f"tracker 'none' failed at {method} (OSError: the server is on fire)" in caplog.text


@pytest.mark.parametrize(
    ("fault", "code"), [(TrainingError("no"), 1), (KeyboardInterrupt(), 1), (DataError("no"), 2)]
)
def test_a_failing_run_tells_its_tracker_so(fault, code, data, monkeypatch):
    told = []
    monkeypatch.setattr(JsonlTracker, "finish", lambda self, exit_code: told.append(exit_code))

    def fail(*arguments):
        raise fault

    monkeypatch.setattr("gptasks.strategies.head.Head.fit", fail)
    with pytest.raises(type(fault)):
        run(data, "strategy=head", "tracking=jsonl")
    assert told == [code]
