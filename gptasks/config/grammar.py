"""Texts of the command line to typed values, and values to Hydra's override grammar.

Hydra's grammar refuses unquoted `~/d.csv`, `a(1).csv`, `it's`, `a=b` and all that is not ASCII,
and reads `a, b` as a sweep. So each value is read here by the type of its key (a text option takes
the text as typed) and written for Hydra with everything quoted. Containers are written as Hydra
does: [a,b] and {key:value}; quotes group a text with commas or brackets inside them.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import Any

from gptasks.fields import entry_type, entry_types, is_optional, item_type, members

_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""", re.DOTALL)
_INT = re.compile(r"[+-]?(0|[1-9](_?\d)*)", re.ASCII)
_FLOAT = re.compile(r"[+-]?((\d+\.\d*|\.\d+)([eE][+-]?\d+)?|\d+[eE][+-]?\d+|inf|nan)", re.I | re.A)


MAX_DEPTH = 20
"""Brackets within brackets: many more than options need, and few enough for Hydra's own reader."""


@dataclass(frozen=True)
class _Word:
    """A value that is no container: its text, and whether it stood in quotes."""

    text: str
    is_quoted: bool = False


def read(text: str, want: Any) -> Any:
    """The value that `text` means for an option of type `want`; fitting it is schema's matter.

    Raises ValueError with the reason where a list or map doesn't end, or nests too deep.
    """
    if set(members(want)) <= {str}:
        return _typed(_whole(text), want)
    if text.lstrip()[:1] in ("[", "{"):
        return _typed(_Scanner(text).all(), want)
    return _typed(_whole(text.strip() if want is not Any else text), want)


def parts(text: str) -> list[str]:
    """`text` cut at its top-level commas, outside quotes and brackets: the values of a sweep."""
    scanner = _Scanner(text)
    cuts = []
    try:
        while True:
            start = scanner.at
            scanner.value(",")
            cuts.append(text[start : scanner.at].strip())
            if scanner.at >= len(text):
                return cuts
            if not scanner.takes(","):
                return [text]
    except ValueError:
        return [text]


def render(value: Any) -> str:
    """`value` in Hydra's grammar, texts quoted."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "[" + ",".join(render(item) for item in value) + "]"
    if isinstance(value, str):
        # Only the backslashes before a quotation mark, or at the end, need to be doubled.
        return "'" + re.sub(r"(\\*)('|\Z)", lambda m: m[1] * 2 + "\\'" * bool(m[2]), value) + "'"
    return repr(value)


class _Scanner:
    """Reads [a, 'b,c'] and {key: [d]} into lists, dicts and words; lenient on every other sign."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0

    def all(self) -> Any:
        """The one container that is the whole text."""
        value = self.value("")
        if self.text[self.at :].strip():
            raise ValueError(f"'{self.text[self.at :].strip()}' stands after its end")
        return value

    def value(self, stops: str) -> Any:
        """The value up to one of the signs `stops` or the end; leaves `at` on that sign."""
        self.blanks()
        sign = self.text[self.at : self.at + 1]
        if sign in ("[", "{") and sign:
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise ValueError(f"it nests more than {MAX_DEPTH} deep")
            value = self.list() if sign == "[" else self.map()
            self.depth -= 1
            self.blanks()
            return value
        quoted = _QUOTED.match(self.text, self.at)
        if quoted:
            end = quoted.end()
            rest = self.text[end:].lstrip()
            if not rest or rest[0] in stops:
                self.at = len(self.text) - len(rest)
                return _Word(_unquoted(quoted[0]), is_quoted=True)
        start = self.at
        while self.at < len(self.text) and self.text[self.at] not in stops:
            close = self.text.find("}", self.at) if self.text.startswith("${", self.at) else -1
            self.at = close + 1 if close > 0 else self.at + 1
        return _Word(self.text[start : self.at].strip())

    def list(self) -> list[Any]:
        items: list[Any] = []
        self.at += 1
        self.blanks()
        while not self.takes("]"):
            items.append(self.item("]"))
        return items

    def map(self) -> dict[str, Any]:
        items: dict[str, Any] = {}
        self.at += 1
        self.blanks()
        while not self.takes("}"):
            key = self.value(":,}")
            if not isinstance(key, _Word) or not self.takes(":"):
                raise ValueError("a map needs key:value pairs, such as {a:b}")
            if key.text in items:
                raise ValueError(f"it gives the key '{key.text}' twice")
            items[key.text] = self.item("}")
        return items

    def item(self, end: str) -> Any:
        """One value of a container, and the comma after it."""
        value = self.value("," + end)
        sign = self.text[self.at : self.at + 1]
        if value == _Word("") or (sign == "," and self.text[self.at + 1 :].strip() == end):
            raise ValueError("a value is missing beside a comma or bracket")
        if not self.takes(",") and sign != end:
            raise ValueError(
                f"'{end}' is missing"
                if not sign
                else f"'{sign}' stands after a ] or }}, where a comma should"
            )
        self.blanks()
        return value

    def takes(self, sign: str) -> bool:
        """Step over `sign` if it is next; whether it was."""
        is_next = self.text[self.at : self.at + 1] == sign
        self.at += is_next
        return is_next

    def blanks(self) -> None:
        while self.text[self.at : self.at + 1].isspace():
            self.at += 1


def _whole(text: str) -> _Word:
    """A text that is one word, whatever its signs; quotes around all of it are taken off."""
    if _QUOTED.fullmatch(text):
        return _Word(_unquoted(text), is_quoted=True)
    return _Word(text)


def _unquoted(text: str) -> str:
    """Without its quotes; backslashes count as Hydra has it, only before a quotation mark."""
    quote = re.escape(text[0])
    return re.sub(rf"\\+(?={quote}|\Z)", lambda m: "\\" * (len(m[0]) // 2), text[1:-1])


def _typed(node: Any, want: Any) -> Any:
    if isinstance(node, _Word):
        if node.is_quoted:
            return node.text
        if node.text.lower() == "null" and is_optional(want):
            return None
        return node.text if str in members(want) else _scalar(node.text)
    if isinstance(node, list):
        return [_typed(item, item_type(want)) for item in node]
    known = entry_types(want) or {}
    usual = entry_type(want)
    return {key: _typed(item, known.get(key, usual)) for key, item in node.items()}


def _scalar(text: str) -> Any:
    if text.lower() in ("null", "true", "false"):
        return {"null": None, "true": True, "false": False}[text.lower()]
    if _INT.fullmatch(text) and len(text) < sys.int_info.default_max_str_digits:
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
