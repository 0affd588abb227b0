"""Jobs that make films: batches, extending, loops, previews, Cancel, and frames decoded as memory permits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from desktop_app.core.catalog import FAMILIES
from desktop_app.core.control import StopSignal
from desktop_app.core.errors import AppError
from desktop_app.core.events import Cancelled, Decoding, Denoising, Event, Finished
from desktop_app.core.request import EXTEND, GenerationRequest
from desktop_app.core.wire import pack_event, unpack_event
from desktop_app.engine.engine import Engine
from desktop_app.engine.enlarger import enlarge
from desktop_app.engine.families.animate_diff import AnimateDiff
from desktop_app.engine.families.stable_diffusion import StableDiffusion
from desktop_app.engine.families.stable_video_diffusion import StableVideoDiffusion
from desktop_app.engine.families.text_to_video import TextToVideo
from desktop_app.engine.job import ENLARGE_CHUNK, make_picture
from desktop_app.engine.steady import steady
from tests.engine.conftest import CPU, job_for, made, noisy_pixels, pictures, request_for, run, start_of, stop_when
from tests.tiny_models import (
    SIZE,
    add_enlarger,
    add_motion_adapter,
    loaded,
    tiny_model,
    tiny_text_to_video_pipeline,
    tiny_video_diffusion_pipeline,
    write_film_model,
)

FILM_FACTS: Any = FAMILIES["stable-diffusion"].film


@dataclass(frozen=True)
class Family:
    """One tiny film model and its folder."""

    folder: Path
    model: Any


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Family]]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("families")
    animated = tiny_model(folder / "animated", facts={"film": {"frames": 4}})
    add_motion_adapter(animated)
    words = write_film_model(folder / "words", tiny_text_to_video_pipeline())
    picture = write_film_model(folder / "picture", tiny_video_diffusion_pipeline())
    still: StableDiffusion = loaded(StableDiffusion.load(animated, CPU, lambda: None))
    adapter = animated / "motion_adapter"
    yield {
        "animated": Family(animated, loaded(AnimateDiff.load(still, adapter, FILM_FACTS, lambda: None))),
        "words": Family(words, loaded(TextToVideo.load(words, CPU, lambda: None))),
        "picture": Family(picture, loaded(StableVideoDiffusion.load(picture, CPU, lambda: None))),
    }
    torch.set_num_threads(threads)


@pytest.fixture
def film_engine(tmp_path: Path) -> Engine:
    """An engine with one tiny model that films and enlarges."""
    folder = tiny_model(tmp_path / "tiny", facts={"film": {"frames": 4, "max_frames": 200}, "enlarge": 4})
    add_motion_adapter(folder)
    add_enlarger(folder)
    return Engine(models=[tmp_path], cache=tmp_path / "cache", device="cpu")


def film_request(**changes: Any) -> GenerationRequest:
    return request_for(**{"kind": "film", "frames": 4, "steps": 2, **changes})


def from_film(family: Family, pixels: Tensor, known: int = 1, **changes: Any) -> Tensor:
    """The film that extends ``pixels``."""
    request = film_request(start="film", start_use=EXTEND, **changes)
    return made(job_for(family.folder, family.model, request, start=start_of(pixels, request, known)))


# batches


@pytest.mark.parametrize(
    ("key", "scheduler"),
    [("animated", "euler-a"), ("animated", "dpmpp-2m-sde"), ("words", "ddim"), ("words", "lcm"), ("picture", "euler")],
)
def test_a_batch_of_films_equals_single_runs(families, key, scheduler):
    family = families[key]
    request = film_request(count=3, scheduler=scheduler, guidance_scale=1.5, start="p" if key == "picture" else "")
    start = start_of(noisy_pixels(4), request) if request.start else None
    batch = [made(job_for(family.folder, family.model, request, start=start), index) for index in range(3)]
    for index, film in enumerate(batch):
        assert film.shape == (4, SIZE, SIZE, 3)
        single = job_for(family.folder, family.model, request.single(index), start=start)
        assert torch.equal(made(single), film)
    assert len({film.numpy().tobytes() for film in batch}) == 3


def test_films_of_the_models_own_adapter_are_held_still_as_it_says(families):
    family = families["animated"]

    def film(levels: float, **changes: Any) -> Tensor:
        job = job_for(family.folder, family.model, film_request(**changes))
        return made(replace(job, facts=replace(job.facts, film=replace(FILM_FACTS, steady=levels))))

    assert torch.equal(film(100.0), steady(film(0), 100.0))
    assert not torch.equal(film(100.0), film(0))
    assert torch.equal(film(100.0, motion_model="another"), film(0))


def test_the_whole_engine_makes_a_batch_of_films(film_engine):
    events = run(film_engine, film_request(count=2))
    films = pictures(events)
    assert [film.frames.shape for film in films] == [(4, SIZE, SIZE, 3)] * 2
    assert [film.result.seed for film in films] == [7, 8]
    single = pictures(run(film_engine, film_request(seed=8)))[0]
    assert single.frames == films[1].frames
    assert isinstance(events[-1], Finished)
    assert all(unpack_event(*pack_event(event)) == event for event in events)


def test_release_forgets_the_motion_layers_too(film_engine):
    before = pictures(run(film_engine, film_request()))
    film_engine.release()
    assert (film_engine.shelf.models, film_engine.shelf._motion) == ({}, None)
    assert pictures(run(film_engine, film_request()))[0].frames == before[0].frames


# starting from a film


@pytest.mark.parametrize(("key", "known"), [("animated", 1), ("animated", 3), ("words", 2), ("picture", 1)])
def test_an_extended_film_begins_with_the_film_as_it_is(families, key, known):
    pixels = noisy_pixels(5)
    film = from_film(families[key], pixels, known)
    assert film.shape == (5 + 4, SIZE, SIZE, 3)
    assert torch.equal(film[:5], pixels)
    assert len({frame.numpy().tobytes() for frame in film}) == 9


@pytest.mark.parametrize(("key", "known"), [("animated", 2), ("words", 2), ("picture", 1)])
def test_new_frames_know_the_last_ones_and_nothing_earlier(families, key, known):
    pixels, other = noisy_pixels(5), noisy_pixels(5, seed=1)
    film = from_film(families[key], pixels, known)
    same_end = torch.cat([other[:-known], pixels[-known:]])
    assert torch.equal(from_film(families[key], same_end, known)[5:], film[5:])
    assert not torch.equal(from_film(families[key], other, known)[5:], film[5:])


def test_an_extended_film_may_be_longer_than_the_window(families):
    film = from_film(families["animated"], noisy_pixels(6), known=4, frames=20)
    assert film.shape[0] == 26


def test_extending_a_film_of_a_picture_is_filming_its_last_frame(families):
    """Stable Video Diffusion shows its picture first: of the new film that frame is left out."""
    family, pixels = families["picture"], noisy_pixels(3)
    request = film_request(start="picture", frames=5)
    film = made(job_for(family.folder, family.model, request, start=start_of(pixels[-1:], request)))
    assert torch.equal(from_film(family, pixels), torch.cat([pixels, film[1:]]))


# loops


def test_a_loop_of_windows_has_the_frames_asked_for(families):
    family = families["animated"]
    film, plain = (made(job_for(family.folder, family.model, film_request(loop=loop))) for loop in (True, False))
    assert film.shape == plain.shape == (4, SIZE, SIZE, 3)
    assert not torch.equal(film, plain)


@pytest.mark.parametrize("key", ["words", "picture"])
def test_a_model_without_windows_loops_there_and_back(families, key):
    family = families[key]
    request = film_request(start="p" if key == "picture" else "", loop=True)
    start = start_of(noisy_pixels(1), request) if request.start else None
    film = made(job_for(family.folder, family.model, request, start=start))
    assert film.shape[0] == 2 * 4 - 2
    assert torch.equal(film[4:], film[1:3].flip(0))


# previews


def test_the_preview_shows_every_frame(film_engine):
    shown = [event.preview for event in run(film_engine, film_request(width=96)) if isinstance(event, Denoising)]
    assert shown[0] is None
    assert [preview.shape for preview in shown[1:] if preview] == [(4, SIZE // 8, 96 // 8, 3)] * 2
    frames = [shown[-1].data[at : at + 8 * 12 * 3] for at in range(0, len(shown[-1].data), 8 * 12 * 3)]
    assert len(set(frames)) == 4


def test_stop_and_keep_keeps_a_film(film_engine):
    request = film_request(steps=6, count=2)

    def at_two(event: Event) -> bool:
        return isinstance(event, Denoising) and event.step == 2

    (film,) = pictures(stop_when(film_engine, request, at_two, keep=True))
    assert film.frames.count == 4
    assert film.result.steps_done == 3


# decoding


class ShortOfMemory:
    """``decode`` of a model on a machine that has room for ``room`` frames at once."""

    def __init__(self, decode: Callable[[Tensor], Tensor], room: int) -> None:
        self._decode, self._room = decode, room
        self.asked: list[int] = []

    def __call__(self, latents: Tensor) -> Tensor:
        self.asked.append(latents.shape[2])
        if latents.shape[2] > self._room:
            raise torch.OutOfMemoryError("no room")
        return self._decode(latents)


@pytest.mark.parametrize(("room", "asked"), [(8, [8, 3]), (5, [8, 4, 4, 3]), (1, [8, 4, 2, *[1] * 11])])
def test_frames_are_decoded_in_chunks_that_fit(families, monkeypatch, room, asked):
    family = families["animated"]
    job = job_for(family.folder, family.model, film_request(frames=11))
    whole = made(job)
    decode = ShortOfMemory(family.model.decode, room)
    monkeypatch.setattr(family.model, "decode", decode)
    events = list(make_picture(job, 0))
    assert decode.asked == asked
    assert [type(event) for event in events].count(Decoding) == 1
    assert [event.step for event in events if isinstance(event, Denoising)] == [0, 1, 2]  # nothing is denoised again
    difference = (made(job).int() - whole.int()).abs()
    assert int(difference.max()) <= 1  # a batch of another size rounds differently


def test_not_even_one_frame_fits(film_engine, monkeypatch):
    run(film_engine, film_request())
    decode = ShortOfMemory(lambda latents: latents, 0)
    monkeypatch.setattr(AnimateDiff, "decode", lambda _, latents: decode(latents))
    with pytest.raises(AppError, match="not enough memory") as raised:
        run(film_engine, film_request())
    assert raised.value.message.id == "engine.memory-film"
    assert decode.asked == [4, 2, 1, 1] * 2, "at last a single frame, in tiles; once more with all else put away"
    assert film_engine.shelf.models == {}
    monkeypatch.undo()
    assert isinstance(run(film_engine, film_request())[-1], Finished)


def test_a_film_is_enlarged_in_chunks_frame_by_frame(film_engine):
    count = ENLARGE_CHUNK + 2
    (small,) = pictures(run(film_engine, film_request(frames=count)))
    (large,) = pictures(run(film_engine, film_request(frames=count, enlarge=4)))
    assert large.frames.shape == (count, 4 * SIZE, 4 * SIZE, 3)
    network = film_engine.shelf._enlarger
    assert network is not None
    pixels = torch.frombuffer(bytearray(small.frames.data), dtype=torch.uint8).reshape(small.frames.shape)
    one_by_one = torch.cat([enlarge(network[1], frame[None]) for frame in pixels])
    made_large = torch.frombuffer(bytearray(large.frames.data), dtype=torch.uint8).reshape(large.frames.shape)
    assert int((one_by_one.int() - made_large.int()).abs().max()) <= 1
    (again,) = pictures(run(film_engine, film_request(frames=count, enlarge=4), source=small))
    assert again.frames == large.frames


# cancelling


def cancelled_at(engine: Engine, request: GenerationRequest, part: Any, run_number: int) -> tuple[list[Event], int]:
    """The events of a job that is cancelled when ``part`` has run so many times, and how often it ran in all."""
    stop, ran = StopSignal(), [0]

    def count(*_: Any) -> None:
        ran[0] += 1
        if ran[0] == run_number:
            stop.cancel()

    handle = part.register_forward_hook(count)
    events = list(engine.generate(request, stop))
    handle.remove()
    return events, ran[0]


def test_cancel_is_heard_between_windows_and_between_chunks(film_engine):
    request = film_request(frames=40, guidance_scale=1.0)
    run(film_engine, request)
    assert film_engine.shelf._motion is not None
    film = film_engine.shelf._motion[1]
    events, ran = cancelled_at(film_engine, request, film.unet, 2)  # of the first step's windows
    assert (type(events[-1]), ran) == (Cancelled, 2)
    assert [event.step for event in events if isinstance(event, Denoising)] == [0]
    decoder = film.autoencoder.module.decoder
    events, ran = cancelled_at(film_engine, request, decoder, 2)  # of five chunks
    assert (type(events[-1]), ran) == (Cancelled, 2)
    assert isinstance(events[-2], Decoding)
    hooks = sum(len(part._forward_pre_hooks) for module in film.modules for part in module.modules())
    assert hooks == 0
    assert isinstance(run(film_engine, request)[-1], Finished)


def test_cancel_reaches_into_the_motion_layers(film_engine):
    request = film_request(guidance_scale=1.0)
    run(film_engine, request)
    assert film_engine.shelf._motion is not None
    unet = film_engine.shelf._motion[1].unet
    first = next(layer for name, layer in unet.named_modules() if name.endswith("motion.proj_in"))
    last = [layer for name, layer in unet.named_modules() if name.endswith("motion.proj_out")][-1]
    ran = []
    handle = last.register_forward_hook(lambda *_: ran.append(1))
    events, _ = cancelled_at(film_engine, request, first, 1)
    handle.remove()
    assert isinstance(events[-1], Cancelled)
    assert ran == []
