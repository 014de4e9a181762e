"""Texts become ids by one set of rules, saved with the tokenizer, whatever its family."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_models import MIXED, backbone, merged
from transformers import (
    AutoConfig,
    AutoTokenizer,
    GPT2Tokenizer,
    GPTNeoXTokenizer,
    LlamaTokenizer,
    PreTrainedTokenizerFast,
    Qwen2Tokenizer,
)

from gptasks.errors import BackboneError, ConfigError
from gptasks.tokenizer import Tokenizer
from gptasks.words import units

END = "<|endoftext|>"
FAMILIES = (GPT2Tokenizer, GPTNeoXTokenizer, LlamaTokenizer, Qwen2Tokenizer)
BOS, EOS = {"add_bos_token": True}, {"add_eos_token": True}


def byte_tokenizer(shape: str = "llama") -> Tokenizer:
    """END is 0, "!" is 1 and so on: the first printable characters are their code minus 32."""
    return backbone(shape).tokenizer


def family(cls: Any, **flags: bool) -> Any:
    """A tokenizer of an architecture's own class, over bytes."""
    vocabulary = byte_tokenizer().hf.get_vocab() | {"<s>": 257, "</s>": 258, "<unk>": 259, "▁": 260}
    return cls(vocab=vocabulary, merges=[], **flags)


def reopened(tokenizer: Tokenizer, folder: Path) -> Any:
    tokenizer.save(folder)
    return AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize("shape", ["llama", "gpt2"])
def test_a_text_is_its_bytes_and_nothing_more(shape: str):
    tokenizer = byte_tokenizer(shape)
    assert tokenizer.encode("ab!") == ([65, 66, 1], 3, 0)
    assert tokenizer.encode("") == ([], 0, 0)
    assert len(tokenizer.encode("中").ids) == 3
    assert "".join(tokenizer.pieces(tokenizer.encode("ab! c").ids)) == "ab! c"


def test_pieces_are_shown_as_bytes_where_a_character_is_cut():
    tokenizer = byte_tokenizer()
    assert tokenizer.pieces(tokenizer.plain("é\n a")) == ["\\xc3", "\\xa9", "\n", " ", "a"]
    assert tokenizer.pieces([0]) == [END]  # a special token is no row of bytes, but itself
    pieces = [bytes([byte]).decode("latin-1") for byte in range(128)]
    assert tokenizer.pieces(tokenizer.plain("".join(pieces))) == pieces


@pytest.mark.parametrize("cls", [GPT2Tokenizer, Qwen2Tokenizer])
def test_pieces_of_several_bytes_are_read_together(cls: Any):
    signs = [first + second for first, second in (("Ã", "©"), ("Ġ", "Ã"))]  # "é"; a blank, half "é"
    vocabulary = byte_tokenizer().hf.get_vocab()
    vocabulary |= {sign: len(vocabulary) + n for n, sign in enumerate(signs)}
    merges = [(sign[0], sign[1]) for sign in signs]
    tokenizer = Tokenizer.prepared(cls(vocab=vocabulary, merges=merges))
    assert tokenizer.pieces([vocabulary[sign] for sign in signs]) == ["é", " \\xc3"]


def test_pieces_of_a_vocabulary_of_letters_are_its_own():
    tokenizer = Tokenizer.prepared(family(LlamaTokenizer))
    assert tokenizer.pieces([260, 65, 66]) == ["▁", "a", "b"]


@pytest.mark.parametrize("shape", ["llama", "gpt2"])
def test_the_pad_token_is_the_end_of_text_where_there_is_no_other(shape: str):
    tokenizer = byte_tokenizer(shape)
    assert tokenizer.pad_id == tokenizer.hf.eos_token_id == 0
    assert tokenizer.hf.padding_side == "right"


@pytest.mark.parametrize("shape", ["llama", "gpt2"])
@pytest.mark.parametrize("text", [END, f"so it ends{END}", f"{END}{END} a", f" {END} "])
def test_a_special_token_spelt_out_is_only_text(shape: str, text: str, tmp_path: Path):
    tokenizer = byte_tokenizer(shape)
    ids = tokenizer.encode(text).ids
    assert len(ids) == len(text)
    assert tokenizer.pad_id not in ids
    assert reopened(tokenizer, tmp_path)(text)["input_ids"] == ids


