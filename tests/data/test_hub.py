"""Data sets of the hub: read by `datasets` itself, from folders and from its cache, offline."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import datasets
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from gptasks.data.files import BadRow
from gptasks.data.sources import files_of
from gptasks.data.splits import load_splits
from gptasks.errors import ConfigError, DataError
from gptasks.task import DataOptions, Row
from gptasks.tasks.sequence_classification import SequenceClassification

COMMIT = "0123456789abcdef0123456789abcdef01234567"

FEATURES = Features(
    {
        "text": Value("string"),
        "label": ClassLabel(names=["bad", "good"]),
        "tags": List(ClassLabel(names=["O", "B-PER"])),
        "deep": {"kind": ClassLabel(names=["x", "y"]), "other": Value("int64")},
        "many": List({"kind": ClassLabel(names=["x", "y"])}),
    }
)


@pytest.fixture(autouse=True)
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of `datasets`, of this test alone."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hub")
    return tmp_path / "hub"


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A data set in parquet: 10 rows of train, 4 of test; the first of each has no label."""
    folder = tmp_path / "toy"
    folder.mkdir()
    for split, count in (("train", 10), ("test", 4)):
        columns = {
            "text": [f"{split} {n}" for n in range(1, count + 1)],
            "label": [-1, *(n % 2 for n in range(1, count))],
            "tags": [[0, 1]] * count,
            "deep": [{"kind": 1, "other": 7}] * count,
            "many": [[{"kind": 0}], [], *([None] * (count - 2))],
        }
        Dataset.from_dict(columns, features=FEATURES).to_parquet(folder / f"{split}.parquet")
    return folder


def options(dataset: object, **more: Any) -> DataOptions:
    return DataOptions(source="hub", dataset=str(dataset), **more)


def rows(data: DataOptions, split: str = "train") -> list[Row | BadRow]:
    return [row for file in files_of(data, [split])[split] for row in file.records(data)]


def ids(data: DataOptions, split: str = "train") -> list[str]:
    return [row.id for row in rows(data, split)]


@pytest.mark.parametrize("streaming", [False, True])
def test_rows_are_plain_values_with_the_names_of_their_classes(toy: Path, streaming: bool):
    first, second, third, *_ = rows(options(toy, train="train", streaming=streaming))
    assert first == {
        "text": "train 1",
        "label": None,
        "tags": ["O", "B-PER"],
        "deep": {"kind": "y", "other": 7},
        "many": [{"kind": "x"}],
    }
    assert (first.id, second.id) == ("toy/train:1", "toy/train:2")
    assert (second["label"], third["label"]) == ("good", "bad")
    assert (second["many"], third["many"]) == ([], None)


@pytest.mark.parametrize(
    ("named", "numbers"),
    [
        ("train", range(1, 11)),
        ("train[:3]", [1, 2, 3]),
        ("train[8:]", [9, 10]),
        ("train[20%:40%]", [3, 4]),
        ("train[-2:]", [9, 10]),
        ("train[:99]", range(1, 11)),
    ],
)
def test_slices_keep_the_numbers_of_the_whole_split(toy: Path, named: str, numbers: list[int]):
    assert ids(options(toy, train=named)) == [f"toy/train:{number}" for number in numbers]


def test_splits_may_be_joined_listed_and_given_a_label(toy: Path):
    both = ["toy/train:1", "toy/test:3", "toy/test:4"]
    assert ids(options(toy, train="train[:1]+test[2:]")) == both
    assert ids(options(toy, train=["train[:1]", "test[2:]"])) == both
    labelled = files_of(options(toy, train={"a": "train[:5]", "b": "train[5:]"}))["train"]
    assert [file.label for file in labelled] == ["a", "b"]
    with pytest.raises(ConfigError, match=r"task\.data\.train names train twice"):
        rows(options(toy, train=["train", "train"]))


def test_more_rows_than_are_read_at_once_keep_their_order(tmp_path: Path):
    lines = [json.dumps({"text": f"text {n}"}) for n in range(1, 2502)]
    (tmp_path / "big").mkdir()
    (tmp_path / "big" / "train.jsonl").write_text("\n".join(lines), "utf-8")
    for streaming in (False, True):
        found = rows(options(tmp_path / "big", train="train[999:2400]", streaming=streaming))
        assert [(row.id, row["text"]) for row in (found[0], found[-1])] == [
            ("big/train:1000", "text 1000"),
            ("big/train:2400", "text 2400"),
        ]
        assert len(found) == 1401


