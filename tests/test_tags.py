"""Tags and spans: two readings of BIO, repair, and the other schemes rewritten."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptasks.errors import DataError
from gptasks.tags import Span, as_bio, entities, repaired, tags_of

LABELS = ["PER", "a-b", "-x", "O", "B-a"]
BIO = st.lists(st.sampled_from(["O", *(f"{p}-{label}" for p in "BI" for label in LABELS)]))


@st.composite
def spans(draw):
    """Entities in order, and how many words there are."""
    found, place = [], 0
    for gap, length, label in draw(
        st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3), st.sampled_from(LABELS)))
    ):
        found.append(Span(label, place + gap, place + gap + length))
        place += gap + length
    return found, place + draw(st.integers(0, 2))


def test_the_two_readings_differ_where_an_i_goes_on_with_nothing():
    tags = ["I-PER", "I-PER", "O", "B-LOC", "I-ORG", "I-ORG", "B-ORG", "I-LOC"]
    assert entities(tags) == [
        Span("PER", 0, 2),
        Span("LOC", 3, 4),
        Span("ORG", 4, 6),
        Span("ORG", 6, 7),
        Span("LOC", 7, 8),
    ]
    assert entities(tags, strict=True) == [Span("LOC", 3, 4), Span("ORG", 6, 7)]


def test_after_what_was_ignored_an_i_goes_on_with_nothing_still():
    assert entities(["B-a", "I-b", "I-a"], strict=True) == [Span("a", 0, 1)]
    assert entities(["B-a", "O", "I-a"], strict=True) == [Span("a", 0, 1)]


def test_no_words_have_no_entities():
    assert entities([]) == entities([], strict=True) == []
    assert repaired([]) == ([], 0)
    assert as_bio([]) == tags_of([], 0) == []


def test_labels_may_hold_hyphens():
    assert entities(["B-a-b", "I-a-b", "I-a"]) == [Span("a-b", 0, 2), Span("a", 2, 3)]
    assert as_bio(["B-a-b", "E-a-b", "S--"]) == ["B-a-b", "I-a-b", "B--"]


@given(spans())
def test_tags_say_the_spans_that_they_were_made_of(given):
    found, length = given
    tags = tags_of(reversed(found), length)
    assert len(tags) == length
    assert entities(tags) == entities(tags, strict=True) == found
    assert repaired(tags) == (tags, 0)


@given(BIO)
def test_repair_makes_both_readings_one_and_changes_no_label(tags):
    valid, changed = repaired(tags)
    assert entities(valid, strict=True) == entities(valid) == entities(tags)
    assert [tag[1:] for tag in valid] == [tag[1:] for tag in tags]
    assert changed == sum(a != b for a, b in zip(tags, valid, strict=True))
    assert valid == as_bio(tags)
    if entities(tags, strict=True) == entities(tags):
        assert changed == 0


def test_a_repair_is_counted_by_tags():
    assert repaired(["I-a", "I-a", "O", "I-b", "I-a"]) == (["B-a", "I-a", "O", "B-b", "B-a"], 3)


def iob1(found, length):
    """`B-` only where an entity follows at once upon another of its label."""
    tags = ["O"] * length
    for label, start, end in found:
        tags[start:end] = [f"I-{label}"] * (end - start)
        if start and tags[start - 1] in (f"B-{label}", f"I-{label}"):
            tags[start] = f"B-{label}"
    return tags


def with_ends(found, length, last, single):
    """BIOES, or BILOU, by the prefixes of an entity's last word and of its only word."""
    tags = ["O"] * length
    for label, start, end in found:
        inner = [f"I-{label}"] * (end - start - 2)
        tags[start:end] = (
            [f"{single}-{label}"] if end - start == 1 else [f"B-{label}", *inner, f"{last}-{label}"]
        )
    return tags


@given(spans())
def test_every_scheme_is_read(given):
    found, length = given
    wanted = tags_of(found, length)
    assert as_bio(wanted) == wanted
    assert as_bio(iob1(found, length)) == wanted
    assert as_bio(with_ends(found, length, "E", "S")) == wanted
    assert as_bio(with_ends(found, length, "L", "U")) == wanted


def test_an_entity_that_has_ended_is_not_gone_on_with():
    assert as_bio(["B-a", "E-a", "I-a", "E-a"]) == ["B-a", "I-a", "B-a", "I-a"]
    assert as_bio(["U-a", "L-a", "L-a"]) == ["B-a", "B-a", "B-a"]


@pytest.mark.parametrize("tag", ["PER", "B", "B-", "b-PER", "B_PER", "M-PER", "", None, 3, "BI-a"])
def test_what_is_no_tag_is_named(tag):
    with pytest.raises(DataError) as caught:
        as_bio(["O", tag])
    assert str(caught.value) == (
        f"word 1 (from 0): the tag {tag!r} is none of O, B-label, I-label, E-label, S-label, "
        "L-label and U-label"
    )
    for read in (entities, repaired):
        with pytest.raises(DataError, match=r"word 1 \(from 0\): the tag .* is none of O, B-lab"):
            read(["O", tag])


def test_entities_ask_for_bio():
    with pytest.raises(DataError) as caught:
        entities(["S-a"], strict=True)
    assert str(caught.value) == (
        "word 0 (from 0): the tag 'S-a' is none of O, B-label and I-label; "
        "rewrite other schemes with gptasks.tags.as_bio"
    )


@pytest.mark.parametrize("span", [("a", -1, 1), ("a", 2, 2), ("a", 2, 1), ("a", 1, 4), ("", 0, 1)])
def test_spans_out_of_range_are_named(span):
    label, start, end = span
    with pytest.raises(DataError, match=rf"no span of 3 words: '{label}' from {start} to {end}; "):
        tags_of([Span(*span)], 3)


def test_spans_that_overlap_are_named():
    with pytest.raises(
        DataError, match=r"two spans share word 2 \(from 0\): 'b' from 1 to 3 and one of 'a-c'; "
    ):
        tags_of([Span("a-c", 2, 4), Span("b", 1, 3)], 4)