def test_a_pad_token_of_its_own_is_kept():
    hf = byte_tokenizer().hf
    hf.add_special_tokens({"pad_token": "[PAD]"})
    assert Tokenizer.prepared(hf).pad_id == 257


def test_the_begin_of_text_pads_where_there_is_no_end_of_text():
    hf = PreTrainedTokenizerFast(
        tokenizer_object=byte_tokenizer().hf.backend_tokenizer, bos_token=END
    )
    assert Tokenizer.prepared(hf).pad_id == 0


def test_a_tokenizer_without_a_token_to_pad_with_is_refused():
    """The unknown token is no choice: it may stand in a text."""
    hf = PreTrainedTokenizerFast(
        tokenizer_object=byte_tokenizer().hf.backend_tokenizer, unk_token=END
    )
    with pytest.raises(BackboneError, match="neither a pad nor an end-of-text token; set one in"):
        Tokenizer.prepared(hf)


def test_a_tokenizer_in_python_is_refused():
    with pytest.raises(BackboneError, match=r"convert it to a tokenizer\.json first"):
        Tokenizer.prepared(object())


@pytest.mark.parametrize("cls", FAMILIES)
@pytest.mark.parametrize("flags", [{}, BOS])
def test_a_begin_of_text_token_is_kept_for_texts_and_for_pairs(cls: Any, flags: dict[str, bool]):
    hf = family(cls, **flags)
    before = [hf.bos_token_id] if flags and hf.bos_token_id is not None else []
    tokenizer = Tokenizer.prepared(hf)
    spaced = [260] if cls is LlamaTokenizer else []  # its words begin with "▁"
    assert tokenizer.encode("ab").ids == [*before, *spaced, 65, 66]
    pair = tokenizer.with_template("", "!", "").encode("ab", "c").ids
    assert pair == [*before, *spaced, 65, 66, *spaced, 1, *spaced, 67]


@pytest.mark.parametrize("cls", FAMILIES)
@pytest.mark.parametrize("flags", [EOS, BOS | EOS])
def test_an_end_of_text_token_that_pads_too_is_never_appended(cls: Any, flags: dict[str, bool]):
    """Plain transformers would take it for padding and read the token before it."""
    hf = family(cls, **flags)
    tokenizer = Tokenizer.prepared(hf)
    ends = tokenizer.encode("ab").ids[-1]
    if cls is GPTNeoXTokenizer:  # it has a pad token of its own, so the end of text may stay
        assert (ends, tokenizer.pad_id) == (
            hf.eos_token_id,
            hf.convert_tokens_to_ids("<|padding|>"),
        )
    else:
        assert ends == 66
    assert tokenizer.pad_id not in tokenizer.with_template("", "!", "").encode("ab", "c").ids[1:]


@pytest.mark.parametrize("cls", FAMILIES)
@pytest.mark.parametrize("flags", [{}, BOS, EOS])
@pytest.mark.parametrize("model_type", ["llama", "gpt2", "qwen3", "gpt_neox"])
def test_plain_transformers_gives_the_same_ids(
    cls: Any, flags: dict[str, bool], model_type: str, tmp_path: Path
):
    """GPT-NeoX's own class would forget the template of a pair when it is opened."""
    tokenizer = Tokenizer.prepared(family(cls, **flags)).limited(40).with_template("", " | ", "")
    AutoConfig.for_model(model_type).save_pretrained(tmp_path)
    plain = reopened(tokenizer, tmp_path)
    assert plain("good", "or bad")["input_ids"] == tokenizer.encode("good", "or bad").ids
    assert plain(f"good{END}")["input_ids"] == tokenizer.encode(f"good{END}").ids
    again = Tokenizer.prepared(plain)
    assert again.encode("good", "or bad") == tokenizer.encode("good", "or bad")


def test_a_pair_is_first_separator_second():
    tokenizer = byte_tokenizer().with_template("", " -> ", "")
    assert tokenizer.encode("a", "b").ids == byte_tokenizer().encode("a -> b").ids
    assert tokenizer.encode("a").ids == [65]
    assert byte_tokenizer().with_template("", "", "").encode("a", "b").ids == [65, 66]


