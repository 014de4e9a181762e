"""What is wrong on a command line, told in one line each, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from plugin_folders import plugin_object

from gptasks import ConfigError
from gptasks.config import compose
from gptasks.plugins import plugin_manager
from gptasks.registry import Registry

TASK = "task=sequence_classification"


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry(plugin_manager([plugin_object("toy")]))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def faults(registry: Registry, *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        compose(overrides, registry)
    assert caught.value.exit_code == 2
    return str(caught.value).split("\n")


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        # unknown keys
        ("task.max_lenght=3", "task 'toy' (toys) has no option 'max_lenght'; did you mean "
         "'max_length'?"),
        ("task.data.trian=x", "task 'toy' (toys) has no option 'data.trian'; did you mean "
         "'data.train'?"),
        ("task.train=x", "task 'toy' (toys) has no option 'train'; did you mean 'data.train'?"),
        ("+task.sise=3", "task 'toy' (toys) has no option 'sise'; did you mean 'size'?"),
        ("++trainer.epoch=3", "trainer has no option 'epoch'; did you mean 'epochs'?"),
        ("sed=3", "there is no option 'sed'; did you mean 'seed'?"),
        ("epochs=3", "there is no option 'epochs'; did you mean 'trainer.epochs'?"),
        ("trianer.epochs=3", "there is no option 'trianer.epochs'; did you mean "
         "'trainer.epochs'?"),
        ("backbon=tiny", "there is no option 'backbon'; did you mean 'backbone'?"),
        ("zzzzzz=3", "there is no option 'zzzzzz'"),
        ("seed.x=3", "seed.x can't be set by itself; give the whole of seed"),
        ("task.data.train.pos=a", "task.data.train.pos can't be set by itself; give the whole of "
         "task.data.train"),
        ("task.data={trian:a}", "task 'toy' (toys) has no option 'data.trian'; did you mean "
         "'data.train'?"),
        # wrong types and choices
        ("trainer.epochs=many", "trainer.epochs must be a number of type float or null; got "
         "'many'"),
        ("trainer.clip=nan", "trainer.clip must be a finite number; got nan"),
        ("seed=1.5", "seed must be a whole number of type int; got 1.5"),
        ("seed=0x10", "seed must be a whole number of type int; got '0x10'"),
        ("limit=0", "limit must be at least 1; got 0"),
        ("task.data.quoting=yes", "task.data.quoting must be true or false; got 'yes'"),
        ("trainer.schedule=cosin", "trainer.schedule must be one of linear, cosine, constant; "
         "got 'cosin'; did you mean 'cosine'?"),
        ("strategy.adapter=loar", "strategy.adapter must be one of lora, dora, ia3; got 'loar'; "
         "did you mean 'lora'?"),
        ("strategy.adapter=prefix", "strategy.adapter=prefix: a prefix is keys and values beside "
         "the weights, which no class of plain transformers has, so it can't be merged into "
         "model/; take lora, dora or ia3"),
        ("task.metrics=accuracy", "task.metrics must be a list such as [a,b]; got 'accuracy'"),
        ("task.metrics=[a,[b]]", "task.metrics[1] must be a text; got ['b']"),
        ("task.data=x.csv", "task.data must be a map of options; got 'x.csv'"),
        ("task.data.train=[a", "task.data.train=[a is no list or map: ']' is missing"),
        ("task.data.train={a}", "task.data.train={a} is no list or map: a map needs key:value "
         "pairs, such as {a:b}"),
        ("task.data.train=[a,]", "task.data.train=[a,] is no list or map: a value is missing "
         "beside a comma or bracket"),
        ("task.data.train=[a]b", "task.data.train=[a]b is no list or map: 'b' stands after its "
         "end"),
        ("task.data.train={a:b,'a':c}", "task.data.train={a:b,'a':c} is no list or map: it gives "
         "the key 'a' twice"),
        (f"task.labels={'[' * 400}", f"task.labels={'[' * 400} is no list or map: it nests more "
         "than 20 deep"),
        ("seed=" + "9" * 5000, "seed must be a whole number of type int; got '9999*"),
        (f"seed='{'9' * 5000}'", "seed must be a whole number of type int; got '9999*"),
        ("seed=[{},${seed}]", "seed must be a whole number of type int; got [{}, '${seed}']"),
        # names
        ("backbone=smolm2", "no backbone 'smolm2'; did you mean 'smollm2'?"),
        ("tracking=null", "no tracking 'null'; there are jsonl, mlflow, none, tensorboard, "
         "trackio, wandb"),
        ("strategy=zzz", "no strategy 'zzz'; there are full, head, lora"),
        ("strategy=", "strategy= is empty; give it one of full, head, lora"),
        ("backbone=", "backbone= is empty; give it a name, file, folder or hub id"),
        (f"backbone=./{'a' * 300}", f"backbone=./{'a' * 300}: there is no such file or folder"),
        ("backbone=./none", "backbone=./none: there is no such file or folder"),
        ("backbone=here/none", "backbone=here/none: there is no such file or folder; did you mean "
         "'nome'?"),
        ("backbone=none.gguf", "backbone=none.gguf: there is no such file or folder"),
        ("backbone=~no.such.user/x", "backbone=~no.such.user/x: there is no such file or folder"),
        ("backbone=data.csv", "backbone=data.csv is neither a folder nor a .gguf file"),
        ("trainer={epochs:1}", "trainer={epochs:1}: trainer= takes a name; options are set one by "
         "one, as trainer.<option>=<value>"),
        ("backbone=[tiny,smollm2]", "backbone=[tiny,smollm2]: a run has one backbone; to run "
         "several in turn, -m backbone=tiny,smollm2"),
        # sweeps without -m
        ("seed=1,2", "seed=1,2 gives several values; add -m to run each in turn"),
        ("seed=range(1,3)", "seed=range(1,3) gives several values; add -m to run each in turn"),
        ("strategy=head,lora", "strategy=head,lora gives several values; add -m to run each in "
         "turn"),
        ("backbone=tiny,x", "backbone=tiny,x gives several values; add -m to run each in turn, or "
         "quote the value for one text: backbone=\"'tiny,x'\""),
        ("task.metrics=a,b", "task.metrics=a,b gives several values; add -m to run each in turn, "
         "or write task.metrics=[a,b] for a list, or quote the value for one text: "
         "task.metrics=\"'a,b'\""),
        # no value, no key, what Hydra could do and a run can't
        ("seed", "'seed' has no value; write seed=value"),
        ("sed", "'sed' has no value; write key=value; did you mean 'seed'?"),
        ("seed=", "seed= is empty; give it a value"),
        ("run=", "run= is empty; give it a value, or run=null for none"),
        ("=3", "'=3' has no key before its '='; write key=value"),
        ("", "'' has no key before its '='; write key=value"),
        ("~tracking", "~tracking: nothing can be removed from a configuration; take another "
         "choice, tracking=…"),
        ("~trainer.epochs", "~trainer.epochs: nothing can be removed from a configuration"),
        ("backbone@x=tiny", "backbone@x=tiny: '@' is not understood here; write backbone=value"),
        ("task.text=\udc80", "'task.text=\\udc80' holds bytes that are no UTF-8"),
        # interpolations
        ("task.text=${none}", "task.text: Interpolation key 'none' not found; for a plain ${ write "
         "\\${"),
        ("task.text=${task.lable}", "task.text: Interpolation key 'task.lable' not found; did you "
         "mean 'task.label'? For a plain ${ write \\${"),
        ("seed=${oc.env:NO_SUCH}", "seed: KeyError raised while resolving interpolation*"),
        ("task.text=${", "task.text: *"),
        # Hydra's own options
        ("hydra.jop.num=1", "there is no option 'hydra.jop'; did you mean 'hydra.job'?"),
        ("hydra.job.num=x", "Error merging override hydra.job.num=x: Value 'x' of type 'str' could "
         "not be converted to Integer"),
        ("hydra.job.name='a", "hydra.job.name='a: Hydra can't read this*"),
        ("hydra.run.dir=x", "hydra.run.dir=x: hydra.run.dir has no effect: run=DIR sets the run "
         "folder"),
        ("hydra.sweep={dir: x}", "hydra.sweep={dir: x}: hydra.sweep has no effect: each job of a "
         "sweep has a folder of its own in runs/"),
        ("hydra.output_subdir=x", "hydra.output_subdir=x: hydra.output_subdir has no effect: the "
         "run folder keeps the configuration, in config.yaml"),
        ("hydra/job_logging=stdou", "no hydra/job_logging 'stdou'; did you mean 'stdout'?"),
        ("hydra/launcher=joblib", "hydra/launcher=joblib: hydra/launcher can't be changed; -m runs "
         "a sweep's jobs one after another"),
        ("hydra.sweeper.params={seed: 1}", "hydra.sweeper.params={seed: 1}: hydra.sweeper.params "
         "can't be changed; -m runs a sweep's jobs one after another"),
        ("hydra/help=0", "hydra/help=0: Hydra can't take this: Config group override must be a "
         "string or a list. Got int"),
        ("hydra.defaults=[x]", "there is no option 'hydra.defaults'"),
    ],
)  # fmt: skip
def test_a_fault_is_one_line_with_the_nearest_right_word(
    registry: Registry, tmp_path: Path, override: str, fault: str
) -> None:
    (tmp_path / "here" / "nome").mkdir(parents=True)
    (tmp_path / "data.csv").write_text("", encoding="utf-8")
    (found,) = faults(registry, "task=toy", override)
    assert found.startswith(fault[:-1]) if fault.endswith("*") else found == fault


@pytest.mark.parametrize(
    ("overrides", "fault"),
    [
        (["seed=1"], r"task=… is missing; `gptasks tasks` lists the \d+ installed"),
        (["~task"], "~task: nothing can be removed from a configuration; take another choice"),
        (["task"], "'task' has no value; write task=value"),
        (["task="], "task= is empty; give it a name, file, folder or hub id"),
        (["task=[a,b]"], r"task=\[a,b\]: a run has one task; to run several in turn, -m task=a,b"),
        (["task=toy,toy2"], "task=toy,toy2 gives several values; add -m"),
        (["task=toy", "task=toy2"], "task is given twice, as 'toy' and 'toy2'; give it once"),
        (["task=seqence_classification", "task.txt=a"],
         "no task 'seqence_classification'; did you mean 'sequence_classification'"),
        (["task=./none.yaml"], r"task=\./none\.yaml: there is no such file or folder"),
        (["task=folder"], r"no task 'folder': that folder holds no task\.yaml"),
        (["task=data.csv"], r"task=data\.csv is no task: that is a YAML file\. To train on a file "
         r"of your own, task=sequence_classification task\.data\.train=data\.csv"),
        (["task=bad.yaml"], r"bad\.yaml is no valid YAML: line 2"),
        (["task=torn.yaml"], r"^data\.train: no viable alternative at input '\$\{'; for a plain "
         r"\$\{ write \\\$\{$"),
        (["task=~no.such.user"], r"task=~no.such.user: there is no such file or folder$"),
    ],
)  # fmt: skip
def test_the_task_is_asked_for(
    registry: Registry, tmp_path: Path, overrides: list[str], fault: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "data.csv").write_text("", encoding="utf-8")
    (tmp_path / "bad.yaml").write_text("a: [1\nb: 2\n", encoding="utf-8")
    (tmp_path / "torn.yaml").write_text("kind: toy\ndata: {train: '${'}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=fault):
        compose(overrides, registry)
    assert len(faults(registry, *overrides)) == 1


def test_all_faults_are_told_at_once(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text("kind: toy\nsise: 3\nmax_length: 0\n", encoding="utf-8")
    assert faults(registry, "task=my.yaml", "seed=x", "backbone=tinny", "trainer.epoch=1") == [
        "my.yaml line 2: task 'my' (my.yaml) has no option 'sise'; did you mean 'size'?",
        "my.yaml line 3: task.max_length must be at least 1; got 0",
        "no backbone 'tinny'; did you mean 'tiny'?",
        "seed must be a whole number of type int; got 'x'",
        "trainer has no option 'epoch'; did you mean 'epochs'?",
    ]


def test_the_options_of_a_file_with_faults_are_judged_too(
    registry: Registry, tmp_path: Path
) -> None:
    (tmp_path / "my.yaml").write_text(
        "kind: toy\ndata:\n  train: a.csv\n  frmat: csv\nselect: los\nlabels: [a, a]\n",
        encoding="utf-8",
    )
    assert faults(registry, "task=my.yaml", "task.max_length=0", "task.sise=3") == [
        "my.yaml line 4: task 'my' (my.yaml) has no option 'data.frmat'; did you mean "
        "'data.format'?",
        "my.yaml line 5: task.select: no metric 'los'; did you mean 'loss'?",
        "my.yaml line 6: task.labels names 'a' 2 times; name each label once",
        "task.max_length must be at least 1; got 0",
        "task 'my' (my.yaml) has no option 'sise'; did you mean 'size'?",
    ]
    (tmp_path / "my.yaml").write_text(
        "kind: toy\nselect: los\ndata: {source: fils}\nmetrics: []\nlabels: &l [a, a]\n"
        "<<: {text: [1]}\n",
        encoding="utf-8",
    )
    assert faults(registry, "task=my.yaml") == [
        "my.yaml line 2: task.select: no metric 'los'; did you mean 'loss'?",
        "my.yaml line 3: task.data.source must be one of files, package, hub; got 'fils'; did you "
        "mean 'files'?",
        "my.yaml line 4: task.metrics is empty; name one or more of accuracy, f1_macro, "
        "f1_weighted, matthews, auroc, log_loss, ece",
        "my.yaml line 5: task.labels names 'a' 2 times; name each label once",
        "my.yaml line 6: task.text must be a text; got [1]",
    ]


def test_what_options_say_of_each_other_is_told_with_the_rest(
    registry: Registry, tmp_path: Path
) -> None:
    (tmp_path / "my.yaml").write_text(
        "kind: token_classification\noverlap: 600\n", encoding="utf-8"
    )
    overlap = (
        "my.yaml line 2: task.overlap=600 must be less than task.max_length=256, or windows would "
        "not move on."
    )
    idle = (
        "strategy.adapter=ia3 has no use for strategy.rank: it learns one factor for each output. "
        "Leave that out, or take strategy.adapter=lora."
    )
    ia3 = ["strategy.adapter=ia3", "strategy.rank=3"]
    assert faults(registry, "task=my.yaml", *ia3) == [overlap, idle]
    assert faults(registry, "task=my.yaml", *ia3, "sed=3") == [
        "there is no option 'sed'; did you mean 'seed'?", overlap, idle,
    ]  # fmt: skip
    assert faults(registry, "task=my.yaml", "task.max_lenght=700", "sed=3") == [
        "task 'my' (my.yaml) has no option 'max_lenght'; did you mean 'max_length'?",
        "there is no option 'sed'; did you mean 'seed'?",
    ]  # the overlap may be meant to go with the length
    assert faults(registry, "task=my.yaml", "task.overlap=700") == [
        overlap.replace("my.yaml line 2: ", "").replace("600", "700")
    ]


def test_a_value_that_an_interpolation_gave_is_told_with_it(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MANY", "many")
    (tmp_path / "my.yaml").write_text("kind: toy\n\nsize: ${oc.env:MANY}\n", encoding="utf-8")
    assert faults(registry, "task=my.yaml", "trainer.clip=${oc.env:MANY}") == [
        "my.yaml line 3: task.size must be a whole number of type int; got 'many'",
        "trainer.clip=${oc.env:MANY}: trainer.clip must be a number of type float; got 'many'",
    ]


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("task.source=x", "task 'toy' (toys) has no option 'source'; it belongs to kind "
         "conditional_generation, and this is toy"),
        ("task.max_new_tokens=3", "task 'toy' (toys) has no option 'max_new_tokens'; did you mean "
         "'generation.max_new_tokens'? It belongs to kind conditional_generation, and this is toy"),
        ("task.generation.num_beam=3", "task 'toy' (toys) has no option 'generation.num_beam'; did "
         "you mean 'generation.num_beams'? It belongs to kind conditional_generation, and this is "
         "toy"),
        ("task.generation={num_beams: 3}", "task 'toy' (toys) has no option 'generation'; it "
         "belongs to kind conditional_generation, and this is toy"),
        ("tracking.uri=x", "tracking 'wandb' (gptasks *) has no option 'uri'; it belongs to kind "
         "mlflow, and this is wandb"),
        ("trainer.max_length=3", "trainer has no option 'max_length'; did you mean "
         "'task.max_length'?"),
        ("backbone.epochs=3", "backbone has no option 'epochs'; did you mean 'trainer.epochs'?"),
    ],
)  # fmt: skip
def test_an_option_of_another_choice_is_told_with_it(
    registry: Registry, override: str, fault: str
) -> None:
    (found,) = faults(registry, "task=toy", override)
    start, _, end = fault.partition("*")
    assert found.startswith(start)
    assert found.endswith(end)
    assert "*" in fault or found == fault


def test_a_task_file_with_options_of_another_kind_is_told_so(
    registry: Registry, tmp_path: Path
) -> None:
    (tmp_path / "my.yaml").write_text(
        "kind: toy\n\ngeneration: {num_beams: 3, do_sample: true}\n", encoding="utf-8"
    )
    assert faults(registry, "task=my.yaml") == [
        "my.yaml line 3: task 'my' (my.yaml) has no option 'generation'; it belongs to kind "
        "conditional_generation, and this is toy"
    ]


def test_a_fault_is_one_line_whatever_breaks_its_names_have(
    registry: Registry, tmp_path: Path
) -> None:
    (tmp_path / "my.yaml").write_text(
        'kind: toy\n"si\\nse": 3\nselect: "lo\\nss"\nmax_length: 0\n', encoding="utf-8"
    )
    assert faults(registry, "task=my.yaml", "seed=[\n\n", "a\nb=3", "backbone=\n\n") == [
        "my.yaml line 2: task 'my' (my.yaml) has no option 'si se'; did you mean 'size'?",
        "my.yaml line 3: task.select: no metric 'lo ss'; did you mean 'loss'?",
        "my.yaml line 4: task.max_length must be at least 1; got 0",
        "no backbone '  '; there are distilgpt2, gpt2, gpt2-medium, pythia-160m, qwen3-0.6b, "
        "smollm2, tiny, tiny_gpt2",
        "seed=[   is no list or map: a value is missing beside a comma or bracket",
        "there is no option 'a b'",
    ]
    assert faults(registry, "task=toy", "task.select=lo\nss", "task.labels=['a\n','a\n']") == [
        "task.select: no metric 'lo ss'; did you mean 'loss'?",
        "task.labels names 'a ' 2 times; name each label once",
    ]


def test_options_of_a_group_without_a_choice_are_not_judged(registry: Registry) -> None:
    assert faults(registry, TASK, "strategy=zzz", "strategy.rank=3", "strategy.foo=3") == [
        "no strategy 'zzz'; there are full, head, lora"
    ]


@pytest.mark.parametrize(
    ("overrides", "fault"),
    [
        (["seed=1", "seed=2"], "seed is given twice, as '1' and '2'; give it once"),
        (["seed=1", "+seed=1"], "seed is given twice, as '1' and '1'; give it once"),
        (["trainer.epochs=1", "++trainer.epochs=3"],
         "trainer.epochs is given twice, as '1' and '3'; give it once"),
        (["task.labels=[a,b]", "task.labels=[c]"],
         "task.labels is given twice, as '[a,b]' and '[c]'; give it once"),
        (["task.data={train: a.csv}", "task.data.train=b.csv"],
         "task.data.train is given twice, by itself and within task.data; give it once"),
        (["task.data.train=b.csv", "task.data={train: a.csv, test: b.csv}"],
         "task.data.train is given twice, by itself and within task.data; give it once"),
        (["backbone=tinny", "backbone=tiny"], "no backbone 'tinny'; did you mean 'tiny'?\n"
         "backbone is given twice; give it once"),
        (["backbone=tiny", "backbone=tiny"],
         "backbone is given twice, as 'tiny' and 'tiny'; give it once"),
    ],
)  # fmt: skip
def test_nothing_is_given_twice(registry: Registry, overrides: list[str], fault: str) -> None:
    assert faults(registry, TASK, *overrides) == fault.split("\n")
