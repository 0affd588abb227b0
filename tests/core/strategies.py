"""Requests, results and events of every kind, for round trips."""

from __future__ import annotations

from hypothesis import strategies as st

from desktop_app.core import events as ev
from desktop_app.core.frames import Frames
from desktop_app.core.machine import Machine
from desktop_app.core.messages import Message
from desktop_app.core.request import MAX_SEED, GenerationRequest
from desktop_app.core.result import Result, RunRecord

numbers = st.integers(-(2**70), 2**70)
floats = st.floats(allow_nan=False)
texts = st.text(max_size=50)
requests = st.builds(
    GenerationRequest,
    model=texts,
    prompt=texts,
    negative_prompt=texts,
    width=numbers,
    height=numbers,
    steps=numbers,
    guidance_scale=floats,
    scheduler=texts,
    schedule_type=texts,
    clip_skip=numbers,
    vae=texts,
    seed=st.integers(-1, MAX_SEED),
    count=numbers,
    enlarge=numbers,
    prompt_syntax=numbers,
    prompt_dialect=texts,
)
runs = st.builds(
    RunRecord,
    device=texts,
    device_name=texts,
    dtype=texts,
    guidance_form=texts,
    threads=numbers,
    tiled=st.booleans(),
    versions=st.dictionaries(texts, texts, max_size=3),
)
machines = st.builds(Machine, texts, texts, texts, numbers, numbers, numbers)
results = st.builds(
    Result, request=requests, run=runs, seconds=st.integers(0, 10**6).map(lambda ms: ms / 1000), steps_done=numbers
)
messages = st.builds(Message, texts, st.dictionaries(texts, texts | numbers | st.booleans() | st.none(), max_size=3))
shapes = st.tuples(*[st.integers(1, 4)] * 3)
frames = shapes.flatmap(
    lambda shape: st.binary(min_size=(size := shape[0] * shape[1] * shape[2] * 3), max_size=size).map(
        lambda data: Frames(*shape, data)
    )
)
events = st.one_of(
    st.builds(ev.EngineReady, runs, machines, st.lists(messages, max_size=2).map(tuple)),
    st.builds(ev.Loading, texts, floats),
    st.builds(ev.Encoding),
    st.builds(ev.Denoising, numbers, numbers, numbers, numbers, st.none() | frames),
    st.builds(ev.Decoding, numbers),
    st.builds(ev.Picture, numbers, frames, results),
    st.builds(ev.Notice, messages),
    st.builds(ev.Finished, floats),
    st.builds(ev.Cancelled),
    st.builds(ev.Failed, messages, texts),
)
