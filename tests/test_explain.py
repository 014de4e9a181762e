"""`gptasks explain`: what a key means, who declares it, who set it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import gptasks, program
from plugin_folders import package, task_code


def test_a_key_is_told_with_its_value_and_who_set_it() -> None:
    done = gptasks("explain", "trainer.learning_rate", "task=sentiment", "strategy=full")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "trainer.learning_rate = 3.0e-05  (set by strategy full)",
        "  type      float | None, at least 0",
        "  default   null",
        "  meaning   Highest rate of AdamW. null is what suits the strategy: 1e-3 for `lora` (3e-3 "
        "with `strategy.adapter=ia3`), 3e-5 for `full`.",
        "  declared  by gptasks.options.TrainerOptions (gptasks 0.1.0); a key of the trainer",
    ]


@pytest.mark.parametrize(
    ("words", "first"),
    [
        (["seed", "seed=3"], "seed = 3  (set by the command line)"),
        (["seed"], "seed = 0  (the default)"),
        (["trainer.epochs", "task=sentiment", "trainer.epochs=2"],
         "trainer.epochs = 2.0  (set by the command line)"),
        (["task.max_length", "task=./t.yaml"], "task.max_length = 9  (set by t.yaml line 2)"),
        (["strategy", "task=ner", "strategy=head"],
         "strategy = head  (set by the command line)"),
        (["backbone.member", "--config", "c.yaml"],
         "backbone.member = null  (set by c.yaml line 2)"),
        (["strategy.rank", "task=ner"], "strategy.rank = 16  (set by strategy lora)"),
        (["epochs", "strategy=full"], "trainer.epochs = 2.0  (set by strategy full)"),
        (["text", "task=ner"], "task.text = text  (the default)"),
        (["strategy", "strategy=head"], "strategy = head  (set by the command line)"),
    ],
)  # fmt: skip
def test_who_set_it(words: list[str], first: str) -> None:
    Path("t.yaml").write_text("kind: sentiment\nmax_length: 9\n", encoding="utf-8")
    Path("c.yaml").write_text("task: sentiment\nbackbone: {member: null}\n", encoding="utf-8")
    assert gptasks("explain", *words).out.splitlines()[0] == first


def test_a_key_without_a_task_is_told_of_each_class_that_declares_it() -> None:
    for words in ([], ["seed=3"]):
        found = json.loads(gptasks("explain", "task.max_length", "--json", *words).out)
        assert len({one["declared"] for one in found}) == len(found) == 3
        assert all(one["type"] == "int" and not one["has_value"] for one in found)
        assert found[0]["of"] == "a key of task conditional_generation, headline"


def test_a_word_that_one_key_ends_in_is_that_key() -> None:
    done = gptasks("explain", "task.max_new_tokens")
    first, *rest, last = done.out.splitlines()
    assert first == "task.generation.max_new_tokens"
    assert rest == [
        "  type      int, at least 1",
        "  default   64",
        "  meaning   Most tokens that are written. So many are kept free of a window's source.",
        "  declared  by gptasks.tasks.conditional_generation.GenerationOptions (gptasks 0.1.0); "
        "a key of task conditional_generation, headline",
    ]
    assert last.startswith("  set       to 24 by task=headline: ")
    assert last.endswith("headline/conf/task/headline.yaml line 13")
    done = gptasks("explain", "task.max_new_tokens", "task=headline")
    assert done.out.startswith("task.generation.max_new_tokens = 24  (set by ")
    assert "headline.yaml line 13" in done.out.splitlines()[0]


def test_a_key_that_holds_others_stands_for_all_of_them() -> None:
    Path("t.yaml").write_text(
        "kind: conditional_generation\ngeneration:\n  num_beams: 2\n", encoding="utf-8"
    )
    told = json.loads(gptasks("explain", "task.generation", "task=t.yaml", "--json").out)
    values = {one["key"]: (one["value"], one["origin"]) for one in told}
    assert values["task.generation.num_beams"] == (2, "t.yaml line 3")
    assert values["task.generation.seed"] == (0, "")
    assert len(values) == 12
    told = json.loads(gptasks("explain", "task.generation", "--json").out)
    assert [one["key"] for one in told] == list(values)


def test_a_task_that_was_not_chosen_has_no_value() -> None:
    (told,) = json.loads(gptasks("explain", "task", "--json").out)
    assert (told["has_value"], told["value"], told["default"]) == (False, None, None)
    assert told["type"].startswith("one of conditional_generation, headline, ")


def test_a_plugin_is_named_as_who_declares_its_keys() -> None:
    package(Path("plugins"), "mine", task_code("mine"))
    (found,) = json.loads(gptasks("explain", "task.size", "--json").out)
    assert found["declared"] == "mine.Mine (plugins/mine)"
    assert found["meaning"] == "An option of its own."
    assert found["default"] == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["sed"], "there is no key 'sed'; did you mean 'seed'?"),
        (["backbon"], "there is no key 'backbon'; did you mean 'backbone'?"),
        (["task.max_new_token"],
         "there is no key 'task.max_new_token'; did you mean 'task.generation.max_new_tokens'?"),
        (["task.max_new_tokens", "task=sentiment"],
         "task 'sentiment' has no key 'task.generation.max_new_tokens'; it is one of task "
         "conditional_generation"),
        (["strategy.rank", "strategy=head"],
         "strategy 'head' has no key 'strategy.rank'; it is one of strategy lora"),
        (["task.generation.max_new_tokens", "task=sentiment"],
         "task 'sentiment' has no key 'task.generation.max_new_tokens'; it is one of task "
         "conditional_generation"),
        (["task.max_lenght", "task=sentiment"],
         "task 'sentiment' has no key 'task.max_lenght'; did you mean 'task.max_length'?"),
        (["trainer.epoch"], "trainer 'default' has no key 'trainer.epoch'; did you mean "
                            "'trainer.epochs'?"),
        (["seed", "seed=x"], "seed must be a whole number of type int; got 'x'"),
        (["task.max_length", "task.text=a"], "task=… is missing; `gptasks tasks` lists the "),
        ([], "explain: KEY is missing. See gptasks explain --help."),
    ],
)  # fmt: skip
def test_what_is_no_key_gets_the_nearest(words: list[str], told: str) -> None:
    done = gptasks("explain", *words)
    assert done.code == 2
    (fault,) = done.faults
    assert told in fault


def test_it_loads_nothing_heavy() -> None:
    code = (
        "import sys; from gptasks.cli import main; main(['explain', 'task.max_length']); "
        "print({'torch', 'transformers', 'evaluate', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


def test_blocking_a_plugin_that_is_not_there_is_told_of() -> None:
    done = program("tasks", GPTASKS_BLOCK="sentimnt,ner")
    assert done.err == (
        "warning: GPTASKS_BLOCK names no plugin 'sentimnt'; did you mean 'sentiment'?\n"
    )
    assert "\nner: " not in done.out
