"""Conditional generation: a text is written from another, such as a headline from an article."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from gptasks.data.encoding import IGNORED
from gptasks.errors import BackboneError, ConfigError, DataError
from gptasks.task import Layout, Prediction, Row, Task
from gptasks.tasks.template import template_parts
from gptasks.tasks.texts import check_columns, check_text, text_of
from gptasks.words import words

if TYPE_CHECKING:
    from torch import Tensor, nn

    from gptasks.backbone import Backbone
    from gptasks.tokenizer import Tokenizer

METRICS = ("rougeL", "rouge1", "rouge2", "rougeLsum")

SENTENCE = re.compile(r"\n|(?<=[.!?])\s|(?<=[。！？])")
"""Where a sentence ends: at a line break, or after its mark."""


@dataclass
class GenerationOptions:
    """How a trained model writes; names and meanings are those of transformers' GenerationConfig,
    and they are saved with the model."""

    max_new_tokens: int = field(default=64, metadata={"minimum": 1})
    """Most tokens that are written. So many are kept free of a window's source."""

    min_new_tokens: int = field(default=0, metadata={"minimum": 0})
    """Fewest tokens that are written before the text may end; a stop string ends it before."""

    num_beams: int = field(default=1, metadata={"minimum": 1})
    """Beams that are searched; 1 takes the likeliest token each time."""

    length_penalty: float = 1.0
    """With beams: above 0 longer texts are preferred, below 0 shorter ones."""

    do_sample: bool = False
    """Whether tokens are drawn by their probabilities instead."""

    temperature: float = field(default=1.0, metadata={"above": 0.0})
    """When drawing: below 1 likely tokens are drawn still more often."""

    top_p: float = field(default=1.0, metadata={"above": 0.0, "maximum": 1.0})
    """When drawing: only of the likeliest tokens that together have this probability."""

    top_k: int = field(default=0, metadata={"minimum": 0})
    """When drawing: only of so many of the likeliest tokens; 0 is of all."""

    repetition_penalty: float = field(default=1.0, metadata={"above": 0.0})
    """Above 1 tokens that are there already, in the source too, become less likely."""

    no_repeat_ngram_size: int = field(default=0, metadata={"minimum": 0})
    """No run of so many tokens, 2 or more, is written twice; 0 allows it."""

    stop_strings: list[str] = field(default_factory=list)
    """Texts at which writing ends; they are left out of the answer."""

    seed: int = field(default=0, metadata={"minimum": 0, "maximum": 2**32 - 1})
    """Seed of drawing. What is drawn for a text depends on the texts beside it in a batch, too."""

    def __post_init__(self) -> None:
        """Raise ConfigError for settings that exclude each other."""
        if self.min_new_tokens > self.max_new_tokens:
            raise ConfigError(
                f"task.generation.min_new_tokens={self.min_new_tokens} is more than "
                f"max_new_tokens={self.max_new_tokens}."
            )
        drawing = {"temperature": 1.0, "top_p": 1.0, "top_k": 0}
        unused = [name for name, usual in drawing.items() if getattr(self, name) != usual]
        if unused and not self.do_sample:
            raise ConfigError(
                f"task.generation.{unused[0]}={getattr(self, unused[0])} is for drawing; set "
                "task.generation.do_sample=true, or leave it out."
            )
        if self.length_penalty != 1.0 and self.num_beams == 1:
            raise ConfigError(
                f"task.generation.length_penalty={self.length_penalty} is for beams; set "
                "task.generation.num_beams, or leave it out."
            )
        if self.no_repeat_ngram_size == 1:
            raise ConfigError(
                "task.generation.no_repeat_ngram_size=1 forbids every token to come twice, those "
                "of the source included; give 2 or more, or 0 to allow it."
            )
        if "" in self.stop_strings:
            raise ConfigError("task.generation.stop_strings holds an empty text; leave it out.")

    def settings(self) -> dict[str, Any]:
        """As GenerationConfig takes them: what is not used is left out."""
        values = asdict(self)
        del values["seed"]
        if not self.do_sample:
            for name in ("temperature", "top_p", "top_k"):
                del values[name]
        if self.num_beams == 1:
            del values["length_penalty"]
        return {**values, "stop_strings": self.stop_strings or None}


