"""What computes: CUDA, Apple's MPS, else the CPU; in which number format and with how many threads."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import desktop_app.engine.offline  # before torch and diffusers

import diffusers  # isort: skip
import psutil  # isort: skip
import torch  # isort: skip
import transformers  # isort: skip

import desktop_app
from desktop_app.core.files import replace_file
from desktop_app.core.guidance_form import BATCHED
from desktop_app.core.machine import Machine
from desktop_app.core.memory_plan import WHOLE
from desktop_app.core.messages import Message
from desktop_app.core.result import RunRecord

CUDA_COMMAND = (
    'python3 -m pip install --force-reinstall "torch>=2.6,<2.14" --index-url https://download.pytorch.org/whl/cu128'
)
PROBE_FILE = "cpu-dtype.json"
WORTHWHILE = 1.3
"""bfloat16 must be this much quicker than float32 on a CPU before its coarser numbers are taken."""


@dataclass(frozen=True, slots=True)
class Device:
    """Where and how a model runs."""

    torch_device: torch.device
    name: str
    dtype: torch.dtype
    """Of the denoiser."""
    threads: int
    offload: str = WHOLE
    """What of a model is on it at once; see :mod:`desktop_app.core.memory_plan`."""

    eight_bits: bool = False
    """Whether the denoiser keeps its weights as float8; see :mod:`desktop_app.engine.eight_bits`."""

    @property
    def storage(self) -> torch.device:
        """Where weights are kept."""
        return self.torch_device if self.offload == WHOLE else torch.device("cpu")

    def record(self, guidance_form: str = BATCHED) -> RunRecord:
        """This device for the recipe of a picture."""
        return RunRecord(
            device=self.torch_device.type,
            device_name=self.name,
            dtype=str(self.dtype).removeprefix("torch."),
            guidance_form=guidance_form,
            threads=self.threads,
            eight_bits=self.eight_bits,
            versions=versions(),
        )


def versions() -> dict[str, str]:
    """Versions that may change pixels."""
    return {
        "safelight": desktop_app.__version__,
        "torch": str(torch.__version__),
        "diffusers": diffusers.__version__,
        "transformers": transformers.__version__,
    }


def find_device(wish: str, cache: Path) -> tuple[Device, tuple[Message, ...]]:
    """The device for ``wish`` ("auto", "cuda", "mps" or "cpu"), and what a person should know about the choice."""
    available = [kind for kind, here in _AVAILABLE.items() if here()]
    kind = wish if wish in available else available[0]
    notices = []
    if wish not in ("auto", kind):
        notices.append(Message("engine.device-missing", {"value": wish, "device": kind}))
    if kind == "cpu" and wish != "cpu" and torch.version.cuda is None and (gpu := nvidia_gpu()):
        notices.append(Message("engine.cpu-torch", {"gpu": gpu, "command": CUDA_COMMAND}))
    return device_of_kind(kind, cache), tuple(notices)


_AVAILABLE: dict[str, Callable[[], bool]] = {
    "cuda": torch.cuda.is_available,
    "mps": torch.backends.mps.is_available,
    "cpu": lambda: True,
}


def device_of_kind(kind: str, cache: Path) -> Device:
    """The device of an available ``kind``: "cuda", "mps" or "cpu"."""
    threads = usable_cores()
    if kind == "cuda":
        name = torch.cuda.get_device_name()
        return Device(torch.device("cuda"), name, cuda_dtype(name), threads)
    if kind == "mps":
        return Device(torch.device("mps"), f"{processor_name()} GPU", torch.float16, threads)
    torch.set_num_threads(threads)
    return Device(torch.device("cpu"), processor_name(), cpu_dtype(cache), threads)


def cuda_dtype(name: str) -> torch.dtype:
    """float16, but float32 on the GTX 16 cards, which are known to give black pictures in float16."""
    return torch.float32 if "GTX 16" in name else torch.float16


def is_available(kind: str) -> bool:
    """Whether a device of ``kind`` can be used now."""
    return kind in _AVAILABLE and _AVAILABLE[kind]()


def usable_cores() -> int:
    """Physical cores this process may use: hyper-threads share the units that matrix products need."""
    logical = psutil.cpu_count() or 1
    physical = psutil.cpu_count(logical=False) or logical
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else logical
    return max(1, min(physical, round(allowed * physical / logical) if allowed < logical else physical))


def processor_name() -> str:
    """What the processor calls itself."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def nvidia_gpu() -> str | None:
    """Name of an NVIDIA graphics card, found without CUDA; None where there is none."""
    for file in Path("/proc/driver/nvidia/gpus").glob("*/information"):
        with contextlib.suppress(OSError):
            for line in file.read_text(encoding="utf-8").splitlines():
                if line.startswith("Model:"):
                    return line.partition(":")[2].strip()
    if tool := shutil.which("nvidia-smi"):
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            query = [tool, "--query-gpu=name", "--format=csv,noheader"]
            answer = subprocess.run(query, capture_output=True, text=True, timeout=5, check=True)
            if names := answer.stdout.strip().splitlines():
                return names[0]
    if sys.platform == "win32" and Path(os.environ["SYSTEMROOT"], "System32", "nvapi64.dll").is_file():
        return "NVIDIA"
    return None


