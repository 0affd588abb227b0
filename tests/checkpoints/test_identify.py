"""A file is known by the names and shapes in its header: every published architecture, in diffusers' own names."""

from __future__ import annotations

from pathlib import Path

import pytest

from desktop_app.checkpoints.identify import identify
from desktop_app.checkpoints.identity import UNKNOWN
from tests.checkpoints import original_layouts as original
from tests.checkpoints.headers import write_header
from tests.checkpoints.real_models import shapes_of

KNOWN = {
    "sd-1 unet": ("denoiser", "sd-1", 859_520_964),
    "sd-1 inpainting unet": ("denoiser", "sd-1", 859_535_364),
    "sd-2 unet": ("denoiser", "sd-2", 865_910_724),
    "sdxl unet": ("denoiser", "sdxl", 2_567_463_684),
    "refiner unet": ("denoiser", "sdxl-refiner", None),
    "sd-3": ("denoiser", "sd-3", None),
    "flux-1": ("denoiser", "flux-1", 11_901_408_320),
    "flux-2": ("denoiser", "flux-2", None),
    "qwen-image": ("denoiser", "qwen-image", None),
    "z-image": ("denoiser", "z-image", None),
    "wan-2": ("denoiser", "wan-2", 1_418_996_800),
    "ltx": ("denoiser", "ltx", None),
    "ltx-2": ("denoiser", "ltx-2", None),
    "hunyuan-video": ("denoiser", "hunyuan-video", None),
    "svd unet": ("denoiser", "svd", None),
    "modelscope unet": ("denoiser", "modelscope", None),
    "pixart": ("denoiser", "pixart", None),
    "pixart sigma": ("denoiser", "pixart", None),
    "allegro": (UNKNOWN, UNKNOWN, None),
    "cogvideox": ("denoiser", "cogvideox", None),
    "cogvideox 1.5": ("denoiser", "cogvideox", None),
    "consisid": ("denoiser", UNKNOWN, None),
    "cogview 4": (UNKNOWN, UNKNOWN, None),
    "sana": ("denoiser", "sana", None),
    "sana video": (UNKNOWN, UNKNOWN, None),
    "aura-flow": ("denoiser", "aura-flow", None),
    "lumina-2": ("denoiser", "lumina-2", None),
    "mochi": ("denoiser", "mochi", None),
    "cosmos 1": ("denoiser", "cosmos", None),
    "cosmos 2": ("denoiser", "cosmos", None),
    "hidream": ("denoiser", "hidream", None),
    "omnigen": ("denoiser", "omnigen", None),
    "hunyuan-dit": ("denoiser", "hunyuan-dit", None),
    "kolors unet": ("denoiser", "kolors", 2_579_458_820),
    "kandinsky 2.2 unet": ("denoiser", "kandinsky-2", 1_253_057_288),
    "kandinsky 2.2 prior": ("denoiser", "kandinsky-2", None),
    "kandinsky-3 unet": ("denoiser", "kandinsky-3", None),
    "kandinsky-5": ("denoiser", "kandinsky-5", None),
    "stable cascade b": ("denoiser", "stable-cascade-b", None),
    "stable cascade c": ("denoiser", "stable-cascade-c", None),
    "würstchen prior": ("denoiser", "wuerstchen", None),
    "würstchen decoder": ("denoiser", "wuerstchen", None),
    "t2i-adapter": ("t2i-adapter", "sd-1", None),
    "t2i-adapter for sdxl": ("t2i-adapter", "sdxl", None),
    "light t2i-adapter": ("t2i-adapter", "sd-1", None),
    "kl vae": ("vae", UNKNOWN, 83_653_863),
    "flux vae": ("vae", UNKNOWN, 83_819_683),
    "flux-2 vae": ("vae", "flux-2", None),
    "svd vae": ("vae", "svd", None),
    "wan vae": ("vae", UNKNOWN, None),
    "qwen-image vae": ("vae", UNKNOWN, None),
    "ltx vae": ("vae", "ltx", None),
    "hunyuan-video vae": ("vae", "hunyuan-video", None),
    "tiny vae": ("tiny-vae", UNKNOWN, None),
    "tiny flux vae": ("tiny-vae", UNKNOWN, None),
    "clip-l": ("text-encoder", UNKNOWN, 123_060_480),
    "clip-h": ("text-encoder", "sd-2", 340_387_840),
    "clip-g": ("text-encoder", UNKNOWN, 694_659_840),
    "t5": ("text-encoder", UNKNOWN, None),
    "umt5": ("text-encoder", "wan-2", None),
    "qwen-3": ("text-encoder", UNKNOWN, None),
    "sd-1 controlnet": ("controlnet", "sd-1", None),
    "sdxl controlnet": ("controlnet", "sdxl", None),
    "sparse controlnet": ("controlnet", "sd-1", None),
    "sd-3 controlnet": ("controlnet", "sd-3", None),
    "qwen-image controlnet": ("controlnet", "qwen-image", None),
    "sd-3.5 medium": ("denoiser", "sd-3", None),
    "flux-1 fill": ("denoiser", "flux-1", None),
    "wan-2 from a picture": ("denoiser", "wan-2", None),
    "wan-2.2 small": ("denoiser", "wan-2", None),
    "wan-2 vace": ("denoiser", "wan-2", None),
    "chroma": ("denoiser", "chroma", None),
    "hunyuan-video 1.5": ("denoiser", "hunyuan-video-1.5", None),
    "ltx-2 vae": ("vae", UNKNOWN, None),
    "flux controlnet": ("controlnet", "flux-1", None),
    "motion adapter": ("motion-module", "sd-1", None),
    "sdxl motion adapter": ("motion-module", "sdxl", None),
}


