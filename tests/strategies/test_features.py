import math

import numpy as np
import pytest
import torch
from setups import setup

from gptasks.data.batching import collate
from gptasks.errors import ConfigError, TrainingError
from gptasks.model import decode
from gptasks.strategies import features
from gptasks.strategies.features import candidates, chosen, fit_head, try_layers, with_layers
from gptasks.strategies.frozen import Frozen
from gptasks.task import Probe, ProbeFit

SHAPES = ["llama", "gpt2"]
CPU = torch.device("cpu")


class Depth:
    """Stands for a backbone where only its number of layers matters."""

    name = "deep"

    def __init__(self, layers: int) -> None:
        self.layers = layers


class Scripted(Probe):
    """A fit whose losses are told beforehand; keeps what it was given."""

    def __init__(self, losses=()) -> None:
        self.losses = iter(losses)
        self.seen: list[tuple[np.ndarray, ...]] = []

    def features(self, hidden, batch):
        last = batch["attention_mask"].sum(1) - 1
        return hidden[torch.arange(len(hidden)), last].float()

    def targets(self, batch):
        return batch["label"].numpy()

    def fit(self, features, targets, validation_features, validation_targets):
        self.seen.append((features, targets, validation_features, validation_targets))
        return ProbeFit(next(self.losses, 0.5), {}, {"fit": len(self.seen)})


def frozen(made, *cuts, memory=1e9, seed=0):
    return Frozen(
        made.backbone,
        made.train,
        made.validation,
        cuts=cuts,
        memory=memory,
        batch_tokens=256,
        seed=seed,
    )


def trial(made, layers, probe, rows=1000):
    return try_layers(probe, frozen(made, rows), layers, rows=rows)


def held(some):
    """The layers whose states are held, for each group."""
    return [sorted(group.held) for group in some.groups]


def last_states(backbone, windows, layer):
    """The final norm of each window's last state at `layer`, window by window, from one pass
    through the whole model."""
    found = []
    for window in windows:
        batch = collate([window], backbone.tokenizer.pad_id, CPU)
        with torch.inference_mode():
            hidden = backbone.piece(0, layer)(
                input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
            ).last_hidden_state
            found.append(backbone.norm(hidden)[0, -1].numpy())
    return np.stack(found)


# -- layers -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (30, [16, 18, 20, 22, 24, 26, 28, 30]),  # SmolLM2
        (4, [2, 3, 4]),
        (1, [1]),
        (2, [1, 2]),
        (12, [6, 7, 8, 9, 10, 11, 12]),  # GPT-2
        (48, [24, 26, 28, 30, 32, 34, 36, 38, 40, 42, 44, 46, 48]),
    ],
)
def test_about_ten_layers_of_the_upper_part_are_tried(layers, expected):
    assert candidates(Depth(layers), []) == expected


def test_layers_asked_for_are_tried_in_order_and_once():
    assert candidates(Depth(30), [20, 3, 20]) == [3, 20]


@pytest.mark.parametrize("layer", [0, 31, -1])
def test_a_layer_that_is_not_there_is_refused(layer):
    with pytest.raises(
        ConfigError,
        match=f"strategy.layers: layer {layer} is not in backbone 'deep'; it has layers 1 to 30",
    ):
        candidates(Depth(30), [20, layer])


def test_each_tried_layer_has_its_loss():
    losses = trial(setup(), [1, 2, 3, 4], Scripted([0.4, 0.2, 0.3, 0.1]))
    assert list(losses.items()) == [(1, 0.4), (2, 0.2), (3, 0.3), (4, 0.1)]


def test_deeper_layers_are_not_tried_after_some_without_a_better_one(monkeypatch):
    assert features.PATIENCE == 2
    assert list(trial(setup(), [1, 2, 3, 4], Scripted([0.2, 0.5, 0.6, 0.1]))) == [1, 2, 3]
    assert list(trial(setup(), [1, 2, 3, 4], Scripted([0.5, 0.2, 0.6, 0.1]))) == [1, 2, 3, 4]
    # A deeper layer that is hardly better is no reason to go on.
    assert list(trial(setup(), [1, 2, 3, 4], Scripted([0.2, 0.5, 0.199, 0.1]))) == [1, 2, 3]


