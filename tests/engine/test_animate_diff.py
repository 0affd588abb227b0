"""Films of a picture model with a motion adapter: diffusers' AnimateDiff pipelines are the oracle, bit for bit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from diffusers import AnimateDiffPipeline, AnimateDiffVideoToVideoPipeline, MotionAdapter, UNetMotionModel
from diffusers.loaders.single_file_utils import convert_animatediff_checkpoint_to_diffusers
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from PIL import Image
from safetensors.torch import save_file

from desktop_app.checkpoints.finding import files_in
from desktop_app.checkpoints.lone_parts import find_parts
from desktop_app.core.catalog import FAMILIES
from desktop_app.core.errors import AppError
from desktop_app.core.events import Loading
from desktop_app.core.frames import Frames
from desktop_app.core.guidance_form import BATCHED, NONE, TWO_PASS
from desktop_app.core.result import RunRecord
from desktop_app.engine.denoise import denoise
from desktop_app.engine.engine import Engine
from desktop_app.engine.families.animate_diff import AnimateDiff, along, animated, empty_adapter
from desktop_app.engine.families.stable_diffusion import StableDiffusion
from desktop_app.engine.loading import WeightReader, count_weights
from desktop_app.engine.schedulers import build_scheduler
from desktop_app.engine.start import as_input
from desktop_app.engine.windows import smooth_weights
from tests.engine.conftest import CPU, pictures, request_for, run
from tests.engine.test_oracle import MAIN_CASES, NEGATIVE, ORACLE, PROMPT, SEED, STEPS, Pair, diffusers_scheduler
from tests.tiny_models import SIZE, add_motion_adapter, loaded, tiny_model, tiny_motion_adapter, tiny_pipeline

FRAMES = 5
FILM_FACTS: Any = FAMILIES["stable-diffusion"].film
POSTCARD = Path(__file__).parents[2] / "resources" / "models" / "postcard"


class FilmPair(Pair):
    """diffusers' pipelines and our model over the same weights and the same adapter."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "epsilon")
        self.adapter = add_motion_adapter(folder)
        self.film = loaded(AnimateDiff.load(self.model, folder / "motion_adapter", FILM_FACTS, lambda: None))

    def theirs(self, key: str, kind: str, guidance_scale: float, **options: Any) -> torch.Tensor:
        pipeline_class = AnimateDiffVideoToVideoPipeline if "video" in options else AnimateDiffPipeline
        pipe = self.pipeline
        pipeline = pipeline_class(
            pipe.vae, pipe.text_encoder, pipe.tokenizer, pipe.unet, self.adapter,
            diffusers_scheduler(key, kind, self.config, SEED),
        )  # fmt: skip
        pipeline.unet.requires_grad_(False)  # frozen like the others; the pipeline built it anew
        pipeline.set_progress_bar_config(disable=True)
        return pipeline(
            prompt=PROMPT,
            negative_prompt=NEGATIVE,
            width=SIZE + 32,
            height=SIZE,
            num_inference_steps=STEPS,
            guidance_scale=guidance_scale,
            generator=torch.Generator().manual_seed(SEED),
            **{"output_type": "latent", **options},
            **({} if "video" in options else {"num_frames": FRAMES}),
        ).frames

    def ours(self, key: str, kind: str, guidance_scale: float, start: Any = None, strength: float = 1) -> torch.Tensor:
        form = NONE if guidance_scale == 1 else BATCHED
        request = request_for(
            prompt=PROMPT, negative_prompt=NEGATIVE, width=SIZE + 32, guidance_scale=guidance_scale, steps=STEPS,
            kind="film", frames=FRAMES,
        )  # fmt: skip
        conditioning = self.film.encode(self.film.tokenize(request, form))
        scheduler = build_scheduler(key, kind, self.film.scheduler_config, STEPS, "tiny")
        generator = torch.Generator().manual_seed(SEED)
        predict = self.film.predictor(conditioning, request, form, None, generator)
        latents = None if start is None else self.film.encode_start(start, generator)
        noise = self.film.noise(request, generator) if start is None else self.film.start_noise(request, generator)
        *_, last = denoise(predict, scheduler, noise, STEPS, generator, start=latents, strength=strength)
        assert last.step == STEPS
        return last.latents


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilmPair]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield FilmPair(tmp_path_factory.mktemp("films") / "tiny")
    torch.set_num_threads(threads)


