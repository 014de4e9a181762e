"""Windows over the tokens of a long text, and the tokens that stand for its words."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence


def last_tokens(words: Sequence[tuple[int, int]], places: Sequence[tuple[int, int]]) -> list[int]:
    """The last token that shows some of each word; of one without any, the token before it."""
    starts = [start for start, _ in places]
    return [max(0, bisect_left(starts, end) - 1) for _, end in words]


def windows(
    last: Sequence[int], tokens: int, room: int, overlap: int
) -> Iterator[tuple[int, int, int]]:
    """Each window's first token, the one after its last, and how many words are tagged in it.

    last: the token that stands for each word. A word is tagged in the window that shows the most
    on its poorer side; where the text itself ends, nothing is missing.
    """
    begins = [0]
    while begins[-1] + room < tokens:
        begins.append(min(begins[-1] + room - overlap, tokens - room))

    def shown(begin: int, place: int) -> float:
        left = place - begin if begin else tokens
        right = begin + room - 1 - place if begin + room < tokens else tokens
        return min(left, right)

    chosen = [max(begins, key=lambda begin: shown(begin, place)) for place in last]
    for begin in begins:
        if count := chosen.count(begin):
            yield begin, min(begin + room, tokens), count
