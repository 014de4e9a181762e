"""Signals are heard while a run goes on, and wait for the step's end where that is asked."""

from __future__ import annotations

import signal
import threading

import pytest

from gptasks.training.stopping import SIGNALS, Stopped, Stopping


def handlers() -> list[object]:
    return [signal.getsignal(number) for number in SIGNALS]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_stops_at_once(number: signal.Signals):
    before = handlers()
    with pytest.raises(Stopped) as stopped, Stopping():
        signal.raise_signal(number)
    assert stopped.value.number == number
    assert isinstance(stopped.value, KeyboardInterrupt)  # passes through what catches Exception
    assert handlers() == before


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_waits_for_who_is_patient_and_the_second_does_not(number: signal.Signals):
    heard = []

    def work(stopping: Stopping) -> None:
        with stopping.patient():
            signal.raise_signal(number)
            heard.append(stopping.wish)
            signal.raise_signal(number)
            heard.append(None)

    with Stopping() as stopping:
        with pytest.raises(Stopped):
            work(stopping)
        assert heard == [number]
        with pytest.raises(Stopped):  # nobody is patient any more
            signal.raise_signal(number)


def fail(error: Exception) -> None:
    """Turn whatever is raised meanwhile into an error, as a cleanup does that fails."""
    try:
        signal.raise_signal(signal.SIGINT)
    finally:
        raise error


def test_a_signal_that_code_made_an_error_of_still_stops():
    with pytest.raises(Stopped) as stopped, Stopping():
        fail(AttributeError("half done"))
    assert stopped.value.number == signal.SIGINT
    with pytest.raises(OSError, match="full"), Stopping() as stopping, stopping.patient():
        fail(OSError("full"))  # the signal waits, and what goes wrong meanwhile is told


def test_a_signal_that_nobody_looked_at_is_not_lost():
    done = []

    def work(stopping: Stopping) -> None:
        with stopping.patient():
            signal.raise_signal(signal.SIGTERM)
            done.append("the work")

    with Stopping() as stopping, pytest.raises(Stopped) as stopped:
        work(stopping)
    assert (done, stopped.value.number) == (["the work"], signal.SIGTERM)


def test_elsewhere_than_in_the_main_thread_signals_are_left_alone():
    before, found = handlers(), []

    def run() -> None:
        with Stopping():
            found.append(handlers())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [before]
