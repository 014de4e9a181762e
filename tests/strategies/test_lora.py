import re

import pytest
import torch
from setups import Training, setup

from gptasks.data.batching import collate
from gptasks.errors import ConfigError
from gptasks.strategies.lora import Lora

SHAPES = ["llama", "gpt2"]
CPU = torch.device("cpu")


def batch_of(windows, count: int = 12):
    return collate(windows[:count], 0, CPU)


def layers_of(decoder):
    return decoder.layers if hasattr(decoder, "layers") else decoder.h


@pytest.mark.parametrize("shape", SHAPES)
def test_only_adapters_and_head_are_trained(shape):
    training = Training()
    fitted = Lora(depth=0.5, layers=[4]).fit(setup(shape, training=training))
    # `merge_and_unload` has frozen all; what was trained is told by the facts.
    maps = {  # inputs and outputs of each linear map of a layer
        "llama": [(32, 32), (32, 16), (32, 16), (32, 32), (32, 64), (32, 64), (64, 32)],
        "gpt2": [(32, 96), (32, 32), (32, 128), (128, 32)],
    }[shape]
    per_layer = sum(16 * (inputs + outputs) for inputs, outputs in maps)
    assert fitted.facts["trained_parameters"] == 2 * per_layer + 2 * 32
    assert fitted.facts["trained_layers"] == [3, 4]


@pytest.mark.filterwarnings("ignore:Full backward hook")
@pytest.mark.parametrize("cache_gib", [2.0, 0.0], ids=["kept states", "states run anew"])
@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_is_computed_backwards_below_the_lowest_adapter(shape, cache_gib):
    visited: list[str] = []

    def look(model, train, validation):
        named = {n for n, p in model.named_parameters() if p.requires_grad}
        assert named
        assert all("lora_" in name or name == "head.weight" for name in named)
        assert all(name.startswith(("top.", "head.")) for name in named)
        for part in ("trunk", "top"):
            for number, layer in enumerate(layers_of(getattr(model, part))):
                layer.register_full_backward_hook(
                    lambda *a, name=f"{part}.{number}": visited.append(name)
                )
        batch = batch_of(train)
        assert ("states" in batch) is (cache_gib > 0)
        states = model.states(batch)
        assert not states.requires_grad
        assert states.grad_fn is None
        model.train()
        loss, _ = model.task.loss(model(batch), batch)
        loss.backward()
        assert all(p.grad is None for p in model.trunk.parameters())
        for name, parameter in model.named_parameters():
            assert (parameter.grad is not None) is (name in named), name

    made = setup(shape, training=Training(look))
    Lora(depth=0.5, layers=[4], cache_gib=cache_gib).fit(made)
    # The lowest adapted layer's input needs no gradient, so that torch calls its hook without one.
    assert {name for name in visited if name.startswith("trunk")} == set()
    assert {"top.1"} <= set(visited) <= {"top.0", "top.1"}


@pytest.mark.parametrize("shape", SHAPES)
def test_kept_states_give_the_same_logits_and_gradients(shape):
    found = []

    def look(model, train, validation):
        batch = batch_of(train)
        logits = model.train()(batch)
        model.task.loss(logits, batch)[0].backward()
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        found.append([logits.detach(), *gradients])

    for size in (2.0, 0.0):
        Lora(depth=0.5, cache_gib=size).fit(setup(shape, training=Training(look)))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_states_are_kept_only_where_they_fit():
    def fits(cache_gib: float) -> bool:
        training = Training()
        Lora(cache_gib=cache_gib).fit(setup(training=training))
        assert ("states" in training.train[0]) is ("states" in training.validation[0])
        return "states" in training.train[0]

    made = setup()
    tokens = sum(len(w["input_ids"]) for w in [*made.train, *made.validation])
    size = tokens * 32 * 4 / 2**30
    assert fits(size * 1.001)
    assert not fits(size * 0.999)
    assert not fits(0.0)


@pytest.mark.parametrize(
    ("depth", "layers", "adapted"),
    [(0.27, [4], [4, 4]), (0.5, [4], [3, 4]), (1.0, [4], [1, 4]), (0.0, [3], [3, 3])],
)
def test_depth_is_the_share_of_the_layers_that_get_adapters(depth, layers, adapted):
    made = setup()
    fitted = Lora(depth=depth, layers=layers).fit(made)
    assert fitted.facts["trained_layers"] == adapted
    assert fitted.backbone.layers == layers[0]


