import itertools
import json
import logging
import re
import shutil
from pathlib import Path

import pytest
from small_runs import configured, small, write_reviews

import gptasks
from gptasks import cli
from gptasks.api import CHUNK, Run, load, train
from gptasks.errors import ConfigError, DataError, GptasksError, RunError
from gptasks.task import DataOptions, Prediction, Row
from gptasks.training.session import train as carry_out


@pytest.fixture(scope="module")
def run(finished) -> Run:
    return load(finished)


@pytest.fixture
def copy(finished, tmp_path) -> Path:
    """A finished run that may be spoilt."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def stored(folder: Path, split: str = "test") -> list[dict]:
    text = (folder / "predictions" / f"{split}.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


# -- training -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "why"),
    [
        ("task=sentiment", r"a list of overrides: write train\(\['task=sentiment'\]\)"),
        ([3], "an override is a text such as 'seed=1'; got 3"),
        (["task=sentiment", "-m"], "takes overrides, no flags such as '-m'"),
    ],
)
def test_what_is_no_list_of_overrides_is_one_line(overrides, why):
    with pytest.raises(ConfigError, match=why):
        train(overrides)


@pytest.mark.parametrize("path", [None, 3])
def test_what_is_no_path_is_one_line(path):
    with pytest.raises(RunError, match=f"load takes the path of a run folder; got {path}"):
        load(path)


def test_train_gives_a_run_and_the_same_call_gives_it_again(tmp_path, monkeypatch):
    data = write_reviews(tmp_path / "reviews.csv", rows=60)
    overrides = small(data, "strategy=head")
    first = gptasks.train(overrides)
    assert first.path.parent == Path("runs")
    assert repr(first) == f"Run({str(first.path)!r})"
    accuracy = first.metrics["test"]["accuracy"]
    assert accuracy.value > 0.8
    assert accuracy.low <= accuracy.value <= accuracy.high
    assert first.predict(["the film was lovely"])[0].value == "good"
    monkeypatch.setattr("gptasks.strategies.head.Head.fit", lambda *a: pytest.fail("again"))
    again = train(overrides)
    assert again.results == first.results


def test_train_raises_what_the_command_line_prints(tmp_path):
    with pytest.raises(GptasksError, match="no task 'sentimnt'; did you mean 'sentiment'"):
        train(["task=sentimnt"])


# -- loading ------------------------------------------------------------------------------


def test_metrics_are_the_stored_ones(run, finished):
    results = json.loads((finished / "results.json").read_text())
    for split in ("validation", "test"):
        found = {name: score.as_json() for name, score in run.metrics[split].items()}
        assert found == results["metrics"][split]
    assert run.selected == run.metrics["validation"]["log_loss"]


def test_a_path_may_start_at_home(finished, monkeypatch):
    monkeypatch.setenv("HOME", str(finished.parent))
    assert load("~/run").results["seed"] == 0
    assert load(str(finished)).path == finished


def drop(name):
    return lambda folder: (folder / name).unlink()


def cut(name, keep=100):
    def spoil(folder):
        path = folder / name
        path.write_bytes(path.read_bytes()[:keep])

    return spoil


def put(name, text):
    return lambda folder: (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (drop("results.json"), r"is not finished: it has no results\.json"),
        (cut("results.json"), r"results\.json can't be read: "),
        (put("results.json", '{"format": 9}'), "is of format 9; this gptasks reads format 2"),
        (put("results.json", '{"format": 2}'), "lacks task, kind, backbone, strategy, "),
        (drop("config.yaml"), r"is no run folder: it has no config\.yaml"),
        (put("config.yaml", "a: ["), r"config\.yaml can't be read: "),
        (cut("config.yaml", 60), r"config\.yaml does not fit this gptasks: .*; "),
        (put("config.yaml", "task: {name: nix}"), r"config\.yaml does not fit this gptasks"),
        (drop("model/model.safetensors"), "model"),
        (cut("model/model.safetensors"), "model"),
        (put("model/config.json", "{"), "model"),
        (
            put("model/tokenizer_config.json", "{}"),
            "tokenizer_config.json is not as the run wrote it",
        ),
        (put("results.json", '{"format": 2, "labels": []}'), "lacks task, kind"),
        (drop("model/tokenizer.json"), "tokenizer"),
        (shutil.rmtree, "does not exist"),
    ],
)
def test_a_spoilt_run_is_one_line(spoil, why, copy):
    spoil(copy)
    with pytest.raises(RunError, match=why) as fault:
        load(copy).predict(["the film was great"])
    assert "\n" not in str(fault.value)
    assert fault.value.exit_code == 2


def test_a_run_of_an_unknown_task_names_it(copy):
    path = copy / "config.yaml"
    path.write_text(path.read_text().replace("kind: sequence_classification", "kind: stranger"))
    with pytest.raises(RunError, match=r"does not fit this gptasks: .*'stranger'"):
        assert load(copy).task


# -- predicting ---------------------------------------------------------------------------


def test_a_prediction_is_a_label_with_every_labels_probability(run):
    good, bad = run.predict(["the meal was superb", "the meal was dreadful"])
    assert (good.value, bad.value) == ("good", "bad")
    for prediction in (good, bad):
        assert isinstance(prediction, Prediction)
        assert list(prediction.scores) == ["bad", "good"]
        assert sum(prediction.scores.values()) == pytest.approx(1.0)
        assert prediction.scores[prediction.value] > 0.5


def test_predictions_are_those_the_run_kept(run, finished):
    rows = stored(finished)
    found = run.predict([row["input"] for row in rows])
    assert [p.value for p in found] == [row["prediction"] for row in rows]
    for prediction, row in zip(found, rows, strict=True):
        assert prediction.scores == pytest.approx(row["scores"], abs=1e-6)


def test_company_changes_no_prediction(run):
    texts = ["a", "the meal was superb " * 20, "dreadful", "the room was lovely"]
    together = run.predict(texts)
    for text, prediction in zip(texts, together, strict=True):
        (alone,) = run.predict([text])
        assert alone.value == prediction.value
        assert alone.scores == pytest.approx(prediction.scores, abs=1e-5)


def test_rows_are_predicted_with_or_without_their_label(run):
    one, other = run.predict([{"text": "awful"}, {"text": "awful", "label": "good", "x": 1}])
    assert one.value == other.value
    assert one.scores == pytest.approx(other.scores, abs=1e-6)  # rows of a batch, in parallel


def test_odd_texts_are_texts(run):
    texts = ["<|endoftext|>", "负面", "a,b 'c' \"d\"", "🙂" * 300, "\u200b", "x=y"]
    assert len(run.predict(texts)) == len(texts)


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        (["fine", ""], r"text 2: column 'text' is empty"),
        (["fine", "  \n"], r"text 2: column 'text' is empty"),
        ([{"text": None}], r"row 1: column 'text' is empty"),
        ([{"txt": "fine"}], r"row 1: .*'text'.*\(it has: txt\)"),
        (["fine", 7], r"text 2 is of type int; give a text or a mapping"),
        ([None], r"text 1 is of type NoneType"),
        ("fine", r"predict takes a list of texts or rows: write predict\(\[text\]\)"),
        ({"text": "fine"}, r"predict takes a list of texts or rows"),
    ],
)
def test_what_can_not_be_predicted_is_one_line(texts, why, run):
    with pytest.raises(DataError, match=why) as fault:
        run.predict(texts)
    assert "\n" not in str(fault.value)


def test_no_texts_give_no_predictions(run):
    assert run.predict([]) == []


def test_thousands_of_texts_stream(run):
    taken = 0

    def endless():
        nonlocal taken
        for n in itertools.count():
            taken += 1
            yield Row({"text": f"film number {n} was {'great' if n % 2 else 'awful'}"}, id=str(n))

    found = list(itertools.islice(run.predict_rows(endless()), 5000))
    assert taken == 3 * CHUNK == 6000  # no more than what was asked for, in whole chunks
    assert [row.id for row, _ in found] == [str(n) for n in range(5000)]
    assert [p.value for _, p in found[4000:4006]] == ["bad", "good"] * 3


def test_a_bad_row_does_not_spoil_the_chunks_before_it(run):
    rows = (Row({"text": "" if n == CHUNK + 1 else "great"}, id=f"r{n}") for n in range(CHUNK + 5))
    found = run.predict_rows(rows)
    assert len(list(itertools.islice(found, CHUNK))) == CHUNK
    with pytest.raises(DataError, match=f"r{CHUNK + 1}: column 'text' is empty"):
        next(found)


# -- scoring ------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("precision=bf16", "limit=11"), ("task.pooling=mean",)])
def test_evaluating_on_its_own_test_split_gives_the_stored_scores(options, tmp_path):
    data = write_reviews(tmp_path / "reviews.csv", rows=60)
    made = load(carry_out(configured(data, "strategy=head", *options)))
    scores, rows, predictions = made.evaluate()
    assert scores == made.metrics["test"]
    assert [row.id for row in rows] == [row["id"] for row in stored(made.path)]
    kept = [row["scores"] for row in stored(made.path)]
    assert [dict(p.scores) for p in predictions] == kept
    if "task.pooling=mean" in options:
        assert (made.path / "model" / "head.safetensors").exists()
        assert made.predict(["superb"])[0].value == "good"


ENDS = ("great,good", "awful,bad", "lovely,bad")


def test_evaluating_on_a_file_takes_all_of_its_rows(run, tmp_path):
    path = tmp_path / "more.csv"
    path.write_text("text,label\n" + "".join(f"the walk number 7 was {end}\n" for end in ENDS))
    scores, rows, predictions = run.evaluate(DataOptions(test=str(path)))
    assert scores["accuracy"].value == pytest.approx(2 / 3)
    assert scores["accuracy"].n == 3
    assert [row.id for row in rows] == ["more.csv:2", "more.csv:3", "more.csv:4"]
    assert [p.value for p in predictions] == ["good", "bad", "good"]


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("text,label\ngreat,goood\n", "label 'goood' of test .* did you mean 'good'"),
        ("text,label\ngreat,\n", "more.csv:2"),
        ("text\ngreat\n", "label"),
        ("text,label\n", "no test rows"),
    ],
)
def test_a_file_that_can_not_be_scored_is_one_line(lines, why, run, tmp_path):
    path = tmp_path / "more.csv"
    path.write_text(lines)
    with pytest.raises(DataError, match=why) as fault:
        run.evaluate(DataOptions(test=str(path)))
    assert "\n" not in str(fault.value)


def test_test_rows_changed_since_are_told_of(tmp_path, caplog):
    data = write_reviews(tmp_path / "reviews.csv", rows=60)
    made = load(carry_out(configured(data, "strategy=head")))
    caplog.set_level(logging.WARNING)
    made.evaluate()
    assert not caplog.records
    data.write_text(data.read_text().replace("number", "no."))
    made.evaluate()
    assert f"the test rows have changed since {made.path} was trained" in caplog.text


def test_the_command_line_says_the_same(finished, capsys):
    assert cli.main(["predict", str(finished), "the meal was superb"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    said = json.loads(line)
    assert said["prediction"] == "good"
    assert said["scores"] == load(finished).predict(["the meal was superb"])[0].scores
    assert re.fullmatch(r"text 1", said["id"])
