"""Text to token ids: a thin, strict face on a transformers tokenizer."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gptasks.errors import BackboneError, ConfigError, first_line
from gptasks.words import UNIT

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


TEMPLATE = "TemplateProcessing"
"""The tokenizers library's word for a template, in tokenizer.json."""

WORDS = ("[TASK_BEFORE]", "[TASK_BETWEEN]", "[TASK_AFTER]")
START, END = "[START]", "[END]"
"""Names, in that template, of a task's words and of what the tokenizer adds by itself; by them
the words can be taken out again."""

APART = f"[ ▁]?(?:{UNIT})"
"""What no token reaches over where words are kept apart: a word or a sign, and the space before it,
which some tokenizers write as ▁. Kept in tokenizer.json; by it the rule can be taken out again."""


MARK = "\ue000source\ue000"
"""Stands for a text in a chat template; of the private characters, which templates leave alone."""


class Words(NamedTuple):
    """The ids of a task's template."""

    before: list[int]
    between: list[int]
    after: list[int]


class Encoded(NamedTuple):
    """Token ids of one text or pair."""

    ids: list[int]

    own: int
    """How many of them are of the text, and not of what stands around it."""

    lost: int
    """How many tokens were cut away to fit."""


@dataclass(frozen=True)
class Tokenizer:
    """A tokenizer whose text template, length limit and cutting side are its own and are saved.

    Texts are only text: a special token spelt out in a text is split like any other word, so that
    no row can end itself early or pass for padding. The saved tokenizer keeps to that too.
    """

    hf: PreTrainedTokenizerBase

    @property
    def pad_id(self) -> int:
        """The id that fills batches; it may equal the end of text's, so never mask by it."""
        return int(self.hf.pad_token_id)

    def encode(self, text: str, pair: str | None = None) -> Encoded:
        """Ids of `text`, or of the pair in this tokenizer's template, cut to its limit."""
        told = {"split_special_tokens": True, "return_special_tokens_mask": True}
        found = self.hf(text, pair, truncation=False, verbose=False, **told)
        whole = len(found["input_ids"])
        if whole > self.hf.model_max_length:
            found = self.hf(text, pair, truncation="longest_first", **told)
        ids = found["input_ids"]
        return Encoded(ids, found["special_tokens_mask"].count(0), whole - len(ids))

    @property
    def end_id(self) -> int:
        """The id that ends a text. Raises BackboneError where the tokenizer has none."""
        if self.hf.eos_token_id is None:
            raise BackboneError(
                "this backbone's tokenizer has no end-of-text token, so a model could never end "
                "what it writes; set eos_token in its tokenizer_config.json."
            )
        return int(self.hf.eos_token_id)

    @cached_property
    def frame(self) -> tuple[list[int], list[int]]:
        """The ids that the tokenizer itself puts before and after a text."""
        return _frame(self._without_template().hf)

    def plain(self, text: str) -> list[int]:
        """The ids of `text` and of nothing else: no template, no special token, no limit."""
        options = {"add_special_tokens": False, "split_special_tokens": True, "verbose": False}
        return list(self.hf(text, **options)["input_ids"])

    def placed(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """The ids of `text` alone, and the characters of it, start and end, behind each id.

        Ids that share a character of several bytes share its place, too.
        """
        encoded = self.hf(
            text,
            add_special_tokens=False,
            split_special_tokens=True,
            return_offsets_mapping=True,
            verbose=False,
        )
        return list(encoded["input_ids"]), [tuple(place) for place in encoded["offset_mapping"]]

    def text(self, ids: Sequence[int]) -> str:
        """What ids say, special tokens left out."""
        return str(self.hf.decode(list(ids), skip_special_tokens=True))

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The pieces of text behind `ids`, for showing to a person: as the vocabulary has them,
        and of a vocabulary of bytes what they spell, `\\xe5` being a byte of a longer character."""
        pieces = list(self.hf.convert_ids_to_tokens(list(ids)))
        return [_spelt(piece) for piece in pieces] if self._is_of_bytes else pieces

    @property
    def _is_of_bytes(self) -> bool:
        return "ByteLevel" in repr(self.hf.backend_tokenizer.decoder)

    def limited(self, max_length: int, truncation_side: str = "right") -> Tokenizer:
        """This tokenizer with windows of at most `max_length` tokens, cut on the side given."""
        hf = copy.deepcopy(self.hf)
        hf.model_max_length = max_length
        hf.truncation_side = truncation_side
        return Tokenizer(hf)

    def for_prompts(self) -> Tokenizer:
        """This tokenizer, to be saved with a model that goes on after whole prompts.

        In plain transformers the saved one takes special tokens that a prompt spells out for what
        they are, since a template may have some, that of a chat above all. Here each method says
        which texts are read so.
        """
        hf = copy.deepcopy(self.hf)
        hf.split_special_tokens = hf.init_kwargs["split_special_tokens"] = False
        return Tokenizer(hf)

    def with_words_apart(self) -> Tokenizer:
        """This tokenizer without tokens that reach over two words (`gptasks.words.units`).

        "北京" may be one token, and "'s" and "..." are: where each word, each sign, and each
        character of scripts without spaces has a tag of its own, each needs a token of its own. The
        saved tokenizer keeps to that too.
        """
        from tokenizers import Regex
        from tokenizers.pre_tokenizers import Sequence as Steps
        from tokenizers.pre_tokenizers import Split

        hf = copy.deepcopy(self.hf)
        if _own_steps(_content(hf)) is not None:
            return Tokenizer(hf)
        apart, own = Split(Regex(APART), "isolated"), hf.backend_tokenizer.pre_tokenizer
        hf.backend_tokenizer.pre_tokenizer = Steps([apart, own]) if own else apart
        return Tokenizer(hf)

    def with_template(self, before: str, between: str, after: str) -> Tokenizer:
        """This tokenizer with texts written as before, text, after; a pair with `between` inside.

        The template is part of the saved tokenizer, so `tokenizer(text)` and
        `tokenizer(first, second)` give the same ids in plain transformers, and truncation takes
        from the texts alone. Its parts are turned into tokens apart from the text, so that a text
        never changes how they are split. What the tokenizer puts around a single text, such as a
        begin-of-text token, it puts around the template.
        Raises ConfigError where the template leaves no token for a text, or ends in padding.
        """
        hf = copy.deepcopy(self._without_template().hf)
        start, end = _frame(hf)
        words = Words(*(self.part(part) for part in (before, between, after)))
        _set_template(hf, start, end, words)
        taken = len(start) + sum(map(len, words)) + len(end)
        if taken >= hf.model_max_length:
            raise ConfigError(
                f"what stands around a text (task.template, and this backbone's own tokens) takes "
                f"{taken} tokens, and task.max_length={hf.model_max_length} leaves none for the "
                "text; raise task.max_length, or shorten task.template."
            )
        if (words.after + end)[-1:] == [self.pad_id]:
            raise ConfigError(
                f"task.template ends in {hf.pad_token}, which is this backbone's padding too: "
                "plain transformers would take it for that; end it in another word."
            )
        return Tokenizer(hf)

    def without_words(self) -> Tokenizer:
        """This tokenizer without what `with_template` and `with_words_apart` gave it, as a model
        saved for a task carries it; what the tokenizer itself puts around a text stays."""
        bare = self._without_template()
        content = _content(bare.hf)
        steps = _own_steps(content)
        if steps is None:
            return bare
        hf = copy.deepcopy(bare.hf)
        hf.backend_tokenizer.pre_tokenizer = _pre_tokenizer(content, steps)
        return Tokenizer(hf)

    def _without_template(self) -> Tokenizer:
        own = _own_frame(self.hf)
        if own is None:
            return self
        hf = copy.deepcopy(self.hf)
        _set_template(hf, *own, Words([], [], []))
        return Tokenizer(hf)

    def part(self, text: str) -> list[int]:
        """The ids of a part of a template, which may spell out special tokens."""
        if not text:
            return []
        options = {"add_special_tokens": False, "split_special_tokens": False, "verbose": False}
        ids = self.hf(text, **options)["input_ids"]
        if not ids:
            raise BackboneError(
                f"{text!r}, which task.template puts beside a text, has no token in this "
                "backbone's tokenizer; set task.template to other words."
            )
        return list(ids)

    def within(self, before: str, text: str, after: str) -> list[int]:
        """The ids of a text in the words of a template, all of them turned into tokens as one, as
        plain transformers would.

        Words may spell out special tokens; a text that does is turned into tokens apart from them,
        and stays a text.
        """
        if any(token in text for token in self._specials):
            return [*self.part(before), *self.plain(text), *self.part(after)]
        return self.part(before + text + after)

    @cached_property
    def _specials(self) -> list[str]:
        added = self.hf.added_tokens_decoder.values()
        return [token.content for token in added if token.special and token.content]

    def chat(self, before: str, after: str) -> tuple[str, str]:
        """What stands before and after a text that stands between `before` and `after` in a user's
        message, up to where the answer begins, by the chat template that came with the backbone.

        Raises ConfigError where there is none that can be used so.
        """
        if not self.hf.chat_template:
            raise ConfigError(
                "task.chat=true, but this backbone's tokenizer has no chat template; leave it out, "
                "or take a backbone that was trained for chat."
            )
        message = [{"role": "user", "content": f"{before}{MARK}{after}"}]
        try:
            whole = self.hf.apply_chat_template(message, tokenize=False, add_generation_prompt=True)
        except Exception as error:  # of jinja, or what the template itself raises
            raise ConfigError(
                "task.chat=true, but this backbone's chat template does not take a user's message: "
                f"{first_line(error)}; leave it out, or take another backbone."
            ) from error
        parts = str(whole).split(MARK)
        if len(parts) != 2:
            does = "repeats" if len(parts) > 2 else "changes"
            raise ConfigError(
                f"task.chat=true, but this backbone's chat template {does} a message's text, so "
                "the source can't be found in it; leave it out."
            )
        return parts[0], parts[1]

    def save(self, folder: Path) -> None:
        """Write the tokenizer's files into `folder`."""
        self.hf.backend_tokenizer.no_truncation()  # of the last text; else it is saved with it
        self.hf.save_pretrained(folder)

    @classmethod
    def prepared(cls, hf: PreTrainedTokenizerBase) -> Tokenizer:
        """Face `hf`, with a pad token and right padding.

        GPT-2's family has no pad token: the end of text stands in, and masks are made from
        lengths, never from ids. A pad token that `hf` puts after every text is left out: plain
        transformers takes it for padding. Raises BackboneError for a tokenizer that is not a fast
        one or has no token that could pad.
        """
        if not getattr(hf, "is_fast", False):
            raise BackboneError(
                "this backbone's tokenizer is not of the tokenizers library; convert it to a "
                "tokenizer.json first."
            )
        hf = _plain(hf)
        if hf.pad_token_id is None:
            hf.pad_token = hf.eos_token or hf.bos_token
        if hf.pad_token_id is None:
            raise BackboneError(
                "this backbone's tokenizer has neither a pad nor an end-of-text token; "
                "set one in its tokenizer_config.json."
            )
        before, after = _frame(hf)
        if after and after[-1] == hf.pad_token_id:
            after = [id for id in after if id != hf.pad_token_id]
            _set_template(hf, before, after, Words([], [], []))
        return cls(hf)


@functools.cache
def _signs() -> dict[str, int]:
    """The letters that stand for bytes in a vocabulary of bytes: those of Latin-1 that can be
    printed for themselves, and those from U+0100 for the others, in order."""
    printed = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printed]
    return {chr(byte): byte for byte in printed} | {
        chr(256 + n): byte for n, byte in enumerate(others)
    }


