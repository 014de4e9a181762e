import re

import numpy as np
import pytest
import torch

from gptasks.errors import NoRoomError
from gptasks.room import Room, holding, is_out_of_memory

PETA = 2**50
"""More bytes than any machine has."""


def allocate(tokens: int, limit: int) -> int:
    """Take memory that is not there, for more than `limit` tokens."""
    if tokens > limit:
        torch.empty(PETA)
    return tokens


def error_of(do) -> BaseException:
    with pytest.raises((RuntimeError, MemoryError)) as told:
        do()
    return told.value


@pytest.mark.parametrize(
    "error",
    [
        error_of(lambda: torch.empty(PETA)),
        error_of(lambda: np.empty(PETA)),
        torch.OutOfMemoryError("CUDA says so in words of its own"),
        RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be reported later"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("MPS backend out of memory (MPS allocated: 18.1 GB, max allowed: 18.13 GB)."),
    ],
    ids=["torch", "numpy", "CUDA", "CUDA, late", "cuBLAS", "MPS"],
)
def test_a_lack_of_memory_is_known_in_all_its_words(error):
    assert is_out_of_memory(error)


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), ValueError("out of memory")])
def test_other_faults_are_no_lack_of_memory(error):
    assert not is_out_of_memory(error)
    with pytest.raises(type(error), match=str(error)), holding(4, 8):
        raise error


def test_what_memory_does_not_hold_is_halved_and_begun_anew(caplog):
    tried = []

    def do(size: int) -> int:
        tried.append(size)
        with holding(size // 10, 10):
            return allocate(size, 30)

    room = Room(200)
    assert room.fit(do) == 25
    assert tried == [200, 100, 50, 25]
    assert [record.getMessage() for record in caplog.records] == [
        f"memory does not hold {size} tokens at once while predicting; going on with {size // 2}, "
        "to the same effect"
        for size in (200, 100, 50)
    ]
    assert room.fit(do) == 25  # it is remembered
    assert tried[4:] == [25]


def test_it_is_what_did_not_fit_that_is_halved_not_what_was_allowed():
    def do(size: int) -> int:
        with holding(min(size, 64) // 8, 8):
            return allocate(min(size, 64), 32)

    room = Room(1_000_000)
    assert room.fit(do) == 32
    assert room.tokens == 32


def test_one_text_that_does_not_fit_ends_it_with_what_would_help():
    def do(size: int) -> int:
        with holding(1, 512, "learn in fewer layers, "):
            return allocate(size, 0)

    with pytest.raises(
        NoRoomError,
        match=re.escape(
            "memory does not hold 1 text of 512 tokens; lower task.max_length, learn in fewer "
            "layers, take a smaller backbone, or free some memory."
        ),
    ) as told:
        Room(2048).fit(do)
    assert told.value.exit_code == 1


def test_nothing_that_did_not_fit_is_held_when_it_is_tried_again():
    import gc
    import weakref

    seen: list[weakref.ref[torch.Tensor]] = []

    def do(size: int) -> int:
        assert all(tensor() is None for tensor in seen)
        activations = torch.ones(size)
        seen.append(weakref.ref(activations))
        with holding(2, size // 2):
            return allocate(size, 100)

    gc.disable()  # what is freed is freed by the room
    try:
        assert Room(400).fit(do) == 100
    finally:
        gc.enable()
    assert len(seen) == 3
