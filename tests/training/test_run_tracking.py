import json
from typing import Any

import pytest
import yaml
from small_runs import points, predictions_of, results_of, run
from wandb_reader import records, values

from gptasks.errors import DataError, TrainingError
from gptasks.metrics import Score
from gptasks.task import Prediction, Row, Task
from gptasks.tasks.conditional_generation import ConditionalGeneration
from gptasks.tasks.sequence_classification import SequenceClassification
from gptasks.tasks.token_classification import TokenClassification
from gptasks.tracking import JsonlTracker, NoTracker
from gptasks.training.results import tell


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


class Told(NoTracker):
    """Keeps what it is told at the end of a run."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, float] = {}
        self.tables: dict[str, list[str]] = {}
        self.charts: list[str] = []

    def summary(self, values):
        self.values = dict(values)

    def table(self, key, columns, rows):
        self.tables[key] = list(columns)

    def confusion(self, key, labels, matrix):
        self.charts.append(key)


KINDS: list[tuple[Task, dict[str, Any], Any]] = [
    (SequenceClassification(labels=["bad", "good"]), {"text": "a", "label": "bad"}, "bad"),
    (
        TokenClassification(labels=["O", "B-A", "I-A"]),
        {"tokens": ["a"], "tags": ["B-A"]},
        ["B-A"],
    ),
    (ConditionalGeneration(source="s", target="t"), {"s": "a", "t": "b"}, "b"),
]


@pytest.mark.parametrize(("task", "row", "answer"), KINDS, ids=lambda one: type(one).__name__)
def test_every_kind_tells_its_tracker_the_same_names(task, row, answer):
    names = task.metrics[:2]
    scores = {name: Score(0.5 + n / 4, 0.25, 1.0, 1, name) for n, name in enumerate(names)}
    told = Told()
    tell(
        told,
        task,
        {"validation": scores, "test": scores},
        {"simple": scores},
        [Prediction(answer)],
        [Row(row, "x:1")],
    )
    assert set(told.values) == {
        f"{place}/{name}{end}"
        for place in ("validation", "test", "baseline/simple")
        for name in ("headline", *names)
        for end in ("", "/low", "/high")
    }
    assert told.values["test/headline"] == told.values[f"test/{names[0]}"] == 0.5
    assert told.values["baseline/simple/headline/low"] == 0.25
    assert list(told.tables) == ["test/predictions"]
    assert told.tables["test/predictions"][0] == "id"
    assert told.charts == ["test/confusion"] * bool(task.labels)


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
    config = values(started[0].config.update)
    # What W&B's page groups runs by is a plain value at the top.
    assert {key: config[key] for key in config if key not in ("_wandb", "settings")} == {
        "task": "sequence_classification",
        "kind": "sequence_classification",
        "backbone": "tiny",
        "strategy": "lora",
        "seed": 0,
        "headline_metric": "accuracy",
    }
    assert config["settings"] == yaml.safe_load((folder / "config.yaml").read_text())
    logged = [values(r.history.item) for r in found if r.WhichOneof("record_type") == "history"]
    losses = {p["_step"]: p["train/loss"] for p in logged if "train/loss" in p}
    assert losses == {p["step"]: p["train/loss"] for p in points(folder) if "train/loss" in p}
    summary: dict = {}
    for record in found:
        if record.WhichOneof("record_type") == "summary":
            summary |= values(record.summary.update)
    accuracy = results_of(folder)["metrics"]["test"]["accuracy"]["value"]
    assert summary["test/headline"] == summary["test/accuracy"] == accuracy
    loss = results_of(folder)["metrics"]["validation"]["log_loss"]["value"]
    assert summary["validation/log_loss"] == loss  # of the model that was kept, not the last
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
