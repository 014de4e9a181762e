"""What this process runs on: device, number format, seeds, versions."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gptasks.errors import ConfigError

if TYPE_CHECKING:
    import torch

REPORTED = (
    "gptasks", "torch", "transformers", "peft", "accelerate", "scikit-learn", "evaluate", "numpy",
    "scipy",
)  # fmt: skip
"""Distributions whose versions stand in results.json."""


KEPT_KERNELS = "32"
"""Kernels that oneDNN keeps, one for each shape of a product, instead of 1,024: batches come in
hundreds of shapes, which took 0.4 GiB in a run of 1,500 movie snippets and saved no time."""


@dataclass(frozen=True)
class Runtime:
    """Where tensors live and in which number format the backbone computes."""

    device: torch.device
    dtype: torch.dtype

    @property
    def precision(self) -> str:
        """ "bf16" or "fp32"."""
        import torch

        return "bf16" if self.dtype == torch.bfloat16 else "fp32"


def runtime(device: str = "auto", precision: str = "auto") -> Runtime:
    """The device and number format for the options `device` and `precision`.

    `auto` takes a GPU where there is one, and bf16 where the processor or GPU computes it
    natively: elsewhere bf16 is emulated and slower than fp32.
    Raises ConfigError when the device asked for is absent.
    """
    import torch

    chosen = _device(device)
    if chosen.type == "cpu":  # oneDNN reads it when it first computes
        os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", KEPT_KERNELS)
    if precision == "auto":
        precision = "bf16" if has_native_bf16(chosen) else "fp32"
    return Runtime(chosen, torch.bfloat16 if precision == "bf16" else torch.float32)


GPU_FORWARD = 4
"""Batches without gradients hold so many times more tokens on a GPU."""


def forward_tokens(device: torch.device, batch_tokens: int) -> int:
    """Padded tokens of a batch of which nothing is kept for a way back.

    A GPU has room for more and wants it. A processor's caches are small: SmolLM2's layers did
    46 k tokens/s in batches of 1,024 on 2 cores, 40 k in batches of 4,096.
    """
    return batch_tokens if device.type == "cpu" else GPU_FORWARD * batch_tokens


def has_native_bf16(device: torch.device) -> bool:
    """Whether `device` multiplies bf16 matrices in hardware."""
    import torch

    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        return bool(
            torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
        ) or (platform.machine() == "aarch64" and _arm_has_bf16())
    return False  # Apple's GPUs: bf16 varies by generation and system version, fp32 always works


def seed_everything(seed: int) -> None:
    """Start Python's, numpy's and torch's random numbers at `seed`."""
    import numpy
    import torch

    random.seed(seed)
    numpy.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that a result depends on."""
    found = {"python": platform.python_version()}
    for name in REPORTED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # gptasks run from a plain folder
            found[name] = "not installed"
    return found


def processor(device: torch.device) -> str:
    """The name of what computes, as its maker gives it, such as "NVIDIA H100 80GB HBM3"."""
    if device.type == "cuda":
        import torch

        return torch.cuda.get_device_name(device)
    with (
        contextlib.suppress(OSError),
        open("/proc/cpuinfo", encoding="utf-8", errors="replace") as info,
    ):
        for line in info:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def peak_memory() -> int:
    """Most memory this process ever held, in bytes."""
    with (  # Linux; its getrusage would count the memory of the process that started this one
        contextlib.suppress(OSError),
        open("/proc/self/status", encoding="ascii", errors="replace") as status,
    ):
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # kilobytes on Linux


def _device(name: str) -> torch.device:
    import torch

    present = ["cpu"]
    if torch.cuda.is_available():
        present.insert(0, "cuda")
    if torch.backends.mps.is_available():
        present.insert(0, "mps")
    if name == "auto":
        return torch.device(_local(present[0]))
    if name not in present:
        raise ConfigError(
            f"device={name} is not on this machine (it has: {', '.join(present)}); "
            "take one of those, or leave device=auto."
        )
    return torch.device(_local(name))


def _local(name: str) -> str:
    """The device of this process: torchrun numbers the processes of one machine."""
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if name == "cuda" else name


def _arm_has_bf16() -> bool:
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as info:
            return any("bf16" in line for line in info if line.startswith("Features"))
    except OSError:
        return False
