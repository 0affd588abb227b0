"""Recipes survive every format; other programs can read the text; bad files get a clear answer."""

from __future__ import annotations

import contextlib
import json
import os
import re
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from desktop_app.core.errors import AppError, RequestError
from desktop_app.core.frames import Frames
from desktop_app.core.request import GenerationRequest
from desktop_app.core.result import Result, UsedFile
from desktop_app.export.metadata import parameters_text, recipe_text
from desktop_app.export.pictures import FORMATS, save_as
from desktop_app.export.recipes import read_recipe

USED = (("lora", "ink", "a"), ("embedding", "neg", "c"), ("lora", "b", "b"))
SUFFIXES = [kind.suffixes[0] for kind in FORMATS.values()]
# The expression with which readers of infotext split its last line.
PAIRS = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
NASTY = 'Steps: 1, Sampler: "x", Seed: 2\nNegative prompt: inside, a: "b"\n🏠 ‏עברית \x85\x0b]]>&amp;"\'<x/>'

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=300)


def recipes(texts: st.SearchStrategy[str]) -> st.SearchStrategy[Result]:
    from tests.export.conftest import make_result

    requests = st.builds(
        GenerationRequest,
        model=texts,
        prompt=texts,
        negative_prompt=texts,
        steps=st.integers(1, 1000),
        guidance_scale=st.floats(0, 100),
        scheduler=st.sampled_from(["ddim", "euler-a", "of the future"]),
        seed=st.integers(0, 2**63 - 1),
        enlarge=st.sampled_from([1, 4]),
    )
    return st.builds(lambda request: replace(make_result(), request=request), requests)


def pairs_of(text: str) -> dict[str, str]:
    """The last line of infotext as its readers understand it."""
    found = PAIRS.findall(text.rpartition("\n")[2])
    return {key: json.loads(value) if value.startswith('"') else value for key, value in found}


def test_an_enlarged_picture_is_noted_as_other_programs_do(result: Result) -> None:
    plain = pairs_of(parameters_text(result))
    assert "Hires upscale" not in plain
    enlarged = pairs_of(parameters_text(replace(result, request=replace(result.request, enlarge=4))))
    assert enlarged == {**plain, "Hires upscale": "4", "Hires upscaler": "postcard enlarger"}
    assert enlarged["Size"] == "24x16"


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(recipe=recipes(texts))
@example(recipe=None)
def test_the_recipe_comes_back_whole(
    recipe: Result | None, suffix: str, frames: Frames, result: Result, folder: Path
) -> None:
    recipe = recipe or replace(result, request=replace(result.request, prompt=NASTY, negative_prompt=NASTY))
    path = folder / f"picture{suffix}"
    saved = save_as(frames, recipe, path, quality=80, metadata=True, overwrite=True)
    assert read_recipe(path) == recipe
    assert saved.notices == ()


@given(recipe=recipes(texts))
def test_other_programs_find_every_value_in_the_last_line(recipe: Result) -> None:
    values = pairs_of(parameters_text(recipe))
    assert values["Seed"] == str(recipe.seed)
    assert values["Steps"] == str(recipe.request.steps)
    assert values["Size"] == "512x512"
    assert float(values["CFG scale"]) == pytest.approx(recipe.request.guidance_scale, rel=1e-5)
    assert values["Version"] == "Safelight 0.1.0"


def test_the_text_is_what_other_programs_write(result: Result) -> None:
    request = replace(result.request, negative_prompt="blurry, grey", guidance_scale=5.0, scheduler="euler-a")
    assert parameters_text(replace(result, request=request)) == (
        "a red house on green hills\nNegative prompt: blurry, grey\n"
        "Steps: 20, Sampler: Euler a, Schedule type: Uniform, CFG scale: 5, Seed: 7, Size: 24x16, Model: postcard, "
        "Version: Safelight 0.1.0"
    )


@pytest.mark.parametrize(
    ("scheduler", "schedule_type", "names"),
    [
        ("dpmpp-sde", "karras", "Sampler: DPM++ SDE, Schedule type: Karras"),
        ("dpm2-a", "exponential", "Sampler: DPM2 a, Schedule type: Exponential"),
        ("lms", "beta", "Sampler: LMS, Schedule type: Beta"),
        ("pndm", "default", "Sampler: PLMS, Schedule type: Uniform"),
        ("deis", "sgm-uniform", "Sampler: DEIS, Schedule type: SGM Uniform"),
    ],
)
def test_schedulers_have_the_names_that_people_know(result, scheduler, schedule_type, names) -> None:
    request = replace(result.request, scheduler=scheduler, schedule_type=schedule_type)
    assert f", {names}, " in parameters_text(replace(result, request=request))


