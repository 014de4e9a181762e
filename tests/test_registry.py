"""gptasks.registry: what each group can be set to, and who claims a name."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from plugin_folders import package, plugin_object, task_code

from gptasks import ConfigError, PluginError, SequenceClassification
from gptasks.options import BackboneOptions, TrainerOptions
from gptasks.plugins import plugin_manager
from gptasks.registry import GROUPS, Registry, build_task, core_conf

Add = Callable[..., None]


@pytest.fixture
def add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Add:
    """Adds a drop-in package: add(name, code, task="yaml text")."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GPTASKS_PLUGINS", "")

    def drop_in(name: str, code: str = "", **files: str) -> None:
        package(tmp_path / "plugins", name, code, **files)

    return drop_in


def test_the_core_offers_its_choices_in_every_group() -> None:
    registry = Registry()
    assert "sequence_classification" in registry.names("task")
    assert {"smollm2", "tiny", "tiny_gpt2"} <= set(registry.names("backbone"))
    assert {"head", "lora"} <= set(registry.names("strategy"))
    assert {"wandb", "jsonl", "none"} <= set(registry.names("tracking"))
    assert "default" in registry.names("trainer")
    assert registry.choice("backbone", "tiny").kind is BackboneOptions
    assert registry.choice("trainer", "default").kind is TrainerOptions
    assert registry.choice("backbone", "tiny_gpt2").values == {"source": "random", "shape": "gpt2"}
    for group in GROUPS:
        assert [name for name in registry.names(group) if not registry.choice(group, name)] == []


def test_every_choice_of_the_core_says_what_it_is() -> None:
    registry = Registry()
    for group in GROUPS:
        for name in registry.names(group):
            assert registry.choice(group, name).description


def test_a_task_is_listed_with_where_it_comes_from(add: Add) -> None:
    add("reviews", task="# Reviews of films\nkind: sequence_classification\ntext: review\n")
    (info,) = [info for info in Registry().tasks() if info.name == "reviews"]
    assert info.kind is SequenceClassification
    assert info.description == "Reviews of films"
    assert info.plugin == "reviews"
    assert info.distribution is None
    assert info.origin == "plugins/reviews"
    assert info.path == Path.cwd() / "plugins/reviews/conf/task/reviews.yaml"
    assert info.where == "task 'reviews' (plugins/reviews)"


def test_a_class_without_a_file_is_a_task_too() -> None:
    registry = Registry(plugin_manager([plugin_object("toy")]))
    info = registry.choice("task", "toy")
    assert (info.kind_name, info.path, info.values) == ("toy", None, {})
    assert info.description == "A task of the tests."


def test_a_file_of_the_class_name_needs_no_kind(add: Add) -> None:
    add("toy", task_code("toy"), task="size: 3\n")
    registry = Registry()
    info = registry.choice("task", "toy")
    assert info.kind is registry.kind("task", "toy")
    assert info.values == {"size": 3}
    assert [info.name for info in registry.tasks()].count("toy") == 1


def test_a_file_may_name_its_task_itself(add: Add) -> None:
    add("a", task="name: reviews\nkind: sequence_classification\n")
    assert "reviews" in Registry().names("task")
    assert "a" not in Registry().names("task")


def test_other_groups_take_choices_of_plugins_too(add: Add) -> None:
    add("small", backbone="# Mine\nsource: folder\npath: here\n", strategy="kind: lora\nrank: 2\n")
    registry = Registry()
    assert registry.choice("backbone", "small").values["path"] == "here"
    choice = registry.choice("strategy", "small")
    assert choice.kind is registry.kind("strategy", "lora")
    assert choice.values == {"rank": 2}
    assert choice.where == "strategy 'small' (plugins/small)"


def test_relative_files_of_a_task_start_from_its_own_folder(add: Add) -> None:
    add("a", task="kind: sequence_classification\ndata: {train: a.csv}\n")
    add("b", task="kind: sequence_classification\ndata: {source: package, train: a.csv}\n")
    add("c", task="kind: sequence_classification\ndata: {max_bad: 3}\n")
    registry = Registry()
    folder = Path.cwd() / "plugins" / "a" / "conf" / "task"
    assert registry.choice("task", "a").values["data"]["directory"] == str(folder.resolve())
    assert "directory" not in registry.choice("task", "b").values["data"]
    assert "directory" not in registry.choice("task", "c").values["data"]


