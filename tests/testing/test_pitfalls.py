"""What users of the field's tools stumbled over, done again: a check of a plugin catches each."""

from __future__ import annotations

import pytest
from testing.sound import OF, failures, plugin

PITFALLS: dict[str, tuple[str, dict[str, str], str, str]] = {
    "a set's order in a row": (
        "rows_are_deterministic",
        {"body": "def read(self, row):\n"
                 "    row['words'] = list(set(row['text'].split()))\n"
                 "    return super().read(row)"},
        "SequenceClassification",
        "the rows differ in another process: number 1 is ",
    ),
    "pooling at the last id that is not the pad token's": (
        "the_whole_text_is_read",
        {"body": "def pool(self, hidden, batch):\n"
                 "    real = batch['attention_mask'].bool() & (batch['input_ids'] != PAD)\n"
                 "    last = real.long().cumsum(1).argmax(1)\n"
                 "    return hidden[torch.arange(len(hidden)), last]",
         "before": "PAD = 0  # which ends texts, too"},
        "SequenceClassification",
        "the pad token more at the end of a text changes nothing",
    ),
    "pooling the last column": (
        "a_batch_predicts_like_single_rows",
        {"body": "def pool(self, hidden, batch):\n    return hidden[:, -1]"},
        "SequenceClassification",
        "rows.jsonl:",
    ),
    "writing without places for left padding": (
        "a_batch_predicts_like_single_rows",
        {"body": "def predict(self, model, batch):\n"
                 "    prompts = batch['prompt']\n"
                 "    width = max(map(len, prompts))\n"
                 "    pad = model.backbone.tokenizer.pad_id\n"
                 "    ids = torch.tensor([[pad] * (width - len(p)) + p for p in prompts])\n"
                 "    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p)\n"
                 "                         for p in prompts])\n"
                 "    said = []\n"
                 "    for _ in range(8):\n"
                 "        top = model.backbone.model(input_ids=ids, attention_mask=mask,\n"
                 "                                   use_cache=False)\n"
                 "        best = model.head(top.last_hidden_state[:, -1]).argmax(-1)[:, None]\n"
                 "        said.append(best)\n"
                 "        ids = torch.cat([ids, best], 1)\n"
                 "        mask = torch.cat([mask, torch.ones_like(best)], 1)\n"
                 "    return [Prediction(' '.join(map(str, row)))\n"
                 "            for row in torch.cat(said, 1).tolist()]"},
        "ConditionalGeneration",
        "rows.jsonl:",
    ),
    "targets that are left out where they equal the pad token": (
        "loss_is_a_sum",
        {"body": "def loss(self, logits, batch):\n"
                 "    labels = batch['labels'][:, 1:]\n"
                 "    targets = labels[labels != -100]\n"
                 "    kept = targets != 0\n"
                 "    total, count = super().loss(logits, batch)\n"
                 "    return total, int(kept.sum())"},
        "ConditionalGeneration",
        "targets, and the windows have ",
    ),
    "cutting the end of prompt and target together": (
        "targets_are_kept_or_counted",
        {"body": "def encode(self, row, tokenizer):\n"
                 "    prompt = tokenizer.plain(row['source'] + ' ->')\n"
                 "    target = []\n"
                 "    if self.reference(row):\n"
                 "        target = [*tokenizer.plain(self.reference(row)), tokenizer.end_id]\n"
                 "    ids = (prompt + target)[: self.max_length]\n"
                 "    labels = ([-100] * len(prompt) + target)[: self.max_length]\n"
                 "    lost = len(prompt + target) - len(ids)\n"
                 "    window = {'input_ids': ids, 'prompt': prompt, 'lost': lost}\n"
                 "    yield {**window, 'labels': labels} if target else window"},
        "ConditionalGeneration",
        "targets; cut to task.max_length=",
    ),
    "an end that pads and is masked with the pads": (
        "the_end_is_a_target",
        {"body": "def encode(self, row, tokenizer):\n"
                 "    for window in super().encode(row, tokenizer):\n"
                 "        if 'labels' in window:\n"
                 "            window['labels'] = [-100 if one == tokenizer.end_id else one\n"
                 "                                for one in window['labels']]\n"
                 "        yield window"},
        "ConditionalGeneration",
        "rows.jsonl:1: its last target is the token ",
    ),
    "a target whose first token is lost": (
        "training_reads_what_use_reads",
        {"body": "def encode(self, row, tokenizer):\n"
                 "    for window in super().encode(row, tokenizer):\n"
                 "        if 'labels' in window:\n"
                 "            window['labels'][len(window['prompt'])] = -100\n"
                 "        yield window"},
        "ConditionalGeneration",
        "rows.jsonl:1: a token after the prompt is no target",
    ),
    "tags of another scheme": (
        "predictions_have_their_shape",
        {"body": "def merge(self, row, parts):\n"
                 "    found = super().merge(row, parts)\n"
                 "    return Prediction([f'S{tag[1:]}' if tag[0] == 'B' else 'S-X'\n"
                 "                       for tag in found.value], found.scores, found.details)"},
        "TokenClassification",
        "is none of the task's labels (O, B-",
    ),
    "a prompt that is a target": (
        "training_reads_what_use_reads",
        {"body": "def encode(self, row, tokenizer):\n"
                 "    for window in super().encode(row, tokenizer):\n"
                 "        if 'labels' in window:\n"
                 "            window['labels'] = list(window['input_ids'])\n"
                 "        yield window"},
        "ConditionalGeneration",
        "rows.jsonl:1: a token of the prompt is a target",
    ),
    "a metric that knows Latin letters only": (
        "gold_scores_best",
        {"body": "metrics: list[str] = field(default_factory=lambda: ['latin'])",
         "after": "import re\n\n"
                  "@hookimpl\n"
                  "def register_metrics():\n"
                  "    class Latin(MeanMetric):\n"
                  "        name, answer, source = 'latin', 'text', 'this test'\n"
                  "        def score(self, prediction, reference):\n"
                  "            one, other = (set(re.findall('[a-z0-9]+', text))\n"
                  "                          for text in (prediction, reference))\n"
                  "            return len(one & other) / max(1, len(one | other))\n"
                  "    return [Latin]"},
        "Chinese",
        "latin: the right answers score 0.0000, those of other rows 0.0000",
    ),
    "a label that is a number in one place and a text in another": (
        "predictions_have_their_shape",
        {"body": "def reference(self, row):\n"
                 "    label = row.get('label')\n"
                 "    return None if label is None else ['bad', 'good', 'so so'].index(label)\n\n"
                 "def learn_labels(self, rows):\n"
                 "    self.labels = ['0', '1', '2']\n\n"
                 "def encode(self, row, tokenizer):\n"
                 "    for window in super().encode(row, tokenizer):\n"
                 "        if self.reference(row) is not None:\n"
                 "            window['label'] = self.reference(row)\n"
                 "        yield window"},
        "SequenceClassification",
        "the value is the str ",
    ),
}  # fmt: skip
"""What the field's users stumbled over, done again: the check that catches it, the task, whose rows
it is tried on, what is said."""


@pytest.mark.parametrize("pitfall", PITFALLS)
def test_a_pitfall_of_the_field_is_caught(pitfall: str) -> None:
    check, given, rows, told = PITFALLS[pitfall]
    base = "ConditionalGeneration" if rows == "Chinese" else rows
    plugin(base=base, **given)
    found = failures(check, base=base, rows=OF[rows])
    assert told in found[check]