def test_a_scheduler_of_the_models_own_has_no_name_to_tell(result) -> None:
    told = pairs_of(parameters_text(replace(result, request=replace(result.request, scheduler=""))))
    assert not {"Sampler", "Schedule type"} & set(told)
    assert told["Steps"] == "20"


def test_skipped_layers_are_told_as_other_programs_tell_them(result) -> None:
    told = pairs_of(parameters_text(replace(result, request=replace(result.request, clip_skip=2))))
    assert told["Clip skip"] == "2"
    assert "Clip skip" not in pairs_of(parameters_text(result))


def test_a_refiner_is_told_as_other_programs_tell_it(result) -> None:
    request = replace(result.request, refiner="/models/sd_xl_refiner_1.0", refiner_at=0.75)
    told = pairs_of(parameters_text(replace(result, request=request)))
    assert (told["Refiner"], told["Refiner switch at"]) == ("sd_xl_refiner_1.0", "0.75")
    assert not {"Refiner", "Refiner switch at"} & set(pairs_of(parameters_text(result)))


def test_another_autoencoder_is_told_as_other_programs_tell_it(result) -> None:
    told = pairs_of(parameters_text(replace(result, request=replace(result.request, vae="vae-ft-mse"))))
    assert told["VAE"] == "vae-ft-mse"
    assert "VAE" not in pairs_of(parameters_text(result))


def test_loras_and_embeddings_are_told_by_name_and_hash(result) -> None:
    files = tuple(UsedFile(kind, name, letter * 64, 9) for kind, name, letter in USED)
    used = replace(result, run=replace(result.run, files=files))
    last = parameters_text(used).splitlines()[-1]
    assert ', Lora hashes: "ink: aaaaaaaaaaaa, b: bbbbbbbbbbbb", TI hashes: "neg: cccccccccccc", Model: ' in last
    assert "hashes" not in parameters_text(result)
    assert Result.from_json(json.loads(recipe_text(used))) == used


def test_a_model_given_as_a_path_leaves_no_folder_names_in_the_text(result: Result) -> None:
    for model in ("/home/someone/models/tiny, cut", "C:\\Users\\someone\\models\\tiny, cut"):
        text = parameters_text(replace(result, request=replace(result.request, model=model)))
        assert pairs_of(text)["Model"] == "tiny, cut"
        assert "someone" not in text


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_text_is_where_other_programs_look(suffix: str, frames: Frames, result: Result, folder: Path) -> None:
    recipe = replace(result, request=replace(result.request, prompt=NASTY))
    path = folder / f"picture{suffix}"
    save_as(frames, recipe, path, quality=80, metadata=True)
    with Image.open(path) as image:
        if suffix == ".png":
            text = image.info["parameters"]
        else:
            comment = image.getexif().get_ifd(0x8769)[0x9286]
            assert comment[:8] == b"UNICODE\0"
            text = comment[8:].decode("utf-16-be")
    assert text == parameters_text(recipe)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_metadata_can_be_left_out(suffix: str, frames: Frames, result: Result, folder: Path) -> None:
    path = folder / f"picture{suffix}"
    save_as(frames, result, path, quality=80, metadata=False)
    assert read_recipe(path) is None
    assert b"red house" not in path.read_bytes()
    with Image.open(path) as image:
        assert not {"parameters", "safelight", "exif", "xmp"} & set(image.info)


def test_jpeg_has_room_for_64_kb_only_and_says_so(frames: Frames, result: Result, folder: Path) -> None:
    path = folder / "long.jpg"
    recipe = replace(result, request=replace(result.request, prompt="house 🏠 " * 10_000))
    saved = save_as(frames, recipe, path, quality=80, metadata=True)
    assert [notice.id for notice in saved.notices] == ["save.metadata-short"]
    told = read_recipe(path)
    assert told is not None
    assert told.run is None, "a recipe with another prompt would make another picture"
    with Image.open(path) as image:
        text = image.getexif().get_ifd(0x8769)[0x9286][8:].decode("utf-16-be")
    assert text.startswith("house 🏠 house")
    assert pairs_of(text)["Seed"] == "7"


