"""`gptasks config` and `--config FILE`: a configuration goes into a file and comes back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from command_line import films, gptasks, write_csv
from small_runs import small, write_reviews

from gptasks.config import compose, traced


def written(*overrides: str, name: str = "x.yaml") -> str:
    """The file of a configuration."""
    done = gptasks("config", *overrides)
    assert done.code == 0, done.err
    Path(name).write_text(done.out, encoding="utf-8")
    return name


@pytest.mark.parametrize(
    "overrides",
    [
        ["task=sentiment"],
        ["task=headline", "strategy=full", "trainer.epochs=3", "seed=4", "limit=7"],
        ["task=ner", "task.attention=two-way", "backbone=gpt2", "tracking=none", "run=here"],
        ["task=sequence_classification", "task.template=a: {text}\n#b 'c' \"d\"",
         "task.labels=[yes,no,'1']", "task.data.train={good: a.csv, bad: 'b: c.csv'}"],
        ["task=sentiment_zh", "task.label=列 ${x}", "backbone=tiny"],
        ["task=./t.yaml", "backbone=./BACKBONE", "strategy.adapter=ia3"],
        ["task=ner_zh", "backbone=owner/name@v1", "trainer.learning_rate=1e-5", "task.text=???"],
    ],
)  # fmt: skip
def test_what_is_printed_is_a_file_that_gives_it_back(overrides: list[str]) -> None:
    Path("t.yaml").write_text("kind: sequence_classification\n", encoding="utf-8")
    Path("BACKBONE").mkdir()
    Path("BACKBONE/config.json").write_text("{}", encoding="utf-8")
    given = compose([word.replace("${", "\\${") for word in overrides])
    file = written(*[word.replace("${", "\\${") for word in overrides])
    again, _ = traced([], file=file)
    assert again.resolved == given.resolved
    assert again.digest() == given.digest()
    assert gptasks("config", "--config", file).code == 0


def test_comments_say_who_set_what() -> None:
    Path("mine.yaml").write_text("kind: sentiment\nmax_length: 64\n", encoding="utf-8")
    Path("run.yaml").write_text("strategy: {depth: 0.5}\nseed: 3\n", encoding="utf-8")
    done = gptasks("config", "--config", "run.yaml", "task=mine.yaml", "trainer.warmup=0.1")
    said = {line.split(":")[0].strip(): line.partition("# ")[2] for line in done.out.splitlines()}
    assert said["max_length"] == "mine.yaml line 2"
    assert said["depth"] == "run.yaml line 1"
    assert said["seed"] == "run.yaml line 2"
    assert said["warmup"] == "the command line"
    assert said["epochs"] == "strategy lora"
    assert said["rank"] == "strategy lora"
    assert said["dropout"] == "strategy lora"
    assert said["limit"] == ""
    assert said["distribution"].endswith("conf/backbone/smollm2.yaml line 3 (gptasks 0.1.0)")
    assert yaml.safe_load(done.out)["strategy"]["depth"] == 0.5


def test_a_file_is_what_overrides_change() -> None:
    file = written("task=sentiment", "seed=4", "trainer.epochs=2")
    config, _ = traced(["seed=5", "strategy=head"], file=file)
    assert (config.run.seed, config.strategy_name, config.trainer.epochs) == (5, "head", 2)
    config, _ = traced(["task=headline"], file=file)  # another task keeps nothing of the first
    assert config.resolved == compose(["task=headline", "seed=4", "trainer.epochs=2"]).resolved


def test_a_file_by_hand_says_only_what_it_chooses() -> None:
    Path("few.yaml").write_text(
        "task: {name: sentiment, data: {max_bad: 3}}\nbackbone: tiny\ntrainer: {epochs: 2}\n",
        encoding="utf-8",
    )
    config, _ = traced([], file="few.yaml")
    told = ["task=sentiment", "task.data.max_bad=3", "backbone=tiny", "trainer.epochs=2"]
    assert config.resolved == compose(told).resolved


def test_a_file_by_hand_may_name_a_task_by_its_place() -> None:
    Path("t.yaml").write_text("kind: sentiment\nmax_length: 9\n", encoding="utf-8")
    Path("few.yaml").write_text("task: ./t.yaml\n", encoding="utf-8")
    config, origins = traced([], file="few.yaml")
    assert config.resolved == compose(["task=t.yaml"]).resolved
    assert (origins.of("task"), origins.of("task.max_length")) == (
        "few.yaml line 1", "t.yaml line 2",
    )  # fmt: skip
    Path("few.yaml").write_text("task: {name: ./t.yaml, max_length: 5}\n", encoding="utf-8")
    config, origins = traced([], file="few.yaml")
    assert config.task.max_length == 5
    assert origins.of("task.max_length") == "few.yaml line 1"


def test_a_run_is_trained_from_a_file_and_says_so() -> None:
    reviews = write_reviews(Path("reviews.csv"))
    line = small(reviews, "strategy=head", "task.data.validation_share=0.2")
    file = written(*line)
    done = gptasks("--config", file, "run=one", "seed=2")
    assert done.code == 0, done.err
    results = json.loads(Path("one/results.json").read_text(encoding="utf-8"))
    assert results["command"] == "python -m gptasks --config x.yaml run=one seed=2"
    done = gptasks("--config", "one/config.yaml", "run=two")  # what a run keeps is one, too
    assert done.code == 0, done.err
    again = json.loads(Path("two/results.json").read_text(encoding="utf-8"))
    assert again["metrics"] == results["metrics"]
    done = gptasks("--config", file, "-m", "seed=3,4", "strategy=head")
    assert done.code == 0, done.err


def test_a_task_file_with_paths_of_its_own_keeps_them() -> None:
    Path("far").mkdir()
    write_csv(Path("far/d.csv"), films())
    Path("far/t.yaml").write_text(
        "kind: sequence_classification\ndata: {train: d.csv}\n", encoding="utf-8"
    )
    file = written("task=far/t.yaml", "backbone=tiny")
    done = gptasks("data", "--json", *[], "task=far/t.yaml", "backbone=tiny")
    assert done.code == 0, done.err
    config, _ = traced([], file=file)
    assert config.task.data.directory == str(Path("far").resolve())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("taks: sentiment\n", "there is no option 'taks'; did you mean 'task'?"),
        ("task: sentimnt\n", "no task 'sentimnt'; did you mean 'sentiment'?"),
        ("task: {max_length: 3}\n", "task needs a name: one of "),
        ("task: [a]\n", "task must be a name, or a map of options"),
        ("task: {name: sentiment, max_lenght: 3}\n",
         "has no option 'max_lenght'; did you mean 'max_length'?"),
        ("task: {name: sentiment, metrics: [f1]}\n", "task.metrics: no metric 'f1'"),
        ("task: sentiment\nseed: x\n", "seed must be a whole number of type int; got 'x'"),
        ("task: sentiment\ntrainer: {epochs: -1}\n", "trainer.epochs must be at least 0; got -1"),
        ("task: sentiment\nstrategy: {name: x, kind: loar}\n", "no kind of strategy 'loar'"),
        ("- a\n", "must hold keys and values"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_file_names_the_file(text: str, told: str) -> None:
    Path("bad.yaml").write_text(text, encoding="utf-8")
    done = gptasks("--config", "bad.yaml", "backbone=tiny")
    assert done.code == 2
    (fault,) = done.faults
    assert fault.startswith("gptasks: bad.yaml")
    assert told in fault


def test_all_faults_of_a_file_are_told_together() -> None:
    Path("bad.yaml").write_text(
        "taks: sentiment\nseed: x\ntrainer: {epoch: 2}\nstrategy: heat\n", encoding="utf-8"
    )
    assert len(gptasks("config", "--config", "bad.yaml").faults) == 4


def test_all_that_is_wrong_is_told_with_its_line_and_with_the_overrides() -> None:
    Path("bad.yaml").write_text(
        "task: {name: sequence_classification, max_lenght: 64}\ntrainer: {epochs: -1}\n"
        "backbone:\n  name: tiny\n  shape: gtp2\nstrategy: [a]\nsed: 5\nlimit: 0\n",
        encoding="utf-8",
    )
    task = "task 'sequence_classification' (gptasks 0.1.0) has no option"
    done = gptasks("--config", "bad.yaml", "seed=x", "task.text_par=b", "tracking=wandbb")
    assert [fault.removeprefix("gptasks: ") for fault in done.faults] == [
        "bad.yaml line 7: there is no option 'sed'; did you mean 'seed'?",
        "bad.yaml line 8: limit must be at least 1; got 0",
        "no tracking 'wandbb'; did you mean 'wandb'?",
        f"bad.yaml line 1: {task} 'max_lenght'; did you mean 'max_length'?",
        "bad.yaml line 5: backbone.shape must be one of llama, gpt2; got 'gtp2'; did you mean "
        "'gpt2'?",
        "bad.yaml line 6: strategy must be a name, or a map of options",
        "bad.yaml line 2: trainer.epochs must be at least 0; got -1.0",
        "seed must be a whole number of type int; got 'x'",
        f"{task} 'text_par'; did you mean 'text_pair'?",
    ]


def test_what_a_file_says_of_a_group_that_is_chosen_anew_does_not_matter() -> None:
    Path("bad.yaml").write_text(
        "task: sentiment\nstrategy: {kind: lora, rnak: 3}\n", encoding="utf-8"
    )
    config, _ = traced(["strategy=head"], file="bad.yaml")
    assert config.strategy_name == "head"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("task: ner\nbackbone: {name: smolm2, seed: 3}\n",
         "bad.yaml line 2: no backbone 'smolm2'; did you mean 'smollm2'?"),
        ("kind: sequence_classification\ndata: {train: a.csv}\n",
         "bad.yaml is a task, and no whole configuration; give it as task=bad.yaml"),
        ("task: [\n", "bad.yaml is no valid YAML: line 2: "),
        ("task: ner\nstrategy: {kind: lora, adapter: ia3,\n  rank: 3}\n",
         "bad.yaml line 2, bad.yaml line 3: strategy.adapter=ia3 has no use for strategy.rank: "),
        ("seed: 1\n", "task=… is missing; `gptasks tasks` lists the "),
    ],
)  # fmt: skip
def test_a_file_that_is_no_configuration_is_one_line(text: str, told: str) -> None:
    Path("bad.yaml").write_text(text, encoding="utf-8")
    (fault,) = gptasks("--config", "bad.yaml").faults
    assert fault.startswith(f"gptasks: {told}")


def test_a_whole_configuration_is_no_task() -> None:
    Path("run.yaml").write_text("task: sentiment\nseed: 1\n", encoding="utf-8")
    (fault,) = gptasks("task=run.yaml").faults
    assert fault == (
        "gptasks: run.yaml is a whole configuration, and no task; give it as --config run.yaml"
    )


def test_a_file_that_is_not_there_gets_the_nearest() -> None:
    Path("run.yaml").write_text("seed: 1\n", encoding="utf-8")
    (fault,) = gptasks("--config", "rnu.yaml", "task=sentiment").faults
    assert fault == "gptasks: --config rnu.yaml: there is no such file; did you mean 'run.yaml'?"
