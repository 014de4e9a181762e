import csv
import json
import resource
import shutil
from pathlib import Path

import pytest
from small_runs import configured, points, remains, small, write_reviews
from wandb_reader import records, values

from gptasks import cli
from gptasks.config import compose
from gptasks.errors import DataError, GptasksError, RunError, TrainingError
from gptasks.runs import RunFolder
from gptasks.tracking import JsonlTracker, NoTracker
from gptasks.training.session import train

METRICS = ["accuracy", "f1_macro", "f1_weighted", "matthews", "auroc", "log_loss", "ece"]
FILES = {"config.yaml", "results.json", "predictions", "model"}


@pytest.fixture
def data(tmp_path) -> Path:
    return write_reviews(tmp_path / "reviews.csv", rows=120)


def run(data: Path, *overrides: str) -> Path:
    return train(configured(data, *overrides))


def results_of(folder: Path) -> dict:
    """results.json, as strict readers take it: without NaN."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads((folder / "results.json").read_text("utf-8"), parse_constant=refuse)


def predictions_of(folder: Path, split: str = "test") -> list[dict]:
    text = (folder / "predictions" / f"{split}.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def write(path: Path, rows: list[tuple[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    return path


# -- from end to end ----------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("backbone", ["tiny", "tiny_gpt2"])
@pytest.mark.parametrize("strategy", ["head", "lora", "full"])
def test_a_run_leaves_a_model_that_plain_transformers_opens(strategy, backbone, precision, data):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = run(data, f"strategy={strategy}", f"backbone={backbone}", f"precision={precision}")
    more = {"head": set(), "lora": {"adapter", "history.jsonl"}, "full": {"history.jsonl"}}
    assert {p.name for p in folder.iterdir()} - {".lock", ".id"} == FILES | more[strategy]
    results = results_of(folder)
    test = results["metrics"]["test"]
    assert test["accuracy"]["value"] > results["baselines"]["majority"]["accuracy"]["value"]
    assert results["timing"]["precision"] == precision

    plain = AutoModelForSequenceClassification.from_pretrained(folder / "model")
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    assert plain.config.id2label == {0: "bad", 1: "good"}
    assert plain.dtype == (torch.float32 if precision == "fp32" else torch.bfloat16)
    rows = predictions_of(folder)
    batch = tokenizer([row["input"] for row in rows], padding=True, return_tensors="pt")
    with torch.inference_mode():
        found = plain.float()(**batch).logits.softmax(-1)
    stored = torch.tensor([[row["scores"]["bad"], row["scores"]["good"]] for row in rows])
    torch.testing.assert_close(found, stored, rtol=0, atol=1e-5 if precision == "fp32" else 0.02)


def test_results_hold_what_the_reference_promises(finished):
    results = results_of(finished)
    assert list(results) == [
        "format",
        "task",
        "kind",
        "backbone",
        "strategy",
        "seed",
        "select",
        "metrics",
        "baselines",
        "fit",
        "timing",
        "truncation",
        "labels",
        "data",
        "versions",
        "command",
    ]
    assert results["format"] == 1
    assert (results["task"], results["backbone"]) == ("sequence_classification", "tiny")
    assert (results["strategy"], results["seed"]) == ("lora", 0)
    assert results["labels"] == ["bad", "good"]
    assert set(results["metrics"]) == {"validation", "test"}
    assert set(results["baselines"]) == {"majority", "tfidf"}
    n = results["data"]["test"]["n"]
    for found in (results["metrics"]["test"], *results["baselines"].values()):
        assert list(found) == METRICS
        for score in found.values():
            assert list(score) == ["value", "low", "high", "n", "signature"]
            assert score["n"] == n
            assert score["low"] <= score["value"] <= score["high"]
    assert set(results["data"]) == set(results["truncation"]) == {"train", "validation", "test"}
    assert sum(split["n"] for split in results["data"].values()) == 120
    assert all(len(split["sha256"]) == 64 for split in results["data"].values())
    assert results["truncation"]["train"]["rows_cut"] == 0
    assert results["timing"]["device"] == "cpu"
    assert results["timing"]["total_seconds"] > 0
    assert {"python", "gptasks", "torch", "transformers"} <= set(results["versions"])
    assert results["command"].startswith("python -m gptasks task=sequence_classification ")
    assert results["command"].endswith(" run=run")


def test_every_prediction_is_kept_with_its_scores(finished):
    results = results_of(finished)
    for split in ("validation", "test"):
        rows = predictions_of(finished, split)
        assert len(rows) == results["data"][split]["n"]
        assert len({row["id"] for row in rows}) == len(rows)
        for row in rows:
            assert list(row) == ["id", "input", "prediction", "reference", "scores"]
            assert row["id"].startswith("reviews.csv:")
            assert row["input"].startswith("the ")
            assert row["prediction"] == max(row["scores"], key=row["scores"].get)
            assert sum(row["scores"].values()) == pytest.approx(1.0)
        right = sum(row["prediction"] == row["reference"] for row in rows) / len(rows)
        assert results["metrics"][split]["accuracy"]["value"] == pytest.approx(right)


def test_the_curves_start_at_step_0_and_have_a_rate_a_loss_and_a_speed(finished):
    curve = points(finished)
    assert curve[0].keys() == {"step", "validation/log_loss", "validation/accuracy"}
    assert curve[0]["step"] == 0
    assert curve[1].keys() == {
        "step",
        "train/loss",
        "train/learning_rate",
        "train/gradient_norm",
        "train/epoch",
        "train/tokens",
        "time/tokens_per_second",
        "time/seconds",
    }
    assert curve[-1]["step"] == results_of(finished)["fit"]["steps"]
    assert curve[-2]["train/epoch"] == 1.0


def test_a_test_split_of_one_row_gives_null_where_nothing_is_defined(tmp_path, data):
    test = write(tmp_path / "test.csv", [("the film was great", "good")])
    folder = run(data, "strategy=head", f"task.data.test={test}")
    scores = results_of(folder)["metrics"]["test"]
    assert scores["auroc"] == {**scores["auroc"], "value": None, "low": None, "high": None}
    assert scores["accuracy"]["n"] == 1


def test_one_row_for_validation_and_two_for_training_will_do(tmp_path):
    rows = [("great", "good"), ("awful", "bad")]
    train_file = write(tmp_path / "train.csv", rows)
    one = write(tmp_path / "one.csv", [("lovely", "good")])
    for strategy in ("head", "lora"):
        folder = run(
            train_file,
            f"strategy={strategy}",
            f"task.data.validation={one}",
            f"task.data.test={one}",
            "trainer.batch_tokens=1",
        )
        assert results_of(folder)["data"]["train"]["n"] == 2


# -- what may and may not matter ----------------------------------------------------------


def test_the_same_seed_gives_the_same_run_and_another_seed_another(data, tmp_path, monkeypatch):
    left = []
    for name, seed in (("one", 5), ("two", 5), ("three", 6)):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        folder = run(data, f"seed={seed}", "strategy.dropout=0.1")
        left.append(remains(folder))
    assert left[0] == left[1]
    assert left[0]["model/model.safetensors"] != left[2]["model/model.safetensors"]


def test_the_test_split_has_no_say_in_training(tmp_path, data):
    rows = [(f"the film number {n} was {word}", "good") for n, word in enumerate("abcdefgh")]
    swapped = [(text, "bad") for text, _ in rows]
    folders = [
        run(data, f"task.data.test={write(tmp_path / f'{name}.csv', part)}", f"run={name}")
        for name, part in (("a", rows), ("b", swapped))
    ]
    one, other = map(remains, folders)
    assert one["model/model.safetensors"] == other["model/model.safetensors"]
    assert one["adapter/adapter_model.safetensors"] == other["adapter/adapter_model.safetensors"]
    assert one["history"] == other["history"]
    assert one["predictions/test.jsonl"] != other["predictions/test.jsonl"]


def test_limit_takes_so_many_rows_of_each_split(data):
    found = results_of(run(data, "strategy=head", "limit=7"))["data"]
    assert {name: split["n"] for name, split in found.items()} == {
        "train": 7,
        "validation": 7,
        "test": 7,
    }


def test_states_run_anew_every_epoch_learn_the_same_as_kept_ones(data):
    kept, anew = (
        run(data, f"strategy.cache_gib={size}", "strategy.depth=0.5", f"run=r{size}")
        for size in (2.0, 0.0)
    )
    for one, other in zip(points(kept), points(anew), strict=True):
        for key in one:
            if not key.startswith("time/"):
                assert one[key] == pytest.approx(other[key], rel=1e-4, abs=1e-6), key


def test_the_head_starts_from_the_fit_on_frozen_features(data):
    for precision, tolerance in (("fp32", 1e-5), ("bf16", 2e-3)):
        folder = run(data, f"precision={precision}")
        start = points(folder)[0]["validation/log_loss"]
        assert start == pytest.approx(results_of(folder)["fit"]["probe"]["loss"], abs=tolerance)


def test_0_epochs_give_the_fit_on_frozen_features(data):
    folder = run(data, "trainer.epochs=0")
    fit = results_of(folder)["fit"]
    assert (fit["steps"], fit["best_step"], fit["tokens"]) == (0, 0, 0)
    assert fit["best"]["log_loss"] == pytest.approx(fit["probe"]["loss"], abs=1e-5)
    assert [point["step"] for point in points(folder)] == [0]


def test_a_model_that_always_says_the_same_is_told_of(tmp_path, capsys):
    rows = [(f"text {n % 7} {n}", "rare" if n % 10 == 0 else "usual") for n in range(100)]
    data = write(tmp_path / "noise.csv", rows)
    overrides = ["strategy.probe=false", "trainer.epochs=1", "trainer.learning_rate=0.01"]
    assert cli.main(small(data, *overrides)) == 0
    said = {row["prediction"] for row in predictions_of(next(Path("runs").iterdir()))}
    assert said == {"usual"}
    assert ('warning: the model answers "usual" to all ') in capsys.readouterr().err


@pytest.mark.parametrize("backbone", ["tiny", "tiny_gpt2"])
def test_full_moves_the_weights_and_saves_them_moved(backbone, data):
    from transformers import AutoModel

    from gptasks.options import BackboneOptions
    from gptasks.pretrained import load_backbone

    options = ["strategy=full", f"backbone={backbone}", "trainer.learning_rate=0.001"]
    folder = run(data, *options, "strategy.probe=false")
    fit = results_of(folder)["fit"]
    assert fit["best_step"] > 0
    import torch

    shape = "gpt2" if backbone == "tiny_gpt2" else "llama"
    before = load_backbone(
        BackboneOptions(source="random", shape=shape),
        backbone,
        dtype=torch.float32,
        device=torch.device("cpu"),
    )
    kept = dict(before.model.named_parameters())
    for name, parameter in AutoModel.from_pretrained(folder / "model").named_parameters():
        assert not torch.equal(parameter, kept[name]), name


# -- a run's folder -----------------------------------------------------------------------


def test_the_folder_is_named_after_task_and_configuration(data):
    config = compose(small(data, "strategy=head"))
    assert train(config) == Path("runs") / f"sequence_classification-{config.digest()}"
    assert len(config.digest()) == 8


def test_a_finished_run_shows_its_result_and_trains_nothing(finished, tmp_path, capsys):
    folder = Path(shutil.copytree(finished, tmp_path / "run"))
    (folder / "model").rename(folder / "moved away")
    assert cli.main(small(finished.parent / "reviews.csv", f"run={folder}")) == 0
    shown = capsys.readouterr()
    assert f"{folder} is finished; remove it, or give another run=DIR, to run again" in shown.err
    assert "majority" in shown.out
    assert "1.0000 [1.000, 1.000]" in shown.out
    assert not (folder / "model").exists()
    assert not (folder / "checkpoints").exists()


def test_another_configuration_in_a_run_folder_is_refused_with_the_difference(
    finished, tmp_path, capsys
):
    folder = Path(shutil.copytree(finished, tmp_path / "run"))
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    changes = ("trainer.epochs=3", "strategy.rank=4", "tracking=jsonl")
    assert cli.main(small(finished.parent / "reviews.csv", f"run={folder}", *changes)) == 2
    assert capsys.readouterr().err == (
        f"gptasks: {folder} holds a run of another configuration: strategy.rank is 16 there and 4 "
        "here, trainer.epochs is 1.0 there and 3.0 here. Choose another run=DIR, or remove that "
        "folder.\n"
    )
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_a_folder_of_something_else_is_refused_and_left_as_it_was(data, tmp_path, capsys):
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter.tex").write_text("x")
    assert cli.main(small(data, f"run={folder}")) == 2
    assert capsys.readouterr().err == (
        f"gptasks: {folder} is not empty and no run folder (it has: chapter.tex); nothing was "
        "written. Choose another run=DIR.\n"
    )
    assert [p.name for p in folder.iterdir()] == ["chapter.tex"]


def test_a_run_that_failed_before_it_learnt_anything_does_not_hold_its_folder(data, capsys):
    assert cli.main(small(data, "run=r", "task.data.train=nix.csv")) == 2
    assert "no file 'nix.csv'" in capsys.readouterr().err
    assert cli.main(small(data, "run=r", "strategy.layers=[99]", "tracking=jsonl")) == 2
    assert "layer 99 is not in backbone 'tiny'" in capsys.readouterr().err
    assert cli.main(small(data, "run=r", "strategy=head")) == 0


def test_two_processes_do_not_work_on_one_folder(data, capsys):
    other = RunFolder(Path("r"))
    other.claim(configured(data, "run=r").resolved)
    assert cli.main(small(data, "run=r")) == 2
    assert capsys.readouterr().err == (
        "gptasks: another process is at work on r; wait for it, or choose another run=DIR.\n"
    )
    other.release()
    assert cli.main(small(data, "run=r", "strategy=head")) == 0  # it had learnt nothing


def test_a_failed_run_lets_go_of_its_folder(data):
    for _ in range(2):
        with pytest.raises(DataError):
            run(data, "run=r", "task.data.train=nix.csv")


@pytest.mark.parametrize("kilobytes", [1, 8, 40])
def test_a_full_disk_is_one_line_and_the_run_goes_on_when_there_is_room(kilobytes, data, capsys):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024 * kilobytes, hard))
    try:
        code = cli.main(small(data, "run=r"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("gptasks: ")
    assert "can't be written" in last
    assert "File too large" in last
    assert "ake room, then repeat the command" in last
    assert cli.main(small(data, "run=r")) == 0


# -- tracking -----------------------------------------------------------------------------


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
    folder = run(data, "tracking=wandb", "trainer.epochs=1")
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


# -- faults of the input ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("task.select=acuracy", "no metric 'acuracy'; did you mean 'accuracy'?"),
        ("device=cuda", "device=cuda is not on this machine"),
        ("task.max_length=513", "task.max_length=513 is more than backbone 'tiny' can read"),
        ("strategy.targets=[q_prj]", "did you mean 'q_proj'?"),
        ("task.text=txt", "column 'txt'"),
        ("run=reviews.csv/x", "run folder reviews.csv/x can't be made (Not a directory)"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(override, line, data, capsys, monkeypatch):
    import torch

    if override == "device=cuda" and torch.cuda.is_available():
        pytest.skip("this machine has one")
    monkeypatch.chdir(data.parent)
    assert cli.main(small(data, override)) == 2
    faults = [x for x in capsys.readouterr().err.splitlines() if x.startswith("gptasks: ")]
    assert len(faults) == 1
    assert line in faults[0]


def test_a_validation_split_of_one_label_is_told_of_where_the_metric_needs_two(data, tmp_path):
    one = write(tmp_path / "one.csv", [("lovely", "good"), ("superb", "good")])
    with pytest.raises(
        GptasksError, match="no validation gave a number for auroc; choose another metric"
    ):
        run(data, "task.select=auroc", f"task.data.validation={one}")


# -- several processes --------------------------------------------------------------------

PROCESSES = """
import os, resource, sys
from gptasks import cli

