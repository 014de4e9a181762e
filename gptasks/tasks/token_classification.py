"""Token classification: a tag for every word, such as the beginnings and insides of names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from gptasks.data.encoding import IGNORED
from gptasks.errors import ConfigError, DataError, listing, suggest
from gptasks.tags import Span, as_bio, entities, repaired, tags_of
from gptasks.task import Layout, Prediction, Probe, Row, Task
from gptasks.tasks.marked_rows import joined, listed, spans_of
from gptasks.tasks.texts import check_columns, names_of, text_of
from gptasks.tasks.windows import last_tokens, windows
from gptasks.words import units

if TYPE_CHECKING:
    from torch import Tensor, nn

    from gptasks.backbone import Backbone
    from gptasks.tokenizer import Tokenizer

METRICS = (
    "entity_f1",
    "entity_precision",
    "entity_recall",
    "entity_f1_conll",
    "entity_precision_conll",
    "entity_recall_conll",
    "token_accuracy",
)

OUTSIDE = "O"
"""The tag of a word that belongs to no entity."""


@dataclass
class TokenClassification(Task):
    """A tag for every word: which words are names, of what kind, or how a sentence is built.

    A row has its words (`tokens`) and a tag for each (`tags`, in BIO, IOB1, BIOES or BILOU); or a
    text (`text`) and what is marked in it (`spans`), which is then cut into words here. The head is
    linear, on the last token of each word, which has seen all of it. A text longer than a window
    is read in overlapping windows; each word is tagged in the one that shows most around it.
    """

    name: ClassVar[str] = "token_classification"
    answer: ClassVar[str] = "tags"

    tokens: str = field(default="tokens", metadata={"column": True})
    """Column with the words, a list or a text with spaces between them."""

    tags: str = field(default="tags", metadata={"column": True})
    """Column with the tags, one a word, in the same form."""

    text: str = field(default="text", metadata={"column": True})
    """Column with the text of a row that has no column of words. Words are then runs of letters and
    digits, single signs, and single characters in Chinese and other scripts without spaces."""

    spans: str = field(default="spans", metadata={"column": True})
    """Column with what is marked in that text: a list of {"start": 0, "end": 5, "label": "PER"}, in
    characters, the end not included."""

    attention: str | None = field(default=None, metadata={"choices": ("causal", "two-way")})
    """`causal`: every word is read knowing what is before it; `two-way`: knowing the whole window.
    null is what suits the strategy: `two-way` where layers learn, `causal` where all stay as they
    were trained."""

    overlap: int = field(default=64, metadata={"minimum": 0})
    """Tokens that neighbouring windows of a long text share."""

    max_length: int = field(default=256, metadata={"minimum": 1})
    """Most tokens of one window; longer texts are read in several."""

    metrics: list[str] = field(default_factory=lambda: list(METRICS))
    """Names of the metrics to report, the first being the one shown as the headline."""

    labels: list[str] = field(default_factory=list)
    """The tags in order (`O`, `B-PER`, `I-PER`, …), or the names of the entities alone; left empty,
    they are read off the training rows."""

    def __post_init__(self) -> None:
        """Raise ConfigError where windows would not move on."""
        if self.overlap >= self.max_length:
            raise ConfigError(
                f"task.overlap={self.overlap} must be less than task.max_length={self.max_length}, "
                "or windows would not move on."
            )
        self.labels = _checked(self.labels)

    @property
    def two_way(self) -> bool:
        """By `attention`."""
        return self.attention == "two-way"

    @property
    def depth(self) -> float:
        """All: whether a word is a name is told in lower layers than what a text is about."""
        return 1.0

    def suit(self, *, learns: bool) -> None:
        """The attention, where it is null."""
        if self.attention is None:
            self.attention = "two-way" if learns else "causal"

    # -- rows -----------------------------------------------------------------------------

    def read_input(self, row: Row) -> Row:
        """Check that the row has words, or a text with some."""
        if not self._words(row)[1]:
            column = self.tokens if self._has_tokens(row) else self.text
            raise DataError(f"column '{column}' has no words")
        return row

    def read(self, row: Row) -> Row | None:
        """Check the words and their tags; the tags become BIO."""
        self.read_input(row)
        if not self._has_tokens(row):
            self._tags_of_spans(row)
            return row
        check_columns(row, {"tags": self.tags})
        if row[self.tags] is None:
            raise DataError(f"column '{self.tags}' is empty")
        tokens, tags = listed(row, self.tokens), listed(row, self.tags)
        if len(tags) != len(tokens):
            raise DataError(
                f"column '{self.tags}' has {len(tags)} tags for the {len(tokens)} words of "
                f"'{self.tokens}'; give each word one"
            )
        return Row({**row, self.tags: as_bio(tags)}, row.id)

    def key(self, row: Row) -> str:
        """The text; that of given words has spaces between them."""
        return self._words(row)[0]

    def reference(self, row: Row) -> list[str] | None:
        """The tags in BIO; None for a row without tags or spans."""
        if self._has_tokens(row):
            return None if row.get(self.tags) is None else as_bio(listed(row, self.tags))
        return None if row.get(self.spans) is None else self._tags_of_spans(row)

    def row_of(self, text: str, id: str) -> Row:
        """A row of one typed text."""
        return Row({self.text: text}, id=id)

    def learn_labels(self, rows: Sequence[Row]) -> None:
        """`O`, then both tags of each kind of entity, in alphabetic order."""
        if not self.labels:
            found = {span.label for row in rows for span in entities(self.reference(row) or [])}
            self.labels = _tag_set(sorted(found))

    def check_rows(self, split: str, rows: Sequence[Row]) -> None:
        """Refuse tags that the model could never say, and a train split without any."""
        known = set(self.labels)
        for row in rows:
            for place, tag in enumerate(self.reference(row) or []):
                if tag not in known:
                    named = [tag[2:] for tag in self.labels if tag.startswith("B-")]
                    raise DataError(
                        f"{row.id}: the tag '{tag}' of word {place} (from 0) of {split} is not "
                        f"among the tags that are learnt{suggest(tag, self.labels) or '.'} "
                        f"Entities learnt: {listing(named) or 'none'}. Correct the row, or name "
                        "all by task.labels=[…]."
                    )
        if split == "train" and not any(set(self.reference(row) or []) - {OUTSIDE} for row in rows):
            raise DataError(
                f"no word of the training rows has a tag other than {OUTSIDE}, so there is nothing "
                f"to learn. Are '{self.tags}' and '{self.spans}' the right columns?"
            )

    # -- tokens ---------------------------------------------------------------------------

    def tokenizer(self, tokenizer: Tokenizer) -> Tokenizer:
        """Carry the length, and keep words apart; nothing is put around a text."""
        room = self._room(tokenizer)
        if room <= self.overlap:
            raise ConfigError(
                f"task.max_length={self.max_length} leaves {max(0, room)} tokens for a text beside "
                f"this backbone's own, and task.overlap={self.overlap} must be less."
            )
        return tokenizer.limited(self.max_length).with_words_apart()

    def encode(self, row: Row, tokenizer: Tokenizer) -> Iterator[dict[str, Any]]:
        """A window, or several that overlap; every word is tagged in one of them."""
        text, words = self._words(row)
        ids, places = tokenizer.placed(text)
        before, after = tokenizer.frame
        last, reference = last_tokens(words, places), self.reference(row)
        start = seen = 0
        for begin, end, count in windows(last, len(ids), self._room(tokenizer), self.overlap):
            positions = [
                min(max(place - begin, 0), end - begin - 1) + len(before)
                for place in last[start : start + count]
            ]
            window: dict[str, Any] = {
                "input_ids": [*before, *ids[begin:end], *after],
                "words": positions,
            }
            if reference is not None:
                window["labels"] = labels = [IGNORED] * len(window["input_ids"])
                for position, tag in zip(positions, reference[start:], strict=False):
                    labels[position] = self.labels.index(tag)
            if begin < seen:
                window["shared"] = seen - begin
            yield window
            start, seen = start + count, end

    # -- model ----------------------------------------------------------------------------

    def head(self, backbone: Backbone) -> nn.Module:
        """Linear, (B, T, D) to (B, T, K), with bias as plain transformers has it."""
        from torch import nn

        head = nn.Linear(backbone.hidden_size, len(self.labels))
        nn.init.normal_(head.weight, std=0.02)
        nn.init.zeros_(head.bias)
        return head

    def pool(self, hidden: Tensor, batch: Mapping[str, Any]) -> Tensor:
        """All states."""
        return hidden

    def loss(self, logits: Tensor, batch: Mapping[str, Any]) -> tuple[Tensor, int]:
        """Cross entropy, in nats, summed over the words."""
        from torch.nn.functional import cross_entropy

        labels = batch["labels"]
        loss = cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum")
        return loss, int((labels != IGNORED).sum())

    def predict(self, model: Any, batch: Mapping[str, Any]) -> list[Prediction]:
        """The likeliest tag of each word of a window, with its probability."""
        best, which = model(batch).double().softmax(-1).max(-1)  # (B, T) each
        found = []
        for row, positions in enumerate(batch["words"]):
            tags = [self.labels[which[row, position]] for position in positions]
            sure = [float(best[row, position]) for position in positions]
            found.append(Prediction(tags, details={"sure": sure}))
        return found

    def merge(self, row: Row, parts: Sequence[Prediction]) -> Prediction:
        """The tags of all words, as the model gave them.

        scores: `probability`, the mean over the words of their tag's. details: `words` and
        `entities`, each with text, place (characters, the end not included) and probability. An
        entity's inside without its beginning is read as one that begins there; `repaired` says
        how often.
        """
        text, places = self._words(row)
        tags = [tag for part in parts for tag in part.value]
        sure = [number for part in parts for number in part.details["sure"]]

        def shown(start: int, end: int, score: float, **more: str) -> dict[str, Any]:
            return {"text": text[start:end], "start": start, "end": end, **more, "score": score}

        words = [
            shown(*place, number, tag=tag)
            for place, number, tag in zip(places, sure, tags, strict=True)
        ]
        valid, count = repaired(tags)
        spans = [
            shown(places[s][0], places[e - 1][1], _mean(sure[s:e]), label=label)
            for label, s, e in entities(valid)
        ]
        details = {"words": words, "entities": spans, "repaired": count}
        return Prediction(tags, {"probability": _mean(sure)}, details)

    def probe(self) -> Probe:
        """Logistic regression on the frozen states of the words' last tokens."""
        from gptasks.tasks.logistic import LogisticProbe

        def states(hidden: Tensor, batch: Mapping[str, Any]) -> Tensor:
            return hidden[batch["labels"] != IGNORED]

        return LogisticProbe(states, len(self.labels), targets="labels", bias=True)

    def layout(self) -> Layout | None:
        """Also for two-way attention: the configuration says so (`is_causal`)."""
        return Layout(
            "AutoModelForTokenClassification",
            ("score", "classifier"),
            names_of(self.labels),
            note="The tag of a word stands at its last token; what the others say was not learnt. "
            "`gptasks.load(RUN).predict(texts)` gives words and entities.",
        )

    # -- beside the model -----------------------------------------------------------------

    def baselines(
        self, train: Sequence[Row], validation: Sequence[Row], test: Sequence[Row]
    ) -> dict[str, list[Prediction]]:
        """Each word's most frequent tag in train."""
        from gptasks.tasks.baselines import frequent_tags

        def tagged(row: Row) -> tuple[list[str], list[str]]:
            return self._texts(row), self.reference(row) or []

        texts = [self._texts(row) for row in test]
        return {"frequent_tag": frequent_tags([tagged(row) for row in train], texts)}

    def classes(self, value: Any) -> Sequence[str]:
        """The tags."""
        return value

    def tally(self, predictions: Sequence[Prediction]) -> dict[str, float]:
        """How many insides without a beginning were read as beginnings."""
        return {"repaired_tags": sum(p.details.get("repaired", 0) for p in predictions)}

    def _words(self, row: Row) -> tuple[str, list[tuple[int, int]]]:
        """The text of a row, and the characters, start and end, of its words."""
        if self._has_tokens(row):
            return joined(listed(row, self.tokens), self.tokens)
        if self.text not in row:
            raise DataError(
                f"neither column '{self.tokens}' nor column '{self.text}' is there (it has: "
                f"{listing(row)}); set task.tokens=COLUMN or task.text=COLUMN"
            )
        text = text_of(row[self.text], self.text)
        return text, units(text)

    def _has_tokens(self, row: Row) -> bool:
        """Whether the row has its words; in a table of both, it may have a text in their place."""
        return row.get(self.tokens) not in (None, "") or (
            self.tokens in row and self.text not in row
        )

    def _texts(self, row: Row) -> list[str]:
        text, places = self._words(row)
        return [text[start:end] for start, end in places]

    def _tags_of_spans(self, row: Row) -> list[str]:
        """The tags of the words of a text, from what is marked in it."""
        if self.spans in row and row[self.spans] is None:
            raise DataError(f"column '{self.spans}' is empty; where nothing is marked, it is []")
        if self.spans not in row:
            raise DataError(
                f"column '{self.spans}' is not there{suggest(self.spans, row)} (it has: "
                f"{listing(row)}); set task.spans=COLUMN, or task.data.format=conll where each "
                "line is a word with its tag"
            )
        text, places = self._words(row)
        starts = {start: n for n, (start, _) in enumerate(places)}
        ends = {end: n + 1 for n, (_, end) in enumerate(places)}
        found = []
        for span in spans_of(row[self.spans], self.spans):
            if not 0 <= span.start < span.end <= len(text):
                raise DataError(
                    f"column '{self.spans}': {span.label} from {span.start} to {span.end} is not "
                    f"within the {len(text)} characters of the text"
                )
            marked = text[span.start : span.end]
            begin = span.start + len(marked) - len(marked.lstrip())
            end = span.end - len(marked) + len(marked.rstrip())
            if begin not in starts or end not in ends:
                raise DataError(
                    f"column '{self.spans}': {span.label} from {span.start} to {span.end}, "
                    f"{marked!r}, does not begin and end with words of the text"
                )
            found.append(Span(span.label, starts[begin], ends[end]))
        return tags_of(found, len(places))

    def _room(self, tokenizer: Tokenizer) -> int:
        """Tokens of a text that a window holds."""
        return self.max_length - sum(map(len, tokenizer.frame))


def _checked(labels: Sequence[str]) -> list[str]:
    """All tags in order, of tags or of names of entities. Raises ConfigError for a mixture."""
    if not all(label.removeprefix("B-").removeprefix("I-").strip() for label in labels):
        raise ConfigError("task.labels names an entity without a name; leave it out.")
    is_tag = [label == OUTSIDE or label[:2] in ("B-", "I-") for label in labels]
    if not any(is_tag):
        return _tag_set(labels) if labels else []
    if not all(is_tag):
        raise ConfigError(
            f"task.labels names '{labels[is_tag.index(False)]}', which is neither {OUTSIDE} nor "
            "begins with B- or I-, among tags; name the entities alone, as [PER,LOC], or all tags."
        )
    names = dict.fromkeys(label[2:] for label in labels if label != OUTSIDE)
    lacking = [tag for tag in _tag_set(list(names)) if tag not in labels]
    if lacking:
        raise ConfigError(
            f"task.labels names tags and lacks {listing(lacking)}; add what is missing, or name "
            f"the entities alone, as [{','.join(names)}]."
        )
    return list(labels)


def _tag_set(names: Sequence[str]) -> list[str]:
    return [OUTSIDE, *(f"{prefix}-{name}" for name in names for prefix in "BI")]


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers)
