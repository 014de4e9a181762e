"""What this process runs on: device, number format, seeds, versions."""

from __future__ import annotations

import os
import platform
import random
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import gptasks.runtime
from gptasks.errors import ConfigError
from gptasks.runtime import (
    forward_tokens,
    has_native_bf16,
    peak_memory,
    processor,
    runtime,
    seed_everything,
    versions,
)

CPU = torch.device("cpu")


def processor_flags() -> set[str]:
    text = Path("/proc/cpuinfo").read_text()
    return set(re.findall(r"\S+", "".join(re.findall(r"^(?:flags|Features)\s*:(.*)$", text, re.M))))


def test_precision_as_asked_for():
    assert (runtime("cpu", "fp32").dtype, runtime("cpu", "fp32").precision) == (
        torch.float32,
        "fp32",
    )
    assert (runtime("cpu", "bf16").dtype, runtime("cpu", "bf16").precision) == (
        torch.bfloat16,
        "bf16",
    )
    assert runtime("cpu", "fp32").device == CPU


def test_auto_takes_bf16_where_the_processor_computes_it():
    assert (runtime("cpu", "auto").precision == "bf16") is has_native_bf16(CPU)


@pytest.mark.skipif(platform.system() != "Linux", reason="reads /proc/cpuinfo")
def test_native_bf16_is_what_the_processor_says_of_itself():
    native = {"x86_64": {"amx_bf16", "avx512_bf16"}, "aarch64": {"bf16"}}
    expected = bool(native.get(platform.machine(), set()) & processor_flags())
    assert has_native_bf16(CPU) is expected


@pytest.mark.parametrize(
    ("amx", "avx512", "native"), [(True, False, True), (False, True, True), (False, False, False)]
)
def test_either_instruction_set_of_x86_will_do(
    amx: bool, avx512: bool, native: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert has_native_bf16(CPU) is native
    assert runtime("cpu", "auto").precision == ("bf16" if native else "fp32")


def test_apples_gpus_compute_in_fp32():
    assert has_native_bf16(torch.device("mps")) is False


@pytest.mark.skipif(torch.cuda.is_available(), reason="the device is there")
def test_an_absent_device_is_named_with_those_there_are():
    with pytest.raises(
        ConfigError,
        match=r"device=cuda is not on this machine \(it has: .*cpu\); take one of those, or leave "
        "device=auto",
    ):
        runtime("cuda", "fp32")


def test_auto_takes_a_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch):
    present = torch.cuda.is_available() or torch.backends.mps.is_available()
    assert (runtime("auto", "fp32").device.type != "cpu") is present
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert runtime("auto", "fp32").device == torch.device("cuda:0")
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert runtime("auto", "fp32").device == torch.device("cuda:3")
    assert runtime("cpu", "fp32").device == CPU


def test_a_seed_starts_all_three_sources_of_random_numbers():
    def drawn() -> list[float]:
        return [random.random(), float(np.random.random()), float(torch.rand(1))]

    seed_everything(7)
    first = drawn()
    assert all(one != other for one, other in zip(first, drawn(), strict=True))
    seed_everything(7)
    assert drawn() == first
    seed_everything(2**32 - 1)
    assert drawn() != first


def test_versions_name_every_library_a_result_depends_on():
    found = versions()
    assert found["python"] == platform.python_version()
    assert found["torch"].partition("+")[0] == torch.__version__.partition("+")[0]
    assert set(found) == {"python", *gptasks.runtime.REPORTED}
    assert all(found.values())


def test_a_library_that_is_not_installed_is_said_to_be_absent(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gptasks.runtime, "REPORTED", ("no-such-library",))
    assert versions()["no-such-library"] == "not installed"


def test_a_processor_has_a_name(monkeypatch: pytest.MonkeyPatch):
    found = processor(CPU)
    assert found
    assert found == found.strip()
    assert ":" not in found
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU {device.index}")
    assert processor(torch.device("cuda:1")) == "GPU 1"


def test_peak_memory_is_in_bytes():
    code = (
        "from gptasks.runtime import peak_memory\n"
        "before = peak_memory(); held = bytearray(200_000_000); print(peak_memory() - before)\n"
        "import sys; assert 'torch' not in sys.modules"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 150_000_000 < int(shown.stdout) < 250_000_000
    assert peak_memory() > 50_000_000


def test_a_processor_keeps_few_kernels_unless_the_user_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "7")
    runtime("cpu")
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "7"
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY")
    runtime("cpu")
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "32"


def test_batches_without_gradients_are_larger_on_a_gpu_only():
    assert forward_tokens(torch.device("cpu"), 100) == 100
    assert forward_tokens(torch.device("cuda"), 100) == 400