def cpu_dtype(cache: Path) -> torch.dtype:
    """float32, or bfloat16 where a short probe found it clearly quicker; remembered in ``cache`` per machine."""
    file = cache / PROBE_FILE
    machine = f"{processor_name()} · {usable_cores()} · torch {torch.__version__}"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[json.loads(file.read_text())[machine]]
    quicker = _probe(torch.float32) > WORTHWHILE * _probe(torch.bfloat16)
    dtype = torch.bfloat16 if quicker else torch.float32
    with contextlib.suppress(OSError):  # a cache that cannot be written costs one probe per start
        replace_file(file, json.dumps({machine: str(dtype).removeprefix("torch.")}).encode())
    return dtype


@torch.inference_mode()
def _probe(dtype: torch.dtype) -> float:
    """Seconds of the quickest of three rounds of the two operations a U-Net spends its time in."""
    image = torch.ones(1, 64, 48, 48, dtype=dtype)
    kernel = torch.ones(64, 64, 3, 3, dtype=dtype)
    tokens, weight = torch.ones(1024, 320, dtype=dtype), torch.ones(320, 320, dtype=dtype)

    def once() -> float:
        start = time.perf_counter()
        torch.nn.functional.conv2d(image, kernel, padding=1)
        torch.nn.functional.linear(tokens, weight)
        return time.perf_counter() - start

    once()
    return min(once() for _ in range(3))


def give_memory_back() -> None:
    """Return what was freed to the system: Python, CUDA's cache and the C library all keep some for themselves."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()
    trim()


def trim() -> None:
    """Have the C library return what was freed to the system, where it can be told to (glibc)."""
    if sys.platform == "linux":
        import ctypes

        malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if malloc_trim is not None:
            malloc_trim(0)


def free_memory(device: torch.device) -> int:
    """Bytes that could be taken on ``device`` now."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available


def machine_of(device: Device, held: int) -> Machine:
    """``device`` as the forecast sees it; ``held`` bytes on it are of models that can be put away."""
    ram = psutil.virtual_memory()
    own = device.torch_device.type == "cuda"
    free = free_memory(device.torch_device) + held
    return Machine(
        kind=device.torch_device.type,
        name=device.name,
        dtype=str(device.dtype).removeprefix("torch."),
        memory=torch.cuda.get_device_properties(device.torch_device).total_memory if own else ram.total,
        free=free,
        ram_free=ram.available if own else free,
    )


def ran_out_of_memory(problem: BaseException) -> bool:
    """Whether ``problem`` says that memory ran out; on a CPU torch raises a plain ``RuntimeError`` for that."""
    if isinstance(problem, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(problem)
    return isinstance(problem, RuntimeError) and ("allocate memory" in text or "out of memory" in text)
