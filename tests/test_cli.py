"""The command line as a whole: verbs found, streams kept apart, stops and broken pipes quiet."""

from __future__ import annotations

import errno
import io
import json
import logging
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from command_line import OWN, Result, films, gptasks, program, train, write_csv

from gptasks import TrainingError
from gptasks.config import RunConfig
from gptasks.plugins import version_of
from gptasks.training.stopping import SIGNALS
from gptasks.verbs import VERBS, function

HEAVY = ("torch", "transformers", "evaluate", "datasets", "wandb", "sklearn", "peft", "hydra",
         "numpy")  # fmt: skip


BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
"""Surroundings in which faults of writing come late, when stdout is flushed."""


def test_light_verbs_import_nothing_heavy() -> None:
    code = (
        "import sys; from gptasks.cli import main\n"
        "for argv in (['--help'], ['tasks'], ['plugins', 'list'], ['--version'],"
        " ['tasks', '--json'], ['data', '--help'],"
        " ['--help', 'task=sentiment'], ['--help', 'strategy=lora'], ['cache', 'list'],"
        " ['predict', '--help'], ['evaluate', '--help'],"
        " ['gate', '--help'], ['verify', '--help'],"
        " ['export', '--help'], ['nonsense'], ['seed=x']):\n"
        f"    main(argv); found = set({HEAVY}) & set(sys.modules)\n"
        "    assert not found, (argv, found)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "gptasks fine-tunes one GPT for many tasks." in done.stdout


# -- finding the verb ---------------------------------------------------------------------


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"], ["help"], ["train", "--help"]])
def test_the_whole_command_line_is_shown(argv: list[str]) -> None:
    done = gptasks(*argv)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("gptasks fine-tunes one GPT for many tasks.\n")


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in ("train", "help")])
def test_every_verb_shows_its_flags(verb: str) -> None:
    texts = {gptasks(*argv).out for argv in ([verb, "--help"], ["help", verb])}
    if verb != "version":  # asked for help on it, it may as well answer
        (text,) = texts
        assert text.startswith(f"usage: gptasks {verb} ")


def test_every_verb_is_a_module_and_on_the_page() -> None:
    page = gptasks("--help").out
    for verb in VERBS:
        assert callable(function(verb))
        if verb not in ("train", "help", "version"):
            assert f"gptasks {verb}" in page


@pytest.mark.parametrize("argv", [["--version"], ["version"], ["train", "--version"]])
def test_the_version_is_shown(argv: list[str]) -> None:
    done = gptasks(*argv)
    assert (done.code, done.out, done.err) == (0, f"gptasks {version_of('gptasks')}\n", "")


@pytest.mark.parametrize(
    ("argv", "fault"),
    [
        (["prdict", "RUN"], "no verb 'prdict'; did you mean 'predict'? There are train, evaluate, "
         "predict, compare, dashboard, gate, verify, reproduce, sync, export, init, data, config, "
         "explain, tasks, plugins, cache, help, version; to train, give overrides: gptasks "
         "task=sentiment."),
        (["sentiment"], "no verb 'sentiment'. There are *"),
        (["--verson"], "there is no flag '--verson'; did you mean '--version'?"),
        (["-x"], "there is no flag '-x'; see gptasks --help"),
        (["train"], "task=… is missing; `gptasks tasks` lists the *"),
        (["--cfg", "job"], "task=… is missing; `gptasks tasks` lists the *"),
        (["seed=1"], "task=… is missing; `gptasks tasks` lists the *"),
        (["+trainer.epoch=1", "task=sentiment"], "trainer has no option 'epoch'; did you mean "
         "'epochs'?"),
        (["~trainer", "task=sentiment"], "~trainer: nothing can be removed from a *"),
        (["help", "prdict"], "no group, key or verb 'prdict'; did you mean 'predict'? See gptasks "
         "--help."),
    ],
)  # fmt: skip
def test_what_is_no_command_is_one_line(argv: list[str], fault: str) -> None:
    done = gptasks(*argv)
    assert (done.code, done.out) == (2, "")
    (line,) = done.err.splitlines()
    said = line.removeprefix("gptasks: ")
    assert said.startswith(fault[:-1]) if fault.endswith("*") else said == fault