@pytest.mark.parametrize("name", KNOWN)
def test_published_models_are_known_by_name_and_shape(name: str, tmp_path: Path) -> None:
    kind, architecture, parameters = KNOWN[name]
    identity = identify(write_header(tmp_path / "x.safetensors", shapes_of(name)))
    assert not identity.problem
    assert (identity.kind, identity.architecture) == (kind, architecture)
    assert parameters in (None, identity.parameters)
    assert identity.dtype == "float16"


ADDED = {
    "embedding": ({"emb_params": (4, 768)}, ("embedding", "sd-1")),
    "embedding of sd-2": ({"<cat>": (1024,)}, ("embedding", "sd-2")),
    "embedding of sdxl": ({"clip_l": (2, 768), "clip_g": (2, 1280)}, ("embedding", "sdxl")),
    "one tensor of something": ({"weight": (4, 5)}, (UNKNOWN, UNKNOWN)),
    "nothing": ({}, (UNKNOWN, UNKNOWN)),
    "ESRGAN": (
        {"model.0.weight": (64, 3, 3, 3), "model.1.sub.0.RDB1.conv1.0.weight": (32, 64, 3, 3)},
        ("upscaler", UNKNOWN),
    ),
    "Real-ESRGAN": (
        {"params_ema.conv_first.weight": (64, 3, 3, 3), "params_ema.body.0.rdb1.conv1.weight": (32, 64, 3, 3)},
        ("upscaler", UNKNOWN),
    ),
    "ESRGAN as BasicSR trains it": (
        {"conv_first.weight": (64, 3, 3, 3), "RRDB_trunk.0.RDB1.conv1.weight": (32, 64, 3, 3)},
        ("upscaler", UNKNOWN),
    ),
    "ESRGAN that doubles, whose input comes in squares": (
        {"params.conv_first.weight": (64, 12, 3, 3), "params.body.0.rdb1.conv1.weight": (32, 64, 3, 3)},
        ("upscaler", UNKNOWN),
    ),
    "compact": (
        {"params.body.0.weight": (64, 3, 3, 3), "params.body.1.weight": (64,), "params.body.2.weight": (64, 64, 3, 3)},
        ("upscaler", UNKNOWN),
    ),
    "SwinIR": (
        {
            "params_ema.conv_first.weight": (180, 3, 3, 3),
            "params_ema.layers.0.residual_group.blocks.0.attn.qkv.weight": (540, 180),
        },
        ("upscaler", UNKNOWN),
    ),
    "SPAN": (
        {"params.conv_1.sk.weight": (48, 3, 1, 1), "params.block_1.c1_r.sk.weight": (48, 48, 1, 1)},
        ("upscaler", UNKNOWN),
    ),
    "a network that only begins like one of them": ({"conv_first.weight": (64, 3, 3, 3)}, (UNKNOWN, UNKNOWN)),
    "TAESD's encoder": ({"0.weight": (64, 3, 3, 3), "1.conv.0.weight": (64, 64, 3, 3)}, ("tiny-vae", UNKNOWN)),
    "TAEHV, for films": ({"decoder.1.weight": (256, 16, 3, 3), "encoder.0.weight": (64, 3, 3, 3)}, (UNKNOWN, UNKNOWN)),
    "TAESD's decoder": ({"1.weight": (64, 4, 3, 3), "3.conv.0.weight": (64, 64, 3, 3)}, ("tiny-vae", UNKNOWN)),
    "IP-Adapter": ({"ip_adapter.1.to_k_ip.weight": (320, 768), "image_proj.proj.weight": ()}, ("ip-adapter", "sd-1")),
}


