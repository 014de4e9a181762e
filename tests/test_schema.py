"""gptasks.schema and gptasks.fields: values against dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field, make_dataclass
from typing import Any, ClassVar, Literal

import pytest

from gptasks.errors import ConfigError
from gptasks.fields import Option, columns_of, defaults, fields_of, limit_words, plain, type_at
from gptasks.options import BackboneOptions, RunOptions, TrainerOptions
from gptasks.schema import build, check, without_interpolations
from gptasks.task import DataOptions


@dataclass
class Inner:
    """Nested options."""

    path: str | None = None
    """Where it lies."""

    share: float = field(default=0.5, metadata={"minimum": 0.0, "below": 1.0})
    secret: str = field(default="", metadata={"internal": True})


@dataclass
class Outer:
    """Options of every type."""

    kind: ClassVar[str] = "outer"
    count: int = field(default=1, metadata={"minimum": 1, "maximum": 8})
    """How many, in all;
    at least one."""

    rate: float = 0.1
    is_on: bool = True
    name: str = "x"
    words: list[str] = field(default_factory=list)
    sizes: tuple[int, ...] = (1, 2)
    table: dict[str, int] = field(default_factory=dict)
    mode: str = field(
        default="fast",
        metadata={"choices": ("fast", "slow"), "refused": {"idle": "nothing would come of it"}},
    )
    side: Literal["left", "right"] = "left"
    either: str | list[str] | None = None
    anything: Any = None
    inner: Inner = field(default_factory=Inner)
    state: int = field(default=0, init=False)


@dataclass
class Strict:
    """An option without a default, and a rule of its own."""

    path: str
    first: int = 0
    last: int = 1

    def __post_init__(self) -> None:
        if self.first > self.last:
            raise ConfigError(f"first ({self.first}) must not be above last ({self.last})")


def faults(values: dict[str, Any], where: str = "outer") -> list[str]:
    return check(Outer, values, where)


def test_right_values_are_built_with_their_types() -> None:
    made = build(
        Outer,
        {
            "count": 3,
            "rate": 2,
            "is_on": False,
            "words": ["a", "b"],
            "sizes": [3],
            "table": {"a": 1},
            "side": "right",
            "anything": {"a": [1]},
            "inner": {"path": "p"},
        },
        "outer",
    )
    assert made == Outer(
        3, 2.0, False, "x", ["a", "b"], (3,), {"a": 1}, "fast", "right", None, {"a": [1]},
        Inner("p"),
    )  # fmt: skip
    assert isinstance(made.rate, float)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"count": "3"}, 3),
        ({"count": "+3"}, 3),
        ({"count": "0_7"}, 7),
        ({"rate": "1e-4"}, 1e-4),
        ({"rate": 3}, 3.0),
        ({"is_on": "False"}, False),
        ({"name": 7}, "7"),
        ({"name": True}, "true"),
        ({"words": [1, 2.5]}, ["1", "2.5"]),
        ({"either": "a"}, "a"),
        ({"either": ["a", 1]}, ["a", "1"]),
        ({"either": None}, None),
        ({"either": 7}, "7"),
    ],
)
def test_a_value_is_read_as_the_type_of_its_option(values: dict[str, Any], expected: Any) -> None:
    (key,) = values
    assert getattr(build(Outer, values, "outer"), key) == expected


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"count": "many"}, "outer.count must be a whole number of type int; got 'many'"),
        ({"count": 1.0}, "outer.count must be a whole number of type int; got 1.0"),
        ({"count": True}, "outer.count must be a whole number of type int; got true"),
        ({"count": None}, "outer.count must be a whole number of type int; got null"),
        ({"count": 0}, "outer.count must be at least 1 and at most 8; got 0"),
        ({"count": 9}, "outer.count must be at least 1 and at most 8; got 9"),
        ({"rate": "many"}, "outer.rate must be a number of type float; got 'many'"),
        ({"rate": True}, "outer.rate must be a number of type float; got true"),
        ({"rate": float("nan")}, "outer.rate must be a finite number; got nan"),
        ({"rate": "inf"}, "outer.rate must be a number of type float; got 'inf'"),
        ({"rate": 10**400}, "outer.rate must be a number of type float; got 1000"),
        ({"is_on": "yes"}, "outer.is_on must be true or false; got 'yes'"),
        ({"is_on": 1}, "outer.is_on must be true or false; got 1"),
        ({"name": ["a"]}, "outer.name must be a text; got ['a']"),
        ({"name": None}, "outer.name must be a text; got null"),
        ({"words": "a"}, "outer.words must be a list such as [a,b]; got 'a'"),
        ({"words": ["a", None]}, "outer.words[1] must be a text; got null"),
        ({"sizes": ["a"]}, "outer.sizes[0] must be a whole number of type int; got 'a'"),
        ({"table": [1]}, "outer.table must be a map such as {a:b}; got [1]"),
        ({"table": {"a": "b"}}, "outer.table.a must be a whole number of type int; got 'b'"),
        ({"either": {}}, "outer.either must be a text or a list such as [a,b] or null; got {}"),
        ({"mode": "idle"}, "outer.mode=idle: nothing would come of it"),
        ({"mode": "fst"},
         "outer.mode must be one of fast, slow; got 'fst'; did you mean 'fast'?"),
        ({"side": "up"}, "outer.side must be one of left, right; got 'up'"),
        ({"inner": 3}, "outer.inner must be a map of options; got 3"),
        ({"inner": {"share": 1}}, "outer.inner.share must be at least 0 and below 1; got 1.0"),
        ({"cuont": 1}, "outer has no option 'cuont'; did you mean 'count'?"),
        ({"inner": {"pth": 1}}, "outer has no option 'inner.pth'; did you mean 'inner.path'?"),
        ({"path": 1}, "outer has no option 'path'; did you mean 'inner.path'?"),
        ({"inner": {"qqq": 1}}, "outer has no option 'inner.qqq'; it has inner.path, inner.share"),
        ({"inner": {"secret": "a"}}, "outer has no option 'inner.secret'"),
        ({"state": 1}, "outer has no option 'state'"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_one_line_with_key_and_value(values: dict[str, Any], fault: str) -> None:
    (found,) = faults(values)
    assert found.startswith(fault)
    assert "\n" not in found


@dataclass
class Picky:
    """A class of a plugin that judges its options in its own words."""

    low: int = 0

    def __post_init__(self) -> None:
        if self.low > 9:
            raise ValueError("low is too high")


Unreadable = make_dataclass("Unreadable", [("path", "Pth", field(default=None))])
"""A class whose author forgot an import."""


def test_what_a_class_says_of_its_options_is_passed_on() -> None:
    with pytest.raises(ConfigError, match=r"^trainer: low is too high$"):
        build(Picky, {"low": 10}, "trainer")
    with pytest.raises(ConfigError, match=r"^Picky: low is too high$"):
        build(Picky, {"low": 10}, "")


def test_options_that_name_a_column_are_known_below_a_class_that_says_so() -> None:
    @dataclass
    class Kind:
        text: str = field(default="text", metadata={"column": True})
        width: int = 3

    @dataclass
    class Plugin(Kind):
        text: str = "review"
        stars: str | None = field(default=None, metadata={"column": True})

    assert columns_of(Plugin) == ["text", "stars"]
    assert columns_of(TrainerOptions) == []


def test_types_that_can_not_be_read_are_told_with_their_class() -> None:
    with pytest.raises(
        ConfigError,
        match=r"^the field types of \S*\.Unreadable can't be read: name 'Pth' is not defined$",
    ):
        build(Unreadable, {"path": "a"}, "trainer")


def test_all_faults_are_found_at_once() -> None:
    values = {"count": 0, "rate": "x", "inner": {"shre": 1, "path": []}, "nme": 1}
    assert len(faults(values)) == 5
    with pytest.raises(ConfigError) as caught:
        build(Outer, values, "outer")
    assert len(str(caught.value).split("\n")) == 5


def test_messages_say_whose_options_they_are() -> None:
    where = "task 'sentiment' (gptasks 0.1)"
    assert faults({"cuont": 1, "count": 0}, where) == [
        "task 'sentiment' (gptasks 0.1) has no option 'cuont'; did you mean 'count'?",
        "task.count must be at least 1 and at most 8; got 0",
    ]
    assert faults({"cuont": 1, "count": 0}, "") == [
        "there is no option 'cuont'; did you mean 'count'?",
        "count must be at least 1 and at most 8; got 0",
    ]


def test_long_values_are_cut_in_messages() -> None:
    (fault,) = faults({"count": "x" * 1000})
    assert len(fault) < 130


def test_internal_options_are_settable_only_by_gptasks_itself() -> None:
    made = build(Outer, {"inner": {"secret": "a"}}, "outer", internal=True)
    assert made.inner.secret == "a"


def test_a_missing_option_is_a_fault_of_building_not_of_checking() -> None:
    assert check(Strict, {}, "strict") == []
    with pytest.raises(ConfigError, match=r"^strict\.path is missing and has no default$"):
        build(Strict, {}, "strict")


def test_a_rule_of_the_class_itself_is_reported() -> None:
    with pytest.raises(ConfigError, match=r"^first \(2\) must not be above last \(1\)$"):
        build(Strict, {"path": "p", "first": 2}, "strict")


def test_interpolations_are_left_out_until_they_are_resolved() -> None:
    values = {"a": "${x}", "b": 1, "c": {"d": "${x}/e", "f": 2}, "g": ["${x}"], "h": ["i"]}
    assert without_interpolations(values) == {"b": 1, "c": {"f": 2}, "h": ["i"]}


def test_options_are_listed_with_their_docstrings() -> None:
    listed = {option.key: option for option in fields_of(Outer)}
    assert listed["count"] == Option(
        "count", "int", 1, "How many, in all; at least one.",
        limits={"minimum": 1, "maximum": 8}, owner=Outer,
    )  # fmt: skip
    assert limit_words(listed["count"].limits) == ["at least 1", "at most 8"]
    assert listed["inner.path"] == Option(
        "inner.path", "str | None", None, "Where it lies.", owner=Inner
    )
    assert listed["mode"].choices == ("fast", "slow")
    assert listed["side"].choices == ("left", "right")
    assert listed["words"].type == "list[str]"
    assert listed["words"].default == []
    assert "inner.secret" not in listed
    assert "state" not in listed
    assert fields_of(Strict)[0].required


@pytest.mark.parametrize("cls", [BackboneOptions, TrainerOptions, RunOptions, DataOptions])
def test_every_option_of_the_core_has_a_docstring_and_a_sound_default(cls: type) -> None:
    assert [option.key for option in fields_of(cls) if not option.doc] == []
    assert check(cls, defaults(cls), "group", internal=True) == []


def test_defaults_and_instances_become_plain_values() -> None:
    assert defaults(Strict) == {"first": 0, "last": 1}
    assert defaults(Outer)["inner"] == {"path": None, "share": 0.5, "secret": ""}
    assert plain(Outer())["sizes"] == [1, 2]
    assert "state" not in plain(Outer())


def test_types_are_found_by_dotted_key() -> None:
    assert type_at(Outer, "inner.share") is float
    assert type_at(Outer, "inner.none") is None
    assert type_at(Outer, "count.none") is None
    assert type_at(Outer, "anything") is Any
