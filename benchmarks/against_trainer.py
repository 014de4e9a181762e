"""gptasks against transformers' Trainer: time and memory from 3,000 movie snippets to a classifier.

    python benchmarks/against_trainer.py [--repeats 3] [--rows 3000] [--epochs 2] [--folder DIR]

The same backbone, rows, words around them, test and processor for all; each system runs in a
process of its own, one after the other, `repeats` times; medians are compared. Trainer fine-tunes
every weight in bf16 autocast with dynamic padding and batches grouped by length, which is its usual
best. Time is that of learning, validation included, without loading libraries and data; memory is
the process' peak. Results are kept in the folder: a second call goes on where the first stopped.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SYSTEMS = ("trainer", "lora", "head")


def main() -> None:
    """Run every system, `repeats` times in turn, and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", type=int, default=3000, help="training rows")
    parser.add_argument("--epochs", type=float, default=2, help="of Trainer")
    parser.add_argument("--learning-rate", type=float, default=3e-5, help="of Trainer")
    parser.add_argument("--folder", type=Path, default=Path("runs/benchmark-trainer"))
    parser.add_argument("--system", choices=SYSTEMS, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.system:
        measure = _trainer if options.system == "trainer" else _gptasks
        print(json.dumps(measure(options)))
        return
    found: dict[str, list[dict[str, float]]] = {system: [] for system in SYSTEMS}
    for seed in range(options.repeats):
        for system in SYSTEMS:
            found[system].append(remembered(system, seed, options))
            print(f"seed {seed} {system:<8} {shown(found[system][-1])}", flush=True)
    medians = {
        system: {key: statistics.median(r[key] for r in runs) for key in runs[0]}
        for system, runs in found.items()
    }
    print(f"\nmedian of {options.repeats}, {options.rows:,} training rows")
    for system, values in medians.items():
        ratio = ""
        if system != "trainer":
            peer = medians["trainer"]
            ratio = (
                f"  {peer['seconds'] / values['seconds']:.1f} times faster, "
                f"{values['memory_gib'] / peer['memory_gib']:.2f} of the memory"
            )
        print(f"{system:<8} {shown(values)}{ratio}")


def sentiment() -> Any:
    """The task, as its YAML has it."""
    from gptasks.config import compose

    return compose(["task=sentiment"]).task


def write_data(folder: Path, rows: int) -> None:
    """The task's splits as csv files, train a sample of `rows`: the file is sorted by label."""
    from gptasks.data.splits import load_splits

    task = sentiment()
    sample = load_splits(task, limit=rows)["train"].rows
    for name, split in load_splits(sentiment()).items():
        kept = sample if name == "train" else split.rows
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "label"])
            writer.writerows([row["text"], row["label"]] for row in kept)


def remembered(system: str, seed: int, options: argparse.Namespace) -> dict[str, float]:
    """What a system gave before with these options, or gives now."""
    of_trainer = f"-{options.epochs:g}-{options.learning_rate:g}" if system == "trainer" else ""
    file = options.folder / f"{system}-{options.rows}{of_trainer}-{seed}.json"
    if not file.exists():
        with tempfile.TemporaryDirectory() as folder:
            write_data(Path(folder), options.rows)
            values = run(system, Path(folder), seed, options)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))
    values = json.loads(file.read_text())
    return values


def run(system: str, folder: Path, seed: int, options: argparse.Namespace) -> dict[str, float]:
    """One system in a fresh process."""
    command = [sys.executable, __file__, "--system", system, "--folder", str(folder)]
    command += ["--seed", str(seed), "--epochs", str(options.epochs)]
    command += ["--learning-rate", str(options.learning_rate)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    values: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return values


def shown(values: dict[str, float]) -> str:
    """A result as text."""
    return (
        f"accuracy {values['accuracy']:.4f}  {values['seconds']:6.1f} s  "
        f"{values['memory_gib']:.2f} GiB"
    )


def _gptasks(options: argparse.Namespace) -> dict[str, float]:
    import gptasks

    folder = options.folder
    run = gptasks.train(
        [
            "task=sequence_classification",
            *(f"task.data.{name}={folder / name}.csv" for name in ("train", "validation", "test")),
            f"task.template={sentiment().template}",
            f"task.max_length={sentiment().max_length}",
            "task.metrics=[accuracy]",
            f"strategy={options.system}",
            f"seed={options.seed}",
            f"run={folder / f'run-{options.system}-{options.seed}'}",
            "tracking=none",
        ]
    )
    seconds = run.results["timing"]["seconds"]["training"]
    return _result(run.metrics["test"]["accuracy"].value, seconds)


def _trainer(options: argparse.Namespace) -> dict[str, float]:
    import numpy as np
    import torch
    from datasets import load_dataset
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
    )

    from gptasks.config import compose
    from gptasks.pretrained import locate

    backbone, _ = locate(compose(["task=sentiment"]).backbone, "smollm2")
    tokenizer = AutoTokenizer.from_pretrained(backbone)
    model = AutoModelForSequenceClassification.from_pretrained(
        backbone, num_labels=2, dtype=torch.float32
    )
    model.config.pad_token_id = tokenizer.pad_token_id
    files = {name: str(options.folder / f"{name}.csv") for name in ("train", "validation", "test")}
    rows = load_dataset("csv", data_files=files, cache_dir=str(options.folder / "datasets"))
    labels = sorted(set(rows["train"]["label"]))
    template, length = sentiment().template, sentiment().max_length

    def encode(batch: dict[str, Any]) -> dict[str, Any]:
        texts = [template.format(text=text) for text in batch["text"]]
        encoded = dict(tokenizer(texts, truncation=True, max_length=length))
        return {**encoded, "labels": [labels.index(label) for label in batch["label"]]}

    rows = rows.map(encode, batched=True, remove_columns=["text", "label"])
    arguments = TrainingArguments(
        output_dir=str(options.folder / f"trainer-{options.seed}"),
        num_train_epochs=options.epochs,
        learning_rate=options.learning_rate,
        per_device_train_batch_size=32,
        per_device_eval_batch_size=64,
        train_sampling_strategy="group_by_length",
        warmup_steps=0.06,
        weight_decay=0.01,
        bf16=True,
        use_cpu=not torch.cuda.is_available(),
        eval_strategy="epoch",
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        seed=options.seed,
    )
    trainer = Trainer(
        model,
        arguments,
        train_dataset=rows["train"],
        eval_dataset=rows["validation"],
        data_collator=DataCollatorWithPadding(tokenizer),
    )
    started = time.monotonic()
    trainer.train()
    seconds = time.monotonic() - started
    predicted = trainer.predict(rows["test"])
    return _result(float(np.mean(predicted.predictions.argmax(-1) == predicted.label_ids)), seconds)


def _result(accuracy: float, seconds: float) -> dict[str, float]:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024
    return {"accuracy": accuracy, "seconds": seconds, "memory_gib": peak * unit / 2**30}


if __name__ == "__main__":
    main()
