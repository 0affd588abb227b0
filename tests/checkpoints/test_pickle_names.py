"""Pickled weights are known by the names inside, and nothing of them is ever run."""

from __future__ import annotations

import builtins
import contextlib
import io
import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch._weights_only_unpickler import _get_allowed_globals

from desktop_app.checkpoints import pickle_machine
from desktop_app.checkpoints.identify import identify
from desktop_app.checkpoints.pickle_names import _WEIGHTS_ALONE, read_pickled
from desktop_app.checkpoints.weights_file import FileProblem
from tests.checkpoints import original_layouts as original
from tests.checkpoints.headers import Shapes
from tests.checkpoints.real_models import shapes_of

ZIP, ROW = {"_use_new_zipfile_serialization": True}, {"_use_new_zipfile_serialization": False}
LAYOUTS = pytest.mark.parametrize("layout", [ZIP, ROW], ids=["zip", "in a row"])


def stretched(shapes: Shapes) -> dict[str, torch.Tensor]:
    """Tensors of ``shapes`` that all look at the same number: their file is small."""
    one = torch.zeros(1, dtype=torch.float16)
    return {name: one.expand(shape) for name, shape in shapes.items()}


def save(path: Path, content: Any, layout: dict[str, bool]) -> Path:
    torch.save(content, path, **layout)
    return path


@LAYOUTS
@pytest.mark.parametrize(
    ("name", "kind", "architecture"),
    [
        ("sd-1 unet", "denoiser", "sd-1"),
        ("kl vae", "vae", "unknown"),
        ("clip-h", "text-encoder", "sd-2"),
        ("sdxl motion adapter", "motion-module", "sdxl"),
    ],
)
def test_published_models_are_known(name: str, kind: str, architecture: str, layout: dict, tmp_path: Path) -> None:
    identity = identify(save(tmp_path / "x.pt", stretched(shapes_of(name)), layout))
    assert not identity.problem
    assert (identity.kind, identity.architecture, identity.format) == (kind, architecture, "pickle")
    assert identity.dtype == "float16"


@LAYOUTS
def test_a_checkpoint_of_a_training_is_known(layout: dict, tmp_path: Path) -> None:
    weights = stretched(original.checkpoint(original.SD_1))
    content = {"epoch": 3, "global_step": 10**20, "rate": 0.5, "state_dict": OrderedDict(weights), "notes": [("a", 1)]}
    identity = identify(save(tmp_path / "x.ckpt", content, layout))
    assert not identity.problem
    assert (identity.kind, identity.architecture) == ("checkpoint", "sd-1")
    assert identity.parts == ("denoiser", "vae", "text-encoder")


WRAPPED = {
    "embedding": (
        {
            "string_to_token": {"*": torch.tensor(265)},
            "string_to_param": {"*": torch.nn.Parameter(torch.zeros(3, 768))},
        },
        ("embedding", "sd-1"),
    ),
    "embedding of diffusers": ({"<cat>": torch.zeros(1024)}, ("embedding", "sd-2")),
    "upscaler": (
        {"params_ema": {"conv_first.weight": torch.zeros(1), "body.0.rdb1.conv1.weight": torch.zeros(1)}},
        ("upscaler", "unknown"),
    ),
    "IP-Adapter": (
        {"image_proj": {"proj.weight": torch.zeros(1)}, "ip_adapter": {"1.to_k_ip.weight": torch.zeros(640, 2048)}},
        ("ip-adapter", "sdxl"),
    ),
    "nothing": ({}, ("unknown", "unknown")),
    "a number": (5, ("unknown", "unknown")),
}


@LAYOUTS
@pytest.mark.parametrize(("content", "known"), WRAPPED.values(), ids=WRAPPED)
def test_what_weights_are_wrapped_in_is_seen_through(content: Any, known: tuple, layout: dict, tmp_path: Path) -> None:
    identity = identify(save(tmp_path / "x.bin", content, layout))
    assert not identity.problem
    assert (identity.kind, identity.architecture) == known


@LAYOUTS
def test_every_number_format_is_read(layout: dict, tmp_path: Path) -> None:
    formats = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool]
    if layout is ZIP:
        formats += [torch.float8_e4m3fn, torch.float8_e5m2]
    content = {str(dtype).removeprefix("torch."): torch.zeros(2, 3).to(dtype) for dtype in formats}
    tensors = read_pickled(save(tmp_path / "x.pt", content, layout)).tensors
    assert {name: (one.dtype, one.shape, one.size) for name, one in tensors.items()} == {
        name: (name, (2, 3), one.element_size() * 6) for name, one in content.items()
    }


