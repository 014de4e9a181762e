import copy
import dataclasses
import itertools
import math
import re
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.optim.optimizer import register_optimizer_step_pre_hook

from gptasks.errors import TrainingError
from gptasks.options import RunOptions, TrainerOptions
from gptasks.training.checkpoint import Checkpoints
from gptasks.training.plan import Plan, adamw, schedule
from gptasks.training.processes import Processes
from gptasks.training.rooms import Rooms
from gptasks.training.trainer import Trainer

D, K, V = 4, 3, 11


class Reader(nn.Module):
    """Ids to logits (B, T, K); nothing that the trainer could know."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.embedding = nn.Parameter(torch.randn(V, D, generator=generator))
        self.head = nn.Parameter(torch.randn(K, D, generator=generator))
        self.frozen = nn.Parameter(torch.ones(D), requires_grad=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, batch):
        return self.dropout(self.embedding[batch["input_ids"]] * self.frozen) @ self.head.T


def loss(logits, batch):
    """Cross entropy over the tokens that have a label."""
    labels = batch["labels"]
    total = cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum")
    return total, int((labels != -100).sum())


def windows(count: int = 12) -> list[dict]:
    """Of 1 to 5 tokens; window n has n % 3 labels or fewer, so that batches differ in targets."""
    made = []
    for n in range(count):
        ids = [(3 * n + i) % V for i in range(1 + n % 5)]
        labels = [(n + i) % K if i < n % 3 else -100 for i in range(len(ids))]
        made.append({"input_ids": ids, "labels": labels})
    return made


class Points:
    """The curves, held in memory."""

    def __init__(self) -> None:
        self.held: list[dict] = []

    def append(self, step, values):
        self.held.append({"step": step, **values})

    def points(self):
        return list(self.held)

    def rewind(self, points):
        self.held = [*points]

    def of(self, name):
        return {p["step"]: p[name] for p in self.held if name in p}


def trainer(folder: Path, *, scores=None, seed=0, loss=loss, higher=True, **options) -> Trainer:
    """A trainer whose validations give `scores` in turn, or 0.1, 0.2, … without."""
    given = iter(scores or (n / 10 for n in itertools.count(1)))
    usual = {"batch_tokens": 10, "learning_rate": 0.1, "warmup": 0.0, "epochs": 1.0}
    given_options = TrainerOptions(**{**usual, **options})
    processes = Processes(RunOptions(device="cpu", precision="fp32"))
    folder.mkdir(exist_ok=True)
    checkpoints = Checkpoints(folder / "checkpoints")
    return Trainer(
        options=given_options,
        processes=processes,
        loss=loss,
        validate=lambda model, windows, step: {"score": next(given)},
        select="score",
        is_better_higher=higher,
        pad_id=0,
        seed=seed,
        history=Points(),
        checkpoints=checkpoints,
        rooms=Rooms(given_options.batch_tokens, checkpoints, processes),
    )


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture
def gradients():
    """The gradients of each step, as the optimiser meets them."""
    found: list[list[torch.Tensor]] = []

    def look(optimizer, args, kwargs):
        groups = optimizer.param_groups
        found.append([p.grad.clone() for group in groups for p in group["params"]])

    handle = register_optimizer_step_pre_hook(look)
    yield found
    handle.remove()


def whole_gradient(model: Reader, rows: list[dict]) -> list[torch.Tensor]:
    """The gradient of the mean over all targets, computed window by window in float64."""
    model = copy.deepcopy(model).double()
    total, count = 0.0, 0
    for row in rows:
        batch = {key: torch.tensor([value]) for key, value in row.items()}
        part, targets = loss(model(batch), batch)
        total, count = total + part, count + targets
    (total / count).backward()
    return [model.embedding.grad.float(), model.head.grad.float()]


# -- the gradient -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("batch_tokens", "accumulate"),
    [(10_000, 1), (10, 100), (10, 7), (1, 100)],
    ids=["one big batch", "accumulated", "a last group that is not full", "a window a batch"],
)
def test_a_step_has_the_gradient_of_the_mean_over_its_targets(
    batch_tokens, accumulate, tmp_path, gradients
):
    model, rows = Reader(), windows()
    expected = whole_gradient(model, rows)
    made = trainer(tmp_path, batch_tokens=batch_tokens, accumulate=accumulate, clip=0.0)
    assert made.fit(model, rows, rows)["steps"] == 1
    (found,) = gradients
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)
    norm = torch.cat([g.flatten() for g in expected]).norm().item()
    assert made.history.of("train/gradient_norm")[1] == pytest.approx(norm, rel=1e-5)


def test_no_gradient_is_carried_into_the_next_step(tmp_path, gradients):
    model, rows = Reader(), windows()
    expected = whole_gradient(model, rows)
    options = {"batch_tokens": 10_000, "epochs": 3.0, "learning_rate": 0.0, "clip": 0.0}
    trainer(tmp_path, **options).fit(model, rows, rows)
    assert len(gradients) == 3
    for found in gradients:
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


def test_batches_of_few_targets_weigh_no_more_than_others(tmp_path, gradients):
    # One window with 1 target, one with 9: a mean of means would weigh the first nine times more.
    rows = [
        {"input_ids": [1], "labels": [0]},
        {"input_ids": [2] * 9, "labels": [1, 2, 0] * 3},
    ]
    model = Reader()
    expected = whole_gradient(model, rows)
    trainer(tmp_path, batch_tokens=1, accumulate=2, clip=0.0).fit(model, rows, rows)
    for one, other in zip(gradients[0], expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


def test_the_reported_loss_is_the_mean_over_targets(tmp_path):
    model, rows = Reader(), windows()
    batches = [{key: torch.tensor([value]) for key, value in row.items()} for row in rows]
    parts = [loss(model(batch), batch) for batch in batches]
    mean = sum(part.item() for part, _ in parts) / sum(count for _, count in parts)
    made = trainer(tmp_path, accumulate=100)
    made.fit(model, rows, rows)
    assert made.history.of("train/loss")[1] == pytest.approx(mean, rel=1e-6)


@pytest.mark.parametrize("clip", [0.01, 100.0, 0.0])
def test_gradients_longer_than_clip_are_scaled_down_and_reported_as_they_were(
    clip, tmp_path, gradients
):
    model, rows = Reader(), windows()
    norm = torch.cat([g.flatten() for g in whole_gradient(model, rows)]).norm().item()
    made = trainer(tmp_path, batch_tokens=10_000, clip=clip)
    made.fit(model, rows, rows)
    seen = torch.cat([g.flatten() for g in gradients[0]]).norm().item()
    assert seen == pytest.approx(0.01 if clip == 0.01 else norm, rel=1e-3)
    assert made.history.of("train/gradient_norm")[1] == pytest.approx(norm, rel=1e-5)


def test_the_optimizer_is_gone_when_the_training_is_over(tmp_path):
    import gc
    import weakref

    seen = []

    def look(optimizer, *_):
        seen.append(weakref.ref(optimizer))

    handle = register_optimizer_step_pre_hook(look)
    made = trainer(tmp_path)
    made.fit(Reader(), windows(), windows())
    handle.remove()
    gc.collect()
    assert seen
    assert all(optimizer() is None for optimizer in seen)


def test_what_requires_no_gradient_does_not_move(tmp_path):
    model = Reader()
    before = weights(model)
    trainer(tmp_path, epochs=2.0).fit(model, windows(), windows())
    after = weights(model)
    assert torch.equal(after["frozen"], before["frozen"])
    assert not torch.equal(after["head"], before["head"])
    assert not torch.equal(after["embedding"], before["embedding"])


def test_matrices_decay_and_vectors_do_not():
    shapes = [(2, 2), (2,), (2, 1), (1, 2), (1,)]  # IA3 holds its factors as a column
    weights = [nn.Parameter(torch.ones(shape)) for shape in shapes]
    groups = adamw(weights, TrainerOptions(weight_decay=0.5)).param_groups
    decays = {tuple(p.shape): g["weight_decay"] for g in groups for p in g["params"]}
    assert decays == {(2, 2): 0.5, (2,): 0.0, (2, 1): 0.0, (1, 2): 0.0, (1,): 0.0}


# -- rate and plan ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "warmup", "expected"),
    [
        ("linear", 0.2, [0.5, 1.0, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125]),
        ("linear", 0.0, [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]),
        ("linear", 1.0, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]),
        ("constant", 0.2, [0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]),
        (
            "cosine",
            0.2,
            [0.5, 1.0, *(0.5 + 0.5 * math.cos(math.pi * n / 8) for n in range(8))],
        ),
    ],
)
def test_the_rate_rises_then_falls(shape, warmup, expected):
    found = [schedule(step, 10, warmup, shape) for step in range(10)]
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("warmup", [0.0, 0.06, 0.5, 1.0])
@pytest.mark.parametrize("shape", ["linear", "cosine", "constant"])
def test_the_rate_is_above_0_and_at_most_1_in_every_step(shape, warmup):
    factors = [schedule(s, n, warmup, shape) for n in (1, 2, 3, 17) for s in range(n)]
    assert all(0 < factor <= 1 for factor in factors)


def test_the_rate_falls_by_steps_not_by_batches(tmp_path):
    made = trainer(tmp_path, accumulate=2, epochs=2.0, learning_rate=0.4)
    model = Reader()
    steps = made.fit(model, windows(), windows())["steps"]
    rates = made.history.of("train/learning_rate")
    assert list(rates.values()) == pytest.approx([0.4 * (1 - n / steps) for n in range(steps)])


def plan(lengths=(2,) * 10, *, processes=1, process=0, **options) -> Plan:
    """Ten windows of 2 tokens in five batches, unless told otherwise."""
    usual = {"batch_tokens": 4, "epochs": 1.0}
    return Plan(TrainerOptions(**{**usual, **options}), lengths, 0, processes, process)


@pytest.mark.parametrize(
    ("epochs", "accumulate", "steps"),
    [
        (1.0, 1, [5]),
        (2.0, 2, [3, 3]),  # 2 + 2 + 1 batches: no group reaches into the next epoch
        (1.5, 1, [5, 3]),
        (0.2, 1, [1]),
        (1.2, 1, [5, 1]),  # 1.2 % 1 * 5 is 0.9999999999999998
        (3.1, 5, [1, 1, 1, 1]),
        (0.01, 1, [1]),
        (0.0, 1, []),
        (1.0, 100, [1]),
    ],
)
def test_epochs_are_whole_passes_and_a_share_of_one(epochs, accumulate, steps):
    made = plan(epochs=epochs, accumulate=accumulate)
    assert made.steps == steps
    assert len(list(made.batches(0))) == sum(steps)


def test_every_epoch_has_every_row_once_in_an_order_of_its_own():
    made = plan(range(1, 40), epochs=3.0, accumulate=2)
    rows = [row for step in made.batches(0) for batch in step for row in batch]
    epochs = [rows[:39], rows[39:78], rows[78:]]
    assert [sorted(epoch) for epoch in epochs] == [list(range(39))] * 3
    assert epochs[0] != epochs[1] != epochs[2]


@pytest.mark.parametrize("done", [0, 1, 2, 3, 4, 6])
def test_what_is_left_after_some_steps_is_the_end_of_the_whole(done):
    made = plan(range(1, 12), epochs=2.5, accumulate=3, batch_tokens=12)
    assert made.total == 8
    assert list(made.batches(done)) == list(made.batches(0))[done:]


def test_two_processes_share_the_batches_that_one_would_accumulate():
    alone = list(plan(accumulate=2, epochs=2.0).batches(0))  # 5 batches an epoch
    pair = [list(plan(epochs=2.0, processes=2, process=n).batches(0)) for n in (0, 1)]
    assert len(pair[0]) == len(pair[1]) == len(alone)
    for one, other, both in zip(*pair, alone, strict=True):
        assert len(one) == 1
        assert one + other == both
    assert pair[1].count([]) == 2  # once an epoch: none left


def test_windows_longer_than_the_budget_are_batches_by_themselves():
    batches = [batch for step in plan((9, 8, 7), batch_tokens=3).batches(0) for batch in step]
    assert sorted(batches) == [[0], [1], [2]]


def test_a_training_set_of_one_row_is_one_step():
    assert list(plan((3,)).batches(0)) == [[[0]]]


# -- validation ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("every", "epochs", "expected"),
    [
        (0.5, 2.0, [0, 2, 4, 6, 8]),
        (1.0, 2.0, [0, 4, 8]),
        (0.0, 2.0, [0, 8]),
        (0.01, 0.5, [0, 1, 2]),
        (10.0, 1.0, [0, 4]),
        (0.75, 1.0, [0, 3, 4]),
    ],
)
def test_validations_come_as_often_as_asked_and_at_the_end(every, epochs, expected, tmp_path):
    made = trainer(tmp_path, validate_every=every, epochs=epochs, batch_tokens=4)
    rows = [{"input_ids": [n, n], "labels": [0, 1]} for n in range(8)]  # 4 batches
    made.fit(Reader(), rows, rows)
    assert list(made.history.of("validation/score")) == expected


def test_no_validation_comes_just_before_the_last_one(tmp_path):
    made = trainer(tmp_path, validate_every=0.5, epochs=1.0, batch_tokens=4)
    rows = [{"input_ids": [n, n], "labels": [0, 1]} for n in range(10)]  # 5 batches
    made.fit(Reader(), rows, rows)
    assert list(made.history.of("validation/score")) == [0, 3, 5]


@pytest.mark.parametrize(
    ("higher", "scores"),
    [(True, [0.5, 0.9, 0.3, 0.9, 0.2]), (False, [0.5, 0.1, 0.3, 0.1, 0.2])],
    ids=["higher", "lower"],
)
def test_the_best_state_is_restored_not_the_last(higher, scores, tmp_path):
    made = trainer(tmp_path, scores=scores, higher=higher, epochs=4.0, validate_every=1.0)
    seen: list[dict[str, torch.Tensor]] = []

    def validate(model, windows, step):
        seen.append(weights(model))
        return {"score": scores[len(seen) - 1]}

    model = Reader()
    facts = dataclasses.replace(made, validate=validate).fit(model, windows(), windows())
    assert len(seen) == 5
    assert same(weights(model), seen[1])  # the first of two equal ones
    assert not same(weights(model), seen[-1])
    steps = list(made.history.of("validation/score"))
    assert (facts["best_step"], facts["best"]) == (steps[1], {"score": scores[1]})


def test_training_stops_after_patience_validations_without_a_better_one(tmp_path, caplog):
    scores = [0.5, 0.6, 0.6, 0.1, 0.9]
    made = trainer(tmp_path, scores=scores, epochs=8.0, validate_every=1.0, patience=2)
    with caplog.at_level("INFO"):
        facts = made.fit(Reader(), windows(), windows())
    per_epoch = facts["steps"] // 3
    assert facts["best_step"] == per_epoch
    assert list(made.history.of("validation/score")) == [n * per_epoch for n in range(4)]
    assert (
        f"stopped at step {3 * per_epoch} of {8 * per_epoch}: "
        "2 validations in a row without a better score"
    ) in caplog.text


def test_patience_0_never_stops_early(tmp_path):
    made = trainer(tmp_path, scores=[0.9] + [0.1] * 8, epochs=8.0, validate_every=1.0, patience=0)
    assert made.fit(Reader(), windows(), windows())["epochs"] == 8.0


def test_0_epochs_train_nothing(tmp_path):
    made, model = trainer(tmp_path, epochs=0.0), Reader()
    before = weights(model)
    facts = made.fit(model, windows(), windows())
    assert same(weights(model), before)
    assert facts == {
        "steps": 0,
        "epochs": 0.0,
        "tokens": 0,
        "best_step": 0,
        "best": {"score": 0.1},
    }


def test_half_an_epoch_is_said_to_be_half(tmp_path):
    rows = [{"input_ids": [n, n], "labels": [0, 1]} for n in range(8)]
    facts = trainer(tmp_path, epochs=0.5, batch_tokens=4).fit(Reader(), rows, rows)
    assert (facts["steps"], facts["epochs"], facts["tokens"]) == (2, 0.5, 8)


def test_one_validation_row_and_one_training_row_will_do(tmp_path):
    rows = [{"input_ids": [1], "labels": [2]}]
    assert trainer(tmp_path).fit(Reader(), rows, rows)["steps"] == 1


# -- chance -------------------------------------------------------------------------------


def trained(folder: Path, **options) -> dict[str, torch.Tensor]:
    model = Reader(dropout=0.5)
    trainer(folder, epochs=2.0, **options).fit(model, windows(), windows())
    return weights(model)


def test_the_same_seed_gives_the_same_weights_whatever_random_numbers_were_drawn(tmp_path):
    first = trained(tmp_path / "a", seed=3)
    torch.rand(17)
    assert same(trained(tmp_path / "b", seed=3), first)
    assert not same(trained(tmp_path / "c", seed=4), first)


def test_dropout_differs_from_step_to_step(tmp_path):
    seen = []

    class Watched(Reader):
        def forward(self, batch):
            if self.training:
                seen.append(torch.rand(1).item())
            return super().forward(batch)

    trainer(tmp_path, epochs=2.0).fit(Watched(0.5), windows(), windows())
    assert len(set(seen)) == len(seen) > 3


# -- sentinels ----------------------------------------------------------------------------


def test_a_loss_that_is_no_number_ends_the_run_before_it_spoils_the_weights(tmp_path):
    seen = []

    def bad_third(logits, batch):
        seen.append(batch)
        total, count = loss(logits, batch)
        return total * (math.nan if len(seen) == 3 else 1.0), count

    model = Reader()
    with pytest.raises(
        TrainingError,
        match=re.escape(
            "the loss is nan at step 3; lower trainer.learning_rate (it is 0.1), or compute in "
            "precision=fp32. The last checkpoint is kept."
        ),
    ) as fault:
        trainer(tmp_path, loss=bad_third).fit(model, windows(), windows())
    assert fault.value.exit_code == 1
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_a_gradient_that_is_no_number_ends_the_run_too(tmp_path):
    def steep(logits, batch):
        total, count = loss(logits, batch)
        return total + (0.0 * logits.sum()).sqrt(), count  # its slope at 0 is infinite

    model = Reader()
    with pytest.raises(TrainingError, match="the gradient's norm is nan at step 1; lower"):
        trainer(tmp_path, loss=steep).fit(model, windows(), windows())
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_a_step_without_any_target_is_refused(tmp_path):
    rows = [{"input_ids": [1, 2], "labels": [-100, -100]}]
    with pytest.raises(
        TrainingError,
        match="step 1 has no target to learn from: every label in it is missing or masked",
    ):
        trainer(tmp_path).fit(Reader(), rows, rows)


def test_a_batch_without_targets_among_others_is_no_fault(tmp_path, gradients):
    rows = [{"input_ids": [1, 2], "labels": [-100, -100]}, {"input_ids": [3], "labels": [1]}]
    model = Reader()
    expected = whole_gradient(model, rows[1:])
    trainer(tmp_path, batch_tokens=1, accumulate=2, clip=0.0).fit(model, rows, rows)
    for one, other in zip(gradients[0], expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


def test_a_model_with_nothing_to_train_is_refused(tmp_path):
    with pytest.raises(
        TrainingError, match=r"nothing is trainable: .* take strategy=head for a frozen backbone"
    ):
        trainer(tmp_path).fit(Reader().requires_grad_(False), windows(), windows())


def test_a_metric_that_is_never_a_number_is_named(tmp_path):
    with pytest.raises(
        TrainingError,
        match=r"no validation gave a number for score; choose another metric by task\.select=",
    ):
        trainer(tmp_path, scores=[math.nan] * 9).fit(Reader(), windows(), windows())


def test_a_metric_that_becomes_a_number_later_selects_from_then_on(tmp_path):
    scores = [math.nan, 0.2, math.nan, 0.1]
    made = trainer(tmp_path, scores=scores, epochs=3.0, validate_every=1.0, patience=0)
    facts = made.fit(Reader(), windows(), windows())
    assert facts["best"] == {"score": 0.2}
    assert facts["best_step"] == facts["steps"] // 3


# -- going on -----------------------------------------------------------------------------


def test_without_its_best_state_a_checkpoint_is_not_gone_on_from(tmp_path, caplog):
    made = trainer(tmp_path, epochs=2.0)
    steps = made.fit(Reader(), windows(), windows())["steps"]
    for best in (tmp_path / "checkpoints").glob("best-*"):
        shutil.rmtree(best)
    again = trainer(tmp_path, epochs=2.0)
    again.fit(Reader(), windows(), windows())
    best = made.checkpoints.load("last").state["best_step"]
    assert (
        f"the checkpoint of step {steps} lacks its best state, of step {best}; it is not used"
    ) in caplog.text
    assert list(again.history.of("train/loss")) == list(range(1, steps + 1))


def test_a_best_state_that_is_lost_while_training_ends_the_run_in_a_line(tmp_path):
    scores = iter((0.9, 0.1, 0.0))

    def validate(model, windows, step):
        if step:
            shutil.rmtree(tmp_path / "checkpoints" / "best-0", ignore_errors=True)
        return {"score": next(scores)}

    made = dataclasses.replace(trainer(tmp_path, validate_every=0.0), validate=validate)
    with pytest.raises(
        TrainingError,
        match=r"^the best state, of step 0, can't be read back; repeat the command to make it "
        r"again\.$",
    ):
        made.fit(Reader(), windows(), windows())


def test_a_checkpoint_of_two_processes_is_not_gone_on_from_by_one(tmp_path, caplog):
    made = trainer(tmp_path, epochs=2.0)
    steps = made.fit(Reader(), windows(), windows())["steps"]
    (last, *_) = made.checkpoints.versions("last")
    of_two = dataclasses.replace(last, state={**last.state, "processes": 2})
    for _ in range(2):
        made.checkpoints.save("last", of_two)
    again = trainer(tmp_path, epochs=2.0)
    assert again.fit(Reader(), windows(), windows())["steps"] == steps
    line = (
        f"the checkpoint of step {steps} is of a run in 2 processes, and this one has 1; it is "
        "not used"
    )
    assert caplog.text.count(line) == 2
    assert list(again.history.of("train/loss")) == list(range(1, steps + 1))
