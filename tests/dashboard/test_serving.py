"""The page on a port: it follows the runs, answers this machine alone, and changes nothing."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import gptasks
from made_runs import answers, made_run

from gptasks.compare import compare_runs
from gptasks.dashboard.serving import Followed, is_loopback, server

FAIR = answers("+++-")


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """A port on which runs/ is served, with one run in it."""
    made_run(tmp_path / "runs/a", FAIR)
    followed = Followed([str(tmp_path / "runs")], compare_runs, rows=10, texts=True)
    with server(followed, title="Mine", host="127.0.0.1", port=0) as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found.server_address[1]
        found.shutdown()
        thread.join()


def got(port: int, path: str, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def value(port: int, path: str) -> Any:
    status, text = got(port, path)
    assert status == 200, text
    return json.loads(text)


def test_the_page_asks_for_its_blocks(port: int) -> None:
    status, text = got(port, "/")
    assert status == 200
    assert '<meta name="gptasks-live"' in text
    assert 'id="block-' not in text
    head = value(port, "/block/head")
    assert [run["name"] for run in head["runs"]] == ["a"]
    assert value(port, f"/block/{head['runs'][0]['rows']}")["n"] == 4
    assert value(port, f"/block/answers-{head['runs'][0]['key']}")["confusion"] == [[2, 0], [1, 1]]
    assert got(port, "/block/plotly")[1].count("plotly.js") > 0
    assert got(port, "/block/answers-0")[0] == got(port, "/etc/passwd")[0] == 404


def test_it_follows_runs_that_go_on_begin_and_end(port: int, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    states = [value(port, "/state")["state"]]
    assert value(port, "/block/head")["state"] == states[0]
    made_run(runs / "b", FAIR, strategy="head")
    results = (runs / "b/results.json").read_text("utf-8")
    (runs / "b/results.json").unlink()
    states.append(value(port, "/state")["state"])
    going = value(port, "/block/head")["runs"]
    assert [run["finished"] for run in going] == [True, False]
    (runs / "b/history.jsonl").write_text('{"step": 3, "train/loss": 1.5}\n', "utf-8")
    states.append(value(port, "/state")["state"])
    assert value(port, f"/block/curves-{going[1]['key']}")["train/loss"]["value"] == [1.5]
    (runs / "b/results.json").write_text(results, "utf-8")
    states.append(value(port, "/state")["state"])
    head = value(port, "/block/head")
    assert [run["finished"] for run in head["runs"]] == [True, True]
    assert len(head["table"]["systems"]) == 2
    assert len(set(states)) == 4


def test_before_any_run_is_finished_there_is_a_page(port: int, tmp_path: Path) -> None:
    (tmp_path / "runs/a/results.json").unlink()
    head = value(port, "/block/head")
    assert head["table"] is None
    assert [run["finished"] for run in head["runs"]] == [False]


def test_a_folder_that_is_gone_is_told_and_not_fatal(
    port: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "runs").rename(tmp_path / "moved")
    status, text = [got(port, "/block/head") for _ in range(3)][-1]
    assert len(caplog.records) == 1  # however often it is asked for
    assert status == 500
    assert f"run folder {tmp_path}/runs does not exist" in text
    (tmp_path / "moved").rename(tmp_path / "runs")
    assert len(value(port, "/block/head")["runs"]) == 1


def test_a_site_that_leads_its_name_here_reads_nothing(port: int) -> None:
    status, text = got(port, "/block/head", Host=f"evil.example:{port}")
    assert (status, text) == (403, "ask for it by the address that was printed\n")
    assert got(port, "/state", Host=f"localhost:{port}")[0] == 200


@pytest.mark.parametrize(
    ("host", "own"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("x.org", False)],
)
def test_which_hosts_are_this_machine_alone(host: str, own: bool) -> None:
    assert is_loopback(host) is own


def test_faults_of_the_command_line(port: int, tmp_path: Path) -> None:
    def fault(*argv: str) -> str:
        done = gptasks("dashboard", *argv)
        assert done.code == 2
        return done.faults[0]

    runs = str(tmp_path / "runs")
    assert fault(runs, "--port", str(port)) == (
        f"gptasks: dashboard can't listen on 127.0.0.1, port {port}: Address already in use. "
        "Give another --port, or --port 0 for any that is free."
    )
    assert fault(runs, "--port", "70000").startswith(
        "gptasks: dashboard can't listen on 127.0.0.1, port 70000: "
    )
    assert fault() == "gptasks: run folder runs does not exist."
    assert fault(runs, "--by", "straegy").startswith(
        "gptasks: --by: no run has the key 'straegy'; did you mean 'strategy'?"
    )