class Runs:
    """Pickled, it calls ``function`` when it is loaded."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self._call


EVIL = {
    "system": (os.system, "os.system"),
    "eval": (builtins.eval, "builtins.eval"),
    "exec": (builtins.exec, "builtins.exec"),
    "getattr": (builtins.getattr, "builtins.getattr"),
    "torch's own loader": (torch.load, "torch.serialization.load"),
}


@LAYOUTS
@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize(("function", "name"), EVIL.values(), ids=EVIL)
def test_programs_are_named_and_not_run(function: Any, name: str, protocol: int, layout: dict, tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    weights = stretched(shapes_of("kl vae"))
    content = {"state_dict": weights, "hidden": Runs(function, f"open({str(trap)!r}, 'w')")}
    path = tmp_path / "x.ckpt"
    torch.save(content, path, pickle_protocol=protocol, **layout)
    identity = identify(path)
    assert identity.problem
    assert identity.problem.id == "file.programs"
    assert identity.problem.values["names"].replace("posix.", "os.").replace("__builtin__", "builtins") == name
    assert identity.kind == "vae", "what it pretends to be is told as well"
    assert not trap.exists()


BY_HAND = {
    "instance": b"(cos\nsystem\n(S'x'\no.",
    "old instance": b"(S'x'\nios\nsystem\n.",
    "name from the stack": b"\x80\x04\x8c\x05posix\x8c\x06system\x93.",
    "module that is no text": b"\x80\x04K\x01\x8c\x06system\x93.",
    "attribute of an allowed module": b"\x80\x04\x8c\x05torch\x8c\x10hub.os.system.xx\x93.",
    "extension": b"\x80\x02\x82\x05.",
    "cut off behind it": b"cos\nsystem\n(S'x'\ntR",
    "new object": b"\x80\x02cos\nsystem\n)\x81.",
}


@pytest.mark.parametrize("content", BY_HAND.values(), ids=BY_HAND)
def test_no_way_to_import_is_overlooked(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", content)
    problem = identify(path).problem
    assert problem
    assert problem.id == "file.programs"


def test_a_second_pickle_in_an_archive_is_looked_into(tmp_path: Path) -> None:
    path = save(tmp_path / "x.pt", {"a": torch.zeros(1)}, ZIP)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("other/constants.pkl", pickle.dumps(Runs(os.system, "true")))
    problem = identify(path).problem
    assert problem
    assert "system" in problem.text


def test_what_passes_as_weights_torch_loads_as_weights_alone() -> None:
    allowed = set(_get_allowed_globals())
    rebuilding = {f"torch._utils.{name}" for name in vars(torch._utils) if name.startswith("_rebuild_")}
    others = {"collections.OrderedDict", "torch.Size", "torch.device", "torch.nn.parameter.Parameter", "torch.bfloat16"}
    passing = {name for name in {*rebuilding, *others} if _WEIGHTS_ALONE.fullmatch(name)}
    assert passing >= {"torch._utils._rebuild_tensor_v2", *others}
    assert passing <= allowed


def archive(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(name.replace("__", "/"), content)
    return stream.getvalue()


def saved(content: Any, layout: dict) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, **layout)
    return stream.getvalue()


def without_numbers() -> bytes:
    whole = zipfile.ZipFile(io.BytesIO(saved({"a": torch.zeros(9)}, ZIP)))
    return archive(**{name.replace("/", "__"): whole.read(name) for name in whole.namelist() if "data/0" not in name})


A = {"a": torch.zeros(9)}
BROKEN = {
    "zip cut off": (saved(A, ZIP)[:-30], "archive"),
    "zip cut in half": (saved(A, ZIP)[:200], "archive"),
    "no numbers in the zip": (without_numbers(), "storages"),
    "row cut off": (saved(A, ROW)[:-1], "cut-off"),
    "row cut in half": (saved(A, ROW)[:100], "pickle"),
    "zip of something": (archive(readme=b"hello"), "format"),
    "zip in a zip": (archive(x__data=archive(x__data=b"")), "format"),
    "a way out": (archive(**{"..__..__x__data.pkl": b"\x80\x02}."}), "archive-names"),
    "absolute": (archive(**{"__x__data.pkl": b"\x80\x02}."}), "archive-names"),
    "no pickle": (archive(**{"x__data.pkl": b"hello"}), "pickle"),
    "bomb": (archive(**{"x__data.pkl": bytes(40 * 1024 * 1024)}), "crowded"),
    "stack of nothing": (b"\x80\x02\x85.", "pickle"),
    "no mark": (b"\x80\x02t.", "pickle"),
    "memo of nothing": (b"\x80\x02h\x05.", "pickle"),
    "memo of two billion": (b"\x80\x02}r\xff\xff\xff\x7f", "pickle"),
    "bytes of 4 GB": (b"\x80\x04\x8e" + (2**32).to_bytes(8, "little"), "pickle"),
    "ends early": (b"\x80\x02}", "pickle"),
    "nothing": (b"\x80\x02.", "pickle"),
}


@pytest.mark.parametrize(("content", "id"), BROKEN.values(), ids=BROKEN)
def test_broken_files_are_named(content: bytes, id: str, tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(content)
    with pytest.raises(FileProblem) as caught:
        read_pickled(path)
    assert caught.value.message.id == f"file.{id}"


def test_an_archive_with_an_enormous_directory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    with zipfile.ZipFile(path, "w") as made:
        for number in range(60):
            made.writestr(f"{number:0>65000}", b"")
        made.writestr("x/data.pkl", b"\x80\x02}.")
    assert identify(path).problem is None
    with zipfile.ZipFile(path, "a") as made:
        made.writestr("y" * 65000, b"")
        for number in range(10):
            made.writestr(f"{number:z>65000}", b"")
    problem = identify(path).problem
    assert problem
    assert problem.id == "file.archive"


def test_steps_and_things_in_things_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.pt"
    monkeypatch.setattr(pickle_machine, "MOST_STEPS", 1000)
    path.write_bytes(b"\x80\x02" + b"N0" * 1000 + b"}.")
    with pytest.raises(FileProblem, match="damaged pickle"):
        read_pickled(path)
    monkeypatch.undo()
    itself: dict[str, Any] = {}
    itself |= {str(number): itself for number in range(100)}
    path.write_bytes(pickle.dumps(itself))
    with pytest.raises(FileProblem, match="more tensors than any model has"):
        read_pickled(path)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(1, 400), value=st.integers(0, 255), layout=st.sampled_from([ZIP, ROW]))
def test_damage_anywhere_never_escapes_as_another_error(
    position: int, value: int, layout: dict, tmp_path: Path
) -> None:
    content = bytearray(saved({"state_dict": OrderedDict(a=torch.zeros(2, 3))}, layout))
    content[position % len(content)] = value
    (tmp_path / "x.pt").write_bytes(content)
    with contextlib.suppress(FileProblem):
        read_pickled(tmp_path / "x.pt")
