import csv
from pathlib import Path

import pytest
import torch
from small_runs import (
    points,
    predictions_of,
    remains,
    results_of,
    run,
    small,
)

from gptasks import cli
from gptasks.errors import GptasksError, TrainingError
from gptasks.runs import SHAPE
from gptasks.runtime import processor

METRICS = ["accuracy", "f1_macro", "f1_weighted", "matthews", "auroc", "log_loss", "ece"]
FILES = {"config.yaml", "results.json", "predictions", "model"}


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
        "tally",
        "labels",
        "model",
        "adapter",
        "files",
        "data",
        "versions",
        "plugins",
        "command",
    ]
    assert set(results) == set(SHAPE)
    assert results["format"] == 2
    assert (results["task"], results["backbone"]) == ("sequence_classification", "tiny")
    assert (results["strategy"], results["seed"]) == ("lora", 0)
    assert results["labels"] == ["bad", "good"]
    assert set(results["metrics"]) == {"validation", "test"}
    assert set(results["baselines"]) == {"majority", "tfidf"}
    n = results["data"]["test"]["n"]
    for found in (results["metrics"]["test"], *results["baselines"].values()):
        assert list(found) == METRICS
        for score in found.values():
            assert list(score) == [
                "value", "low", "high", "n", "signature", "is_better_higher"
            ]  # fmt: skip
            assert score["n"] == n
            assert score["low"] <= score["value"] <= score["high"]
    assert set(results["data"]) == set(results["truncation"]) == {"train", "validation", "test"}
    assert sum(split["n"] for split in results["data"].values()) == 120
    assert all(len(split["sha256"]) == 64 for split in results["data"].values())
    assert results["truncation"]["train"]["rows_cut"] == 0
    assert results["timing"]["device"] == "cpu"
    assert results["timing"]["total_seconds"] > 0
    assert results["timing"]["threads"] == torch.get_num_threads()
    assert results["timing"]["processor"] == processor(torch.device("cpu"))
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


def test_a_model_that_diverged_ends_the_run_as_one_that_failed(data):
    with pytest.raises(TrainingError, match=r"model has diverged: .*; lower trainer.lear") as fault:
        run(data, "trainer.learning_rate=1e30", "trainer.clip=0", "trainer.epochs=2")
    assert fault.value.exit_code == 1


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
