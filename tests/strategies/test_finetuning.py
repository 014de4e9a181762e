import pytest
from setups import Training, setup

from gptasks.strategies.frozen import Frozen
from gptasks.strategies.full import Full
from gptasks.strategies.lora import Lora


@pytest.mark.parametrize(
    "strategy", [Full(), Full(depth=0.5), Lora(), Lora(cache_gib=0.0)], ids=str
)
def test_no_states_or_features_are_held_while_it_trains(strategy, monkeypatch):
    """But those that stand in the windows themselves."""
    made = []

    class Kept(Frozen):
        def __init__(self, *arguments, **named):
            super().__init__(*arguments, **named)
            made.append(self)

    def look(model, train, validation):
        (frozen,) = made
        assert all(group.held == {} and group.found == {} for group in frozen.groups)

    monkeypatch.setattr("gptasks.strategies.frozen.Frozen", Kept)
    strategy.fit(setup(training=Training(look)))
    assert made
