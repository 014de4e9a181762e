"""gptasks.config.grammar: typed texts to values, values to Hydra's grammar."""

from __future__ import annotations

from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st

from gptasks.config.grammar import parts, read, render
from gptasks.task import DataOptions

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
# 1e16 is written 1e+16, which Hydra reads too; NaN equals nothing, and is refused before.
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS
)


@settings(max_examples=150, deadline=None)
@given(st.one_of(SCALARS, st.lists(st.one_of(SCALARS, st.lists(SCALARS, max_size=2)), max_size=4)))
def test_hydra_reads_back_what_is_written_for_it(value: Any) -> None:
    parsed = OverridesParser.create().parse_override(f"key={render(value)}")
    assert parsed.value() == value
    assert not parsed.is_sweep_override()


@settings(max_examples=100)
@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_what_is_written_is_read_here_too(values: list[str]) -> None:
    assert read(render(values), list[str]) == values
    assert parts(",".join(map(render, values))) == list(map(render, values))


@pytest.mark.parametrize(
    ("text", "want", "value"),
    [
        ("3", int, 3),
        ("-3", int, -3),
        ("1_000", int, 1000),
        ("3", float, 3),
        ("1e-4", float, 1e-4),
        (".5", float, 0.5),
        ("TRUE", bool, True),
        ("yes", bool, "yes"),
        ("3", str, "3"),
        ("null", str, "null"),
        ("Null", str | None, None),
        ("'null'", str | None, "null"),
        ("null", int | None, None),
        ("007", Any, "007"),
        ("7", Any, 7),
        ("a b", Any, "a b"),
        ("[1, 'a', b c, null]", Any, [1, "a", "b c", None]),
        ("[1,2]", list[str], ["1", "2"]),
        ("[1,2]", list[int], [1, 2]),
        ("[a]", str | list[str], ["a"]),
        ("a", str | list[str], "a"),
        ("{a:1,b:2}", dict[str, str], {"a": "1", "b": "2"}),
        ("{columns:[1],max_bad:2}", DataOptions, {"columns": ["1"], "max_bad": 2}),
        ("{a: {b: [c, {d: e}]}}", Any, {"a": {"b": ["c", {"d": "e"}]}}),
        ("{train:C:\\a,'x:y':'b}'}", Any, {"train": "C:\\a", "x:y": "b}"}),
        ("[${a:b,c},d]", Any, ["${a:b,c}", "d"]),
        ("[it's, 'a' b]", Any, ["it's", "'a' b"]),
    ],
)
def test_a_text_is_read_by_the_type_of_its_key(text: str, want: Any, value: Any) -> None:
    found = read(text, want)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("a", ["a"]),
        ("a,b", ["a", "b"]),
        (" a , b ", ["a", "b"]),
        ("'a,b',c", ["'a,b'", "c"]),
        ("[a,b],{c:d,e:f}", ["[a,b]", "{c:d,e:f}"]),
        ("it's,that's", ["it's", "that's"]),
        ("${a:b,c},d", ["${a:b,c}", "d"]),
        ("a,", ["a", ""]),
        ("[a,b", ["[a,b"]),
        ("[a]b,c", ["[a]b,c"]),
        ("", [""]),
    ],
)
def test_a_sweep_is_cut_at_its_own_commas(text: str, cut: list[str]) -> None:
    assert parts(text) == cut


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[a", "']' is missing"),
        ("{a:b", "'}' is missing"),
        ("[a,]", "a value is missing beside a comma or bracket"),
        ("[,a]", "a value is missing beside a comma or bracket"),
        ("{a:}", "a value is missing beside a comma or bracket"),
        ("{a}", "a map needs key:value pairs"),
        ("{[a]:b}", "a map needs key:value pairs"),
        ("[a]b", "'b' stands after its end"),
        ("[[a]b]", "'b' stands after a ] or }, where a comma should"),
    ],
)
def test_a_container_that_does_not_end_says_why(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason.replace("[", r"\[")):
        read(text, Any)
