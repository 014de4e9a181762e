"""Rows, windows, loss and writing of conditional generation."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import CPU, MIXED, backbone, merged
from transformers import AutoTokenizer

from gptasks.config import compose
from gptasks.data.batching import collate
from gptasks.data.encoding import IGNORED, encode_rows
from gptasks.errors import BackboneError, ConfigError, DataError
from gptasks.model import Model
from gptasks.task import Prediction, Row
from gptasks.tasks.conditional_generation import ConditionalGeneration, GenerationOptions


def task(*, max_new_tokens: int = 8, generation: Any = None, **options: Any) -> Any:
    options.setdefault("template", "Text: {source} Title:")
    writing = GenerationOptions(max_new_tokens=max_new_tokens, **(generation or {}))
    return ConditionalGeneration(**{"generation": writing, "max_length": 64, **options})


def row(source: Any = "abc", target: Any = "xy", **more: Any) -> Row:
    return Row({"source": source, "target": target, **more}, "a.csv:2")


def encoded(kind: ConditionalGeneration, given: Row) -> dict[str, Any]:
    (window,) = kind.encode(given, kind.tokenizer(backbone().tokenizer))
    return window


def text(ids: list[int]) -> str:
    return backbone().tokenizer.text(ids)


def batch_of(windows: list[dict[str, Any]]) -> dict[str, Any]:
    return collate(windows, backbone().tokenizer.pad_id, CPU)


END = backbone().tokenizer.end_id

# -- rows ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (row(source=" "), r"^column 'source' is empty$"),
        (row(target=None), r"^column 'target' is empty$"),
        (row(target=["a"]), r"^column 'target' holds a list, where a text or a number is read$"),
        (row(source="a\udc00"), r"^column 'source' holds half a character"),
        (Row({"sources": "a", "target": "b"}, "r"), r"^column 'source' is not there; did you mean"),
        (Row({"source": "a"}, "r"), r"^column 'target' is not there .*; set task\.target=COLUMN$"),
    ],
)
def test_an_unusable_row_says_why(given: Row, message: str):
    with pytest.raises(DataError, match=message):
        task().read(given)


def test_a_row_to_predict_needs_no_target():
    typed = task().row_of("abc", "text 1")
    assert task().read_input(typed) is typed
    assert task().reference(typed) is None
    assert "labels" not in encoded(task(), typed)


# -- windows ------------------------------------------------------------------------------


def test_only_the_target_and_its_end_are_learnt():
    window = encoded(task(), row())
    prompt, target = "Text: abc Title:", " xy"
    assert text(window["input_ids"]) == prompt + target
    assert text(window["prompt"]) == prompt
    assert window["labels"][: len(prompt)] == [IGNORED] * len(prompt)
    assert window["labels"][len(prompt) :] == window["input_ids"][len(prompt) :]
    assert window["labels"][-1] == END  # though padding is the same token
    assert backbone().tokenizer.pad_id == END


def test_prompts_of_training_and_of_writing_are_the_same_tokens():
    kind = task(max_length=40)
    learnt = encoded(kind, row("a long source that will be cut", "xy"))
    written = encoded(kind, Row({"source": "a long source that will be cut"}, "r"))
    assert learnt["prompt"] == written["prompt"] == written["input_ids"]
    assert learnt["input_ids"][: len(learnt["prompt"])] == learnt["prompt"]


@pytest.mark.parametrize(("side", "kept"), [("right", "abcde"), ("left", "vwxyz")])
def test_a_target_longer_than_may_be_written_takes_from_what_is_learnt_alone(side: str, kept: str):
    """The prompt that a text is scored by tells nothing of the target, not even its length."""
    kind = task(max_length=30, truncation_side=side)  # 13 of the template, 8 for writing
    source = "abcdefghijklmnopqrstuvwxyz"
    learnt = encoded(kind, row(source, "1" * 10))
    written = encoded(kind, Row({"source": source}, "r"))
    assert learnt["prompt"] == written["prompt"]
    assert text(learnt["input_ids"]) == f"Text: {kept} Title: {'1' * 10}"
    assert len(learnt["input_ids"]) == 30
    assert (learnt["lost"], written["lost"]) == (26 - 5, 26 - 9)
    assert sum(label != IGNORED for label in learnt["labels"]) == len(" ") + 10 + 1


@pytest.mark.parametrize(("side", "kept"), [("right", "abcdefghi"), ("left", "rstuvwxyz")])
def test_a_long_source_is_cut_and_never_the_cue_or_the_target(side: str, kept: str):
    kind = task(max_length=30, truncation_side=side)  # 13 of the template, 8 for writing
    window = encoded(kind, row("abcdefghijklmnopqrstuvwxyz", "12345"))
    assert text(window["input_ids"]) == f"Text: {kept} Title: 12345"
    assert window["lost"] == 26 - 9
    assert sum(label != IGNORED for label in window["labels"]) == len(" 12345") + 1


def test_a_target_longer_than_what_is_written_takes_from_the_source():
    window = encoded(task(max_length=30), row("abcdefghijklmnopqrstuvwxyz", "1234567890"))
    assert text(window["input_ids"]) == "Text: abcde Title: 1234567890"
    assert len(window["input_ids"]) == 30


def test_a_target_that_leaves_nothing_for_the_source_is_refused():
    message = (
        r"a\.csv:2: the target takes 22 tokens, and task\.max_length=30 leaves none for the "
        r"source; raise task\.max_length, or leave the row out\.$"
    )
    with pytest.raises(DataError, match=message):
        encoded(task(max_length=30), row("abc", "1" * 20))


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize(
    "template", ["{source}\nSo:", "In {source}.", "({source}) go", "在{source}市", "</s>{source}'s"]
)
def test_a_prompt_has_the_tokens_that_plain_transformers_gives_it(template: str, side: str):
    """Also where the words of a template and the text make one token, and where a text is cut."""
    kind = task(template=template, max_length=24, truncation_side=side)
    tokenizer = kind.tokenizer(merged())
    cut = 0
    for start, end in itertools.combinations(range(0, 60, 3), 2):
        source = " ".join(MIXED)[start:end]
        if not source.strip():
            continue
        (window,) = kind.encode(Row({"source": source}, "r"), tokenizer)
        left = [source[:k] if side == "right" else source[-k:] for k in range(1, len(source) + 1)]
        plain = [tokenizer.hf(template.replace("{source}", one))["input_ids"] for one in left]
        assert window["prompt"] == window["input_ids"]
        assert len(window["prompt"]) <= 24 - 8
        assert window["prompt"] in plain if window["lost"] else window["prompt"] == plain[-1]
        cut += window["lost"] > 0
    assert cut > 20


def test_special_tokens_spelt_out_in_a_text_are_text():
    window = encoded(task(), row("a", "<|endoftext|>"))
    assert window["input_ids"].count(END) == 1


def test_the_ledger_counts_cut_sources_and_no_targets():
    kind = task(max_length=30)
    rows = [row("abcdefghijklmnopqrstuvwxyz", "12345"), row()]
    ledger = encode_rows(kind, rows, kind.tokenizer(backbone().tokenizer)).ledger
    assert (ledger.rows_cut, ledger.tokens_lost, ledger.targets_lost) == (1, 17, 0)
    assert ledger.source_tokens == 9 + 3  # the template and the targets are never cut
    assert ledger.share_lost == 17 / (17 + 9 + 3)
    assert ledger.targets == 7 + 4


# -- options ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_new_tokens": 9}, r"min_new_tokens=9 is more than max_new_tokens=8\.$"),
        (
            {"temperature": 0.5},
            r"generation\.temperature=0\.5 is for drawing; set task\.generation",
        ),
        ({"top_k": 5}, r"generation\.top_k=5 is for drawing"),
        ({"length_penalty": 2.0}, r"length_penalty=2\.0 is for beams; set task\."),
        ({"no_repeat_ngram_size": 1}, r"no_repeat_ngram_size=1 forbids every token to come twice"),
        ({"stop_strings": [""]}, r"stop_strings holds an empty text; leave it out\.$"),
    ],
)
def test_settings_that_would_do_nothing_are_refused(options: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        task(generation=options)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("task.generation.temperature=0", r"task\.generation\.temperature must be above 0; got 0"),
        ("task.generation.seed=4294967296", r"seed must be at least 0 and at most 4294967295"),
        ("task.generation.top_p=1.5", r"top_p must be above 0 and at most 1|at most 1 and above 0"),
        ("task.generation.num_beam=2", r"num_beam'; did you mean 'generation\.num_beams'\?"),
        ("task.generation.temperature=2", r"temperature=2.* is for drawing"),
        ("task.metrics=[accuracy]", r"metric 'accuracy' can't score this kind of task, whose answer"
         r" is a text; there are rouge1, rouge2, rougeL, rougeLsum"),
        ("task.template='no source'", r"task\.template must hold \{source\}, once"),
        ("strategy=head", r"strategy=head fits a head on frozen features, which a task of kind "
         r"'conditional_generation' does not have; take strategy=lora\."),
    ],
)  # fmt: skip
def test_wrong_options_are_one_line_before_any_work(override: str, message: str, tmp_path: Any):
    data = tmp_path / "a.csv"
    data.write_text("source,target\na,b\n")
    usual = ["task=conditional_generation", f"task.data.train={data}", "backbone=tiny"]
    with pytest.raises(ConfigError, match=message):
        _checked([*usual, override])


def _checked(overrides: list[str]) -> None:
    config = compose(overrides)
    config.strategy.check(config.task)


def test_a_template_that_leaves_no_room_is_refused():
    message = (
        r"task\.template takes 13 tokens and task\.generation\.max_new_tokens 8, and task\."
        r"max_length=21 leaves none for a source; raise it, or shorten the template\.$"
    )
    with pytest.raises(ConfigError, match=message):
        task(max_length=21).tokenizer(backbone().tokenizer)
    with pytest.raises(ConfigError, match=r"max_new_tokens=8 leaves nothing of task\.max_length=8"):
        task(max_length=8)


CHAT = (
    "{% for m in messages %}<|endoftext|>{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)


def test_a_chat_template_goes_around_the_template(tmp_path: Path):
    tokenizer = backbone().tokenizer
    with pytest.raises(ConfigError, match=r"task\.chat=true, but this backbone's tokenizer has"):
        task(chat=True).tokenizer(tokenizer)
    tokenizer.hf.chat_template = CHAT
    kind = task(chat=True, separator="")
    (window,) = kind.encode(row(), kind.tokenizer(tokenizer))
    assert window["input_ids"][0] == END  # the special token that the chat template spells out
    assert text(window["input_ids"]) == "user: Text: abc Title:\nassistant:xy"
    # The saved tokenizer gives plain transformers the same prompt, special tokens and all.
    kind.tokenizer(tokenizer).save(tmp_path)
    message = [{"role": "user", "content": "Text: abc Title:"}]
    plain = AutoTokenizer.from_pretrained(tmp_path).apply_chat_template(
        message, add_generation_prompt=True, return_dict=True
    )
    assert plain["input_ids"] == window["prompt"]
    assert kind.layout().example == [{"role": "user", "content": "Text: a text Title:"}]
    odd = next(kind.encode(row("a<|endoftext|>b"), kind.tokenizer(tokenizer)))  # a text is text
    assert odd["prompt"].count(END) == 1
    tokenizer.hf.chat_template = "{{ messages[0]['role'] }}"
    with pytest.raises(ConfigError, match=r"chat template changes a message's text"):
        kind.tokenizer(tokenizer)
    tokenizer.hf.chat_template = "{{ messages[0]['content'] }} or {{ messages[0]['content'] }}"
    with pytest.raises(ConfigError, match=r"chat template repeats a message's text"):
        kind.tokenizer(tokenizer)
    for broken, reason in (("{{ raise_exception('no users') }}", "no users"), ("{% for %}", "Exp")):
        tokenizer.hf.chat_template = broken
        with pytest.raises(
            ConfigError, match=rf"does not take a user's message: {reason}.*; leave"
        ):
            kind.tokenizer(tokenizer)


def test_a_message_has_no_blanks_at_its_ends():
    tokenizer = backbone().tokenizer
    tokenizer.hf.chat_template = "user: {{ messages[0]['content'] | trim }}>"
    kind = task(chat=True, template="{source}")
    (window,) = kind.encode(row("  abc "), kind.tokenizer(tokenizer))
    assert text(window["prompt"]) == "user: abc>"


# -- model --------------------------------------------------------------------------------


def model(kind: ConditionalGeneration, shape: str = "llama") -> Model:
    decoder = backbone(shape)
    return Model(kind, decoder, kind.head(decoder)).eval()


def test_the_loss_is_that_of_plain_transformers():
    kind, decoder = task(), backbone()
    windows = [encoded(kind, row()), encoded(kind, row("a longer source", "title"))]
    batch = batch_of(windows)
    logits = model(kind)(batch)
    loss, targets = kind.loss(logits, batch)
    assert logits.shape == (targets, 257)
    hidden = decoder.model(
        input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
    ).last_hidden_state
    whole = decoder.unembedding(hidden)
    expected = torch.nn.functional.cross_entropy(
        whole[:, :-1].flatten(0, 1), batch["labels"][:, 1:].flatten(), reduction="sum"
    )
    assert targets == len(" xy") + 1 + len(" title") + 1
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("shape", ["llama", "gpt2"])
@pytest.mark.parametrize(
    "settings", [{}, {"num_beams": 3}, {"repetition_penalty": 1.3}, {"no_repeat_ngram_size": 2}]
)
def test_what_is_written_depends_on_no_other_row(shape: str, settings: dict[str, Any]):
    kind = task(generation=settings, max_new_tokens=12)
    windows = [encoded(kind, row(source)) for source in ("a", "a much longer source", "mid one")]
    together = kind.predict(model(kind, shape), batch_of(windows))
    alone = [kind.predict(model(kind, shape), batch_of([window]))[0] for window in windows]
    assert [p.value for p in together] == [p.value for p in alone]
    assert [dict(p.scores) for p in together] == [dict(p.scores) for p in alone]


def test_what_fills_up_behind_a_stop_string_does_not_count():
    """Where padding is a token of its own, as with most newer backbones."""
    kind = task(generation={"stop_strings": ["Q"]}, max_new_tokens=12)
    padded = backbone()
    padded.tokenizer.hf.pad_token = "a"
    assert padded.tokenizer.pad_id != padded.tokenizer.end_id
    writer = Model(kind, padded, kind.head(padded)).eval()
    windows = [encoded(kind, row(source)) for source in ("a", "a much longer source", "mid one")]
    together = kind.predict(writer, batch_of(windows))
    alone = [kind.predict(writer, batch_of([window]))[0] for window in windows]
    assert together == alone
    assert len({p.scores["tokens"] for p in together}) > 1
    assert any(p.scores["ended"] for p in together)


def test_drawing_is_the_same_for_the_same_seed_and_leaves_torch_alone():
    def drawn(seed: int) -> str:
        kind = task(generation={"do_sample": True, "top_p": 0.9, "seed": seed}, max_new_tokens=20)
        return str(kind.predict(model(kind), batch_of([encoded(kind, row())]))[0].value)

    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    assert drawn(1) == drawn(1)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert len({drawn(seed) for seed in range(6)}) > 1


class _Says:
    """Writes what it is told to, as a model would."""

    def __init__(self, *texts: str) -> None:
        self.backbone, self.texts = backbone(), texts

    def generate(self, prompts: Any, **settings: Any) -> list[list[int]]:
        self.prompts, self.settings = prompts, settings
        return [self.backbone.tokenizer.plain(text) for text in self.texts]


def test_an_answer_ends_at_a_stop_string_or_by_itself_or_is_cut():
    kind = task(generation={"stop_strings": ["\n", "##"]}, max_new_tokens=8)
    says = _Says(" one##t", " four", " 1234567", "")
    found = kind.predict(says, batch_of([encoded(kind, row())] * 4))
    assert [p.value for p in found] == ["one", "four", "1234567", ""]
    assert [p.scores["ended"] for p in found] == [1.0, 1.0, 0.0, 1.0]
    assert text(says.prompts[0]) == "Text: abc Title:"  # nothing of the target
    assert kind.tally(found) == {"empty": 1, "not_ended": 1}


def test_a_backbone_without_its_map_to_words_can_not_write():
    bare = dataclasses.replace(backbone(), unembedding=None)
    with pytest.raises(BackboneError, match=r"was saved without its map from states to words"):
        task().head(bare)


def test_baselines_are_the_first_sentence_and_the_first_words():
    train = [row(target="one two three"), row(target="a")]
    test = [row("Dr Wu went home. Then he slept."), row("他回家了。然后睡觉。")]
    found = task().baselines(train, [], test)
    assert found["lead_sentence"] == [Prediction("Dr Wu went home."), Prediction("他回家了。")]
    assert found["lead_words"] == [Prediction("Dr Wu"), Prediction("他回")]