def test_a_task_is_trained_on_splits_of_the_hub_cut_as_ever(toy: Path):
    data = options(toy, train="train[1:]", test="test[1:]", validation_share=0.4)
    splits = load_splits(SequenceClassification(data=data))
    assert [row.id for row in splits["test"].rows] == ["toy/test:2", "toy/test:3", "toy/test:4"]
    assert {row["label"] for row in splits["train"].rows} == {"good", "bad"}
    with pytest.raises(DataError, match=r"1 unusable row.* toy/train:1: column 'label' has no la"):
        load_splits(SequenceClassification(data=options(toy, train="train")))
    with pytest.raises(ConfigError, match=r"give the data, task\.data\.train=SPLIT\.$"):
        load_splits(SequenceClassification(data=options(toy)))
    nothing = options(toy, train="train[:0]", test_share=0, validation_share=0)
    with pytest.raises(
        DataError, match=r"no train rows in split train\[:0\] of data set .*toy: read 0"
    ):
        load_splits(SequenceClassification(data=nothing), names=["train"])


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("trian", r"has no split 'trian'; did you mean 'train'\? \(it has: train, test\)\.$"),
        ("dev[:3]", r"toy' has no split 'dev' \(it has: train, test\)\.$"),
        ("train[:3", r"'train\[:3' names no split of .*: Unrecognized instruction.*train\[:1000\]"),
        ("train+dev", r"'train\+dev' names no split .*Unknown split \"dev\""),
        ("train[:120%]", r"'train\[:120%\]' names no split .*"),
    ],
)
def test_a_split_that_is_not_there_is_told_with_those_that_are(toy: Path, named: str, message: str):
    with pytest.raises(DataError, match=message):
        rows(options(toy, train=named))


def test_an_unknown_length_can_not_be_counted_back_from(toy: Path):
    for named in ("train[-2:]", "train[:10%]", "train[:-1]"):
        with pytest.raises(DataError, match=r"counts from the end .* task\.data\.streaming=false"):
            rows(options(toy, train=named, streaming=True))


@pytest.fixture
def several(tmp_path: Path) -> Path:
    folder = tmp_path / "several"
    folder.mkdir()
    for name in ("small", "large"):
        (folder / f"{name}.jsonl").write_text(json.dumps({"text": name}) + "\n", "utf-8")
    (folder / "README.md").write_text(
        "---\nconfigs:\n- {config_name: small, data_files: small.jsonl}\n"
        "- {config_name: large, data_files: large.jsonl}\n---\n",
        "utf-8",
    )
    return folder


def test_a_configuration_is_chosen_by_name(several: Path):
    assert [row["text"] for row in rows(options(several, config="large", train="train"))] == [
        "large"
    ]
    with pytest.raises(
        DataError,
        match=r"has several configurations; choose one by task\.data\.config=NAME \(it has: small",
    ):
        rows(options(several, train="train"))
    with pytest.raises(
        DataError,
        match=r"no configuration 'larg'; did you mean 'large'\? \(it has: small, large\)\.$",
    ):
        rows(options(several, config="larg", train="train"))


def cached(toy: Path, hub_cache: Path, revision: str = COMMIT) -> None:
    """Leave `owner/toy` in the cache of `datasets` as a download of that commit leaves it."""
    datasets.load_dataset(str(toy))
    (made,) = (hub_cache / "toy" / "default" / "0.0.0").glob("*/dataset_info.json")
    shutil.copytree(made.parent, hub_cache / "owner___toy" / "default" / "0.0.0" / revision)
    shutil.rmtree(toy)
    shutil.rmtree(hub_cache / "toy")


def test_what_is_cached_needs_no_network(
    toy: Path, hub_cache: Path, caplog: pytest.LogCaptureFixture
):
    cached(toy, hub_cache)
    data = options("owner/toy", train="train[1:3]", revision=COMMIT)
    assert [(row.id, row["label"]) for row in rows(data)] == [
        ("toy/train:2", "good"),
        ("toy/train:3", "bad"),
    ]
    assert caplog.text == ""
    assert len(rows(options("owner/toy", train="train", revision="v1.0"))) == 10
    assert f"commit {COMMIT} in the cache of `datasets` is read, which may not be" in caplog.text
    with pytest.raises(DataError, match=rf"has commit {COMMIT}, not f{{40}}, and the hub can't be"):
        rows(options("owner/toy", train="train", revision="f" * 40))
    with pytest.raises(DataError, match=r"no configuration 'other'|Couldn't find cache .*'other'"):
        rows(options("owner/toy", train="train", config="other"))


def test_a_data_set_out_of_reach_says_what_to_do():
    with pytest.raises(
        DataError,
        match=r"'owner/none' is not in the cache of `datasets`, and the hub can't be reached"
        r" \(Couldn't reach .*\); connect, unset HF_HUB_OFFLINE, or .*=FOLDER\.$",
    ):
        rows(options("owner/none", train="train"))


def test_a_script_is_never_run(tmp_path: Path):
    folder = tmp_path / "script"
    folder.mkdir()
    (folder / "script.py").write_text("raise SystemExit('it ran')", "utf-8")
    with pytest.raises(DataError, match=r"script' can't be read: Dataset scripts are no longer"):
        rows(options(folder, train="train"))


