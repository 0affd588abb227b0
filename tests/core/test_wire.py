"""Every event crosses the pipe unchanged, and anything else is a WireError, never a surprise."""

from __future__ import annotations

import io
import json
import struct
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desktop_app.core import events as ev
from desktop_app.core.frames import Frames
from desktop_app.core.messages import Message
from desktop_app.core.wire import MAX_HEADER, WireError, pack_event, read_message, unpack_event, write_message
from tests.core.strategies import events


def across(event: ev.Event) -> ev.Event:
    """What arrives at the other end."""
    pipe = io.BytesIO()
    write_message(pipe, *pack_event(event))
    pipe.seek(0)
    message = read_message(pipe)
    assert message is not None
    assert pipe.read() == b""
    return unpack_event(*message)


@given(event=events)
def test_events_arrive_as_they_were_sent(event: ev.Event) -> None:
    assert across(event) == event


def test_the_round_trip_covers_every_event() -> None:
    kinds = {type(event) for event in (ev.Encoding(), ev.Cancelled(), ev.Decoding(0), ev.Finished(1.0))}
    kinds |= {ev.EngineReady, ev.Loading, ev.Denoising, ev.Picture, ev.Notice, ev.Failed}
    assert kinds == set(get_args(ev.Event))


def test_messages_follow_each_other() -> None:
    pipe = io.BytesIO()
    write_message(pipe, {"do": "warm"}, b"abc")
    write_message(pipe, {"do": "stop"})
    pipe.seek(0)
    assert read_message(pipe) == ({"do": "warm", "size": 3}, b"abc")
    assert read_message(pipe) == ({"do": "stop", "size": 0}, b"")
    assert read_message(pipe) is None


def framed(text: bytes, body: bytes = b"") -> io.BytesIO:
    return io.BytesIO(struct.pack(">I", len(text)) + text + body)


@pytest.mark.parametrize(
    "stream",
    [
        io.BytesIO(b"\0\0"),
        io.BytesIO(struct.pack(">I", MAX_HEADER + 1)),
        io.BytesIO(struct.pack(">I", 10) + b"{}"),
        framed(b"not JSON"),
        framed(b"[1]"),
        framed(b"5"),
        framed(b"{}"),
        framed(b'{"size": -1}'),
        framed(b'{"size": "1"}'),
        framed(b'{"size": 99999999999999}'),
        framed(b'{"size": 5}', b"abc"),
        framed(b"[" * 100_000),
        framed(b"\xff\xfe"),
    ],
)
def test_what_is_no_message_is_a_wire_error(stream: io.BytesIO) -> None:
    with pytest.raises(WireError):
        read_message(stream)


PICTURE = {"event": "Picture", "index": 0, "shape": [1, 1, 1], "result": {}}


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ({}, b""),
        ({"event": "Unknown"}, b""),
        ({"event": ["Picture"]}, b""),
        ({"event": "Loading"}, b""),
        ({"event": "Notice", "message": "text"}, b""),
        ({"event": "Denoising", "picture": 0, "pictures": 1, "step": "x", "steps": 2, "shape": None}, b""),
        ({"event": "Denoising", "picture": 0, "pictures": 1, "step": 1, "steps": 2, "shape": [1, 2, 2]}, b"short"),
        ({"event": "Denoising", "picture": 0, "pictures": 1, "step": 1, "steps": 2, "shape": [1, 2]}, b""),
        ({"event": "Denoising", "picture": 0, "pictures": 1, "step": 1, "steps": 2, "shape": ["a", "b", "c"]}, b""),
        ({**PICTURE, "shape": None}, b""),
        (PICTURE, b"abc"),
        ({"event": "EngineReady", "run": {"device": "cpu"}, "notices": []}, b""),
    ],
)
def test_what_is_no_event_is_a_wire_error(header: dict[str, Any], body: bytes) -> None:
    with pytest.raises(WireError):
        unpack_event(header, body)


@given(data=st.binary(max_size=200))
def test_noise_is_a_wire_error_or_a_message(data: bytes) -> None:
    try:
        message = read_message(io.BytesIO(data))
    except WireError:
        return
    assert message is None or isinstance(message[0], dict)


def test_pixels_travel_as_they_are() -> None:
    data = bytes(range(48))
    header, body = pack_event(ev.Denoising(0, 1, 1, 2, Frames(1, 4, 4, data)))
    assert body == data
    assert len(json.dumps(header)) < 200


def test_a_failure_keeps_its_details() -> None:
    event = across(ev.Failed(Message("engine.failed", {"reason": "x"}), "Traceback …"))
    assert isinstance(event, ev.Failed)
    assert event.details == "Traceback …"
