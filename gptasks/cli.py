"""The command line: training from overrides, and the verbs around it."""

from __future__ import annotations

import _thread
import atexit
import contextlib
import errno
import logging
import os
import shlex
import signal
import sys
import threading
import time
import unicodedata
import warnings
from collections.abc import Iterator, Sequence

from gptasks.errors import ConfigError, GptasksError, suggest
from gptasks.training.stopping import SIGNALS, Stopping
from gptasks.verbs import VERBS, function

PATIENCE = 10.0
"""Seconds that a silent process with a fault waits: torchrun ends the others when one ends, and the
one that speaks may not have spoken yet. It ends this one, too."""

GO_ON = ("train", "reproduce")
"""Verbs that go on where they were stopped when the same command is given once more."""

logger = logging.getLogger("gptasks")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; gives its exit code.

    0: done; 1: a sound run failed; 2: the input was wrong; 130: stopped by Ctrl-C; 143: by SIGTERM.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    verb = ""
    with _own_output(), _sure_to_stop():
        try:
            verb, rest = _verb(arguments)
            with Stopping():  # from the start: libraries take seconds to be imported
                function(verb)(rest)
            if sys.stdout is not None:
                sys.stdout.flush()  # here, where what goes wrong can still be told
        except GptasksError as error:
            for line in _lines(error):
                _say(line)
            if not _speaks():
                time.sleep(PATIENCE)
            return error.exit_code
        except SystemExit as error:  # argparse has shown a verb's --help
            return int(error.code or 0)
        except KeyboardInterrupt as stop:
            again = f"; to go on: {_again(arguments)}"
            _say(f"stopped {stop}".rstrip() + (again if verb in GO_ON else "."))
            atexit.register(_stop_plainly)
            return 128 + getattr(stop, "number", signal.SIGINT)
        except BrokenPipeError:  # the reader of our output left, as `| head` does
            _drop_stdout()
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            _drop_stdout()
            place = error.filename or "the output"
            _say(f"no room to write {place} ({error.strerror}); make some, and repeat the command.")
            return 1
    return 0


def _verb(arguments: Sequence[str]) -> tuple[str, Sequence[str]]:
    """The verb and its arguments; overrides and flags alone are a training."""
    verb, rest = "train", arguments
    first = arguments[0] if arguments else "--help"
    if "=" not in first and not first.startswith(("-", "+", "~")):
        verb, rest = first, arguments[1:]
    if verb not in VERBS:
        near = suggest(verb, VERBS) or "."
        raise ConfigError(
            f"no verb '{verb}'{near} There are {', '.join(VERBS)}; to train, give overrides: "
            "gptasks task=sentiment."
        )
    if verb == "train" and (not arguments or {"-h", "--help"} & set(rest)):
        return "help", rest
    if verb == "train" and "--version" in rest:
        return "version", []
    return verb, rest


@contextlib.contextmanager
def _own_output() -> Iterator[None]:
    """Results go to stdout; what happens goes to stderr, one plain line each."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Plain())
    before = logger.handlers[:], logger.level, logger.propagate
    raises = logging.raiseExceptions
    logging.raiseExceptions = False  # a library's log that the disk has no room for is its own
    logger.handlers[:], logger.propagate = [handler], False
    logger.setLevel(logging.INFO if _speaks() else logging.ERROR)
    for stream in (sys.stdout, sys.stderr):  # no text may fail for the terminal's encoding
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    with warnings.catch_warnings():
        # Libraries' notes are about our code, not the user's; ours speaks where it matters.
        if not sys.warnoptions:
            warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logger.handlers[:], logger.propagate = before[0], before[2]
            logger.setLevel(before[1])
            logging.raiseExceptions = raises


@contextlib.contextmanager
def _sure_to_stop() -> Iterator[None]:
    """Repeat a Ctrl-C that came while Python called a destructor, which would swallow it."""
    before = sys.unraisablehook

    def hook(unraisable: sys.UnraisableHookArgs) -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            number = getattr(unraisable.exc_value, "number", signal.SIGINT)
            threading.Timer(0.1, _thread.interrupt_main, [number]).start()  # after this hook
        else:
            before(unraisable)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before


def _stop_plainly() -> None:
    """Let another Ctrl-C, while libraries clean up behind a goodbye, end the process, no more."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def _lines(error: GptasksError) -> list[str]:
    """The faults an error tells of, each on one line."""
    every = (*error.faults, *getattr(error, "__notes__", ()))
    return [_plain(fault) for fault in every if fault]  # none: another process has told it


def _plain(text: str) -> str:
    """`text` with signs that would break the line, or steer the terminal, written out."""
    return "".join(
        sign.encode("unicode_escape").decode()
        if unicodedata.category(sign) in ("Cc", "Zl", "Zp")
        else sign
        for sign in text
    )


def _again(arguments: Sequence[str]) -> str:
    """The command line that was given."""
    from gptasks.training.processes import launched

    program = ["python"]
    if launched()[0] > 1:
        program = ["torchrun", "--nproc-per-node", os.environ.get("LOCAL_WORLD_SIZE", "")]
    return shlex.join([*program, "-m", "gptasks", *arguments])


def _say(line: str) -> None:
    if _speaks():
        print(f"gptasks: {line}", file=sys.stderr)


def _speaks() -> bool:
    """Whether this is the one voice of several processes: what happens, happens in all."""
    from gptasks.training.processes import launched

    return launched()[1] == 0


def _drop_stdout() -> None:
    """Let Python's own flush at the end go nowhere."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # a stand-in without a file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Plain(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        if record.levelno >= logging.ERROR:  # a fault that does not end the command
            return _plain(f"gptasks: {message}")
        if record.levelno >= logging.WARNING:
            message = f"{record.levelname.lower()}: {message}"
        return message