def test_with_adapters_in_all_layers_there_is_no_trunk():
    def look(model, train, validation):
        assert model.trunk is None
        assert "states" not in train[0]
        batch = batch_of(train)
        model.task.loss(model.train()(batch), batch)[0].backward()
        trained = [n for n, p in model.named_parameters() if p.grad is not None]
        assert sum("lora_A" in name for name in trained) == 4 * 7  # seven maps a layer

    Lora(depth=1.0, layers=[4]).fit(setup(training=Training(look)))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_head_starts_from_the_fit(shape):
    seen = {}

    def look(model, train, validation):
        batch = batch_of(validation, 20)
        with torch.inference_mode():
            total, count = model.eval().task.loss(model(batch), batch)
        seen["loss"] = total.item() / count

    fitted = Lora().fit(setup(shape, training=Training(look)))
    assert seen["loss"] == pytest.approx(fitted.facts["probe"]["loss"], abs=1e-5)
    assert set(fitted.facts["probe"]["layer_losses"]) == {"2", "3", "4"}
    assert fitted.facts["probe"]["C"] in (1e-3, 1e-2, 1e-1, 1.0)


def test_without_a_fit_the_head_is_new_and_reads_the_top_layer():
    training = Training()
    fitted = Lora(probe=False).fit(setup(training=training))
    assert fitted.facts["layer"] == 4
    assert "probe" not in fitted.facts
    assert fitted.head.weight.std().item() == pytest.approx(0.02, rel=0.5)


def test_new_weights_are_of_the_seed_whether_or_not_the_fit_was_kept():
    kept = {}

    def remember(name, make):
        if name not in kept:
            kept[name] = make()
            torch.rand(5)  # a fit may draw random numbers
        return kept[name]

    drawn = []

    def look(model, train, validation):
        drawn.append([p.detach().clone() for n, p in model.named_parameters() if "lora_A" in n])

    for seed in (0, 0, 1):
        Lora().fit(setup(training=Training(look), remember=remember, seed=seed))
    assert list(kept) == ["probe"]
    assert all(torch.equal(one, other) for one, other in zip(drawn[0], drawn[1], strict=True))
    assert not torch.equal(drawn[0][0], drawn[2][0])


@pytest.mark.parametrize("shape", SHAPES)
def test_the_merged_model_says_what_the_trained_one_said(shape):
    seen = {}

    def look(model, train, validation):
        generator = torch.Generator().manual_seed(0)
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.data = torch.randn(parameter.shape, generator=generator)
        with torch.inference_mode():
            seen["logits"] = model.eval()(batch_of(validation))

    from gptasks.model import Model

    made = setup(shape, training=Training(look))
    fitted = Lora(depth=0.5).fit(made)
    assert not any("lora" in name for name, _ in fitted.backbone.model.named_modules())
    with torch.inference_mode():
        merged = Model(made.task, fitted.backbone, fitted.head).eval()(batch_of(made.validation))
    torch.testing.assert_close(merged, seen["logits"], rtol=1e-4, atol=1e-4)
    assert not any(p.requires_grad for p in fitted.backbone.model.parameters())


def test_adapters_are_kept_in_fp32_on_a_bf16_backbone():
    def look(model, train, validation):
        kinds = {p.dtype for p in model.parameters() if p.requires_grad}
        assert kinds == {torch.float32}
        assert model.backbone.dtype == torch.bfloat16

    Lora().fit(setup(dtype=torch.bfloat16, training=Training(look)))


def test_dropout_acts_in_training_only():
    def look(model, train, validation):
        batch = batch_of(train)
        for parameter in (p for n, p in model.named_parameters() if "lora_B" in n):
            parameter.data.fill_(1.0)
        with torch.inference_mode():
            assert not torch.equal(model.train()(batch), model(batch))
            assert torch.equal(model.eval()(batch), model(batch))

    Lora(dropout=0.5).fit(setup(training=Training(look)))


# -- other adapters -----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("adapter", "learning"),
    [("dora", ("lora_A", "lora_B", "lora_magnitude_vector")), ("ia3", ("ia3_l",))],
)
def test_other_adapters_learn_in_fp32_and_merge(adapter, learning, shape, dtype):
    from gptasks.model import Model

    seen = {}

    def look(model, train, validation):
        generator = torch.Generator().manual_seed(0)
        trained = {n: p for n, p in model.named_parameters() if p.requires_grad and "head" not in n}
        maps = 2 * (7 if shape == "llama" else 4)
        for part in learning:
            assert sum(part in name for name in trained) == maps
        assert len(trained) == maps * len(learning)
        batch = batch_of(validation)
        with torch.inference_mode(), torch.autocast("cpu", dtype, dtype != torch.float32):
            seen["start"] = model.eval()(batch)
        for name, parameter in trained.items():
            assert parameter.dtype == torch.float32
            if "lora_B" in name or "ia3_l" in name:
                parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
        with torch.inference_mode(), torch.autocast("cpu", dtype, dtype != torch.float32):
            seen["logits"] = model.eval()(batch)

    made = setup(shape, training=Training(look), dtype=dtype)
    bare = Model(made.task, made.backbone, torch.nn.Identity())  # before anything is merged
    with torch.inference_mode():
        states = bare.eval()(batch_of(made.validation))
    fitted = Lora(adapter=adapter, depth=0.5, layers=[4]).fit(made)
    with torch.inference_mode():
        merged = Model(made.task, fitted.backbone, fitted.head).eval()(batch_of(made.validation))
        start = fitted.head(states)
    tolerance = 1e-4 if dtype == torch.float32 else 0.3
    torch.testing.assert_close(seen["start"], start, rtol=0, atol=tolerance)
    torch.testing.assert_close(merged, seen["logits"], rtol=0, atol=tolerance)
    assert (merged - seen["start"]).abs().max() > 10 * tolerance or dtype != torch.float32


