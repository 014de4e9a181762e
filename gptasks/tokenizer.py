"""Text to token ids: a thin, strict face on a transformers tokenizer."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gptasks.errors import BackboneError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Encoded(NamedTuple):
    """Token ids of one text or pair, and how many tokens were cut away to fit."""

    ids: list[int]
    lost: int


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
        ids = self.hf(text, pair, truncation=False, split_special_tokens=True, verbose=False)
        whole = ids["input_ids"]
        if len(whole) <= self.hf.model_max_length:
            return Encoded(whole, 0)
        cut = self.hf(text, pair, truncation="longest_first", split_special_tokens=True)
        return Encoded(cut["input_ids"], len(whole) - len(cut["input_ids"]))

    def pieces(self, ids: list[int]) -> list[str]:
        """The pieces of text behind `ids`, for showing to a person."""
        return [str(self.hf.decode([i])) for i in ids]

    def limited(self, max_length: int, truncation_side: str = "right") -> Tokenizer:
        """This tokenizer with windows of at most `max_length` tokens, cut on the side given."""
        hf = copy.deepcopy(self.hf)
        hf.model_max_length = max_length
        hf.truncation_side = truncation_side
        return Tokenizer(hf)

    def with_pair_separator(self, separator: str) -> Tokenizer:
        """This tokenizer with pairs written as first, `separator`, second.

        The template is part of the saved tokenizer, so `tokenizer(first, second)` gives the same
        ids in plain transformers. What the tokenizer puts before and after a single text, such as
        a begin-of-text token, it puts around the pair.
        """
        between: list[int] = []
        if separator:
            between = self.hf(separator, add_special_tokens=False, split_special_tokens=False)[
                "input_ids"
            ]
            if not between:
                raise BackboneError(
                    f"the separator {separator!r} has no token in this backbone's tokenizer; "
                    "set task.separator to another text."
                )
        hf = copy.deepcopy(self.hf)
        before, after = _frame(hf)
        _set_template(hf, before, between, after)
        return Tokenizer(hf)

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
            _set_template(hf, before, [], [id for id in after if id != hf.pad_token_id])
        return cls(hf)


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
    bare = hf("a", add_special_tokens=False)["input_ids"]
    whole = hf("a")["input_ids"]
    starts = [i for i in range(len(whole)) if whole[i : i + len(bare)] == bare]
    start = starts[0] if starts else 0
    return whole[:start], whole[start + len(bare) :]


def _set_template(
    hf: PreTrainedTokenizerBase, before: list[int], between: list[int], after: list[int]
) -> None:
    """Make `hf` write before, text, after; and before, first, between, second, after."""
    from tokenizers.processors import TemplateProcessing

    parts = {"[BEFORE]": before, "[BETWEEN]": between, "[AFTER]": after}
    used = {name: ids for name, ids in parts.items() if ids}

    def template(*names: str) -> str:
        return " ".join(name for name in names if name.startswith("$") or name in used)

    hf.backend_tokenizer.post_processor = TemplateProcessing(
        single=template("[BEFORE]", "$A", "[AFTER]"),
        pair=template("[BEFORE]", "$A", "[BETWEEN]", "$B", "[AFTER]"),
        special_tokens=[
            {"id": name, "ids": ids, "tokens": hf.convert_ids_to_tokens(ids)}
            for name, ids in used.items()
        ],
    )
