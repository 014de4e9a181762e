"""gptasks.config.run_main: flags, sweeps, and what Hydra leaves behind."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from plugin_folders import plugin_object

from gptasks import ConfigError, TrainingError
from gptasks.config import RunConfig, run_main
from gptasks.plugins import plugin_manager
from gptasks.registry import Registry

TASK = "task=toy"


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry(plugin_manager([plugin_object("toy"), plugin_object("other", "others")]))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shown(config: RunConfig) -> tuple[Any, ...]:
    return config.task_name, config.backbone_name, config.run.seed, config.overrides


def test_one_job_runs_with_its_configuration(registry: Registry) -> None:
    assert run_main([TASK, "seed=3", "backbone=tiny"], shown, registry) == [
        ("toy", "tiny", 3, (TASK, "seed=3", "backbone=tiny"))
    ]


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("flag", ["-m", "--multirun"])
def test_a_sweep_runs_every_combination_in_order(registry: Registry, flag: str, place: int) -> None:
    argv = [TASK, "seed=1,2", "backbone=tiny,tiny_gpt2"]
    argv.insert(place, flag)
    assert run_main(argv, shown, registry) == [
        ("toy", "tiny", 1, (TASK, "seed=1", "backbone=tiny")),
        ("toy", "tiny_gpt2", 1, (TASK, "seed=1", "backbone=tiny_gpt2")),
        ("toy", "tiny", 2, (TASK, "seed=2", "backbone=tiny")),
        ("toy", "tiny_gpt2", 2, (TASK, "seed=2", "backbone=tiny_gpt2")),
    ]


@pytest.mark.parametrize(
    ("override", "seeds"),
    [
        ("seed=5", [5]),
        ("seed=range(1,4)", [1, 2, 3]),
        ("seed=choice(4,2)", [4, 2]),
        ("seed=1, 2", [1, 2]),
    ],
)
def test_hydras_sweep_functions_work(registry: Registry, override: str, seeds: list[int]) -> None:
    configs = run_main(["-m", TASK, override], lambda config: config, registry)
    assert [config.run.seed for config in configs] == seeds


def test_tasks_files_and_patterns_can_be_swept_over(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "toy.yaml").write_text("kind: toy\nsize: 4\n", encoding="utf-8")
    configs = run_main(["-m", "task=toy,other,./toy.yaml"], lambda config: config, registry)
    assert [config.task_name for config in configs] == ["toy", "other", "toy"]
    assert [config.task.size for config in configs] == [1, 1, 4]
    assert [config.overrides for config in configs][2] == ("task=./toy.yaml",)
    found = run_main(["-m", TASK, "backbone=glob(tiny*)"], shown, registry)
    assert [backbone for _, backbone, _, _ in found] == ["tiny", "tiny_gpt2"]


def test_texts_lists_and_maps_survive_a_sweep(registry: Registry) -> None:
    argv = [
        "-m", TASK, "task.text=~/a b,it's,'x,y',007,好(1)", "task.labels=[a,b]",
        "task.data.train={正:a.txt}",
    ]  # fmt: skip
    configs = run_main(argv, lambda config: config, registry)
    texts = [config.task.text for config in configs]
    assert texts == ["~/a b", "it's", "x,y", "007", "好(1)"]
    assert {str(config.task.data.train) for config in configs} == {"{'正': 'a.txt'}"}
    assert configs[2].overrides == (
        TASK, "task.text='x,y'", "task.labels=[a,b]", "task.data.train={正:a.txt}",
    )  # fmt: skip
    # What was noted gives the same configuration again.
    again = run_main(configs[2].overrides, lambda config: config, registry)
    assert again[0].digest() == configs[2].digest()


@pytest.mark.parametrize(
    ("overrides", "fault"),
    [
        (["seed=1,x"], "^seed must be a whole number of type int; got 'x'$"),
        (["seed=1,"], "^seed=1, has nothing beside a comma$"),
        (["seed=interval(0,1)"], "gives no values; write them out, as in seed=a,b"),
        (["seed=range(a,b)"], r"^seed=range\(a,b\): "),
        (
            ["seed=range(0,1,0)"],
            r"^seed=range\(0,1,0\) is no range of at most 10,000 values, each ",
        ),
        (["seed=range(1,1e9)"], "is no range of at most 10,000 values, each being a run$"),
        (["seed=shuffle(range(1,nan))"], "is no range of at most 10,000 values"),
        ([f"seed=range(1,{'9' * 400})"], "int too large to convert to float$"),
        (["backbone=glob(zz*)"], "gives no values"),
        (["strategy=head,lora", "strategy.rank=8"], "^strategy 'head' .* has no option 'rank'"),
        (["task.data.train={a:b},{c:d}"], "a sweep can't go over maps; put each into a task file"),
        (["seed=1,2", "task.text=${none}"], "^task.text: Interpolation key 'none' not found"),
        (["seed=1,2", "run=x"], "^run=x would be the folder of several runs of this sweep"),
        (["hydra/sweeper=optuna"], "hydra/sweeper can't be changed"),
    ],
)
def test_a_faulty_sweep_is_refused_before_its_first_job(
    registry: Registry, overrides: list[str], fault: str, capfd: pytest.CaptureFixture[str]
) -> None:
    ran: list[RunConfig] = []
    with pytest.raises(ConfigError, match=fault):
        run_main(["-m", TASK, *overrides], ran.append, registry)
    assert ran == []
    assert capfd.readouterr() == ("", "")


def test_runs_of_a_sweep_may_have_folders_of_their_own(registry: Registry) -> None:
    configs = run_main(["-m", TASK, "run=a,b"], lambda config: config.run.run, registry)
    assert configs == ["a", "b"]


def test_a_job_that_fails_does_not_keep_the_others_from_running(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    ran = []

    def job(config: RunConfig) -> None:
        ran.append(config.run.seed)
        if config.run.seed != 2:
            raise TrainingError("nothing learnt")

    with pytest.raises(TrainingError) as caught, caplog.at_level(logging.INFO, "gptasks"):
        run_main(["-m", TASK, "seed=1,2,3"], job, registry)
    assert ran == [1, 2, 3]
    assert str(caught.value) == "run 1 (task=toy seed=1): nothing learnt"
    assert caught.value.__notes__ == ["run 3 (task=toy seed=3): nothing learnt"]
    assert caught.value.exit_code == 1
    assert "run 2 of 3: task=toy seed=2" in caplog.messages


def test_a_bug_in_a_job_is_not_hidden(registry: Registry) -> None:
    def job(config: RunConfig) -> None:
        raise ZeroDivisionError

    for argv in ([TASK], ["-m", TASK, "seed=1,2"]):
        with pytest.raises(ZeroDivisionError):
            run_main(argv, job, registry)


def test_nothing_is_left_in_the_current_folder(registry: Registry) -> None:
    left = os.listdir()
    before = (list(sys.argv), os.getcwd(), dict(os.environ), logging.getLogger().handlers[:])
    run_main([TASK], shown, registry)
    run_main(["-m", TASK, "seed=1,2"], shown, registry)
    run_main([TASK, "--info"], shown, registry)
    assert os.listdir() == left
    assert (sys.argv, os.getcwd(), os.environ, logging.getLogger().handlers) == before


@pytest.mark.parametrize(
    "argv",
    [
        ["--cfg", "job", TASK, "task.size=3"],
        [TASK, "--cfg=job", "task.size=3"],
        [TASK, "task.size=3", "-c", "job"],
    ],
)
def test_the_configuration_is_shown_instead_of_run(
    registry: Registry, argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(argv, shown, registry) == []
    values = yaml.safe_load(capsys.readouterr().out)
    assert values["task"]["size"] == 3
    assert values["backbone"]["name"] == "smollm2"
    assert "hydra" not in values


def test_parts_of_the_configuration_are_shown(
    registry: Registry, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAME", "x")
    argv = [TASK, "--cfg", "job", "--package", "task", "task.text=${oc.env:NAME}"]
    run_main(argv, shown, registry)
    assert "text: ${oc.env:NAME}" in capsys.readouterr().out
    run_main([*argv, "--resolve"], shown, registry)
    assert "text: x" in capsys.readouterr().out
    run_main([TASK, "--cfg", "hydra"], shown, registry)
    assert "output_subdir: null" in capsys.readouterr().out
    with pytest.raises(ConfigError, match=r"^--package tsak: .*config; did you mean 'task'\?$"):
        run_main([TASK, "--cfg", "job", "--package", "tsak"], shown, registry)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("argv", [["--info", "defaults", TASK], ["-i", TASK], [TASK, "--info"]])
def test_what_it_is_composed_of_is_shown(
    registry: Registry, argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(argv, shown, registry) == []
    assert "backbone/smollm2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "fault"),
    [
        ([TASK, "--cgf"], "^there is no flag '--cgf'; did you mean '--cfg'?"),
        ([TASK, "--multi-run"], "^there is no flag '--multi-run'; did you mean '--multirun'?"),
        ([TASK, "-x=3"], "^there is no flag '-x'"),
        ([TASK, "--cfg", "jub"], r"^--cfg has no 'jub'; did you mean 'job'\?$"),
        ([TASK, "--cfg", "x"], r"^--cfg has no 'x'; it is one of job, hydra, all$"),
        ([TASK, "--cfg"], "expected one argument"),
        ([TASK, "--cfg", "job", "--info"], "give one of them"),
        ([TASK, "-m", "--cfg", "job"], "--cfg and --info show one run; leave -m out"),
        ([TASK, "--resolve"], "--resolve and --package go with --cfg"),
        ([TASK, "--cfg", "job", "task.sise=3"], "did you mean 'size'"),
    ],
)
def test_wrong_flags_are_one_line(registry: Registry, argv: list[str], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault) as caught:
        run_main(argv, shown, registry)
    assert "\n" not in str(caught.value)


def test_an_override_may_begin_its_value_with_a_dash(registry: Registry) -> None:
    (config,) = run_main([TASK, "task.text=-m"], lambda config: config, registry)
    assert config.task.text == "-m"
