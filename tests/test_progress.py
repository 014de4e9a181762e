import logging
import sys
from itertools import pairwise

import pytest

from gptasks import progress as module
from gptasks.progress import Progress, counted, duration, quantity


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (12, "12"),
        (999.4, "999"),
        (999.5, "1.0 k"),
        (1234, "1.2 k"),
        (999_900, "999.9 k"),
        (999_950, "1.0 M"),
        (999_999_999, "1.0 G"),
        (2_500_000, "2.5 M"),
        (7.6e9, "7.6 G"),
        (-1234, "-1.2 k"),
    ],
)
def test_quantities_are_short(number, text):
    assert quantity(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (-3, "0 s"),
        (59.4, "59 s"),
        (59.6, "1:00 min"),
        (75, "1:15 min"),
        (3599, "59:59 min"),
        (3600, "1:00 h"),
        (4000, "1:06 h"),
        (90061, "25:01 h"),
    ],
)
def test_durations_are_short(seconds, text):
    assert duration(seconds) == text


def test_a_line_says_share_rate_time_left_and_the_note(clock):
    with Progress("training", 10_000) as progress:
        clock.now += 2
        progress.add(2_500, "loss 0.310")
        assert progress.line() == "training: 25% · 1.2 k tokens/s · 6 s left · loss 0.310"


def test_what_was_done_before_counts_for_the_share_and_not_for_the_rate(clock):
    with Progress("training", 10_000, done=5_000) as progress:
        clock.now += 10
        progress.add(1_000)
        assert progress.line() == "training: 60% · 100 tokens/s · 40 s left"


def test_at_the_start_no_time_left_is_claimed(clock):
    assert Progress("reading", 100, "rows").line() == "reading: 0% · 0 rows/s"


def test_more_than_announced_and_nothing_at_all_are_no_fault(clock):
    with Progress("training", 10) as progress:
        clock.now += 1
        progress.add(11)
        assert progress.line() == "training: 100% · 11 tokens/s · 0 s left"
    assert Progress("reading", 0).line() == "reading: 0% · 0 tokens/s"


def test_without_a_terminal_there_is_a_line_every_20_seconds(clock, caplog):
    caplog.set_level(logging.INFO, "gptasks")
    with Progress("training", 100) as progress:
        for _ in range(100):
            clock.now += 1
            progress.add(1)
    assert [record.getMessage() for record in caplog.records] == [
        "training: 21% · 1 tokens/s · 1:19 min left",
        "training: 42% · 1 tokens/s · 58 s left",
        "training: 63% · 1 tokens/s · 37 s left",
        "training: 84% · 1 tokens/s · 16 s left",
    ]


def test_short_work_without_a_terminal_is_silent(clock, caplog, capsys):
    caplog.set_level(logging.INFO, "gptasks")
    with Progress("reading", 3) as progress:
        progress.add(3)
    assert not caplog.records
    assert capsys.readouterr() == ("", "")


def on_terminal(monkeypatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)


def test_on_a_terminal_there_is_a_bar_that_leaves_nothing_behind(monkeypatch, caplog, capsys):
    caplog.set_level(logging.INFO, "gptasks")
    on_terminal(monkeypatch)
    with Progress("training", 100, done=40) as progress:
        bar = progress._bar
        assert bar is not None
        bar.delay = 0
        progress.add(20, "loss 0.5")
        assert (bar.n, bar.initial, bar.total, bar.postfix) == (60, 40, 100, "loss 0.5")
        bar.refresh()
    shown = capsys.readouterr().err
    assert "60.0/100" in shown
    assert "loss 0.5" in shown
    assert shown.rsplit("\r", 2)[-2].strip() == ""  # cleared
    assert not caplog.records


def test_where_only_errors_are_told_there_is_no_bar(monkeypatch, caplog):
    caplog.set_level(logging.ERROR, "gptasks")
    on_terminal(monkeypatch)
    assert Progress("training", 100)._bar is None


def test_a_fault_closes_the_bar(monkeypatch, caplog):
    caplog.set_level(logging.INFO, "gptasks")
    on_terminal(monkeypatch)
    progress = Progress("training", 100)

    def work() -> None:
        with progress:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert progress._bar is not None
    assert progress._bar.disable


def test_units_rise_with_the_numbers():
    texts = [quantity(10.0**n) for n in range(11)]
    assert [t.split()[-1] for t in texts[3:]] == ["k", "k", "k", "M", "M", "M", "G", "G"]
    assert all(one != other for one, other in pairwise(texts))


def test_one_of_a_thing_is_singular():
    assert [counted(n, "row") for n in (0, 1, 1234)] == ["0 rows", "1 row", "1,234 rows"]
    assert [counted(n, "entry", "entries") for n in (1, 2)] == ["1 entry", "2 entries"]