@pytest.mark.parametrize(("shapes", "known"), ADDED.values(), ids=ADDED)
def test_small_files_are_known(shapes: dict[str, tuple[int, ...]], known: tuple[str, str], tmp_path: Path) -> None:
    identity = identify(write_header(tmp_path / "x.safetensors", shapes))
    assert not identity.problem
    assert (identity.kind, identity.architecture) == known


@pytest.mark.parametrize("name", ["X.SAFETENSORS", "x.sft", "x"])
def test_a_name_says_nothing(name: str, tmp_path: Path) -> None:
    assert identify(write_header(tmp_path / name, shapes_of("kl vae"))).kind == "vae"


def test_a_diffusers_folder_is_known_with_its_parts(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    for part, model in (("unet", "sd-2 unet"), ("vae", "kl vae"), ("text_encoder", "clip-h")):
        (tmp_path / part).mkdir()
        write_header(tmp_path / part / "model.safetensors", shapes_of(model))
        write_header(tmp_path / part / "model.fp16.safetensors", shapes_of(model))
    (tmp_path / "scheduler").mkdir()
    (tmp_path / "scheduler" / "scheduler_config.json").write_text('{"prediction_type": "v_prediction"}')
    identity = identify(tmp_path)
    assert not identity.problem
    assert (identity.kind, identity.architecture, identity.prediction) == ("checkpoint", "sd-2", "v_prediction")
    assert (identity.parts, identity.missing) == (("denoiser", "vae", "text-encoder"), ())
    assert identity.parameters == 865_910_724 + 83_653_863 + 340_387_840


def test_what_denoises_may_have_another_name_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableCascadeDecoderPipeline"}')
    for part, model in (("decoder", "stable cascade b"), ("vqgan", "kl vae")):
        (tmp_path / part).mkdir()
        write_header(tmp_path / part / "model.safetensors", shapes_of(model))
    identity = identify(tmp_path)
    assert not identity.problem
    assert (identity.architecture, identity.parts) == ("stable-cascade-b", ("denoiser", "vae"))


def test_one_part_of_a_diffusers_folder_is_known(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"_class_name": "ControlNetModel"}')
    write_header(tmp_path / "diffusion_pytorch_model.safetensors", shapes_of("sd-1 controlnet"))
    assert identify(tmp_path).kind == "controlnet"


def test_models_of_sizes_of_their_own_are_known_by_their_class(tiny_model_folder: Path) -> None:
    identity = identify(tiny_model_folder)
    assert not identity.problem
    assert (identity.kind, identity.architecture, identity.missing) == ("checkpoint", "sd-1", ())


@pytest.fixture(scope="module")
def tiny_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.tiny_models import tiny_model

    return tiny_model(tmp_path_factory.mktemp("models") / "tiny")


def test_what_cannot_be_used_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "page.safetensors").write_text("<html>Sign in</html>")
    (tmp_path / "nothing").mkdir()
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "model_index.json").write_text("{")
    cut = tmp_path / "cut"
    (cut / "unet").mkdir(parents=True)
    (cut / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    (cut / "unet" / "a.safetensors").write_bytes(bytes(3))
    for name, words in {
        "page.safetensors": "is a web page",
        "nothing": "is a folder without",
        "empty": "has no weights",
        "damaged": "has a damaged model_index.json",
        "cut": "unet/a.safetensors is only 3 bytes long",
        "missing.safetensors": "is not there",
    }.items():
        identity = identify(tmp_path / name)
        assert identity.problem
        assert words in identity.problem.text
        assert identity.kind == UNKNOWN


def test_a_smoothed_copy_is_not_loaded_and_not_counted(tmp_path: Path) -> None:
    layout = {"model.diffusion_model." + name: shape for name, shape in original.unet(original.SD_1).items()}
    copy = {"model_ema." + name.replace(".", ""): shape for name, shape in layout.items()}
    identity = identify(write_header(tmp_path / "x.safetensors", {**layout, **copy}))
    assert identity.parameters == 859_520_964
