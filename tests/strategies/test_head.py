import numpy as np
import pytest
import torch
from setups import setup
from small_runs import small

from gptasks import cli
from gptasks.data.batching import collate
from gptasks.errors import ConfigError
from gptasks.model import Model
from gptasks.strategies.head import Head
from gptasks.tasks.logistic import log_loss
from gptasks.tasks.sequence_classification import SequenceClassification


class NoFit(SequenceClassification):
    """A kind that can't fit its head in closed form."""

    def probe(self):
        return None


def logits(made, fitted, windows) -> np.ndarray:
    model = Model(made.task, fitted.backbone, fitted.head).eval()
    batch = collate(windows, made.backbone.tokenizer.pad_id, torch.device("cpu"))
    with torch.inference_mode():
        return model(batch).numpy()


@pytest.mark.parametrize("shape", ["llama", "gpt2"])
def test_the_backbone_is_cut_at_the_best_layer_with_the_head_that_was_fitted_there(shape):
    made = setup(shape)
    fitted = Head(layers=[1, 2, 3]).fit(made)
    losses = fitted.facts["layer_losses"]
    assert list(losses) == ["1", "2", "3"]
    assert losses[str(fitted.facts["layer"])] == min(losses.values())
    assert fitted.backbone.layers == fitted.facts["layer"] < made.backbone.layers
    assert fitted.facts["layers"] == made.backbone.layers == 4
    targets = np.array([window["label"] for window in made.validation])
    found = log_loss(logits(made, fitted, made.validation), targets)
    assert found == pytest.approx(fitted.facts["loss"], abs=1e-5)
    assert found < 0.3  # chance is 0.69


def test_layers_asked_for_are_the_ones_chosen_from():
    assert Head(layers=[3]).fit(setup()).facts["layer"] == 3
    assert set(Head(layers=[1, 4]).fit(setup()).facts["layer_losses"]) == {"1", "4"}


def test_nothing_of_the_backbone_moves():
    made = setup()
    before = {name: p.clone() for name, p in made.backbone.model.named_parameters()}
    fitted = Head().fit(made)
    after = dict(made.backbone.model.named_parameters())
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not any(p.requires_grad for p in fitted.backbone.model.parameters())
    assert fitted.save_adapter is None


def test_the_fit_is_kept_so_that_it_need_not_be_repeated():
    kept = {}

    def remember(name, make):
        if name not in kept:
            kept[name] = make()
        return kept[name]

    first = Head().fit(setup(remember=remember))
    (name,) = kept
    assert name == "head"
    kept[name][1].parameters["weight"][:] = 7.0
    second = Head().fit(setup(remember=remember))
    assert first.facts == second.facts
    assert (second.head.weight == 7.0).all()


def test_the_fit_is_a_function_of_the_seed():
    one, same, other = (Head(choice_rows=20).fit(setup(seed=seed)) for seed in (1, 1, 2))
    assert one.facts == same.facts
    assert torch.equal(one.head.weight, same.head.weight)
    assert one.facts["layer_losses"] != other.facts["layer_losses"]


def test_a_kind_without_a_fit_is_refused_before_any_work():
    with pytest.raises(
        ConfigError,
        match="strategy=head fits a head on frozen features, which a task of kind "
        "'sequence_classification' does not have; "
        "take strategy=lora",
    ):
        Head().check(NoFit())
    Head().check(SequenceClassification())


def test_a_layer_too_deep_is_one_line_for_the_user(tmp_path, capsys):
    from small_runs import write_reviews

    data = write_reviews(tmp_path / "reviews.csv", rows=60)
    assert cli.main(small(data, "strategy=head", "strategy.layers=[5]")) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "gptasks: strategy.layers: layer 5 is not in backbone 'tiny'; it has layers 1 to 4."
    )
