"""gptasks.plugins and gptasks.discovery: what is found, broken, or the same twice."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from plugin_folders import distribution, package, plugin_object, task_code

from gptasks import SequenceClassification, hookimpl
from gptasks.plugins import Broken, Plugin, Plugins, plugin_manager


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current folder of the test's own, and modules put back as they were."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("GPTASKS_PLUGINS", raising=False)
    monkeypatch.delenv("GPTASKS_BLOCK", raising=False)
    before = dict(sys.modules)
    yield folder
    for name in set(sys.modules) - set(before):
        del sys.modules[name]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on sys.path, as site-packages is."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


def loaded(plugins: Plugins, name: str) -> Plugin:
    (plugin,) = [plugin for plugin in plugins.loaded if plugin.name == name]
    return plugin


def broken(plugins: Plugins, name: str) -> Broken:
    (plugin,) = [plugin for plugin in plugins.broken if plugin.name == name]
    assert "\n" not in plugin.message
    return plugin


def test_the_kinds_come_through_the_same_hook() -> None:
    plugin = plugin_manager().loaded[0]
    assert plugin.name == "builtin"
    assert plugin.distribution == "gptasks"
    assert SequenceClassification in plugin.tasks


def test_an_installed_plugin_is_loaded_with_its_distribution(site: Path) -> None:
    package(site, "acme_news", task_code("headline"), task="# News\n")
    distribution(site, "acme-news", {"news": "acme_news"}, version="0.2")
    plugin = loaded(plugin_manager(), "news")
    assert (plugin.distribution, plugin.version) == ("acme-news", "0.2")
    assert plugin.origin == "acme-news 0.2"
    assert plugin.conf == site / "acme_news" / "conf"
    assert [task.name for task in plugin.tasks] == ["headline"]


def test_two_distributions_may_use_one_entry_point_name(site: Path) -> None:
    package(site, "acme_one", task_code("first"))
    package(site, "acme_two", task_code("second"))
    distribution(site, "acme-one", {"acme": "acme_one"})
    distribution(site, "acme-two", {"acme": "acme_two"})
    plugins = [plugin for plugin in plugin_manager().loaded if plugin.name == "acme"]
    assert [plugin.distribution for plugin in plugins] == ["acme-one", "acme-two"]


def test_a_module_of_one_file_is_a_plugin_without_yaml(site: Path) -> None:
    (site / "acme_flat.py").write_text(task_code("flat"), encoding="utf-8")
    distribution(site, "acme-flat", {"flat": "acme_flat"})
    assert loaded(plugin_manager(), "flat").conf is None


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import no_such_module", "could not be imported: No module named 'no_such_module'"),
        ("1 / 0", "could not be imported: ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "could not be imported: SystemExit: 3"),
        ("x = (", "could not be imported: SyntaxError:"),
        ("", "adds nothing: it has neither a function marked @hookimpl nor a YAML file"),
        (
            "from gptasks import hookimpl\n@hookimpl\ndef register_task():\n    return []",
            "has the hook 'register_task', which is unknown; did you mean 'register_tasks'?",
        ),
        (
            "from gptasks import hookimpl\n@hookimpl\ndef register_tasks(where):\n    return []",
            "has a hook that doesn't fit: Plugin 'acme-bad:bad' for hook 'register_tasks'",
        ),
        (
            "from gptasks import hookimpl\n@hookimpl\ndef register_tasks():\n    return 7",
            "answers register_tasks with something other than a list of classes",
        ),
        (
            "from gptasks import hookimpl\n@hookimpl\ndef register_tasks():\n    return [int]",
            "registers <class 'int'>, which is no subclass of gptasks.Task",
        ),
        (
            "from gptasks import hookimpl\n@hookimpl\ndef register_tasks():\n    raise KeyError(1)",
            "could not be imported: KeyError: 1",
        ),
    ],
)
def test_a_broken_plugin_is_named_and_the_rest_work(site: Path, code: str, error: str) -> None:
    package(site, "acme_bad", code)
    package(site, "acme_good", task_code("good"))
    distribution(site, "acme-bad", {"bad": "acme_bad"}, version="0.3")
    distribution(site, "acme-good", {"good": "acme_good"})
    plugins = plugin_manager()
    found = broken(plugins, "bad")
    assert found.error.startswith(error)
    assert (found.distribution, found.version) == ("acme-bad", "0.3")
    assert found.message.startswith("plugin 'bad' (acme-bad 0.3) ")
    assert found.message.endswith("Mend it, or skip it with GPTASKS_BLOCK=bad.")
    assert [task.name for task in loaded(plugins, "good").tasks] == ["good"]
    assert SequenceClassification in plugins.loaded[0].tasks


def test_an_entry_point_to_nothing_is_broken(site: Path) -> None:
    distribution(site, "acme-gone", {"gone": "acme_gone.deep", "odd": "acme odd"})
    plugins = plugin_manager()
    assert broken(plugins, "gone").error == (
        "could not be imported: No module named 'acme_gone'; install what has the module "
        "'acme_gone', or acme-gone anew with all it needs"
    )
    assert broken(plugins, "odd").error.startswith("could not be imported: ")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("", "which needs a `name` of letters"),
        ("    name: ClassVar[str] = 'a b'", "it has 'a b'"),
        ("    name: ClassVar[str] = 'a'\n    size = 3", None),
        ("    name: ClassVar[str] = 'a'\n    max_length = 3",
         "sets the option max_length without its type; write `max_length: <type> = …`"),
        ("    name: ClassVar[str] = 'a'\n    kind: str = 'b'",
         "has an option called name or kind, which every task has already"),
    ],
)  # fmt: skip
def test_a_task_class_that_would_not_work_is_refused(
    elsewhere: Path, body: str, error: str | None
) -> None:
    head = task_code("x").replace('    name: ClassVar[str] = "x"\n', body + "\n")
    name = "" if body else "    name: ClassVar[str] = ''\n"
    package(elsewhere / "plugins", "odd", head.replace("    size: int", f"{name}    width: int"))
    plugins = plugin_manager()
    if error is None:
        assert loaded(plugins, "odd").tasks
    else:
        assert error in broken(plugins, "odd").error


def test_a_task_class_with_options_needs_the_decorator(elsewhere: Path) -> None:
    package(elsewhere / "plugins", "bare", task_code("bare").replace("@dataclass\n", ""))
    assert broken(plugin_manager(), "bare").error.endswith(
        "Bare, which has options but lacks @dataclass above the class"
    )


def test_an_abstract_task_class_names_what_it_lacks() -> None:
    from gptasks.task import Task

    @dataclass
    class Half(Task):
        name: ClassVar[str] = "half"

    class Plug:
        @hookimpl
        def register_tasks(self) -> list[type[Task]]:
            return [Half]

    found = broken(plugin_manager([Plug()]), "Plug")
    assert "Half, which lacks the methods encode, head, " in found.error


def test_every_package_of_the_plugins_folder_is_loaded(elsewhere: Path) -> None:
    package(elsewhere / "plugins", "mine", "from . import deep\n" + task_code("mine"))
    (elsewhere / "plugins" / "mine" / "deep.py").write_text("x = 1\n", encoding="utf-8")
    (elsewhere / "plugins" / "notes").mkdir()
    package(elsewhere / "plugins", "_hidden", "1 / 0")
    plugins = plugin_manager()
    plugin = loaded(plugins, "mine")
    assert plugin.distribution is None
    assert plugin.origin == "plugins/mine"
    assert plugins.broken == ()


def test_a_folder_of_yaml_files_alone_is_a_plugin(elsewhere: Path) -> None:
    path = elsewhere / "plugins" / "reviews" / "conf" / "task" / "reviews.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("kind: sequence_classification\n", encoding="utf-8")
    assert loaded(plugin_manager(), "reviews").conf == path.parent.parent


def test_a_lone_module_with_a_hook_is_told_to_become_a_folder(elsewhere: Path) -> None:
    package(elsewhere / "plugins", "good", task_code("good"))
    (elsewhere / "plugins" / "alone.py").write_text(task_code("alone"))
    (elsewhere / "plugins" / "helper.py").write_text("import gptasks\n")
    (elsewhere / "plugins" / "theirs.py").write_text("from pytest import hookimpl\n@hookimpl\n")
    (elsewhere / "plugins" / "gone.py").symlink_to(elsewhere / "nowhere")
    (elsewhere / "plugins" / "folder.py").mkdir()
    plugins = plugin_manager()
    assert loaded(plugins, "good")
    assert re.search(
        r"was not read: a plugin is a folder; move (\S*alone)\.py to \1/__init__\.py",
        broken(plugins, "alone").message,
    )
    assert [one.name for one in plugins.broken] == ["alone"]


def test_a_drop_in_never_shadows_the_standard_library(elsewhere: Path) -> None:
    package(elsewhere / "plugins", "code", task_code("code"))
    sys.modules.pop("code", None)
    tasks = loaded(plugin_manager(), "code").tasks
    assert tasks[0].__module__.startswith("gptasks_dropin_")
    assert "InteractiveConsole" in vars(importlib.import_module("code"))


def test_a_drop_in_that_fails_leaves_no_module_behind(elsewhere: Path) -> None:
    folder = package(elsewhere / "plugins", "half", "from . import deep\n1 / 0")
    (folder / "deep.py").write_text("", encoding="utf-8")
    broken(plugin_manager(), "half")
    assert not [name for name in sys.modules if name.endswith(("_half", "_half.deep"))]


def test_further_folders_are_named_by_an_environment_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(tmp_path / "a", "one", task_code("one"))
    package(tmp_path / "b", "two", task_code("two"))
    (tmp_path / "empty").mkdir()
    (tmp_path / "one").mkdir()
    folders = [*(tmp_path / name for name in ("a", "b", "none", "empty")), "~no.such.user/x"]
    monkeypatch.setenv("GPTASKS_PLUGINS", ":".join(map(str, folders)))
    plugins = plugin_manager()
    assert loaded(plugins, "one").folder == tmp_path / "a" / "one"
    assert loaded(plugins, "two").folder == tmp_path / "b" / "two"
    assert broken(plugins, "none").message == (
        f"plugin 'none' was not found: GPTASKS_PLUGINS names the folder {tmp_path / 'none'}, which "
        "does not exist; did you mean 'one'? Mend it, or skip it with GPTASKS_BLOCK=none."
    )
    assert broken(plugins, "empty").error.endswith("empty, which holds no package and no YAML file")
    assert broken(plugins, "x").error.endswith("the folder ~no.such.user/x, which does not exist")


def test_a_plugin_that_is_installed_and_lies_here_is_one(elsewhere: Path, site: Path) -> None:
    package(elsewhere / "plugins", "mine", task_code("mine"))
    (site / "acme_mine").symlink_to(elsewhere / "plugins" / "mine")
    distribution(site, "acme-mine", {"mine": "acme_mine"})
    plugin = loaded(plugin_manager(), "mine")
    assert plugin.distribution == "acme-mine"


def test_files_linked_one_by_one_are_one_plugin(elsewhere: Path, site: Path) -> None:
    folder = package(elsewhere / "plugins", "mine", task_code("mine"))
    (site / "acme_mine").mkdir()
    (site / "acme_mine" / "__init__.py").hardlink_to(folder / "__init__.py")
    distribution(site, "acme-mine", {"mine": "acme_mine"})
    assert loaded(plugin_manager(), "mine").distribution == "acme-mine"


def test_a_clone_beside_an_installed_wheel_gives_each_plugin_once(
    elsewhere: Path, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The installed gptasks runs, so its plugins are taken, not their sources in the clone.
    package(elsewhere / "plugins", "zoo", task_code("zoo"))
    (elsewhere / "gptasks").mkdir()
    (elsewhere / "gptasks" / "task.py").write_text("", encoding="utf-8")
    package(site, "gptasks_plugins")
    package(site / "gptasks_plugins", "zoo", task_code("zoo"))
    distribution(site, "zoo-dist", {"zoo": "gptasks_plugins.zoo"})
    for name in [name for name in sys.modules if name.split(".")[0] == "gptasks_plugins"]:
        monkeypatch.delitem(sys.modules, name)
    plugin = loaded(plugin_manager(), "zoo")
    assert plugin.folder == site / "gptasks_plugins" / "zoo"
    # And the other way round, where the clone's own gptasks runs.
    monkeypatch.setattr("gptasks.discovery.source_tree", lambda: elsewhere)
    plugin = loaded(plugin_manager(), "zoo")
    assert plugin.folder == elsewhere / "plugins" / "zoo"


def test_blocked_plugins_are_listed_and_not_imported(
    elsewhere: Path, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(elsewhere / "plugins", "mine", "1 / 0")
    package(site, "acme_news", "1 / 0")
    distribution(site, "acme-news", {"news": "acme_news"})
    monkeypatch.setenv("GPTASKS_BLOCK", "mine, acme-news:news,builtin")
    plugins = plugin_manager()
    assert set(plugins.blocked) == {"mine", "news"}
    assert plugins.broken == ()
    assert plugins.loaded[0].name == "builtin"


def test_objects_are_plugins_of_one_manager_only() -> None:
    module = plugin_object("toy")
    assert [task.name for task in loaded(plugin_manager([module]), "toys").tasks] == ["toy"]
    assert "toys" not in [plugin.name for plugin in plugin_manager().loaded]


def test_one_object_twice_is_named() -> None:
    module = plugin_object("toy")
    plugins = plugin_manager([module, module])
    assert broken(plugins, "toys").error == "is the same module as another plugin"
    assert loaded(plugins, "toys").tasks