def test_jpeg_keeps_the_recipe_when_only_the_text_is_too_long(frames: Frames, result: Result, folder: Path) -> None:
    path = folder / "long.jpg"
    recipe = replace(result, request=replace(result.request, prompt="word " * 10_000))
    saved = save_as(frames, recipe, path, quality=80, metadata=True)
    assert [notice.id for notice in saved.notices] == ["save.metadata-short"]
    assert read_recipe(path) == recipe


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_the_others_have_room_for_everything(suffix: str, frames: Frames, result: Result, folder: Path) -> None:
    recipe = replace(result, request=replace(result.request, prompt="house 🏠 " * 10_000))
    path = folder / f"long{suffix}"
    assert save_as(frames, recipe, path, quality=80, metadata=True).notices == ()
    assert read_recipe(path) == recipe


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of these chunks and nothing else."""
    whole = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + whole


def test_text_that_another_program_packed_or_moved_is_found(result: Result, folder: Path) -> None:
    recipe = recipe_text(result).encode()
    path = folder / "moved.png"
    for kind, data in (
        (b"tEXt", b"safelight\0" + recipe),
        (b"zTXt", b"safelight\0\0" + zlib.compress(recipe)),
        (b"iTXt", b"safelight\0\1\0en\0\0" + zlib.compress(recipe)),
    ):
        path.write_bytes(png((b"IHDR", bytes(13)), (b"IDAT", b"x" * 1000), (kind, data), (b"IEND", b"")))
        assert read_recipe(path) == result, kind


def test_pictures_without_a_recipe_have_none(folder: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Software", "a cat\nSteps: 20, Sampler: Euler a, Seed: 1")
    image = Image.new("RGB", (8, 8))
    image.save(folder / "other.png", pnginfo=info)
    image.save(folder / "other.jpg")
    image.save(folder / "other.webp", lossless=True)
    for path in folder.iterdir():
        assert read_recipe(path) is None


BOMB = zlib.compress(bytes(64 * 1024 * 1024))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a PNG"),
        (b"<!doctype html><p>Sign in", "not a PNG"),
        (b"\xff\xd8\xff", "cut off"),
        (b"\xff\xd8\xff\xe1\x00\x01", "damaged"),
        (b"\xff\xd8\xff\xe0\x00\x02no marker here", "damaged"),
        (png((b"IHDR", bytes(13)), (b"iTXt", b"safelight\0" + bytes(500)))[:-300], "cut off"),
        (png((b"zTXt", b"safelight\0\0" + b"not packed")), "damaged"),
        (png((b"zTXt", b"safelight\0\0" + BOMB)), "too long"),
    ],
)
def test_what_cannot_be_read_is_named(data: bytes, reason: str, folder: Path) -> None:
    path = folder / "bad.png"
    path.write_bytes(data)
    with pytest.raises(AppError, match=reason) as caught:
        read_recipe(path)
    assert caught.value.message.id == "read.picture"


def test_no_file_no_folder_no_pipe(folder: Path) -> None:
    for path in (folder / "missing.png", folder):
        with pytest.raises(AppError, match="cannot be read"):
            read_recipe(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe.png")
    with pytest.raises(AppError, match="not a file"):
        read_recipe(folder / "pipe.png")


@pytest.mark.parametrize(
    ("recipe", "id"),
    [
        ("{", "request.malformed"),
        ("[" * 100_000, "request.malformed"),
        ("[]", "request.malformed"),
        ('{"recipe": 1}', "request.malformed"),
        ('{"recipe": 99}', "request.version"),
    ],
)
def test_a_damaged_or_newer_recipe_is_named(recipe: str, id: str, folder: Path) -> None:
    path = folder / "bad.png"
    path.write_bytes(png((b"tEXt", b"safelight\0" + recipe.encode())))
    with pytest.raises(RequestError) as caught:
        read_recipe(path)
    assert caught.value.message.id == id


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), suffix=st.sampled_from(SUFFIXES))
def test_damage_anywhere_never_escapes_as_another_error(
    data: st.DataObject, suffix: str, frames: Frames, result: Result, folder: Path
) -> None:
    path = folder / f"damaged{suffix}"
    save_as(frames, result, path, quality=80, metadata=True, overwrite=True)
    whole = bytearray(path.read_bytes())
    for position in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=4)):
        whole[position] = data.draw(st.integers(0, 255))
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    with contextlib.suppress(AppError):
        recipe = read_recipe(path)
        assert recipe is None or isinstance(recipe, Result)