def test_a_template_may_spell_out_a_special_token():
    assert byte_tokenizer().with_template("", END, "").encode("a", "b").ids == [65, 0, 66]


def test_a_template_does_not_end_in_padding():
    """Plain transformers finds the last token by skipping pad ids."""
    with pytest.raises(ConfigError, match=r"template ends in <\|endoftext\|>.*another word"):
        byte_tokenizer().with_template("", "", f" so{END}")
    assert byte_tokenizer().with_template("", "", f"{END}!").encode("a").ids == [65, 0, 1]


TEMPLATES = [
    ("a text: ", "|", " is"),
    (f"{END}a", "|", " is"),  # special tokens go with the words, and none changes sides
    ("", "|", f"{END} is"),
    ("", "|", ""),
]


@pytest.mark.parametrize("cls", FAMILIES)
@pytest.mark.parametrize("flags", [{}, BOS])
@pytest.mark.parametrize("template", TEMPLATES)
def test_a_backbone_saved_for_another_task_is_read_without_its_words(
    cls: Any, flags: dict[str, bool], template: tuple[str, str, str], tmp_path: Path
):
    fresh = Tokenizer.prepared(family(cls, **flags))
    saved = reopened(fresh.with_template(*template), tmp_path)
    again = Tokenizer.prepared(saved).without_words()
    assert again.encode("ab").ids == fresh.encode("ab").ids
    other = ("<", ">", "!")
    expected = fresh.with_template(*other).encode("ab", "c").ids
    assert Tokenizer.prepared(saved).with_template(*other).encode("ab", "c").ids == expected
    assert fresh.without_words() is fresh


# -- words apart --------------------------------------------------------------------------


def over_two_words(tokenizer: Tokenizer, text: str) -> list[str]:
    """Tokens of a text that show something of more than one of its words."""
    found = []
    for start, end in tokenizer.placed(text)[1]:
        if sum(begin < end and start < stop for begin, stop in units(text)) > 1:
            found.append(text[start:end])
    return found


def test_no_token_reaches_over_two_words_where_they_are_kept_apart():
    assert all(over_two_words(merged(), text) for text in MIXED[:2])
    apart = merged().with_words_apart()
    for text in MIXED:
        assert over_two_words(apart, text) == []
        assert apart.text(apart.plain(text)) == text


def test_words_apart_keep_the_space_before_them_and_are_tokens_as_before():
    words = "two words of it"
    assert merged().with_words_apart().plain(words) == merged().plain(words)


def test_plain_transformers_keeps_words_apart_too_and_a_backbone_gives_it_up(tmp_path: Path):
    apart = merged().limited(40).with_words_apart()
    plain = reopened(apart, tmp_path / "t")
    again = Tokenizer.prepared(plain)
    for text in MIXED:
        assert plain(text)["input_ids"] == apart.encode(text).ids == again.encode(text).ids
        assert again.without_words().encode(text).ids == merged().encode(text).ids
    once = again.with_words_apart().hf.backend_tokenizer.to_str()
    assert once.count('"Split"') == 1


