"""`gptasks --help [task=…|VERB]`: the command line, the keys of a choice, a verb's flags."""

from __future__ import annotations

from collections.abc import Sequence

from gptasks.verbs import VERBS, function


def run(argv: Sequence[str]) -> None:
    from gptasks.help import page

    words = [word for word in argv if not word.startswith("-")]
    if words and words[0] in set(VERBS) - {"train", "help", "version"}:
        function(words[0])(["--help"])
    else:
        print(page([word for word in words if word != "train"]))
