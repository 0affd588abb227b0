"""Messages between the window and an engine process: a JSON header and raw bytes, never pickles.

On the wire: 4-byte big-endian length of the header, the header (UTF-8 JSON object), then the ``bytes`` that the
header's ``"size"`` announces. A damaged checkpoint can therefore never reach the window as code.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict
from typing import IO, Any

from desktop_app.core import events as ev
from desktop_app.core.errors import RequestError
from desktop_app.core.frames import Frames
from desktop_app.core.machine import Machine
from desktop_app.core.messages import Message
from desktop_app.core.result import Result, RunRecord

_LENGTH = struct.Struct(">I")
MAX_HEADER = 16 * 1024 * 1024
MAX_BODY = 4 * 1024**3


class WireError(Exception):
    """The other side sent something that is not a message: it is broken and must be ended."""


def write_message(stream: IO[bytes], header: dict[str, Any], body: bytes = b"") -> None:
    """Send one message and flush. Raises ``OSError`` (``BrokenPipeError``) when the other side is gone."""
    text = json.dumps({**header, "size": len(body)}, ensure_ascii=True).encode()
    stream.write(_LENGTH.pack(len(text)) + text)
    if body:
        stream.write(body)
    stream.flush()


def read_message(stream: IO[bytes]) -> tuple[dict[str, Any], bytes] | None:
    """Receive one message, or None when the other side closed between messages. Raises ``WireError``."""
    prefix = stream.read(_LENGTH.size)
    if not prefix:
        return None
    if len(prefix) < _LENGTH.size:
        raise WireError("the stream ended inside a message")
    (length,) = _LENGTH.unpack(prefix)
    if length > MAX_HEADER:
        raise WireError(f"a header of {length} bytes")
    try:
        header = json.loads(_read_exactly(stream, length))
        size = header["size"]
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        raise WireError("a header that is not JSON") from problem
    if not isinstance(size, int) or not 0 <= size <= MAX_BODY:
        raise WireError(f"a body of {size!r} bytes")
    return header, _read_exactly(stream, size)


def _read_exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise WireError("the stream ended inside a message")
    return data


def pack_event(event: ev.Event) -> tuple[dict[str, Any], bytes]:
    """(JSON-able header, pixels) of an event."""
    name = type(event).__name__
    match event:
        case ev.Denoising():
            values = {k: getattr(event, k) for k in ("picture", "pictures", "step", "steps")}
            return {"event": name, **values, **_pack_shape(event.preview)}, _pixels(event.preview)
        case ev.Picture():
            header = {"event": name, "index": event.index, "result": event.result.to_json()}
            return {**header, **_pack_shape(event.frames)}, event.frames.data
        case ev.EngineReady():
            notices = [notice.to_json() for notice in event.notices]
            return {
                "event": name,
                "run": event.run.to_json(),
                "machine": event.machine.to_json(),
                "notices": notices,
            }, b""
        case ev.Notice() | ev.Failed():
            details = event.details if isinstance(event, ev.Failed) else None
            return {"event": name, "message": event.message.to_json(), "details": details}, b""
        case _:
            return {"event": name, **asdict(event)}, b""


def unpack_event(header: dict[str, Any], body: bytes) -> ev.Event:
    """The event that :func:`pack_event` packed. Raises ``WireError``."""
    try:
        match header["event"]:
            case "Denoising":
                values = {k: int(header[k]) for k in ("picture", "pictures", "step", "steps")}
                return ev.Denoising(**values, preview=_frames(header, body))
            case "Picture":
                frames = _frames(header, body)
                if frames is None:
                    raise WireError("a picture without pixels")
                return ev.Picture(header["index"], frames, Result.from_json(header["result"]))
            case "EngineReady":
                notices = tuple(Message.from_json(notice) for notice in header["notices"])
                run, machine = RunRecord.from_json(header["run"]), Machine.from_json(header["machine"])
                return ev.EngineReady(run, machine, notices)
            case "Notice":
                return ev.Notice(Message.from_json(header["message"]))
            case "Failed":
                return ev.Failed(Message.from_json(header["message"]), header["details"])
            case "Loading":
                return ev.Loading(header["what"], header["fraction"])
            case "Encoding":
                return ev.Encoding()
            case "Decoding":
                return ev.Decoding(header["picture"])
            case "Finished":
                return ev.Finished(header["seconds"])
            case "Cancelled":
                return ev.Cancelled()
            case other:
                raise WireError(f"an unknown event {other!r}")
    except (KeyError, TypeError, ValueError, RequestError) as problem:
        raise WireError(f"a malformed event {header.get('event')!r}") from problem


def _pack_shape(frames: Frames | None) -> dict[str, Any]:
    return {"shape": frames and frames.shape[:3]}


def _pixels(frames: Frames | None) -> bytes:
    return frames.data if frames else b""


def _frames(header: dict[str, Any], body: bytes) -> Frames | None:
    if not header["shape"]:
        return None
    count, height, width = header["shape"]
    return Frames(count, height, width, body)