@pytest.mark.parametrize("steps", [0, 2])
def test_any_way_to_cut_texts_is_found_again(steps: int, tmp_path: Path):
    from tokenizers import pre_tokenizers

    two = [pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    tokenizer = merged(pre_tokenizer=pre_tokenizers.Sequence(two) if steps else None)
    again = Tokenizer.prepared(reopened(tokenizer.with_words_apart(), tmp_path / "t"))
    for text in ("in 北京 2024", "a1b22"):
        assert again.without_words().encode(text).ids == tokenizer.encode(text).ids
        assert over_two_words(again, text) == []


def test_words_apart_and_a_template_do_not_undo_each_other():
    tokenizer = merged().limited(40)
    both = tokenizer.with_words_apart().with_template("的", "", "")
    assert (
        both.encode("北京").ids
        == tokenizer.with_template("的", "", "").with_words_apart().encode("北京").ids
    )
    assert both.without_words().encode("北京").ids == merged().encode("北京").ids
    assert both.frame == ([], [])


def test_the_words_of_a_template_are_turned_into_tokens_quietly(capfd: pytest.CaptureFixture[str]):
    with pytest.raises(ConfigError, match=r"takes 51 tokens, and task\.max_length=8 leaves none"):
        byte_tokenizer().limited(8).with_template("", "", " so" * 17)
    assert capfd.readouterr().err == ""


def test_a_part_of_a_template_without_a_token_is_refused():
    from tokenizers import normalizers

    tokenizer = byte_tokenizer()
    tokenizer.hf.backend_tokenizer.normalizer = normalizers.Strip()
    with pytest.raises(
        BackboneError,
        match=r"'\\n', which task\.template puts .* has no token .* set task\.template",
    ):
        tokenizer.with_template("", "\n", "")


def test_pads_of_a_plain_batch_stand_on_the_right(tmp_path: Path):
    plain = reopened(byte_tokenizer("gpt2"), tmp_path)
    batch = plain(["abc", "a"], padding=True)
    assert batch["input_ids"] == [[65, 66, 67], [65, 0, 0]]
    assert batch["attention_mask"] == [[1, 1, 1], [1, 0, 0]]
    assert set(batch) == {
        "input_ids",
        "attention_mask",
    }  # type ids would be added to GPT-2's states


@pytest.mark.parametrize(("side", "ids"), [("right", [65, 66, 67, 68]), ("left", [67, 68, 69, 70])])
def test_a_long_text_is_cut_on_the_side_asked_for_and_counted(
    side: str, ids: list[int], tmp_path: Path
):
    tokenizer = byte_tokenizer().limited(4, side)
    assert tokenizer.encode("abcdef") == (ids, 4, 2)
    assert tokenizer.encode("abcd") == ([65, 66, 67, 68], 4, 0)
    assert reopened(tokenizer, tmp_path)("abcdef", truncation=True)["input_ids"] == ids


@pytest.mark.parametrize(
    ("side", "text"), [("right", "abcd|xy"), ("left", "cdef|xy")], ids=["right", "left"]
)
def test_the_longer_of_a_pair_is_cut_and_the_template_stays(side: str, text: str, tmp_path: Path):
    tokenizer = byte_tokenizer().limited(10, side).with_template("<", "|", "=>")
    text = f"<{text}=>"
    expected = byte_tokenizer().encode(text).ids
    assert tokenizer.encode("abcdef", "xy") == (expected, 6, 2)
    plain = reopened(tokenizer, tmp_path)
    assert plain("abcdef", "xy", truncation=True)["input_ids"] == expected


def test_a_begin_of_text_token_outlasts_truncation():
    tokenizer = Tokenizer.prepared(family(GPT2Tokenizer, **BOS)).limited(3, "left")
    assert tokenizer.encode("abcd") == ([0, 67, 68], 2, 2)


def test_limits_and_templates_leave_the_tokenizer_they_start_from_alone():
    tokenizer = byte_tokenizer()
    tokenizer.limited(2, "left")
    tokenizer.with_template("", "|", "")
    assert tokenizer.encode("abc") == ([65, 66, 67], 3, 0)
    assert tokenizer.encode("a", "b").ids == [65, 66]


def test_what_is_saved_does_not_depend_on_the_last_text(tmp_path: Path):
    tokenizer = byte_tokenizer().limited(2)
    tokenizer.save(tmp_path / "before")
    tokenizer.encode("much too long")
    tokenizer.save(tmp_path / "after")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / "before" / name).read_bytes() == (tmp_path / "after" / name).read_bytes()


def test_the_files_of_a_tokenizer_are_json_and_name_no_place_of_this_machine(tmp_path: Path):
    folder = tmp_path / "saved"
    byte_tokenizer().limited(9).save(folder)
    assert sorted(p.name for p in folder.iterdir()) == ["tokenizer.json", "tokenizer_config.json"]
    config = json.loads((folder / "tokenizer_config.json").read_text())
    assert config["model_max_length"] == 9
    assert config["split_special_tokens"] is True
    assert str(tmp_path) not in json.dumps(config)