@pytest.mark.parametrize(
    ("losses", "layer"),
    [
        ({2: 0.3, 3: 0.3, 4: 0.3}, 2),
        ({2: 0.505, 3: 0.600, 4: 0.500}, 2),
        ({2: 0.506, 3: 0.505, 4: 0.500}, 3),
        ({2: 0.506, 3: 0.600, 4: 0.500}, 4),
        ({3: float("nan")}, 3),
        ({2: -0.9, 3: -1.0, 4: -1.005}, 3),
    ],
)
def test_of_layers_that_fit_alike_the_lowest_is_chosen(losses, layer):
    assert chosen(losses) == layer


def test_a_single_layer_is_not_tried():
    probe = Scripted()
    losses = trial(setup(), [3], probe)
    assert list(losses) == [3]
    assert math.isnan(losses[3])
    assert not probe.seen


def test_tried_layers_are_kept_with_the_fit_where_there_was_a_choice():
    fit = ProbeFit(0.2, {}, {"C": 0.1})
    assert with_layers(fit, {4: 0.3, 2: 0.2}).options == {
        "C": 0.1,
        "layer_losses": {"2": 0.2, "4": 0.3},
    }
    assert with_layers(fit, {3: float("nan")}) is fit


# -- features -----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_features_are_those_of_the_model_cut_at_each_layer(shape):
    made, probe = setup(shape), Scripted()
    trial(made, [1, 2, 4], probe)
    for layer, seen in zip([1, 2, 4], probe.seen, strict=True):
        for windows, found, targets in (
            (made.train, seen[0], seen[1]),
            (made.validation, seen[2], seen[3]),
        ):
            # Batches go by length: the stable order of lengths is the order of the features.
            order = sorted(range(len(windows)), key=lambda i: len(windows[i]["input_ids"]))
            expected = last_states(made.backbone, [windows[i] for i in order], layer)
            np.testing.assert_allclose(found, expected, atol=2e-5)
            assert targets.tolist() == [windows[i]["label"] for i in order]


def test_the_choice_sees_at_most_so_many_rows_of_either_split():
    made, probe = setup(), Scripted()
    trial(made, [2, 3], probe, rows=15)
    assert [len(part) for part in probe.seen[0]] == [15, 15, 15, 15]