def noisy_frames(count: int = FRAMES, seed: int = 0) -> list[Image.Image]:
    pixels = numpy.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE + 32, 3), "uint8")
    return [Image.fromarray(frame) for frame in pixels]


def as_start(frames: list[Image.Image]) -> torch.Tensor:
    return as_input(Frames(len(frames), SIZE, SIZE + 32, b"".join(frame.tobytes() for frame in frames)))


@pytest.mark.parametrize(("key", "kind"), MAIN_CASES)
def test_film_latents_equal_diffusers_bit_for_bit(pair, key, kind):
    theirs = pair.theirs(key, kind, 6.0)
    assert theirs.shape == (1, 4, FRAMES, SIZE // 8, SIZE // 8 + 4)
    assert torch.equal(pair.ours(key, kind, 6.0), theirs)


def test_film_latents_equal_diffusers_without_guidance(pair):
    assert torch.equal(pair.ours("ddim", "default", 1), pair.theirs("ddim", "default", 1))


@pytest.mark.parametrize("strength", [0.3, 0.5, 1.0])
@pytest.mark.parametrize("key", sorted(ORACLE))
def test_a_film_drawn_anew_equals_diffusers(pair, key, strength):
    video = noisy_frames()
    theirs = pair.theirs(key, "default", 6.0, video=video, strength=strength)
    assert torch.equal(pair.ours(key, "default", 6.0, as_start(video), strength), theirs)


def test_a_picture_made_a_film_equals_diffusers_with_the_picture_repeated(pair):
    video = noisy_frames(1) * FRAMES
    theirs = pair.theirs("dpmpp-2m", "default", 6.0, video=video, strength=0.6)
    assert torch.equal(pair.ours("dpmpp-2m", "default", 6.0, as_start(video), 0.6), theirs)


def test_the_decoded_film_is_that_of_diffusers(pair):
    theirs = torch.from_numpy(pair.theirs("euler", "default", 6.0, output_type="np")[0])
    ours = pair.film.decode(pair.ours("euler", "default", 6.0))
    assert torch.equal(ours, (theirs * 255).round().to(torch.uint8))


def test_two_passes_equal_one_batch(pair):
    request = request_for(kind="film", frames=3)
    told = pair.film.encode(pair.film.tokenize(request, BATCHED))
    x, t = torch.randn(1, 4, 3, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor(500)
    with torch.inference_mode():
        batched, separate = (
            pair.film.predictor(told, request, form, None, torch.Generator())(x, t) for form in (BATCHED, TWO_PASS)
        )
    assert (batched - separate).norm() <= 1e-5 * batched.norm()


@pytest.mark.parametrize("options", [{}, {"layers_per_block": 2, "attention_head_dim": 8}])
def test_the_animated_unet_equals_that_of_diffusers(options):
    torch.manual_seed(0)
    unet: Any = tiny_pipeline().unet
    unet = UNet2DConditionModel.from_config({**unet.config, **options}).eval()
    adapter = MotionAdapter(
        block_out_channels=(8, 16), motion_layers_per_block=unet.config.layers_per_block, motion_num_attention_heads=2,
        motion_norm_num_groups=2, use_motion_mid_block=not options,
    ).eval()  # fmt: skip
    theirs = UNetMotionModel.from_unet2d(unet, adapter).eval()
    ours = animated(unet, adapter)
    x, words = torch.randn(2, 4, 6, 8, 12), torch.randn(2, 7, 16)
    with torch.inference_mode():
        still = unet(x[:, :, 0], torch.tensor(40), words).sample
        expected = theirs(x, torch.tensor(40), words.repeat_interleave(6, dim=0)).sample
        assert torch.equal(ours(x, torch.tensor(40), words), expected)
        assert torch.equal(ours(x, torch.tensor(40), words.repeat_interleave(6, dim=0)), expected)
        assert torch.equal(ours(x, torch.tensor([40, 40]), words), expected)
        by_frame = torch.randn(12, 7, 16)
        assert torch.equal(ours(x, torch.tensor(40), by_frame), theirs(x, torch.tensor(40), by_frame).sample)
        assert torch.equal(unet(x[:, :, 0], torch.tensor(40), words).sample, still)  # as it was


@pytest.mark.parametrize("draw", ["noise", "start_noise"])
def test_frames_share_as_much_of_their_noise_as_the_model_says(pair, draw):
    request = request_for(width=256, height=256, kind="film", frames=8)

    def drawn(share: float) -> torch.Tensor:
        film = replace(pair.film, film=replace(FILM_FACTS, shared_noise=share))
        return getattr(film, draw)(request, torch.Generator().manual_seed(SEED))

    frames = drawn(0.75)[0].transpose(0, 1).flatten(1)
    alike = torch.corrcoef(frames)[~torch.eye(8, dtype=torch.bool)]
    assert frames.std().item() == pytest.approx(1, abs=0.05)
    assert alike.mean().item() == pytest.approx(0.75, abs=0.05)
    assert drawn(1)[0].std(1).max() < 1e-6
    assert torch.equal(drawn(0), getattr(pair.film, draw)(request, torch.Generator().manual_seed(SEED)))


MOMENTS = replace(FILM_FACTS, moments=2, moment_prompt="moment {moment}: {prompt}", window=4)


def test_each_moment_has_a_prompt_of_its_own(pair):
    film = replace(pair.film, film=MOMENTS)
    texts = film.tokenize(request_for(prompt="a {moment} cat", kind="film"), BATCHED)
    alone = [pair.film.text.tokens(f"moment {number}: a {{moment}} cat").ids for number in (1, 2)]
    assert torch.equal(texts.prompt.ids, torch.cat(alone))
    assert texts.negative is not None
    assert len(texts.negative.ids) == 1
    assert len(film.tokenize(request_for(prompt=" ", kind="film"), BATCHED).prompt.ids) == 1
    long = film.tokenize(request_for(prompt="cat " * 200, kind="film"), BATCHED)
    assert long.notices


def test_frames_between_two_moments_are_told_both():
    moments = torch.tensor([0.0, 10.0, 30.0]).view(3, 1, 1)
    assert along(moments, 5, loop=False).flatten().tolist() == [0, 5, 10, 20, 30]
    assert along(moments, 8, loop=True).flatten().tolist() == [0, 5, 10, 20, 30, 20, 10, 5]
    assert along(moments, 3, loop=False).equal(moments)


@pytest.mark.parametrize("form", [BATCHED, TWO_PASS])
def test_every_window_is_told_the_moments_of_its_own_frames(pair, form):
    """Against diffusers' U-Net, which takes a text for each frame; 4 of 6 frames at once."""
    film = replace(pair.film, film=MOMENTS)
    request = request_for(prompt=PROMPT, kind="film", frames=6, guidance_scale=3.0)
    words = film.encode(film.tokenize(request, form))
    predict = film.predictor(words, request, form, None, torch.Generator())
    x, t = film.noise(request, torch.Generator().manual_seed(1)), torch.tensor(40)
    unet: Any = UNetMotionModel.from_unet2d(pair.model.unet, pair.adapter)
    first, last = words.positive
    by_frame = torch.stack([torch.lerp(first, last, frame / 5) for frame in range(6)])
    total, weights = torch.zeros_like(x), torch.zeros(6)
    with torch.inference_mode():
        for seen in (slice(0, 4), slice(2, 6)):
            without = unet(x[:, :, seen], t, words.negative.expand(4, -1, -1)).sample
            told = unet(x[:, :, seen], t, by_frame[seen]).sample
            weight = smooth_weights(4)
            total[:, :, seen] += (without + 3 * (told - without)) * weight.view(-1, 1, 1)
            weights[seen] += weight
        torch.testing.assert_close(predict(x, t), total / weights.view(-1, 1, 1), rtol=1e-4, atol=1e-4)


def test_an_adapter_that_does_nothing_yet_films_pictures_of_every_moment():
    """A U-Net that also pools the words, as the bundled model's does."""
    torch.manual_seed(0)
    options = {"addition_embed_type": "text", "addition_embed_type_num_heads": 2}
    unet = UNet2DConditionModel.from_config({**tiny_pipeline().unet.config, **options}).eval()
    adapter = tiny_motion_adapter()
    for name, weights in adapter.named_parameters():
        if ".proj_out." in name:
            torch.nn.init.zeros_(weights)
    x, words, t = torch.randn(1, 4, 3, 8, 8), torch.randn(3, 7, 16), torch.tensor(40)
    with torch.inference_mode():
        film = animated(unet, adapter)(x, t, words)[0].transpose(0, 1)
        for frame in range(3):
            picture = unet(x[:, :, frame], t, words[frame : frame + 1]).sample[0]
            torch.testing.assert_close(film[frame], picture, rtol=1e-4, atol=1e-4)


def test_the_unet_of_the_bundled_model_films_and_learns():
    """diffusers' own motion U-Net cannot express it: pooled text among the time embeddings, scale and shift by them."""
    torch.manual_seed(0)
    unet: Any = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(POSTCARD / "unet")).requires_grad_(
        False
    )
    widths = tuple(unet.config.block_out_channels)
    adapter: Any = MotionAdapter(
        block_out_channels=widths, motion_layers_per_block=1, motion_num_attention_heads=4, motion_norm_num_groups=16
    )
    film = animated(unet, adapter)
    x, words, t = torch.randn(2, unet.config.in_channels, 3, 8, 8), torch.randn(2, 5, 192), torch.tensor([20, 900])
    film(x, t, words).square().mean().backward()
    assert all(weight.grad is not None for weight in adapter.parameters())
    assert all(weight.grad is None for weight in unet.parameters())
    with torch.no_grad():
        for name, weight in adapter.named_parameters():
            if "proj_out" in name:
                weight.zero_()
        stills = torch.stack([unet(x[:, :, index], t, words).sample for index in range(3)], dim=2)
        torch.testing.assert_close(film(x, t, words), stills, rtol=1e-4, atol=1e-4)


def test_with_an_adapter_that_says_nothing_the_bundled_model_films_its_pictures(tmp_path):
    """Its own weights, loaded as the engine loads them: each frame is the picture of that frame's noise."""
    model = loaded(StableDiffusion.load(POSTCARD, CPU, lambda: None))
    widths = tuple(model.unet.config.block_out_channels)
    adapter: Any = MotionAdapter(
        block_out_channels=widths, motion_layers_per_block=1, motion_num_attention_heads=4, motion_norm_num_groups=16
    )
    for name, weight in adapter.named_parameters():
        if "proj_out" in name:
            torch.nn.init.zeros_(weight)
    adapter.save_pretrained(tmp_path / "motion_adapter")
    film = loaded(AnimateDiff.load(model, tmp_path / "motion_adapter", FILM_FACTS, lambda: None))
    request = request_for(kind="film", frames=3, width=128, height=128)
    told, noise = film.encode(film.tokenize(request, BATCHED)), film.noise(request, torch.Generator().manual_seed(0))
    with torch.inference_mode():
        moving = film.predictor(told, request, BATCHED, None, torch.Generator())(noise, torch.tensor(600))
        still = model.predictor(told, request, BATCHED, None, torch.Generator())
        frames = [still(noise[:, :, index], torch.tensor(600)) for index in range(3)]
    torch.testing.assert_close(moving, torch.stack(frames, dim=2), rtol=1e-4, atol=1e-4)


def test_loading_an_adapter_draws_no_random_weights(pair, tmp_path):
    """diffusers draws them for the whole motion U-Net first; here the layers wait empty for those of the file."""
    pair.adapter.save_pretrained(tmp_path / "motion_adapter")
    before = torch.get_rng_state()
    film = loaded(AnimateDiff.load(pair.model, tmp_path / "motion_adapter", FILM_FACTS, lambda: None))
    assert torch.equal(torch.get_rng_state(), before)
    assert {value.device.type for value in (*film.unet.parameters(), *film.unet.buffers())} == {"cpu"}
    assert not any(weight.requires_grad for weight in film.unet.parameters())


def test_the_layers_of_the_picture_model_are_shared(pair):
    own = {id(weight) for weight in pair.model.unet.parameters()}
    seen = {id(weight) for weight in pair.film.unet.parameters()}
    assert own <= seen
    added = sum(weight.numel() for weight in pair.film.unet.parameters() if id(weight) not in own)
    assert added == sum(weight.numel() for weight in pair.adapter.parameters())


def test_the_whole_engine_gives_the_pixels_of_diffusers(pair, tmp_path):
    folder = tmp_path / "tiny"
    tiny_model(folder, facts={"film": {"frames": FRAMES}})
    add_motion_adapter(folder)
    engine = Engine(models=[tmp_path], cache=tmp_path / "cache", device="cpu")
    record = RunRecord(device="cpu", device_name="", dtype="float32", guidance_form=BATCHED, threads=1)
    request = request_for(
        prompt=PROMPT, negative_prompt=NEGATIVE, scheduler="euler", width=SIZE + 32, steps=STEPS, guidance_scale=6.0,
        kind="film", frames=FRAMES,
    )  # fmt: skip
    (film,) = pictures(run(engine, request, replay=record))
    theirs = (pair.theirs("euler", "default", 6.0, output_type="np")[0] * 255).round().astype("uint8")
    assert numpy.array_equal(numpy.frombuffer(film.frames.data, "uint8").reshape(film.frames.shape), theirs)


def test_the_adapter_is_loaded_once_and_pictures_stay_as_they_are(tmp_path):
    add_motion_adapter(tiny_model(tmp_path / "tiny"))
    engine = Engine(models=[tmp_path], cache=tmp_path / "cache", device="cpu")
    before = pictures(run(engine, request_for()))[0].frames
    first = [event.what for event in run(engine, request_for(kind="film", frames=2)) if isinstance(event, Loading)]
    again = [event.what for event in run(engine, request_for(kind="film", frames=2)) if isinstance(event, Loading)]
    assert (set(first), again) == ({"motion_adapter"}, [])
    assert pictures(run(engine, request_for()))[0].frames == before


def test_an_adapter_among_the_models_is_chosen_by_name(tmp_path):
    tiny_model(tmp_path / "tiny")
    made = set()
    for seed, name in enumerate(("slow", "quick")):
        tiny_motion_adapter(seed=seed).save_pretrained(tmp_path / name)
    engine = Engine(models=[tmp_path], cache=tmp_path / "cache", device="cpu")
    for name in ("slow", "quick", "slow"):
        made.add(pictures(run(engine, request_for(kind="film", frames=2, motion_model=name)))[0].frames)
    assert len(made) == 2


@pytest.mark.parametrize("changes", [{"motion_layers_per_block": 2}, {"conv_in_channels": 9}])
def test_an_adapter_that_does_not_fit_is_refused_in_words(tmp_path, changes):
    folder = tiny_model(tmp_path / "tiny")
    tiny_motion_adapter(**changes).save_pretrained(folder / "motion_adapter")
    engine = Engine(models=[tmp_path], cache=tmp_path / "cache", device="cpu")
    with pytest.raises(AppError, match=r"motion_adapter/config\.json does not fit the model"):
        run(engine, request_for(kind="film", frames=2))


def test_a_damaged_adapter_is_refused_in_words(tmp_path):
    folder = tiny_model(tmp_path / "tiny")
    add_motion_adapter(folder)
    weights = folder / "motion_adapter" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(AppError, match="motion_adapter"):
        run(Engine(models=[tmp_path], cache=tmp_path / "cache", device="cpu"), request_for(kind="film", frames=2))


def original_adapter(adapter: MotionAdapter, prefix: str) -> dict[str, torch.Tensor]:
    """As AnimateDiff's authors name its weights: both attentions of a layer have the positions."""
    names = {"attn1": "attention_blocks.0", "attn2": "attention_blocks.1", "norm1": "norms.0", "norm2": "norms.1",
             "norm3": "ff_norm"}  # fmt: skip
    found: dict[str, torch.Tensor] = {}
    for name, value in adapter.state_dict().items():
        block, layer, rest = re.match(r"(.*motion_modules)\.(\d+)\.(.*)", name).groups()
        rest = ".".join(names.get(word, word) for word in rest.split("."))
        for which in "01" if "pos_embed" in rest else "0":
            place = rest.replace("pos_embed", f"attention_blocks.{which}.pos_encoder")
            found[f"{prefix}{block}.{layer}.temporal_transformer.{place}"] = value.clone()
    return found


@pytest.mark.parametrize("middle", [True, False], ids=["second version", "third version"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_an_adapter_in_a_file_of_its_own_is_what_diffusers_makes_of_it(prefix, middle, tmp_path):
    torch.manual_seed(2)
    adapter = MotionAdapter(
        block_out_channels=(32, 64), motion_layers_per_block=2, motion_max_seq_length=24, use_motion_mid_block=middle
    )
    stored = original_adapter(adapter, prefix)
    file = tmp_path / "animatediff_models" / "v2.safetensors"
    file.parent.mkdir()
    save_file(stored, file)
    found = find_parts(files_in([tmp_path])).motion_adapters["v2"]
    assert found.config["block_out_channels"] == [32, 64]
    part, ours = empty_adapter(found.path)
    loaded(WeightReader(count_weights([part]), lambda: None).fill(ours, part, CPU.torch_device, torch.float32, str))
    expected = adapter.state_dict()
    assert {name: torch.equal(value, expected[name]) for name, value in ours.state_dict().items()} == dict.fromkeys(
        expected, True
    )
    theirs = convert_animatediff_checkpoint_to_diffusers({name.removeprefix(prefix): stored[name] for name in stored})
    assert all(torch.equal(theirs[name], expected[name]) for name in theirs)
    assert ours.config.motion_max_seq_length == 24