def test_ia3_learns_one_number_for_each_output():
    fitted = Lora(adapter="ia3", depth=0.5, layers=[4]).fit(setup())
    outputs = 32 + 16 + 16 + 32 + 64 + 64 + 32
    assert fitted.facts["trained_parameters"] == 2 * outputs + 2 * 32


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"rank": 16}, "strategy.rank"),
        ({"dropout": 0.0}, "strategy.dropout"),
        ({"rank": 4, "alpha": 8}, "strategy.rank, strategy.alpha"),
    ],
)
def test_what_ia3_has_no_use_for_is_refused(options, named):
    fault = (
        f"strategy.adapter=ia3 has no use for {named}: it learns one factor for each output. Leave "
        "that out, or take strategy.adapter=lora."
    )
    with pytest.raises(ConfigError, match=f"^{re.escape(fault)}$"):
        Lora(adapter="ia3", **options)


def test_factors_have_their_usual_size_unless_told_otherwise():
    for adapter in ("lora", "dora"):
        made = Lora(adapter=adapter, alpha=8)
        assert (made.rank, made.alpha, made.dropout) == (16, 8, 0.0)
    none = Lora(adapter="ia3")
    assert (none.rank, none.alpha, none.dropout) == (None, None, None)


@pytest.mark.parametrize("name", ["lora", "dora", "ia3"])
def test_the_loss_falls_and_the_adapter_is_what_learns(name, tmp_path):
    from safetensors.torch import load_file
    from small_runs import adapter, points, run, write_reviews

    data = write_reviews(tmp_path / "reviews.csv", rows=90)
    hard = ("strategy.probe=false", "strategy.depth=1.0", "trainer.epochs=4")
    batches = ("trainer.batch_tokens=256", "trainer.learning_rate=0.01")
    folder = run(data, *adapter(name), *hard, *batches)
    losses = [point["train/loss"] for point in points(folder) if "train/loss" in point]
    assert sum(losses[-3:]) < 0.6 * sum(losses[:3])
    tensors = load_file(folder / "adapter" / "adapter_model.safetensors")
    (start, part) = (1.0, "ia3_l") if name == "ia3" else (0.0, "lora_B")
    learnt = [tensor for name, tensor in tensors.items() if part in name]
    assert len(learnt) == 4 * 7
    assert all(bool((tensor != start).all()) for tensor in learnt)


# -- targets ------------------------------------------------------------------------------


def test_targets_may_be_named():
    fitted = Lora(targets=["up_proj", "down_proj"], rank=2, layers=[4]).fit(setup())
    assert fitted.facts["trained_parameters"] == 2 * 2 * (32 + 64) + 2 * 32


def test_a_target_that_is_not_there_is_refused_with_those_there_are():
    with pytest.raises(
        ConfigError,
        match=re.escape(
            "strategy.targets: 'q_prj' is no linear map in the layers of backbone 'llama'; did you "
            "mean 'q_proj'? (it has: down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj, "
            "v_proj)."
        ),
    ):
        Lora(targets=["v_proj", "q_prj"]).fit(setup())


def test_targets_are_checked_before_any_work(monkeypatch):
    def work(*_, **__):
        raise AssertionError("states were computed")

    monkeypatch.setattr("gptasks.strategies.frozen.decode", work)
    with pytest.raises(ConfigError, match="'gate' is no linear map"):
        Lora(targets=["gate"]).fit(setup())


def test_the_head_starts_from_a_fit_on_few_rows(monkeypatch):
    from gptasks.tasks.logistic import LogisticProbe

    sizes, fit = [], LogisticProbe.fit

    def spied(self, features, *rest):
        sizes.append(len(features))
        return fit(self, features, *rest)

    monkeypatch.setattr(LogisticProbe, "fit", spied)
    Lora(choice_rows=10, fit_rows=25).fit(setup())
    assert sizes == [10, 10, 10, 25]