@dataclass
class ConditionalGeneration(Task):
    """A text from another: summaries, headlines, translations, answers.

    The model reads the source in a template that ends in a cue, and goes on with the target and the
    end of text. Only the target is learnt. Prompt and target are turned into tokens apart, the same
    way for learning and for writing, and the prompt as plain transformers would. Where a window is
    too short the source is cut, never the cue or the target.
    """

    name: ClassVar[str] = "conditional_generation"
    answer: ClassVar[str] = "text"

    source: str = field(default="source", metadata={"column": True})
    """Column with the text to write from."""

    target: str = field(default="target", metadata={"column": True})
    """Column with the text to write."""

    template: str = "{source}\nAnswer:"
    """The words around the source; what follows it is the cue to write. A line break is \\n in
    double quotes. A word of the target is best begun by a space: see `separator`."""

    separator: str = " "
    """What stands between cue and target, read with the target; empty for Chinese."""

    chat: bool = False
    """Whether the template is put as a user's message into the backbone's own chat template."""

    truncation_side: str = field(default="right", metadata={"choices": ("right", "left")})
    """The side on which a source that is too long loses tokens."""

    max_length: int = field(default=512, metadata={"minimum": 1})
    """Most tokens of prompt and target together; longer sources are cut and counted."""

    generation: GenerationOptions = field(default_factory=GenerationOptions)
    """How the trained model writes."""

    validation_rows: int | None = field(default=32, metadata={"minimum": 1})
    """Most validation rows that are written for while training, spread evenly over them; null is
    all. The loss is always that of all, and so are the scores at the end."""

    metrics: list[str] = field(default_factory=lambda: list(METRICS))
    """Names of the metrics to report, the first being the one shown as the headline."""

    def __post_init__(self) -> None:
        """Raise ConfigError for a template that can't be filled, or no room for a source."""
        template_parts(self.template, ["source"])
        if self.generation.max_new_tokens >= self.max_length:
            raise ConfigError(
                f"task.generation.max_new_tokens={self.generation.max_new_tokens} leaves nothing "
                f"of task.max_length={self.max_length} for a source; lower it, or raise the other."
            )

    # -- rows -----------------------------------------------------------------------------

    def read_input(self, row: Row) -> Row:
        """Check that the row has its source."""
        check_columns(row, {"source": self.source})
        check_text(text_of(row[self.source], self.source), self.source)
        return row

    def read(self, row: Row) -> Row | None:
        """Check that the row has its source and its target."""
        check_columns(row, {"target": self.target, "source": self.source})
        check_text(text_of(row[self.target], self.target), self.target)
        return self.read_input(row)

    def key(self, row: Row) -> str:
        """The source."""
        return text_of(row[self.source], self.source)

    def reference(self, row: Row) -> str | None:
        """The target; None if the row has none."""
        return text_of(row.get(self.target), self.target).strip() or None

    def row_of(self, text: str, id: str) -> Row:
        """A row of one typed source."""
        return Row({self.source: text}, id=id)

    # -- tokens ---------------------------------------------------------------------------

    def tokenizer(self, tokenizer: Tokenizer) -> Tokenizer:
        """Carry the length. The template is not part of it: plain transformers gets prompts."""
        tokenizer = tokenizer.limited(self.max_length, self.truncation_side).for_prompts()
        taken = len(self._words(tokenizer).around("")) + self.generation.max_new_tokens
        if taken >= self.max_length:
            raise ConfigError(
                f"task.template takes {taken - self.generation.max_new_tokens} tokens and "
                f"task.generation.max_new_tokens {self.generation.max_new_tokens}, and "
                f"task.max_length={self.max_length} leaves none for a source; raise it, or shorten "
                "the template."
            )
        return tokenizer

    def encode(self, row: Row, tokenizer: Tokenizer) -> Iterator[dict[str, Any]]:
        """One window: prompt, and target and end of text where the row has one.

        `labels` are the target's ids at their own places, and -100 in the prompt. `prompt` is what
        is written after, which never depends on the target: the same, but for a target that takes
        more tokens than may be written. That takes them from the source, where it is learnt.
        """
        reference, target = self.reference(row), []
        if reference is not None:
            target = [*tokenizer.plain(self.separator + reference), tokenizer.end_id]
        words, source = self._words(tokenizer), self.key(row)
        if self.chat:  # most chat templates do so with a message
            source = source.strip()
        prompt, lost = words.cut(source, self.max_length - self.generation.max_new_tokens)
        learnt = prompt
        if len(learnt) + len(target) > self.max_length:
            learnt, lost = words.cut(source, self.max_length - len(target))
        if not learnt:
            raise DataError(
                f"{row.id}: the target takes {len(target)} tokens, and task.max_length="
                f"{self.max_length} leaves none for the source; raise task.max_length, or leave "
                "the row out."
            )
        window = {
            "input_ids": learnt + target,
            "prompt": prompt,
            "source": max(0, len(learnt) - len(words.around(""))),
            "lost": lost,
        }
        if reference is not None:
            window["labels"] = [IGNORED] * len(learnt) + target
        yield window

    # -- model ----------------------------------------------------------------------------

    def head(self, backbone: Backbone) -> nn.Module:
        """The backbone's own map from states to words, (N, D) to (N, V)."""
        from gptasks.generation import unembedding

        if backbone.unembedding is None:
            raise BackboneError(
                f"backbone {backbone.name!r} was saved without its map from states to words, so it "
                "can't write; take one saved as a language model."
            )
        return unembedding(backbone.unembedding)

    def pool(self, hidden: Tensor, batch: Mapping[str, Any]) -> Tensor:
        """The states that say a token of a target, (N, D): each stands one place before it."""
        return hidden[:, :-1][batch["labels"][:, 1:] != IGNORED]

    def loss(self, logits: Tensor, batch: Mapping[str, Any]) -> tuple[Tensor, int]:
        """Cross entropy, in nats, summed over the tokens of the targets, their ends included."""
        from torch.nn.functional import cross_entropy

        labels = batch["labels"][:, 1:]
        targets = labels[labels != IGNORED]
        return cross_entropy(logits, targets, reduction="sum"), len(targets)

    def predict(self, model: Any, batch: Mapping[str, Any]) -> list[Prediction]:
        """What the model writes after each prompt.

        scores: `tokens`, how many it took; `ended`, whether it ended the text itself (1) or was
        stopped by max_new_tokens (0).
        """
        options, tokenizer = self.generation, model.backbone.tokenizer
        found = []
        for ids in model.generate(batch["prompt"], seed=options.seed, **options.settings()):
            text, is_cut = _before(tokenizer.text(ids), options.stop_strings)
            ended = is_cut or len(ids) < options.max_new_tokens
            found.append(Prediction(text.strip(), {"tokens": len(ids), "ended": float(ended)}))
        return found

    def layout(self) -> Layout | None:
        """A plain language model, with the settings that it writes by."""
        before, _, after = template_parts(self.template, ["source"])
        words = f"{before}a text{after}"
        stops = bool(self.generation.stop_strings)  # are looked for in what tokens spell
        return Layout(
            "AutoModelForCausalLM",
            ("lm_head", "embed_out"),
            example=[{"role": "user", "content": words}] if self.chat else words,
            call="tokenizer=answer.tokenizer" if stops else "",
            note="It was trained on the words around the text above, and goes on after them"
            + (", in the chat template that its tokenizer has." if self.chat else ".")
            + (" `model.generate` needs `tokenizer=…`, too." if stops else ""),
            generation=self.generation.settings(),
        )

    # -- beside the model -----------------------------------------------------------------

    def baselines(
        self, train: Sequence[Row], validation: Sequence[Row], test: Sequence[Row]
    ) -> dict[str, list[Prediction]]:
        """The first sentence of the source; and as many of its first words as targets have."""
        count = round(sum(len(words(self.reference(row) or "")) for row in train) / len(train))
        texts = [self.key(row).strip() for row in test]
        return {
            "lead_sentence": [Prediction(SENTENCE.split(text)[0].strip()) for text in texts],
            "lead_words": [Prediction(_lead(text, max(1, count))) for text in texts],
        }

    def tally(self, predictions: Sequence[Prediction]) -> dict[str, float]:
        """Texts that are empty, and texts that max_new_tokens stopped."""
        return {
            "empty": sum(not prediction.value for prediction in predictions),
            "not_ended": sum(not prediction.scores.get("ended", 1) for prediction in predictions),
        }

    def _words(self, tokenizer: Tokenizer) -> _Words:
        before, _, after = template_parts(self.template, ["source"])
        if self.chat:
            return _Words(tokenizer, [], *tokenizer.chat(before, after), self.truncation_side)
        return _Words(tokenizer, tokenizer.frame[0], before, after, self.truncation_side)


