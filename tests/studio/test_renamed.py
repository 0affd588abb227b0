"""LoRAs and textual inversions that were renamed are found by what is in them, and the recipe calls them by it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from desktop_app.checkpoints.digests import Digests
from desktop_app.checkpoints.identify import identify
from desktop_app.checkpoints.sidecars import Notes
from desktop_app.core.catalog import A1111, COMFY
from desktop_app.core.request import GenerationRequest
from desktop_app.core.result import Result, UsedFile
from desktop_app.studio.model_library import LibraryItem
from desktop_app.studio.renamed import new_names, with_new_names
from tests.checkpoints.headers import write_header
from tests.scripted import RUN


@pytest.fixture
def digests(tmp_path: Path) -> Digests:
    return Digests(tmp_path / "digests.json")


@pytest.fixture
def items(tmp_path: Path) -> list[LibraryItem]:
    """A LoRA and an embedding, and beside each another one of the same size and one of another."""
    paths = []
    for name, fill in (("ink", b"\1"), ("same size", b"\2")):
        shapes = {f"lora_unet_x.lora_{side}.weight": (4, 4) for side in ("down", "up")}
        paths.append(write_header(tmp_path / f"{name}.safetensors", shapes))
        paths.append(write_header(tmp_path / f"{name} words.safetensors", {"emb_params": (2, 768)}))
        for path in paths[-2:]:
            data = path.read_bytes()
            path.write_bytes(data[:-1] + fill)
    paths.append(write_header(tmp_path / "large.safetensors", {"lora_unet_x.lora_down.weight": (8, 8)}))
    return [LibraryItem(path.stem, identify(path), Notes()) for path in paths]


def recipe(items: list[LibraryItem], digests: Digests, prompt: str, dialect: str = A1111) -> Result:
    """Of a time when the first two files were called otherwise."""
    files = tuple(
        UsedFile(kind, old, digests.read(item.identity.path, kind), item.identity.size)
        for item, kind, old in zip(items[:2], ("lora", "embedding"), ("old ink", "oldneg"), strict=True)
    )
    texts = {"prompt": prompt, "negative_prompt": prompt, "prompt_dialect": dialect}
    request = GenerationRequest(model="m", prompt_syntax=1, **texts)
    return Result(request=request, run=replace(RUN, files=files), seconds=1, steps_done=1)


@pytest.mark.parametrize(
    ("prompt", "dialect", "expected"),
    [
        ("oldneg, a house<lora:Old Ink:0.5:1>", A1111, "ink words, a house<lora:ink:0.5:1>"),
        ("embedding:OLDNEG oldneg <lora:other:1>", COMFY, "embedding:ink words oldneg <lora:other:1>"),
        ("a house", A1111, "a house"),
    ],
)
def test_the_texts_have_the_new_names(items, digests, prompt: str, dialect: str, expected: str) -> None:
    result = recipe(items, digests, prompt, dialect)
    names = new_names(result, items, digests)
    assert names == {("lora", "old ink"): "ink", ("embedding", "oldneg"): "ink words"}
    request = with_new_names(result.request, names)
    assert (request.prompt, request.negative_prompt) == (expected, expected)


def test_what_has_its_name_still_or_is_nowhere_is_left_alone(items, digests, monkeypatch) -> None:
    result = recipe(items, digests, "a")
    kept = replace(result, run=replace(RUN, files=(replace(result.run.files[0], name="INK"),)))
    lost = replace(result, run=replace(RUN, files=(replace(result.run.files[0], digest="0"),)))
    larger = replace(result, run=replace(RUN, files=(replace(result.run.files[0], size=1),)))
    assert new_names(lost, items, digests) == {}
    monkeypatch.setattr(Digests, "read", lambda *_: pytest.fail("it was read"))
    assert new_names(kept, items, digests) == new_names(larger, items, digests) == {}
