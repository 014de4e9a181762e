import pytest
import torch
from setups import Training, setup

from gptasks.data.batching import collate
from gptasks.strategies.full import Full

SHAPES = ["llama", "gpt2"]
CPU = torch.device("cpu")


def batch_of(windows):
    return collate(windows[:12], 0, CPU)


def trained_names(model):
    return {name for name, p in model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_weight_up_to_the_head_gets_a_gradient(shape):
    def look(model, train, validation):
        assert model.trunk is None
        assert "states" not in train[0]
        batch = batch_of(train)
        model.task.loss(model.train()(batch), batch)[0].backward()
        gradients = {name for name, p in model.named_parameters() if p.grad is not None}
        assert gradients == trained_names(model) == set(dict(model.named_parameters()))
        seen["parameters"] = sum(p.numel() for p in model.parameters())

    seen = {}
    fitted = Full(layers=[3]).fit(setup(shape, training=Training(look)))
    assert fitted.facts["trained_layers"] == [1, 3]
    assert fitted.facts["trained_parameters"] == seen["parameters"]
    of_backbone = sum(p.numel() for p in fitted.backbone.model.parameters())
    assert seen["parameters"] == of_backbone + 2 * 32


@pytest.mark.parametrize("shape", SHAPES)
def test_with_less_depth_the_lower_layers_and_the_embeddings_stay_frozen(shape):
    def look(model, train, validation):
        assert "states" in train[0]
        lists = "h" if shape == "gpt2" else "layers"
        norm = "ln_f" if shape == "gpt2" else "norm"
        starts = (f"top.{lists}.0.", f"top.{lists}.1.", f"top.{norm}.", "head.")
        trained = trained_names(model)
        assert all(name.startswith(starts) for name in trained)
        assert all(any(name.startswith(start) for name in trained) for start in starts)
        batch = batch_of(train)
        model.task.loss(model.train()(batch), batch)[0].backward()
        assert all(p.grad is None for p in model.trunk.parameters())

    fitted = Full(layers=[4], depth=0.5).fit(setup(shape, training=Training(look)))
    assert fitted.facts["trained_layers"] == [3, 4]


@pytest.mark.parametrize("depth", [0.5, 1.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_weights_learn_in_fp32_and_are_handed_back_as_they_came(shape, depth):
    made = setup(shape, dtype=torch.bfloat16)
    before = {name: p.clone() for name, p in made.backbone.cut(3).model.named_parameters()}

    def look(model, train, validation):
        assert {p.dtype for p in model.parameters() if p.requires_grad} == {torch.float32}
        with torch.autocast("cpu", torch.bfloat16):
            loss, _ = model.task.loss(model.train()(batch_of(train)), batch_of(train))
        loss.backward()
        assert all(p.grad.dtype == torch.float32 for p in model.parameters() if p.requires_grad)

    made.training.look = look
    fitted = Full(layers=[3], depth=depth).fit(made)
    after = dict(fitted.backbone.model.named_parameters())
    assert after.keys() == before.keys()
    for name, parameter in after.items():
        assert parameter.dtype == torch.bfloat16
        assert not parameter.requires_grad
        assert torch.equal(parameter, before[name])
    assert fitted.save_adapter is None


def test_the_head_starts_from_the_fit_unless_told_otherwise():
    assert "probe" in Full().fit(setup()).facts
    bare = Full(probe=False).fit(setup())
    assert "probe" not in bare.facts
    assert bare.facts["layer"] == 4