@dataclass(frozen=True)
class _Words:
    """What stands around a source."""

    tokenizer: Tokenizer
    start: list[int]
    """What the tokenizer puts before any text."""

    before: str
    after: str
    side: str
    """On which a source loses tokens."""

    def around(self, source: str) -> list[int]:
        """The ids of the source in the words."""
        return [*self.start, *self.tokenizer.within(self.before, source, self.after)]

    def cut(self, source: str, most: int) -> tuple[list[int], int]:
        """The same in at most so many tokens, and how many of the source's are lost; no ids where
        all of them would be.

        The source that is left is text, turned into tokens anew within the words.
        """
        ids = self.around(source)
        if len(ids) <= most:
            return ids, 0
        own, places = self.tokenizer.placed(source)
        kept = len(own)
        while len(ids) > most:
            kept -= len(ids) - most
            if kept < 1:
                return [], len(own)
            is_right = self.side == "right"
            left = source[: places[kept - 1][1]] if is_right else source[places[-kept][0] :]
            ids = self.around(left)
        return ids, len(own) - kept


def _before(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """The text before the first of `stops`, and whether there was one."""
    places = [place for stop in stops if (place := text.find(stop)) >= 0]
    return (text[: min(places)], True) if places else (text, False)


def _lead(text: str, count: int) -> str:
    """The beginning of a text, up to the end of its `count`-th word."""
    end = 0
    for word in words(text)[:count]:
        end = text.index(word, end) + len(word)
    return text[:end]