def test_a_stream_that_breaks_off_is_an_error(toy: Path):
    whole = (toy / "train.parquet").read_bytes()
    (toy / "train.parquet").write_bytes(whole[:4] + b"\xff" * 60 + whole[64:])
    with pytest.raises(DataError, match=r"^split train of data set .*toy can't be read: "):
        rows(options(toy, train="train", streaming=True))


def test_a_folder_without_data_or_with_broken_data_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = tmp_path / "odd"
    folder.mkdir()
    with pytest.raises(DataError, match=r"can't be read: The directory .* any data files\.$"):
        rows(options(folder, train="train"))
    (folder / "train.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=r"odd' can't be read: .*[Pp]arquet"):
        rows(options(folder, train="train"))
    with pytest.raises(DataError, match=r"can't be read: Couldn't find any data file at"):
        rows(options(tmp_path / "nowhere" / "at" / "all", train="train"))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"dataset": None}, r"source=hub needs task\.data\.dataset: the id .* such as stanfordnlp"),
        ({"format": "csv"}, r"task\.data\.format says how a file is read, and has no meaning"),
        ({"columns": ["a"]}, r"task\.data\.columns says how a file is read"),
        ({"encoding": "latin-1"}, r"task\.data\.encoding says how a file is read"),
        ({"revision": "v1"}, r"task\.data\.revision=v1 has no meaning for the folder .*toy"),
    ],
)
def test_keys_that_can_not_go_together_are_refused(toy: Path, more: Any, message: str):
    with pytest.raises(ConfigError, match=message):
        rows(DataOptions(**{"source": "hub", "dataset": str(toy), "train": "train"} | more))


def test_a_format_is_no_data_set(tmp_path: Path):
    (tmp_path / "cwd" / "train.jsonl").write_text('{"text": "a"}\n', "utf-8")
    with pytest.raises(ConfigError, match=r"dataset=json is the name of a format, .*source=files"):
        rows(options("json", train="train"))


class _Hub(BaseHTTPRequestHandler):
    """A hub with one data set, `owner/toy`, that has a card and one file; every name is a commit
    of it."""

    files: ClassVar[dict[str, bytes]] = {
        "README.md": b"---\nlicense: mit\n---\n",
        "train.jsonl": b'{"text": "one"}\n{"text": "two"}\n',
    }

    def do_HEAD(self) -> None:
        body, headers, code = b"", {"X-Error-Code": "RepoNotFound"}, 404
        if self.path.startswith("/datasets/owner/toy/resolve/"):
            body = self.files.get(self.path.split("/", 6)[6], b"")
            headers = {"ETag": f'"{hashlib.sha1(body).hexdigest()}"', "X-Repo-Commit": COMMIT}
            code = 200 if body else 404
            headers |= {} if body else {"X-Error-Code": "EntryNotFound"}
        elif self.path.startswith("/api/datasets/owner/toy/"):
            files = [
                {"type": "file", "path": name, "size": len(held), "oid": name}
                for name, held in self.files.items()
            ]
            about = {"id": "owner/toy", "sha": COMMIT, "private": False}
            body = json.dumps(files if "/tree/" in self.path else about).encode()
            headers, code = {"Content-Type": "application/json"}, 200
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_GET = do_HEAD

    def log_message(self, *args: object) -> None:
        pass


ASKED = """
import sys
from gptasks.data.sources import files_of
from gptasks.errors import DataError
from gptasks.task import DataOptions
for values in eval(sys.argv[1]):
    data = DataOptions(source="hub", train="train[1:]", **values)
    try:
        (file,) = files_of(data, ["train"])["train"]
        print([(row.id, row["text"]) for row in file.records(data)])
    except DataError as error:
        print(error)
"""


def asked(*data_sets: dict[str, Any], **told: str) -> list[str]:
    """What a process of its own reads of each data set, or says of it; nothing else is printed."""
    done = subprocess.run(
        [sys.executable, "-c", ASKED, repr(data_sets)],
        check=True, capture_output=True, text=True, env={**os.environ, **told},
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_a_data_set_is_fetched_from_the_hub_once(tmp_path: Path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    told = {"HF_HOME": str(tmp_path / "home"), "NO_PROXY": "127.0.0.1", "HF_HUB_OFFLINE": "0"}
    told |= {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_DATASETS_OFFLINE": "0"}
    toy = {"dataset": "owner/toy"}
    two = "[('toy/train:2', 'two')]"
    try:
        fetched = asked(
            {**toy, "streaming": True},
            {**toy, "revision": COMMIT},
            {**toy, "config": "other"},
            {"dataset": "owner/none"},
            **told,
        )
    finally:
        server.shutdown()
        server.server_close()
    assert fetched[:3] == [
        two,
        two,
        "data set 'owner/toy' has no configuration 'other' (it has: default).",
    ]
    assert "'owner/none' doesn't exist on the Hub or cannot be accessed; check" in fetched[3]
    assert asked(toy, **{**told, "HF_HUB_OFFLINE": "1"}) == [two]
