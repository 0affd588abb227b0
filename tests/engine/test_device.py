"""Device, number format, threads: found, remembered, and told truthfully."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import psutil
import pytest
import torch

from desktop_app.engine import device
from desktop_app.engine.device import _probe, find_device, nvidia_gpu, ran_out_of_memory, usable_cores


def test_the_cpu_is_always_there(tmp_path):
    found, notices = find_device("cpu", tmp_path)
    assert found.torch_device.type == "cpu"
    assert found.dtype in (torch.float32, torch.bfloat16)
    assert found.threads == usable_cores() == torch.get_num_threads()
    assert notices == ()
    record = found.record()
    assert record.device_name
    assert record.versions["torch"] == torch.__version__


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the device")
def test_a_missing_device_is_said(tmp_path):
    found, (notice, *_) = find_device("cuda", tmp_path)
    assert found.torch_device.type != "cuda"
    assert str(notice).startswith("The device cuda is not available; ")


@pytest.mark.parametrize("winner", [torch.float32, torch.bfloat16])
def test_the_probe_decides_and_is_remembered(tmp_path, monkeypatch, winner):
    asked = []

    def probe(dtype):
        asked.append(dtype)
        return 1.0 if dtype == winner else 2.0

    monkeypatch.setattr(device, "_probe", probe)
    assert device.cpu_dtype(tmp_path) == winner
    assert device.cpu_dtype(tmp_path) == winner
    assert asked == [torch.float32, torch.bfloat16]
    (remembered,) = json.loads((tmp_path / device.PROBE_FILE).read_text()).items()
    assert torch.__version__ in remembered[0]
    assert remembered[1] == str(winner).removeprefix("torch.")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"another machine": "bfloat16"}', "\x00"])
def test_a_damaged_or_foreign_memory_is_probed_again(tmp_path, monkeypatch, content):
    (tmp_path / device.PROBE_FILE).write_text(content)
    monkeypatch.setattr(device, "_probe", lambda dtype: 1.0)
    assert device.cpu_dtype(tmp_path) == torch.float32


def test_a_cache_that_cannot_be_written_does_no_harm(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    assert device.cpu_dtype(file / "cache") in (torch.float32, torch.bfloat16)


def test_the_probe_measures():
    assert 0 < _probe(torch.float32) < 5


@pytest.mark.parametrize(
    ("logical", "physical", "allowed", "expected"),
    [(16, 8, 16, 8), (16, 8, 8, 4), (16, 8, 1, 1), (8, 8, 3, 3), (4, None, 4, 4), (2, 1, 2, 1)],
)
def test_threads_are_physical_cores_this_process_may_use(monkeypatch, logical, physical, allowed, expected):
    monkeypatch.setattr(
        psutil, "cpu_count", lambda logical=True, counts=(logical, physical): counts[0 if logical else 1]
    )
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(allowed)), raising=False)
    assert usable_cores() == expected


@pytest.mark.skipif(sys.platform == "win32", reason="writes a shell script")
@pytest.mark.skipif(torch.version.cuda is not None, reason="for builds of torch without CUDA")
def test_an_nvidia_card_behind_a_cpu_only_torch_is_noticed(tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA GeForce RTX 4090'\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert nvidia_gpu() is not None
    _, (notice,) = find_device("auto", tmp_path / "cache")
    assert notice.id == "engine.cpu-torch"
    assert nvidia_gpu() in notice.text
    assert "https://download.pytorch.org/whl/cu128" in notice.remedy
    assert '"torch>=' in notice.remedy
    assert find_device("cpu", tmp_path / "cache")[1] == ()  # who asks for the CPU gets it without a lecture
    tool.write_text("#!/bin/sh\nexit 9\n")
    if not Path("/proc/driver/nvidia/gpus").is_dir():
        assert nvidia_gpu() is None


def test_cards_that_overflow_in_half_precision_get_float32():
    assert device.cuda_dtype("NVIDIA GeForce GTX 1660 SUPER") == torch.float32
    assert device.cuda_dtype("NVIDIA GeForce RTX 4090") == torch.float16
    assert device.cuda_dtype("NVIDIA GeForce GTX 1080") == torch.float16


def test_running_out_of_memory_is_recognised():
    assert ran_out_of_memory(MemoryError())
    assert ran_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert ran_out_of_memory(caught.value)
    assert not ran_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not ran_out_of_memory(ValueError("out of memory"))