def _spelt(piece: str) -> str:
    """What a piece of letters for bytes spells; a special token is no such piece, and itself."""
    signs = _signs()
    if not all(sign in signs for sign in piece):
        return piece
    return bytes(signs[sign] for sign in piece).decode("utf-8", "backslashreplace")


def _plain(hf: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """`hf` as transformers' general class, which takes everything from tokenizer.json.

    Classes of one architecture may build a tokenizer anew when it is opened: GPT-NeoX's forgets
    the template of a pair.
    """
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=hf.backend_tokenizer,
        **hf.special_tokens_map,
        extra_special_tokens=list(hf.extra_special_tokens),
        chat_template=hf.chat_template,
        clean_up_tokenization_spaces=hf.clean_up_tokenization_spaces,
        model_max_length=hf.model_max_length,
        padding_side="right",
        truncation_side=hf.truncation_side,  # given here, or a later change is not saved
        split_special_tokens=True,
    )


def _frame(hf: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """The ids that `hf` puts before and after a single text."""
    bare = hf("a", add_special_tokens=False, verbose=False)["input_ids"]
    whole = hf("a", verbose=False)["input_ids"]
    starts = [i for i in range(len(whole)) if whole[i : i + len(bare)] == bare]
    start = starts[0] if starts else 0
    return whole[:start], whole[start + len(bare) :]


def _set_template(
    hf: PreTrainedTokenizerBase, start: list[int], end: list[int], words: Words
) -> None:
    """Make `hf` write start, before, text, after, end; and a pair with `between` inside."""
    from tokenizers.processors import TemplateProcessing

    parts = dict(zip((START, *WORDS, END), (start, *words, end), strict=True))
    used = {name: ids for name, ids in parts.items() if ids}

    def template(*names: str) -> str:
        return " ".join(name for name in names if name.startswith("$") or name in used)

    before, between, after = WORDS
    hf.backend_tokenizer.post_processor = TemplateProcessing(
        single=template(START, before, "$A", after, END),
        pair=template(START, before, "$A", between, "$B", after, END),
        special_tokens=[
            {"id": name, "ids": ids, "tokens": hf.convert_ids_to_tokens(ids)}
            for name, ids in used.items()
        ],
    )


def _content(hf: PreTrainedTokenizerBase) -> dict[str, Any]:
    """What tokenizer.json would hold."""
    return json.loads(hf.backend_tokenizer.to_str())


def _own_frame(hf: PreTrainedTokenizerBase) -> tuple[list[int], list[int]] | None:
    """What a tokenizer that carries a task's words puts around a text by itself; None where it
    carries none."""
    processor = _content(hf)["post_processor"] or {}
    named = processor.get("special_tokens", {}) if processor.get("type") == TEMPLATE else {}
    if not named.keys() & set(WORDS):
        return None
    start, end = (list(named.get(name, {"ids": []})["ids"]) for name in (START, END))
    return start, end


def _own_steps(content: Mapping[str, Any]) -> list[Any] | None:
    """How a tokenizer that keeps words apart cuts a text by itself; None where it does not.
    content: its tokenizer.json."""
    cutting = content["pre_tokenizer"] or {}
    first, *others = cutting.get("pretokenizers", [cutting])
    return others if first.get("pattern") == {"Regex": APART} else None


def _pre_tokenizer(content: Mapping[str, Any], steps: list[Any]) -> Any:
    """Steps of a tokenizer.json as the tokenizers library has them."""
    from tokenizers import Tokenizer as Backend

    whole = {"type": "Sequence", "pretokenizers": steps} if steps else None
    return Backend.from_str(json.dumps({**content, "pre_tokenizer": whole})).pre_tokenizer
