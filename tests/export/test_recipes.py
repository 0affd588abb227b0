"""What other programs left in their pictures is understood; what nobody understands is no recipe, and no error."""

from __future__ import annotations

import contextlib
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from desktop_app.core.catalog import A1111, COMFY, FILM, INVOKE, SCHEDULERS
from desktop_app.core.request import RANDOM_SEED
from desktop_app.core.result import Result
from desktop_app.export import comfy, infotext, invoke, metadata, samplers
from desktop_app.export.films import save_film_as
from desktop_app.export.metadata import exif_block, parameters_text
from desktop_app.export.pictures import save_as
from desktop_app.export.recipes import read_recipe
from tests.export.conftest import make_result
from tests.export.test_metadata import NASTY

SIZE = (8, 8)
INFOTEXT = """a cat, (red:1.2) <lora:foo:0.8>
on a wall
Negative prompt: blurry,
dark
Steps: 25, Sampler: Euler a, Schedule type: Automatic, CFG scale: 6.5, Seed: 965400086, Size: 640x512, \
Model hash: 45dee52b3c, Model: v1-5, Clip skip: 2, Lora hashes: "foo: a4f81ec6c80b", Version: v1.10.1"""
GRAPH: dict[str, Any] = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": ["11", 0],
            "steps": 30,
            "cfg": 8,
            "sampler_name": "dpmpp_2m",
            "scheduler": "karras",
            "denoise": 1,
            "model": ["10", 0],
            "positive": ["6", 0],
            "negative": ["7", 0],
            "latent_image": ["5", 0],
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "old\\dream_8.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 768, "height": 512, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a bottle", "clip": ["9", 0]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": ["12", 0], "clip": ["9", 0]}},
    "8": {
        "class_type": "LoraLoader",
        "inputs": {"lora_name": "ink.safetensors", "strength_model": 0.5, "model": ["4", 0], "clip": ["4", 1]},
    },
    "9": {"class_type": "CLIPSetLastLayer", "inputs": {"stop_at_clip_layer": -2, "clip": ["10", 1]}},
    "10": {
        "class_type": "LoraLoader",
        "inputs": {"lora_name": "b/glow.safetensors", "strength_model": 1, "model": ["8", 0], "clip": ["8", 1]},
    },
    "11": {"class_type": "PrimitiveInt", "inputs": {"value": 42}},
    "12": {"class_type": "PrimitiveString", "inputs": {"value": "text, watermark"}},
}
INVOKED: dict[str, Any] = {
    "app_version": "5.6.0",
    "positive_prompt": "a fox++",
    "negative_prompt": None,
    "width": 768,
    "height": 640,
    "seed": 7,
    "cfg_scale": 5.5,
    "steps": 31,
    "scheduler": "dpmpp_2m_sde_k",
    "model": {"key": "1", "name": "juggernaut", "base": "sdxl"},
    "loras": [{"model": {"name": "ink"}, "weight": 0.75}, {"lora": {"model_name": "old"}, "weight": 1}, "?"],
}


def saved(path: Path, **texts: str) -> Path:
    """A picture with ``texts``, as Pillow writes them."""
    image = Image.new("RGB", (8, 8))
    if path.suffix == ".png":
        info = PngImagePlugin.PngInfo()
        for key, text in texts.items():
            info.add_text(key, text)
        image.save(path, pnginfo=info)
    else:
        image.save(path, exif=exif_block(texts["parameters"]))
    return path


def check_infotext(result: Result | None) -> None:
    assert result is not None
    request = result.request
    assert (request.prompt, request.negative_prompt) == (
        "a cat, (red:1.2) <lora:foo:0.8>\non a wall",
        "blurry,\ndark",
    )
    assert (request.steps, request.guidance_scale, request.seed, request.size) == (25, 6.5, 965400086, (640, 512))
    assert (request.scheduler, request.schedule_type, request.clip_skip) == ("euler-a", "default", 2)
    assert (request.model, request.dialect) == ("v1-5", A1111)
    assert (result.run, result.program) == (None, "Automatic1111 v1.10.1")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_infotext_in_every_format(folder: Path, suffix: str) -> None:
    path = saved(folder / f"a{suffix}", parameters=INFOTEXT)
    check_infotext(read_recipe(path))


