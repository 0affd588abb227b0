"""Cancel and "stop and keep", at every stage; the engine is as good as new afterwards."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import nn

from desktop_app.core.control import StopSignal
from desktop_app.core.events import Cancelled, Decoding, Denoising, Encoding, Event, Finished, Loading, Picture
from desktop_app.engine.engine import Engine
from desktop_app.engine.interrupt import Interrupted, interruptible
from tests.engine.conftest import loaded, pictures, request_for, run, stop_when


def at(kind: type, step: int = -1):
    def reached(event: Event) -> bool:
        return isinstance(event, kind) and (step < 0 or getattr(event, "step", None) == step)

    return reached


def hooks(engine: Engine) -> int:
    model = loaded(engine)
    return sum(len(part._forward_pre_hooks) for module in model.modules for part in module.modules())


@pytest.mark.parametrize(
    "reached",
    [at(Encoding), at(Denoising, 0), at(Denoising, 2), at(Decoding), at(Picture)],
    ids=["encoding", "first step", "third step", "decoding", "picture"],
)
def test_cancel_at_every_stage_ends_the_job_at_once(engine, reached):
    before = run(engine, request_for())
    events = stop_when(engine, request_for(count=3), reached)
    assert isinstance(events[-1], Cancelled)
    assert reached(events[-2])  # nothing came after the event at which it was cancelled
    assert hooks(engine) == 0
    assert pictures(run(engine, request_for()))[0].frames == pictures(before)[0].frames


def test_cancel_while_loading_leaves_nothing_half_loaded(models, tmp_path):
    engine = Engine(models=[models], cache=tmp_path, device="cpu")
    events = stop_when(engine, request_for(), lambda event: isinstance(event, Loading) and event.fraction > 0.3)
    assert isinstance(events[-1], Cancelled)
    assert all(isinstance(event, Loading) for event in events[:-1])
    assert events[-2].fraction < 1
    assert engine.shelf.models == {}
    assert isinstance(run(engine, request_for())[-1], Finished)


def test_a_job_cancelled_before_it_starts_makes_nothing(engine):
    stop = StopSignal()
    stop.cancel()
    events = list(engine.generate(request_for(), stop))
    assert isinstance(events[-1], Cancelled)
    assert not pictures(events)


@pytest.mark.parametrize("part", ["text_encoder", "unet", "vae"])
def test_cancel_reaches_into_a_forward_pass(engine, part):
    """Cancelled by the first layer of a part, the job ends before that part's last layer runs."""
    run(engine, request_for(steps=1))
    module = dict(zip(("text_encoder", "unet", "vae"), loaded(engine).modules, strict=True))[part]
    stop, ran = StopSignal(), []
    leaves = [leaf for leaf in (module.decoder if part == "vae" else module).modules() if not any(leaf.children())]

    def cancel(*_):
        stop.cancel()

    handles = [
        leaf.register_forward_hook(lambda *_, index=index: ran.append(index)) for index, leaf in enumerate(leaves)
    ]
    handles.append(leaves[0].register_forward_hook(cancel))
    try:
        events = list(engine.generate(request_for(), stop))
    finally:
        for handle in handles:
            handle.remove()
    assert isinstance(events[-1], Cancelled)
    assert len(ran) < len(leaves) / 2


def test_cancel_from_another_thread(engine):
    stop = StopSignal()
    reached = threading.Event()

    def cancel() -> None:
        reached.wait(10)
        stop.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    events = []
    for event in engine.generate(request_for(steps=500), stop):
        events.append(event)
        if isinstance(event, Denoising) and event.step == 2:
            reached.set()
    thread.join()
    assert isinstance(events[-1], Cancelled)
    assert events[-2].step < 500


def test_closing_the_generator_leaves_no_trace(engine):
    job = engine.generate(request_for(), StopSignal())
    while not isinstance(next(job), Denoising):
        pass
    assert hooks(engine) > 0
    job.close()
    assert hooks(engine) == 0
    assert not torch.is_inference_mode_enabled()


@pytest.mark.parametrize("done", [0, 1, 4])
def test_keep_decodes_the_current_estimate(engine, done):
    request = request_for(steps=10, count=3)
    events = stop_when(engine, request, at(Denoising, done), keep=True)
    (picture,) = pictures(events)
    assert picture.result.steps_done == done + 1  # the evaluation under way is finished
    assert isinstance(events[-1], Finished)
    assert picture.frames != pictures(run(engine, request_for(steps=10)))[0].frames
    shown = [event for event in events if isinstance(event, Denoising)]
    assert shown[-1].step == done + 1
    assert shown[-1].preview is not None


def test_keep_at_the_last_step_is_the_finished_picture(engine):
    events = stop_when(engine, request_for(count=2), at(Denoising, 2), keep=True)
    (picture,) = pictures(events)
    assert picture.result.steps_done == 3
    assert picture.frames == pictures(run(engine, request_for()))[0].frames


def test_keep_in_the_second_picture_keeps_both(engine):
    events = stop_when(
        engine,
        request_for(count=3, steps=5),
        lambda event: isinstance(event, Denoising) and (event.picture, event.step) == (1, 2),
        keep=True,
    )
    assert [picture.result.steps_done for picture in pictures(events)] == [5, 3]


def test_cancel_wins_over_keep(engine):
    stop = StopSignal()
    stop.keep()
    stop.cancel()
    assert isinstance(list(engine.generate(request_for(), stop))[-1], Cancelled)


def test_hooks_are_on_the_slow_layers_only_and_go_away():
    module = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU(), nn.Linear(2, 2)))
    stop = StopSignal()
    with interruptible([module], stop):
        module(torch.zeros(1, 2))
        assert sum(len(part._forward_pre_hooks) for part in module.modules()) == 2
        stop.cancel()
        with pytest.raises(Interrupted):
            module(torch.zeros(1, 2))
    assert sum(len(part._forward_pre_hooks) for part in module.modules()) == 0
    module(torch.zeros(1, 2))