def test_the_fit_sees_at_most_so_many_rows_of_either_split():
    made, probe = setup(), Scripted([0.4])
    fit = fit_head(probe, frozen(made, 5, 16), 3, rows=16)
    assert [[len(part) for part in seen] for seen in probe.seen] == [[16] * 4]
    assert fit.loss == 0.4


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_fit_after_a_choice_is_the_fit_without_one_and_computes_only_the_rest(
    shape, dtype, monkeypatch
):
    computed = []

    def counted(piece, data, states=None):
        computed.append(int(data["attention_mask"].sum()))
        return decode(piece, data, states)

    monkeypatch.setattr("gptasks.strategies.frozen.decode", counted)
    made = setup(shape, dtype=dtype)
    fresh, tried = (frozen(made, 15, 1000, memory=0) for _ in range(2))
    probes = (Scripted(), Scripted())
    try_layers(probes[1], tried, [2, 3, 4], rows=15)
    rest = sum(group.tokens for group in tried.groups if group.start == 15)
    assert tried.work(3, 1000) == 3 * rest
    for probe, some in zip(probes, (fresh, tried), strict=True):
        computed.clear()
        fit_head(probe, some, 3, rows=1000)
    assert sum(computed) == rest
    for one, other in zip(probes[0].seen[-1], probes[1].seen[-1], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_states_are_the_same_bits_by_whatever_steps_they_were_reached(shape, dtype):
    made = setup(shape, dtype=dtype)
    direct, stepwise = frozen(made, 15), frozen(made, 15)
    try_layers(Scripted([0.3, 0.2, 0.1]), stepwise, [1, 2, 3], rows=15, below=1)
    assert held(stepwise) == [[2, 3], [], [2, 3], []]
    for one, other in zip(direct.with_states(2), stepwise.with_states(2), strict=True):
        for window, same in zip(one, other, strict=True):
            assert torch.equal(window.pop("states"), same.pop("states"))
            assert window == same


def test_the_choice_holds_only_states_that_the_chosen_layer_may_need():
    made = setup()
    for below, losses, expected in (
        (0, [0.4, 0.3, 0.2, 0.1], [4]),
        (1, [0.4, 0.3, 0.2, 0.1], [3, 4]),
        (2, [0.4, 0.3, 0.2, 0.5], [1, 2, 3, 4]),
    ):
        some = frozen(made)
        try_layers(Scripted(losses), some, [1, 2, 3, 4], rows=1000, below=below)
        assert held(some) == [expected, expected]


def test_held_states_keep_to_the_memory_given():
    made = setup()
    for layers, expected in ((0, [4]), (1, [3, 4]), (1.9, [3, 4]), (2, [2, 3, 4])):
        some = frozen(made)
        some.memory = layers * some.size
        losses = Scripted([0.4, 0.3, 0.2, 0.5])
        try_layers(losses, some, [1, 2, 3, 4], rows=1000, below=3)
        assert held(some) == [expected, expected]


def test_draws_are_of_the_seed_and_keep_the_order_of_the_rows():
    made = setup()

    def drawn(rows, seed):
        first = frozen(made, rows, seed=seed).groups[0]
        return [i for batch in first.batches for i in batch]

    assert len(drawn(20, 1)) == len(set(drawn(20, 1))) == 20
    assert drawn(20, 1) == drawn(20, 1)
    assert set(drawn(20, 1)) != set(drawn(20, 2))
    assert set(drawn(10, 1)) < set(drawn(20, 1))
    assert sorted(drawn(1000, 1)) == list(range(60))
    batch = frozen(made, 20).groups[0].batches[0]
    lengths = [len(made.train[i]["input_ids"]) for i in batch]
    assert list(zip(lengths, batch, strict=True)) == sorted(zip(lengths, batch, strict=True))


def test_states_that_are_no_numbers_end_the_run():
    made = setup()
    made.backbone.model.layers[2].mlp.down_proj.weight.data.fill_(float("inf"))
    with pytest.raises(
        TrainingError,
        match="backbone 'llama' gives states at layer 3 that are no numbers; compute in "
        "precision=fp32, or take another backbone",
    ):
        trial(made, [2, 3, 4], Scripted())


# -- states -------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_kept_states_are_the_frozen_layers_output_without_padding(shape, dtype):
    made = setup(shape, dtype=dtype)
    kept, _ = frozen(made, 15).with_states(2)
    assert len(kept) == len(made.train)
    for window, before in zip(kept, made.train, strict=True):
        assert {**window, "states": None} == {**before, "states": None}
        assert window["states"].shape == (len(window["input_ids"]), 32)
        assert window["states"].dtype == dtype
        assert not window["states"].requires_grad
    window = kept[7]
    batch = collate([made.train[7]], 0, CPU)
    with torch.inference_mode():
        alone = made.backbone.piece(0, 2)(**{k: batch[k] for k in ("input_ids", "attention_mask")})
    tolerance = 1e-5 if dtype == torch.float32 else 0.1
    difference = (alone.last_hidden_state[0] - window["states"]).abs().max().item()
    assert difference <= tolerance


def test_kept_states_hold_no_padded_batch_alive():
    made = setup()
    for window in frozen(made).with_states(2)[0]:
        states = window["states"]
        assert states.untyped_storage().nbytes() == states.numel() * states.element_size()


@pytest.mark.parametrize(("dtype", "width"), [(torch.float32, 4), (torch.bfloat16, 2)])
def test_the_size_of_the_states_is_known_before_they_are_made(dtype, width):
    made = setup(dtype=dtype)
    some = frozen(made, 15)
    size = some.size
    kept = [window for split in some.with_states(2) for window in split]
    assert size == sum(w["states"].numel() * w["states"].element_size() for w in kept)
    assert size == width * 32 * sum(len(w["input_ids"]) for w in kept)
