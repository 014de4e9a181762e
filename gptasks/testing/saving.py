"""Checks of the model that a run leaves behind."""

from __future__ import annotations

from gptasks.loading import quiet_transformers
from gptasks.runtime import runtime
from gptasks.testing.outputs import check_same
from gptasks.testing.subject import CheckFailed, Skipped, Subject

NEAR = 1e-4
"""Largest difference between logits of gptasks and of plain transformers, in fp32."""


def predictions_survive_saving(subject: Subject) -> None:
    """A model that was saved and opened again says the same.

    A run's scores are those of the model that it saved.

    Mend: keep whatever `predict` needs in the options or in the head's parameters; let `layout`
    name the class of transformers that really computes the head.
    """
    from gptasks.saved_model import load_model, save_model

    task = subject.task()
    model, rows = subject.model(task), subject.read(task)[:8]
    said = subject.predict(task, model, rows)
    folder = subject.folder / "model"
    save_model(folder, task, model.backbone, model.head)
    again = load_model(folder, task, runtime("cpu", "fp32"))
    for row, one, other in zip(rows, said, subject.predict(task, again, rows), strict=True):
        check_same(row, one, other, "before", "after it was saved")


def transformers_opens_it(subject: Subject) -> None:
    """The saved model says the same when the class that `layout` names opens it, without gptasks.

    Whoever is given the folder opens it by plain transformers, and must get what was scored.

    Mend: name in `layout` a class that pools and maps as `pool` and `head` do; where there is none,
    return None, and gptasks.load opens it.
    """
    import torch
    import transformers

    from gptasks.saved_model import is_plain, save_model

    task = subject.task()
    layout = task.layout()
    if layout is None:
        raise Skipped("it names no class of transformers")
    model, rows = subject.model(task), subject.read(task)[:4]
    folder = subject.folder / "model"
    save_model(folder, task, model.backbone, model.head)
    if not is_plain(folder):
        raise Skipped(f"{layout.auto_class} has no class for the tiny backbone")
    with quiet_transformers():
        opened = getattr(transformers, layout.auto_class).from_pretrained(
            folder, local_files_only=True, dtype=torch.float32
        )
    for window in subject.windows(task, rows):
        batch = subject.batch([window])
        with torch.inference_mode():
            ours = model(batch).flatten(0, -2)  # (N, K)
            theirs = opened.eval()(input_ids=batch["input_ids"]).logits.flatten(0, -2)
        # A head may read some places only, where the plain class reads all.
        apart = torch.cdist(ours.double(), theirs.double(), p=float("inf")).min(1).values.max()
        if apart > NEAR * max(1.0, float(ours.abs().max())):
            raise CheckFailed(
                f"{rows[window['row']].id}: {layout.auto_class} gives logits that differ by "
                f"{float(apart):.4f}"
            )
