"""Plugins that hang, are of another contract, or lack a library: named, and the rest work."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import gptasks, program
from plugin_folders import distribution, package, task_code

from gptasks import CONTRACT, ConfigError, PluginError
from gptasks.plugins import plugin_manager
from gptasks.watchdog import watched

HANGS = {
    "sleeps": "import time\ntime.sleep(60)",
    "swallows": "import time\nwhile True:\n    try:\n        time.sleep(60)\n"
    "    except Exception:\n        pass",
    "works": "while True:\n    pass",
}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on sys.path, as site-packages is; what is imported from it is forgotten."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="no SIGALRM here")
@pytest.mark.parametrize("way", HANGS)
def test_a_plugin_that_hangs_is_broken_off_and_named(
    way: str, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(site, "acme_slow", HANGS[way])
    distribution(site, "acme-slow", {"slow": "acme_slow"}, version="0.3")
    package(Path("plugins"), "mine", task_code("mine"))
    monkeypatch.setenv("GPTASKS_PLUGIN_SECONDS", "2")  # others are quicker, even on a busy machine
    started = time.monotonic()
    done = gptasks("tasks")
    assert time.monotonic() - started < 30
    assert "".join(line for line in done.err.splitlines(True) if "'slow'" in line) == (
        "gptasks: plugin 'slow' (acme-slow 0.3) is still being imported; GPTASKS_BLOCK=slow leaves "
        "it out.\n"
        "gptasks: plugin 'slow' (acme-slow 0.3) took more than 2 s to be imported, and was "
        "broken off; GPTASKS_PLUGIN_SECONDS=… gives it longer. Mend it, or skip it with "
        "GPTASKS_BLOCK=slow.\n"
    )
    assert "mine: Mine, a task of the tests." in done.out
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    monkeypatch.setenv("GPTASKS_BLOCK", "slow")
    assert gptasks("tasks").err == ""


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="no SIGALRM here")
def test_a_package_around_the_plugin_that_hangs_is_named_too(site: Path) -> None:
    package(site, "acme_slow", HANGS["sleeps"])
    package(site / "acme_slow", "inner", task_code("inner"))
    distribution(site, "acme-slow", {"slow": "acme_slow.inner"}, version="0.3")
    done = program("plugins", "list", PYTHONPATH=str(site), GPTASKS_PLUGIN_SECONDS="2")
    assert "plugin 'slow' (acme-slow 0.3) took more than 2 s to be imported" in done.err
    assert "Traceback" not in done.err
    assert done.code == 0


def test_what_is_quick_is_not_spoken_of(capsys: pytest.CaptureFixture[str]) -> None:
    with watched("plugin 'quick'", "leave it out."):
        pass
    time.sleep(0.01)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("told", ["soon", "0", "-1", "nan", "inf"])
def test_a_wrong_number_of_seconds_is_told_of(told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPTASKS_PLUGIN_SECONDS", told)
    with pytest.raises(ConfigError) as caught:
        plugin_manager()
    assert str(caught.value) == (
        f"GPTASKS_PLUGIN_SECONDS must be a number of seconds above 0; got '{told}'"
    )


@pytest.mark.parametrize(
    ("stated", "error"),
    [
        (1, "was built for version 1 of the contract, and this gptasks has 2: it needs a newer "
            "acme-old, or an older gptasks"),
        (3, "was built for version 3 of the contract, and this gptasks has 2: it needs a newer "
            "gptasks, or an older acme-old"),
        ("2", "states GPTASKS_CONTRACT = '2'; write GPTASKS_CONTRACT = 2"),
    ],
)  # fmt: skip
def test_a_plugin_of_another_contract_is_not_imported(
    stated: object, error: str, site: Path
) -> None:
    package(site, "acme_old", f"GPTASKS_CONTRACT = {stated!r}\nfrom gptasks import NoLongerThere")
    distribution(site, "acme-old", {"old": "acme_old"}, version="0.3")
    (broken,) = plugin_manager().broken
    assert broken.message == (
        f"plugin 'old' (acme-old 0.3) {error}. Mend it, or skip it with GPTASKS_BLOCK=old."
    )
    assert "acme_old" not in sys.modules


def test_a_drop_in_of_another_contract_is_named_without_a_distribution() -> None:
    package(Path("plugins"), "old", f"GPTASKS_CONTRACT = {CONTRACT - 1}\n")
    (broken,) = plugin_manager().broken
    assert broken.error.endswith("it needs a newer version of it, or an older gptasks")


def test_a_plugin_of_this_contract_and_one_that_says_nothing_are_loaded() -> None:
    package(Path("plugins"), "new", f"GPTASKS_CONTRACT: int = {CONTRACT}\n" + task_code("new"))
    package(Path("plugins"), "mute", task_code("mute"))
    plugins = plugin_manager()
    assert {"new", "mute"} <= {plugin.name for plugin in plugins.loaded}
    assert plugins.broken == ()


def test_the_plugins_that_come_along_state_their_contract() -> None:
    for plugin in plugin_manager().loaded[1:]:
        if plugin.distribution == "gptasks":
            assert vars(plugin.target)["GPTASKS_CONTRACT"] == CONTRACT


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import no_such_library.deep",
         "could not be imported: No module named 'no_such_library'; install what has the module "
         "'no_such_library', or acme-bad anew with all it needs"),
        ("from gptasks import SequenceClasification", "; did you mean 'SequenceClassification'?"),
        ("from gptasks.gone import x", "; it was written for another version of gptasks"),
        ("from gptasks import hookimpl\n@hookimpl\ndef no_hook(): return []",
         "has the hook 'no_hook', which is unknown; there are register_tasks, register_metrics, "
         "register_sources, register_trackers"),
    ],
)  # fmt: skip
def test_what_is_absent_is_told_with_a_remedy(code: str, error: str, site: Path) -> None:
    package(site, "acme_bad", code)
    distribution(site, "acme-bad", {"bad": "acme_bad"}, version="0.3")
    (broken,) = plugin_manager().broken
    assert broken.error.endswith(error)


def test_what_a_plugin_prints_does_not_stand_among_the_results() -> None:
    package(Path("plugins"), "loud", "print('here I am')\n" + task_code("loud"))
    done = gptasks("tasks", "--json")
    assert "loud" in {task["task"] for task in json.loads(done.out)}
    assert done.err == "here I am\n"


def test_a_file_in_place_of_a_folder_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("mine.yaml").write_text("kind: sentiment\n", encoding="utf-8")
    monkeypatch.setenv("GPTASKS_PLUGINS", "mine.yaml")
    (broken,) = plugin_manager().broken
    assert broken.error == (
        "was not found: GPTASKS_PLUGINS names the folder mine.yaml, which is a file; name the "
        "folder it lies in, ."
    )


def test_a_hook_that_fails_later_names_its_plugin() -> None:
    package(
        Path("plugins"),
        "torn",
        "from gptasks import hookimpl\n@hookimpl\ndef register_metrics():\n    raise SystemExit(3)",
    )
    plugins = plugin_manager()
    (torn,) = [plugin for plugin in plugins.loaded if plugin.name == "torn"]
    with pytest.raises(PluginError) as caught:
        plugins.ask(torn, "register_metrics")
    assert str(caught.value) == (
        "plugin 'torn' (plugins/torn) could not be imported: SystemExit: 3. Mend it, or skip it "
        "with GPTASKS_BLOCK=torn."
    )