# -- training -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A sweep over two strategies and two seeds, its flag between the overrides, and the folder it
    ran in."""
    folder = tmp_path_factory.mktemp("swept")
    write_csv(folder / "films.csv", films())
    before = os.getcwd()
    os.chdir(folder)
    try:
        own = [*OWN, "strategy=head,lora", "task.data.train=films.csv"]
        return folder, gptasks(*own, "trainer.epochs=0", "-m", "seeds=2", "seed=1")
    finally:
        os.chdir(before)


def test_a_sweep_ends_in_the_table_of_compare(
    swept: tuple[Path, Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, done = swept
    assert done.code == 0, done.err
    assert done.out.count("run folder: runs/") == 4  # each run's own table stands before
    *_, last = done.out.splitlines()
    command = shlex.split(last.removeprefix("this table again: "))
    assert command[:4] == ["python", "-m", "gptasks", "compare"]
    monkeypatch.chdir(folder)
    table = gptasks(*command[3:]).out
    assert "tiny               head      " in table
    assert "of 2 seeds" in table
    before, _, after = done.out.partition(f"\n\n{table}\n")
    assert before.endswith(f"run folder: {command[-1]}")
    best, *rows, _ = [line for line in after.splitlines() if line]
    told = [tuple(row.split()) for row in rows]
    assert told == [
        (f"strategy={strategy}", f"seed={seed}", folder)
        for (strategy, seed), folder in zip(
            [(strategy, seed) for strategy in ("head", "lora") for seed in (1, 2)],
            command[4:],
            strict=True,
        )
    ]
    values: dict[str, float] = {}
    for strategy, _, place in told:
        results = json.loads((folder / place / "results.json").read_text(encoding="utf-8"))
        loss = results["metrics"]["validation"]["log_loss"]["value"]
        values[strategy] = values.get(strategy, 0.0) + loss / 2
    least = min(values, key=lambda name: values[name])
    assert best == (f"best on validation: {least} (log_loss {values[least]:.4f}, mean of 2 seeds)")


def test_each_run_of_several_seeds_is_one_of_its_own(swept: tuple[Path, Result]) -> None:
    folder, _ = swept
    for place in (folder / "runs").iterdir():
        assert re.fullmatch(r"sequence_classification-[0-9a-f]{8}", place.name)
        results = json.loads((place / "results.json").read_text(encoding="utf-8"))
        assert f"seed={results['seed']}" in results["command"].split()
        assert "seeds" not in results["command"]
        config = yaml.safe_load((place / "config.yaml").read_text(encoding="utf-8"))
        assert config["seed"] == results["seed"]
        assert "seeds" not in config


def test_training_leaves_nothing_beside_its_run_folder(swept: tuple[Path, Result]) -> None:
    folder, _ = swept
    assert sorted(os.listdir(folder)) == ["films.csv", "runs"]
    assert len(os.listdir(folder / "runs")) == 4


def test_results_go_to_stdout_and_what_happens_to_stderr(swept: tuple[Path, Result]) -> None:
    _, done = swept
    assert done.out.startswith(
        "task sequence_classification · backbone tiny · strategy head · seed 1\n"
    )
    assert "train: 44 rows\n" in done.err
    assert "finished in" not in done.out
    for line in done.err.splitlines():  # no bar, no colour, no library's own words
        assert line.isprintable()
        assert not re.search(r"\d+%\||it/s|Warning|INFO|hydra", line)
    assert len(done.err.splitlines()) < 50


def test_a_finished_run_is_shown_again_and_says_how_to_run_again(tmp_path: Path) -> None:
    run = train(tmp_path)
    before = (run / "results.json").read_bytes()
    own = [*OWN, "strategy=head", f"task.data.train={tmp_path / 'films.csv'}", f"run={run}"]
    done = gptasks(*own)
    assert done.code == 0
    assert done.err == f"{run} is finished; remove it, or give another run=DIR, to run again\n"
    assert "accuracy" in done.out
    assert (run / "results.json").read_bytes() == before
    refused = gptasks(*own, "seed=7")
    assert refused.code == 2
    assert refused.err == (
        f"gptasks: {run} holds a run of another configuration: seed is 0 there and 7 here. Choose "
        "another run=DIR, or remove that folder.\n"
    )
    assert (run / "results.json").read_bytes() == before


@pytest.mark.parametrize("place", range(4))
def test_the_configuration_is_shown_wherever_the_flag_stands(place: int) -> None:
    argv = ["task=sentiment", "seed=3", "trainer.epochs=1"]
    argv[place:place] = ["--cfg", "job"]
    before = os.listdir()
    done = gptasks(*argv)
    assert (done.code, done.err) == (0, "")
    told = yaml.safe_load(done.out)
    assert (told["task"]["name"], told["seed"], told["trainer"]["epochs"]) == ("sentiment", 3, 1.0)
    assert os.listdir() == before


def test_a_fault_in_a_sweep_is_told_once_when_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    from gptasks.training import session

    def fail(config: object) -> Path:
        raise TrainingError("nothing\x07 learnt")

    monkeypatch.setattr(session, "train", fail)
    done = gptasks("task=sentiment", "seeds=2")
    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines() == [
        "run 1 of 2: seed=0",
        r"gptasks: run 1 of 2 (seed=0) failed: nothing\x07 learnt",
        "run 2 of 2: seed=1",
        r"gptasks: run 2 of 2 (seed=1) failed: nothing\x07 learnt",
        "gptasks: 2 of 2 runs failed, as told above: seed=0, seed=1",
    ]


def test_of_several_processes_one_tells_of_a_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    from gptasks.training import processes, session

    def fail_once(config: RunConfig) -> Path:
        if config.run.seed == 0:
            raise TrainingError("nothing learnt")
        return Path("a run that is not there")  # nobody looks for it

    monkeypatch.setattr(session, "train", fail_once)
    monkeypatch.setattr("gptasks.cli.PATIENCE", 0.0)
    for name, value in zip(processes.LAUNCHED, ("2", "1", "1", "localhost"), strict=True):
        monkeypatch.setenv(name, value)
    assert gptasks("task=sentiment", "seeds=2") == (1, "", "")


def test_signs_that_steer_a_terminal_are_written_out() -> None:
    (line,) = gptasks("task=a\x1b[31m\x07\u2028b").err.splitlines()
    assert r"no task 'a\x1b[31m\x07\u2028b'" in line


# -- stops --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"]
)
def test_a_stopped_training_is_kept_and_says_how_to_go_on(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    data = write_csv(tmp_path / "films.csv", films())
    argv = [*OWN, "strategy=lora", f"task.data.train={data}", "trainer.epochs=9999", "run=stopped",
            "trainer.patience=0"]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "gptasks", *argv],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    told = []
    for line in process.stderr:
        told.append(line)
        if line.startswith("step 2:"):
            break
    process.send_signal(number)
    out, rest = process.communicate(timeout=30)
    told += rest.splitlines(keepends=True)
    assert process.returncode == code, "".join(told)
    assert out == ""
    stopped = re.fullmatch(r"gptasks: stopped after step (\d+) of \d+; to go on: (.*)\n", told[-1])
    assert stopped, told[-1]
    assert shlex.split(stopped[2]) == ["python", "-m", "gptasks", *argv]
    kept = json.loads(Path("stopped/checkpoints/last/state.json").read_text())
    assert kept["state"]["step"] == int(stopped[1]) >= 2
    assert [line for line in told if re.search("Traceback|Interrupt|Error", line)] == []
    assert Path("stopped/config.yaml").is_file()
    assert not Path("stopped/results.json").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_elsewhere_promises_nothing(
    number: signal.Signals, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(argv: object) -> None:
        signal.raise_signal(number)

    later: list[Callable[[], None]] = []
    monkeypatch.setattr("atexit.register", later.append)
    monkeypatch.setattr("gptasks.verbs.tasks.run", stop)
    assert gptasks("tasks") == (code, "", "gptasks: stopped.\n")
    before = {each: signal.getsignal(each) for each in SIGNALS}
    later[0]()  # at the end, while libraries clean up, another one ends the process and no more
    assert {signal.signal(each, handler) for each, handler in before.items()} == {signal.SIG_DFL}


def test_ctrl_c_is_not_lost_in_a_destructor(monkeypatch: pytest.MonkeyPatch) -> None:
    class Torn:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    def work(argv: object) -> None:
        thing = Torn()
        del thing  # Python swallows what a destructor raises
        for _ in range(500):
            time.sleep(0.01)
        raise AssertionError("was not stopped")

    monkeypatch.setattr("gptasks.verbs.tasks.run", work)
    hook = sys.unraisablehook
    # In the background of a script SIGINT is ignored from the start.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert gptasks("tasks") == (130, "", "gptasks: stopped.\n")
    finally:
        signal.signal(signal.SIGINT, before)
    assert sys.unraisablehook is hook
    assert threading.active_count() < 50


def test_a_reader_that_leaves_is_no_fault() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "gptasks", "--help", "task=sentiment"],
        env=BUFFERED, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait(timeout=30) == 0


def test_a_library_that_can_not_write_its_log_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    log = logging.Logger("wandb")
    log.addHandler(logging.StreamHandler(Full()))
    monkeypatch.setattr("gptasks.verbs.tasks.run", lambda argv: log.error("restore done"))
    assert gptasks("tasks") == (0, "", "")
    assert logging.raiseExceptions


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_one_line() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "gptasks", "tasks"],
            env=BUFFERED, stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (
        1,
        "gptasks: no room to write the output (No space left on device); make some, and repeat the "
        "command.\n",
    )


def test_without_a_standard_output_nothing_breaks() -> None:
    code = "import sys; sys.stdout = None; from gptasks.cli import main; sys.exit(main(['tasks']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(argv: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("gptasks.verbs.tasks.run", fail)
    with pytest.raises(ZeroDivisionError):
        gptasks("tasks")


def test_the_process_is_left_as_it_was() -> None:
    def state() -> tuple[object, ...]:
        log = logging.getLogger("gptasks")
        return log.handlers[:], log.level, log.propagate, warnings.filters[:], dict(os.environ)

    before = state()
    gptasks("tasks")
    gptasks("task=nope")
    gptasks("task=sentiment", "--cfg", "job")
    assert state() == before


def test_python_m_gptasks_is_the_same_program() -> None:
    done = program("task=nope")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("gptasks: no task 'nope'; `gptasks tasks` lists the ")
