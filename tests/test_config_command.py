"""gptasks.config.configurations: flags, sweeps, seeds, and what Hydra leaves behind."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from plugin_folders import plugin_object

from gptasks import ConfigError
from gptasks.config import RunConfig, compose, configurations
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


def each(argv: Sequence[str], do: Callable[[RunConfig], Any], registry: Registry) -> list[Any]:
    return [do(config) for config in configurations(argv, registry)]


def shown(config: RunConfig) -> tuple[Any, ...]:
    return config.task_name, config.backbone_name, config.run.seed, config.overrides


def test_one_run_has_its_configuration(registry: Registry) -> None:
    assert each([TASK, "seed=3", "backbone=tiny"], shown, registry) == [
        ("toy", "tiny", 3, (TASK, "seed=3", "backbone=tiny"))
    ]


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("flag", ["-m", "--multirun"])
def test_a_sweep_has_every_combination_in_order(registry: Registry, flag: str, place: int) -> None:
    argv = [TASK, "seed=1,2", "backbone=tiny,tiny_gpt2"]
    argv.insert(place, flag)
    assert each(argv, shown, registry) == [
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
    configs = each(["-m", TASK, override], lambda config: config, registry)
    assert [config.run.seed for config in configs] == seeds


def test_tasks_files_and_patterns_can_be_swept_over(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "toy.yaml").write_text("kind: toy\nsize: 4\n", encoding="utf-8")
    configs = each(["-m", "task=toy,other,./toy.yaml"], lambda config: config, registry)
    assert [config.task_name for config in configs] == ["toy", "other", "toy"]
    assert [config.task.size for config in configs] == [1, 1, 4]
    assert [config.overrides for config in configs][2] == ("task=./toy.yaml",)
    found = each(["-m", TASK, "backbone=glob(tiny*)"], shown, registry)
    assert [backbone for _, backbone, _, _ in found] == ["tiny", "tiny_gpt2"]


def test_texts_lists_and_maps_survive_a_sweep(registry: Registry) -> None:
    argv = [
        "-m", TASK, "task.text=~/a b,it's,'x,y',007,好(1)", "task.labels=[a,b]",
        "task.data.train={正:a.txt}",
    ]  # fmt: skip
    configs = each(argv, lambda config: config, registry)
    texts = [config.task.text for config in configs]
    assert texts == ["~/a b", "it's", "x,y", "007", "好(1)"]
    assert {str(config.task.data.train) for config in configs} == {"{'正': 'a.txt'}"}
    assert configs[2].overrides == (
        TASK, "task.text='x,y'", "task.labels=[a,b]", "task.data.train={正:a.txt}",
    )  # fmt: skip
    # What was noted gives the same configuration again.
    again = each(configs[2].overrides, lambda config: config, registry)
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
        (["seed=1,2", "run=x"], "^run=x would be the folder of several runs; leave run"),
        (["hydra/sweeper=optuna"], "hydra/sweeper can't be changed"),
    ],
)
def test_a_faulty_sweep_is_refused_before_its_first_run(
    registry: Registry, overrides: list[str], fault: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match=fault):
        configurations(["-m", TASK, *overrides], registry)
    assert capfd.readouterr() == ("", "")


def test_runs_of_a_sweep_may_have_folders_of_their_own(registry: Registry) -> None:
    configs = each(["-m", TASK, "run=a,b"], lambda config: config.run.run, registry)
    assert configs == ["a", "b"]


def test_seeds_are_counted_on_from_the_seed_of_each_configuration(registry: Registry) -> None:
    argv = [TASK, "seeds=2", "seed=7", "-m", "backbone=tiny,tiny_gpt2"]
    assert each(argv, shown, registry) == [
        ("toy", "tiny", 7, (TASK, "backbone=tiny", "seed=7")),
        ("toy", "tiny", 8, (TASK, "backbone=tiny", "seed=8")),
        ("toy", "tiny_gpt2", 7, (TASK, "backbone=tiny_gpt2", "seed=7")),
        ("toy", "tiny_gpt2", 8, (TASK, "backbone=tiny_gpt2", "seed=8")),
    ]


def test_a_run_of_several_seeds_is_the_run_of_its_seed_alone(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRST", "1")
    one, two = configurations([TASK, "seeds=2", "seed=${oc.env:FIRST}"], registry)
    (alone,) = configurations([TASK, "seed=2", "seeds=1"], registry)
    assert two.resolved == alone.resolved
    assert two.digest() == alone.digest() != one.digest()
    assert "seeds" not in str(two.resolved)
    # What was noted gives the same configuration again.
    (again,) = configurations(two.overrides, registry)
    assert again.digest() == two.digest()


def test_a_file_gives_the_first_of_several_seeds(registry: Registry, elsewhere: Path) -> None:
    (elsewhere / "x.yaml").write_text("task: toy\nseed: 5\n", encoding="utf-8")
    found = each(["--config", "x.yaml", "seeds=2"], shown, registry)
    assert [(seed, overrides) for _, _, seed, overrides in found] == [
        (5, ("seed=5",)), (6, ("seed=6",)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("overrides", "fault"),
    [
        (["seeds=0"], "seeds must be at least 1 and at most 10000; got 0"),
        (["seeds=x"], "seeds must be a whole number of type int; got 'x'"),
        (["seeds="], "seeds= is empty; give it a number, such as seeds=5"),
        (["seeds={a"], "seeds must be a whole number of type int; got '{a'"),
        (["seeds"], "'seeds' has no value; write seeds=value"),
        (["sedes=3"], "there is no option 'sedes'; did you mean 'seeds'?"),
        (["seeds=3", "seeds=4"], "seeds is given twice, as '3' and '4'; give it once"),
        (
            ["seeds=4,5"],
            "seeds=4,5: seeds is a number, how many runs each configuration has; to name the "
            "seeds, -m seed=4,5",
        ),
        (
            ["seeds=[4,5]"],
            "seeds=[4,5]: seeds is a number, how many runs each configuration has; to name the "
            "seeds, -m seed=4,5",
        ),
        (
            ["seeds=3", "seed=1,2"],
            "seeds=3 counts on from one seed, and seed=1,2 gives several; write seed=1 seeds=3, "
            "or leave seeds out: -m seed=1,2",
        ),
        (
            ["seeds=3", "seed=range(6,9)"],
            "seeds=3 counts on from one seed, and seed=range(6,9) gives several; write seed=6 "
            "seeds=3, or leave seeds out: -m seed=range(6,9)",
        ),
        (["seeds=2", "seed=4294967295"], "seed must be at least 0 and at most 4294967295; got "
         "4294967296"),
        (["seeds=2", "run=x"], "run=x would be the folder of several runs; leave run out, and each "
         "gets one of its own in runs/"),
        (["seeds=0", "seed=x"], "seeds must be at least 1 and at most 10000; got 0\nseed must be a "
         "whole number of type int; got 'x'"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("flags", [[], ["-m"]], ids=["", "-m"])
def test_what_seeds_can_not_be_is_said_with_what_to_write(
    registry: Registry, overrides: list[str], fault: str, flags: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        configurations([*flags, TASK, *overrides], registry)
    assert str(caught.value) == fault


def test_seeds_are_part_of_no_configuration(registry: Registry, elsewhere: Path) -> None:
    (elsewhere / "x.yaml").write_text("task: toy\nseeds: 5\n", encoding="utf-8")
    fault = r"^x.yaml line 2: seeds is part of no configuration; give seeds=… on the command line$"
    with pytest.raises(ConfigError, match=fault):
        configurations(["--config", "x.yaml"], registry)
    fault = "^seeds=5 stands for 5 runs, and here one is meant; leave it out$"
    with pytest.raises(ConfigError, match=fault):
        compose([TASK, "seeds=5"], registry)
    assert compose([TASK, "seeds=1"], registry).run.seed == 0


def test_nothing_is_left_in_the_current_folder(registry: Registry) -> None:
    left = os.listdir()
    before = (list(sys.argv), os.getcwd(), dict(os.environ), logging.getLogger().handlers[:])
    each([TASK], shown, registry)
    each(["-m", TASK, "seed=1,2"], shown, registry)
    each([TASK, "--info"], shown, registry)
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
    assert each(argv, shown, registry) == []
    values = yaml.safe_load(capsys.readouterr().out)
    assert values["task"]["size"] == 3
    assert values["backbone"]["name"] == "smollm2"
    assert "hydra" not in values


def test_parts_of_the_configuration_are_shown(
    registry: Registry, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAME", "x")
    argv = [TASK, "--cfg", "job", "--package", "task", "task.text=${oc.env:NAME}"]
    each(argv, shown, registry)
    assert "text: ${oc.env:NAME}" in capsys.readouterr().out
    each([*argv, "--resolve"], shown, registry)
    assert "text: x" in capsys.readouterr().out
    each([TASK, "--cfg", "hydra"], shown, registry)
    assert "output_subdir: null" in capsys.readouterr().out
    with pytest.raises(ConfigError, match=r"^--package tsak: .*config; did you mean 'task'\?$"):
        each([TASK, "--cfg", "job", "--package", "tsak"], shown, registry)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("argv", [["--info", "defaults", TASK], ["-i", TASK], [TASK, "--info"]])
def test_what_it_is_composed_of_is_shown(
    registry: Registry, argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert each(argv, shown, registry) == []
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
        ([TASK, "seeds=2", "--cfg", "job"], "--cfg and --info show one run; leave seeds=2 out"),
        ([TASK, "--resolve"], "--resolve and --package go with --cfg"),
        ([TASK, "--cfg", "job", "task.sise=3"], "did you mean 'size'"),
    ],
)
def test_wrong_flags_are_one_line(registry: Registry, argv: list[str], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault) as caught:
        each(argv, shown, registry)
    assert "\n" not in str(caught.value)


def test_an_override_may_begin_its_value_with_a_dash(registry: Registry) -> None:
    (config,) = each([TASK, "task.text=-m"], lambda config: config, registry)
    assert config.task.text == "-m"