def run(*overrides):
    code = cli.main([*sys.argv[1:], *overrides])
    with open(f"codes-{os.environ['RANK']}", "a") as file:  # stdout is shared: lines would mix
        print(code, file=file)

run("run=r")
run("run=r", "trainer.epochs=3")
run("run=r")
run("run=other", "task.text=nix")
run("run=head", "strategy=head")
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))
run("run=full")
"""


def test_a_finished_run_is_not_shown_for_rows_that_changed_since(data):
    folder = run(data, "strategy=head", "run=r")
    before = (folder / "results.json").read_bytes()
    assert run(data, "strategy=head", "run=r") == folder
    data.write_text(data.read_text("utf-8").replace("number 7 was", "number seven was"), "utf-8")
    with pytest.raises(RunError, match=r"r is finished, but on other data: .* changed since\."):
        run(data, "strategy=head", "run=r")
    assert (folder / "results.json").read_bytes() == before


def test_a_finished_run_is_shown_though_its_rows_are_gone(data, caplog):
    folder = run(data, "strategy=head", "run=r")
    data.unlink()
    assert run(data, "strategy=head", "run=r") == folder
    assert "can't be compared with the finished run's: no file 'reviews.csv'" in caplog.text


def test_two_processes_learn_the_same_as_one_and_one_of_them_writes(data, tmp_path):
    import subprocess
    import sys

    (tmp_path / "two.py").write_text(PROCESSES)
    overrides = small(data, "trainer.learning_rate=0.01", "tracking=jsonl")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run"),
            *("--nproc-per-node", "2", "--standalone"),
            *(str(tmp_path / "two.py"), *overrides),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for rank in (0, 1):
        assert Path(f"codes-{rank}").read_text().split() == ["0", "2", "0", "2", "0", "1"]
    # Every line once: the first process speaks.
    assert done.stderr.count("going on") == 0
    assert done.stderr.count("finished in") == 2
    assert done.stderr.count("r holds a run of another configuration: trainer.epochs is 1.0") == 1
    assert done.stderr.count("r is finished; remove it") == 1
    assert done.stderr.count("column 'nix' is not there") == 1
    assert done.stderr.count("can't be written") == 1

    head = run(data, "strategy=head")
    for split in ("validation", "test"):
        assert results_of(Path("head"))["metrics"][split] == results_of(head)["metrics"][split]
    alone = run(data, "trainer.learning_rate=0.01", "trainer.accumulate=2", "run=alone")
    two, one = points(Path("r")), points(alone)
    assert [point["step"] for point in two] == [point["step"] for point in one]
    for here, there in zip(two, one, strict=True):
        for key in here:
            if not key.startswith("time/"):
                assert here[key] == pytest.approx(there[key], rel=1e-4, abs=1e-6), key
    assert results_of(Path("r"))["timing"]["processes"] == 2
    for name, score in results_of(Path("r"))["metrics"]["test"].items():
        other = results_of(alone)["metrics"]["test"][name]["value"]
        assert score["value"] == pytest.approx(other, abs=1e-4), name
    told = [json.loads(line) for line in Path("r/tracking.jsonl").read_text().splitlines()]
    assert [t["event"] for t in told].count("start") == 1
    steps = [t["step"] for t in told if t["event"] == "log"]
    assert steps == [point["step"] for point in two]