@pytest.mark.parametrize("order", ["utf-16-be", "utf-16-le"])
def test_a_comment_in_either_byte_order_and_of_pillows_making(folder: Path, order: str) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + INFOTEXT.encode(order)
    Image.new("RGB", (8, 8)).save(folder / "a.webp", exif=exif)
    check_infotext(read_recipe(folder / "a.webp"))


def test_utf8_where_latin1_belongs_is_put_right(folder: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add(b"tEXt", b"parameters\0" + INFOTEXT.replace("a cat", "eine Kätzin 🐈").encode())
    Image.new("RGB", (8, 8)).save(folder / "a.png", pnginfo=info)
    result = read_recipe(folder / "a.png")
    assert result is not None
    assert result.request.prompt.startswith("eine Kätzin 🐈")


def test_civitais_json_does_not_tear_the_pairs_apart() -> None:
    resources = '[{"type":"checkpoint","modelVersionId":290640},{"type":"lora","weight":0.4,"Seed: 1":"x, y"}]'
    line = f'Steps: 20, Civitai resources: {resources}, Hashes: {{"model": "a"}}, Sampler: DPM++ 2M Karras, Seed: 9'
    result = infotext.result_of(f"x\n{line}, Size: 512x768, Civitai metadata: {{}}", SIZE)
    assert result is not None
    request = result.request
    assert (request.seed, request.size) == (9, (512, 768))
    assert (request.scheduler, request.schedule_type) == ("dpmpp-2m", "karras")


@pytest.mark.parametrize(
    ("sampler", "schedule", "expected"),
    [
        ("DPM++ 2M", "Automatic", ("dpmpp-2m", "karras")),
        ("DPM++ 2M", "", ("dpmpp-2m", "default")),
        ("DPM++ 2M SDE", "Automatic", ("dpmpp-2m-sde", "exponential")),
        ("DPM2 a Karras", "", ("dpm2-a", "karras")),
        ("Euler", "SGM Uniform", ("euler", "sgm-uniform")),
        ("PLMS", "Automatic", ("pndm", "default")),
        ("Restart", "Karras", ("Restart", "karras")),
    ],
)
def test_names_of_samplers(sampler: str, schedule: str, expected: tuple[str, str]) -> None:
    assert samplers.from_label(sampler, schedule) == expected


def test_every_scheduler_that_another_program_names_is_one_of_ours() -> None:
    for table in (samplers._LABELS, samplers._COMFY, samplers._INVOKE):
        assert set(table.values()) <= set(SCHEDULERS)


@pytest.mark.parametrize(("key", "scheduler"), [(key, facts) for key, facts in SCHEDULERS.items() if not facts.flow])
def test_our_own_names_are_read_back(key: str, scheduler: Any) -> None:
    for schedule_type in scheduler.schedule_types:
        result = make_result(scheduler=key, schedule_type=schedule_type)
        found = infotext.result_of(parameters_text(result), SIZE)
        assert found is not None
        assert (found.request.scheduler, found.request.schedule_type) == (key, schedule_type)


@pytest.mark.parametrize("prompt", ["", "a cat", "two\nlines, and: more", NASTY])
def test_what_we_write_for_others_says_the_same(prompt: str) -> None:
    result = make_result(prompt=prompt, negative_prompt="dark, blurry", guidance_scale=5.25, clip_skip=2)
    found = infotext.result_of(parameters_text(result), SIZE)
    assert found is not None
    for name in ("steps", "guidance_scale", "seed", "width", "height", "model", "clip_skip"):
        assert getattr(found.request, name) == getattr(result.request, name)
    if "Negative prompt" not in prompt:
        assert (found.request.prompt, found.request.negative_prompt) == (prompt, "dark, blurry")


def test_a_film_of_ours_without_its_json() -> None:
    found = infotext.result_of(parameters_text(make_result(kind="film", frames=24, fps=12)), SIZE)
    assert found is not None
    assert (found.request.kind, found.request.frames, found.request.fps) == (FILM, 24, 12)


@pytest.mark.parametrize(
    ("version", "program"),
    [("v1.10.1", "Automatic1111 v1.10.1"), ("f2.0.1v1.10.1", "Forge f2.0.1v1.10.1"), ("", "Automatic1111")],
)
def test_the_program_is_named(version: str, program: str) -> None:
    pairs = f", Version: {version}" if version else ""
    result = infotext.result_of(f"x\nSteps: 1, Sampler: Euler, Seed: 3, Size: 64x64{pairs}", SIZE)
    assert result is not None
    assert result.program == program


def test_invokes_metadata(folder: Path) -> None:
    result = read_recipe(saved(folder / "a.png", invokeai_metadata=json.dumps(INVOKED)))
    assert result is not None
    request = result.request
    assert request.prompt == "a fox++ <lora:ink:0.75> <lora:old:1>"
    assert (request.model, request.size, request.seed, request.steps) == ("juggernaut", (768, 640), 7, 31)
    assert (request.guidance_scale, request.negative_prompt, request.dialect) == (5.5, "", INVOKE)
    assert (request.scheduler, request.schedule_type) == ("dpmpp-2m-sde", "karras")
    assert result.program == "InvokeAI 5.6.0"


def check_graph(result: Result | None) -> None:
    assert result is not None
    request = result.request
    assert request.prompt == "a bottle <lora:ink:0.5> <lora:glow:1>"
    assert (request.negative_prompt, request.model, request.seed) == ("text, watermark", "dream_8", 42)
    assert (request.size, request.steps, request.guidance_scale) == ((768, 512), 30, 8.0)
    assert (request.scheduler, request.schedule_type, request.clip_skip) == ("dpmpp-2m", "karras", 2)
    assert (request.dialect, result.program) == (COMFY, "ComfyUI")


def test_comfys_graph(folder: Path) -> None:
    check_graph(read_recipe(saved(folder / "a.png", workflow="{}", prompt=json.dumps(GRAPH))))


def test_comfys_graph_in_the_exif_of_a_webp(folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0110], exif[0x010F] = "prompt:" + json.dumps(GRAPH), "workflow:{}"
    Image.new("RGB", (8, 8)).save(folder / "a.webp", exif=exif)
    check_graph(read_recipe(folder / "a.webp"))


def test_a_graph_that_goes_in_circles_ends() -> None:
    graph = {**GRAPH, "8": {"inputs": {"model": ["10", 0], "lora_name": "x", "strength_model": 1}}}
    result = comfy.result_of(graph, SIZE)
    assert result is not None
    assert (result.request.model, result.request.seed) == ("", 42)


def graph_with(**nodes: Any) -> dict[str, Any]:
    """GRAPH, with inputs of its nodes changed, and more of them, by id behind an "n"."""
    graph = json.loads(json.dumps(GRAPH))
    for key, inputs in nodes.items():
        node = graph.setdefault(key[1:], {"class_type": inputs.pop("class", ""), "inputs": {}})
        node["inputs"].update(inputs)
    return graph


def request_of(graph: dict[str, Any], **options: Any) -> Any:
    result = comfy.result_of(graph, SIZE, **options)
    assert result is not None
    return result.request


def test_what_works_on_both_conditionings_keeps_them_apart() -> None:
    both = {"positive": ["6", 0], "negative": ["7", 0], "control_net": ["21", 0], "image": ["22", 0]}
    graph = graph_with(n20=both, n21={}, n22={}, n3={"positive": ["20", 0], "negative": ["20", 1]})
    assert request_of(graph).negative_prompt == "text, watermark"
    assert request_of(graph).prompt.startswith("a bottle")


def test_a_conditioning_that_is_zeroed_has_no_words() -> None:
    graph = graph_with(n20={"class": "ConditioningZeroOut", "conditioning": ["6", 0]}, n3={"negative": ["20", 0]})
    assert request_of(graph).negative_prompt == ""


def test_combined_texts_stand_one_behind_the_other() -> None:
    graph = graph_with(
        n20={"conditioning_1": ["6", 0], "conditioning_2": ["21", 0]},
        n21={"text": ["23", 0], "clip": ["9", 0]},
        n23={"text": ["24", 0]},
        n24={"string_a": "on a", "string_b": "table", "delimiter": " "},
        n3={"positive": ["20", 0]},
    )
    assert request_of(graph).prompt.startswith("a bottle, on a table")


@pytest.mark.parametrize("first", ["1", "99"])
def test_of_two_passes_the_first_one_counts(first: str) -> None:
    second = {
        **GRAPH["3"]["inputs"],
        **{"seed": 1, "steps": 10, "denoise": 0.5, "latent_image": ["30", 0], "model": ["31", 0]},
    }
    upscaled = {"samples": ["3", 0], "width": 2048, "height": 1536}
    graph = {first: {"inputs": second}, **graph_with(n30=upscaled, n31={"ckpt_name": "refiner.safetensors"})}
    request = request_of(graph)
    assert (request.size, request.steps, request.seed, request.model) == ((768, 512), 30, 42, "dream_8")


def test_a_custom_sampler_with_a_guider() -> None:
    graph = graph_with(
        n3={"class": "", "positive": None},
        n40={
            "noise": ["41", 0],
            "guider": ["42", 0],
            "sampler": ["43", 0],
            "sigmas": ["44", 0],
            "latent_image": ["5", 0],
        },
        n41={"noise_seed": 77},
        n42={"model": ["45", 0], "conditioning": ["46", 0]},
        n43={"sampler_name": "euler"},
        n44={"scheduler": "simple", "steps": 4, "denoise": 1, "model": ["45", 0]},
        n45={"unet_name": "flux1-schnell.safetensors", "weight_dtype": "default"},
        n46={"guidance": 3.5, "conditioning": ["6", 0]},
    )
    del graph["3"]
    request = request_of(graph)
    assert (request.model, request.prompt, request.negative_prompt) == ("flux1-schnell", "a bottle", "")
    assert (request.seed, request.steps, request.guidance_scale) == (77, 4, 3.5)
    assert (request.scheduler, request.schedule_type) == ("euler", "default")


def test_a_loader_that_holds_the_texts_itself() -> None:
    loader = {
        **{"ckpt_name": "a.safetensors", "lora_name": "None", "lora_model_strength": 1, "clip_skip": -2},
        **{"positive": "a hill", "negative": "fog", "empty_latent_width": 640, "empty_latent_height": 384},
    }
    links = {"model": ["50", 0], "positive": ["50", 1], "negative": ["50", 2], "latent_image": ["50", 3], "seed": 8}
    request = request_of(graph_with(n50=loader, n3=links))
    assert (request.prompt, request.negative_prompt, request.size) == ("a hill", "fog", (640, 384))
    assert (request.clip_skip, request.seed, request.model) == (2, 8, "a")


def test_a_stack_of_loras_in_one_node() -> None:
    stack = {
        **{"lora_1": {"on": True, "lora": "sub/x.safetensors", "strength": 0.4}, "model": ["4", 0]},
        **{"lora_2": {"on": False, "lora": "y.safetensors", "strength": 1}, "lora_3": {"on": True, "lora": "None"}},
    }
    assert request_of(graph_with(n60=stack, n3={"model": ["60", 0]})).prompt == "a bottle <lora:x:0.4>"


def test_a_picture_that_begins_with_another_has_its_own_size() -> None:
    graph = graph_with(n70={"pixels": ["71", 0]}, n71={"image": "x.png"}, n3={"latent_image": ["70", 0]})
    assert request_of(graph).size == SIZE


def test_a_film_is_one_and_names_its_checkpoint() -> None:
    motion = {"model_name": "mm_sd_v15_v2.ckpt", "model": ["10", 0]}
    graph = graph_with(n80=motion, n3={"model": ["80", 0]}, n81={"frame_rate": 12}, n5={"batch_size": 24})
    request = request_of(graph, film=True)
    assert (request.model, request.kind, request.frames, request.fps) == ("dream_8", FILM, 24, 12)


def test_a_film_as_the_video_helper_suite_keeps_it() -> None:
    check_graph(comfy.result_of({"prompt": json.dumps(GRAPH), "workflow": {}}, SIZE))


def test_a_graph_without_words_is_no_recipe() -> None:
    assert comfy.result_of(graph_with(n3={"positive": ["5", 0]}), SIZE) is None


def test_infotext_with_the_templates_of_dynamic_prompts() -> None:
    check_infotext(infotext.result_of(f"{INFOTEXT}\nTemplate: a {{cat|dog}}\nNegative Template: x, y", SIZE))


@pytest.mark.parametrize(
    ("pairs", "program"),
    [("App: SD.Next, Version: abc1234", "SD.Next abc1234"), ('Civitai resources: [{"a":1}], Version: v1', "Civitai")],
)
def test_programs_that_write_infotext_too(pairs: str, program: str) -> None:
    result = infotext.result_of(f"x\nSteps: 1, Sampler: Euler, Model: x.safetensors, VAE: v.ckpt, {pairs}", SIZE)
    assert result is not None
    assert (result.program, result.request.model, result.request.vae) == (program, "x", "v")
    assert result.request.size == SIZE


def test_what_is_missing_or_null_is_not_zero() -> None:
    nulls = {"seed": None, "cfg_scale": 0, "width": None, "loras": [{"model": {"name": "a"}, "weight": None}]}
    result = invoke.result_of({**INVOKED, **nulls}, SIZE)
    assert result is not None
    assert (result.request.seed, result.request.guidance_scale, result.request.width) == (RANDOM_SEED, 0.0, 8)
    assert result.request.prompt == "a fox++ <lora:a:1>"


@pytest.mark.parametrize("pairs", ["Frames: 16, FPS: 0", "CFG scale: nan", "Size: 0x5", f"Frames: {'9' * 400}, FPS: 8"])
def test_numbers_that_cannot_be_are_no_recipe(folder: Path, pairs: str) -> None:
    text = f"x\nSteps: 1, Sampler: Euler, Seed: 3, {pairs}"
    assert read_recipe(saved(folder / "a.png", parameters=text)) is None


def test_what_another_program_damaged_does_not_hide_ours(folder: Path, frames: Any) -> None:
    path = folder / "a.png"
    save_as(frames, make_result(), path, quality=90, metadata=True)
    data = path.read_bytes()
    damaged = b"prompt\0\0not packed at all"
    chunk = len(damaged).to_bytes(4, "big") + b"zTXt" + damaged + zlib.crc32(b"zTXt" + damaged).to_bytes(4, "big")
    path.write_bytes(data[:33] + chunk + data[33:])
    assert read_recipe(path) == make_result()


def test_hostile_texts_and_graphs_take_no_time() -> None:
    """Counted, not timed: quadratic work on these would not end within the test's own limit."""
    infotext.result_of("x\nSteps: 1, " + "a " * 500_000, SIZE)
    infotext.result_of("x\nSteps: 1" + ", a: [" * 100_000, SIZE)
    wide = {str(number): number for number in range(300_000)}
    comfy.result_of({**GRAPH, "5": {"inputs": wide}}, SIZE)
    names = (*comfy._TEXTS, *comfy._JOINED, "string_a", "string_b")
    maze = {str(100 + k): {"inputs": {name: [str(101 + k), 0] for name in names[k % 2 :]}} for k in range(400)}
    comfy.result_of({**maze, **graph_with(n3={"positive": ["100", 0]})}, SIZE)


def test_a_graph_without_a_sampler_gives_way_to_infotext(folder: Path) -> None:
    check_infotext(read_recipe(saved(folder / "a.png", prompt='{"1": {"inputs": {}}}', parameters=INFOTEXT)))


def test_ours_comes_first(folder: Path, frames: Any) -> None:
    result = make_result(seed=11)
    for suffix in (".png", ".jpg", ".webp"):
        path = folder / f"a{suffix}"
        save_as(frames, result, path, quality=90, metadata=True)
        assert read_recipe(path) == result


def test_a_copy_of_another_programs_picture_keeps_what_it_tells(folder: Path, frames: Any) -> None:
    result = read_recipe(saved(folder / "a.png", parameters=INFOTEXT))
    path = folder / "copy.png"
    save_as(frames, result, path, quality=90, metadata=True)
    assert read_recipe(path) == result


def test_a_film_of_comfys(folder: Path) -> None:
    """Its tags are read as ours are."""
    import random
    import subprocess

    from desktop_app.core.frames import Frames
    from desktop_app.export.ffmpeg import find_ffmpeg

    plain, told = folder / "plain.mp4", folder / "told.mp4"
    frames = Frames(4, 32, 32, random.Random(0).randbytes(4 * 32 * 32 * 3))
    save_film_as(frames, None, plain, fps=8, quality=50, metadata=False)
    tags = ["-metadata", f"prompt={json.dumps(GRAPH)}", "-movflags", "use_metadata_tags"]
    command = [find_ffmpeg(), "-v", "error", "-i", str(plain), "-c", "copy", *tags, str(told)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    result = read_recipe(told)
    check_graph(result)
    assert result is not None
    assert result.request.kind == FILM


@pytest.mark.parametrize(
    "texts",
    [
        {},
        {"parameters": ""},
        {"parameters": "just words, and: two, pairs: only"},
        {"parameters": "x\nSteps: many, Sampler: Euler, Seed: 1, Size: 5x5"},
        {"parameters": "x\nSteps: 5, Sampler: Euler, Seed: 1, Size: large"},
        {"parameters": '{"prompt": "of Fooocus"}'},
        {"prompt": "{"},
        {"prompt": "[" * 100_000},
        {"prompt": '{"1": 5, "2": {"inputs": []}}'},
        {"invokeai_metadata": "[]"},
        {"invokeai_metadata": '{"positive_prompt": "x", "steps": "many"}'},
        {"invokeai_metadata": '{"positive_prompt": "x", "width": 1e999}'},
    ],
)
def test_what_nobody_understands_is_no_recipe(folder: Path, texts: dict[str, str]) -> None:
    assert read_recipe(saved(folder / "a.png", **texts)) is None


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=8), st.integers(0, 400))
def test_no_exif_block_is_too_odd(changes: list[tuple[int, int]], cut: int) -> None:
    exif = Image.Exif()
    exif[0x0110] = "prompt:" + json.dumps(GRAPH)
    for block in (exif_block(INFOTEXT)[6:], exif.tobytes()[6:]):
        damaged = bytearray(block)
        for place, value in changes:
            damaged[place % len(damaged)] = value
        metadata._exif_texts(bytes(damaged[: len(damaged) - cut]))


@given(st.text(max_size=200))
@example(INFOTEXT)
@example('Steps: 1, a: "\\, b: [{, c: {"x": 1}')
@example("Steps: 1" + ", a: [" * 3000)
def test_no_text_is_too_odd(text: str) -> None:
    infotext.result_of(text, SIZE)
    infotext.result_of(f"{text}\nSteps: 1, Sampler: {text}, Seed: 2, Size: 8x8", SIZE)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(GRAPH)), st.sampled_from(sorted(GRAPH["3"]["inputs"])), json_values)
def test_no_graph_is_too_odd(node: str, name: str, value: Any) -> None:
    graph = json.loads(json.dumps(GRAPH))
    graph[node]["inputs"][name] = value
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        comfy.result_of(graph, SIZE)


@given(st.sampled_from(sorted(INVOKED)), json_values)
def test_no_metadata_is_too_odd(name: str, value: Any) -> None:
    try:
        found = invoke.result_of({**INVOKED, name: value}, SIZE)
    except (ValueError, TypeError, OverflowError):
        return
    assert found is None or found.request.seed >= RANDOM_SEED or name == "seed"