@pytest.mark.parametrize(
    ("group", "name", "message"),
    [
        ("task", "sequence_clasification",
         r"^no task 'sequence_clasification'; did you mean 'sequence_classification'\? "
         r"`gptasks tasks` lists the \d+ installed\.$"),
        ("backbone", "smolm2", r"^no backbone 'smolm2'; did you mean 'smollm2'\?$"),
        ("strategy", "zzz", r"^no strategy 'zzz'; there are full, head, lora"),
        ("tracking", "wandbb", r"^no tracking 'wandbb'; did you mean 'wandb'\?$"),
    ],
)  # fmt: skip
def test_an_unknown_name_brings_the_nearest(group: str, name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Registry().choice(group, name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: sequence_clasification\n",
         r"a\.yaml line 1: no kind of task 'sequence_clasification'; "
         r"did you mean 'sequence_classification'\?$"),
        ("text: a\n", r"a\.yaml has no kind:, and no kind of task is called 'a'; write kind: and "
         r"one of .*sequence_classification"),
        ("kind: sequence_classification\ntxet: a\n",
         r"a\.yaml line 2: task 'a' \(plugins/a\) has no option 'txet'; did you mean 'text'\?$"),
        ("kind: sequence_classification\nmax_length: 0\n",
         r"a\.yaml line 2: task\.max_length must be at least 1; got 0$"),
        ("kind: sequence_classification\ndata: {directory: x}\n",
         r"a\.yaml line 2: task 'a' \(plugins/a\) has no option 'data\.directory'"),
        ("kind: [\n", r"a\.yaml is no valid YAML: line 2"),
        ("name: a b\n", r"a\.yaml line 1: the name 'a b' may hold letters, digits"),
    ],
)  # fmt: skip
def test_a_broken_file_is_a_fault_only_for_who_asks_for_it(
    add: Add, text: str, message: str
) -> None:
    add("a", task=text)
    registry = Registry()
    assert registry.choice("task", "sequence_classification")
    (info,) = [info for info in registry.tasks() if info.name == "a"]
    assert str(info.error)
    with pytest.raises(ConfigError, match=message):
        registry.choice("task", "a")


def test_two_classes_of_one_name_are_a_fault_only_for_that_name() -> None:
    plugins = plugin_manager(
        [plugin_object("toy", "one"), plugin_object("toy", "two"), plugin_object("other", "three")]
    )
    registry = Registry(plugins)
    assert registry.choice("task", "other")
    with pytest.raises(PluginError) as caught:
        registry.choice("task", "toy")
    assert str(caught.value) == (
        "task name 'toy' is claimed by one.Toy (one) and two.Toy (two); uninstall one, or block "
        "its plugin with GPTASKS_BLOCK=two."
    )
    with pytest.raises(PluginError, match="claimed by"):
        build_task({"name": "toy"}, registry)


def test_two_files_of_one_name_are_a_fault_only_for_that_name(add: Add) -> None:
    add("a", task="name: same\nkind: sequence_classification\n")
    add("b", task="name: same\nkind: sequence_classification\n")
    with pytest.raises(PluginError) as caught:
        Registry().choice("task", "same")
    assert str(caught.value).startswith("task name 'same' is claimed by ")
    assert "(plugins/a) and" in str(caught.value)
    assert str(caught.value).endswith(
        "(plugins/b); uninstall one, or block its plugin with GPTASKS_BLOCK=b."
    )


def test_a_task_of_a_broken_plugin_says_so(add: Add) -> None:
    add("news", "import no_such_module", task="kind: sequence_classification\n")
    registry = Registry()
    with pytest.raises(
        PluginError,
        match=r"^task 'news' can't be used: plugin 'news' \(plugins/news\) could not be imported: "
        r"No module named 'no_such_module'; install what has the module 'no_such_module'\. "
        r"Mend it, or skip it with GPTASKS_BLOCK=news\.$",
    ):
        registry.choice("task", "news")
    with pytest.raises(ConfigError, match=r"1 broken: `gptasks plugins list` tells why\.$"):
        registry.choice("task", "nothing_like_it")


def test_a_task_is_built_from_plain_values() -> None:
    registry = Registry()
    task = build_task(
        {"name": "mine", "kind": "sequence_classification", "text": "t", "data": {"train": "a"}},
        registry,
    )
    assert isinstance(task, SequenceClassification)
    assert (task.text, task.data.train) == ("t", "a")
    assert type(build_task({}, registry, "sequence_classification")) is SequenceClassification


def test_unknown_option_names_the_nearest() -> None:
    registry = Registry(plugin_manager([plugin_object("toy")]))
    with pytest.raises(ConfigError) as caught:
        build_task({"name": "toy", "max_lenght": 3, "data": {"trian": "a"}, "size": "x"}, registry)
    assert str(caught.value).split("\n") == [
        "task 'toy' (toys) has no option 'max_lenght'; did you mean 'max_length'?",
        "task 'toy' (toys) has no option 'data.trian'; did you mean 'data.train'?",
        "task.size must be a whole number of type int; got 'x'",
    ]
    with pytest.raises(ConfigError, match="a task needs a `name` or a `kind`"):
        build_task({}, registry)


def test_the_conf_folder_lies_inside_an_installed_package_or_beside_the_source() -> None:
    assert (core_conf() / "config.yaml").is_file()
    assert (core_conf() / "__init__.py").is_file()


def test_listing_tasks_imports_nothing_heavy() -> None:
    code = (
        "import sys; from gptasks.registry import Registry; Registry().tasks();"
        "heavy = {'torch', 'transformers', 'evaluate', 'wandb', 'datasets', 'hydra', 'sklearn'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or None)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
