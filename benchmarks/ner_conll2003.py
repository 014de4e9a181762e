"""Entity F1 on CoNLL-2003: one-way against two-way attention, a fitted head against adapters.

    python benchmarks/ner_conll2003.py --train FILE --valid FILE [--folder DIR] [KEY=VALUE …]

The files are the user's, in the columns of the original (word, part of speech, chunk, tag in IOB or
BIO). A tenth of FILE for training chooses the model; FILE for validation is only scored. Runs are
kept in the folder, so that a second call goes on where the first was stopped. Further keys, such as
limit=2000 or backbone=gpt2, are those of every training. Needs `pip install seqeval`.
"""

from __future__ import annotations

import argparse
import json
from itertools import product
from pathlib import Path

from seqeval.metrics import f1_score
from seqeval.scheme import IOB2

import gptasks


def main() -> None:
    """Train each strategy with each attention, and print strict F1 beside seqeval's."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--valid", type=Path, required=True)
    parser.add_argument("--strategies", nargs="+", default=["head", "lora"])
    parser.add_argument("--attention", nargs="+", default=["causal", "two-way"])
    parser.add_argument("--folder", type=Path, default=Path("runs/benchmark-ner"))
    parser.add_argument("overrides", metavar="KEY=VALUE", nargs="*")
    options = parser.parse_args()
    for strategy, attention in product(options.strategies, options.attention):
        run = gptasks.train(
            [
                "task=token_classification",
                "task.data.format=conll",
                f"task.data.train={options.train.resolve()}",
                f"task.data.test={options.valid.resolve()}",
                f"task.attention={attention}",
                f"strategy={strategy}",
                "tracking=none",
                f"run={options.folder / f'{strategy}-{attention}'}",
                *options.overrides,
            ]
        )
        scores, timing = run.metrics["test"], run.results["timing"]
        score, conll = scores["entity_f1"], scores["entity_f1_conll"]
        print(
            f"{strategy}, {attention}: F1 {score.value:.4f} [{score.low:.4f}, {score.high:.4f}], "
            f"by seqeval {of_seqeval(run.path):.4f}; by conlleval's rules {conll.value:.4f}; "
            f"{run.results['tally']['test']['repaired_tags']:,} tags repaired; "
            f"n = {score.n:,}, {timing['total_seconds']:.0f} s",
            flush=True,
        )
    for name, found in run.results["baselines"].items():
        print(f"{name}: F1 {found['entity_f1']['value']:.4f}")


def of_seqeval(run: Path) -> float:
    """Strict F1 of the kept predictions, as seqeval counts it."""
    lines = (run / "predictions" / "test.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    said, meant = ([row[side] for row in rows] for side in ("prediction", "reference"))
    return float(f1_score(meant, said, mode="strict", scheme=IOB2))


if __name__ == "__main__":
    main()
