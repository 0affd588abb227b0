"""A server of the tests' own, on this machine: Hugging Face and Civitai in small, and everything that goes wrong.

What is wrong is said by file: :attr:`Server.wrongs` holds a list of ways to answer, of which each request takes one.
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlsplit

PAGE = b"<!DOCTYPE html><html><body>Please sign in</body></html>"
SLOW_PIECE, SLOW_PAUSE = 4096, 0.02
"""Bytes and seconds of a slow server."""


def weights(size: int, seed: int = 0) -> bytes:
    """A valid safetensors file of ``size`` bytes, one tensor of bytes that ``seed`` chooses."""
    header = b""
    for _ in range(2):  # the header's own length is part of what it says
        count = size - 8 - len(header)
        header = json.dumps({"w": {"dtype": "U8", "shape": [count], "data_offsets": [0, count]}}).encode()
        header = header.ljust(80)
    count = size - 8 - len(header)
    header = json.dumps({"w": {"dtype": "U8", "shape": [count], "data_offsets": [0, count]}}).encode().ljust(80)
    block = hashlib.sha256(bytes([seed])).digest()
    body = (block * (count // len(block) + 1))[:count]
    return len(header).to_bytes(8, "little") + header + body


@dataclass
class Served:
    """One file. ``etag`` is sent if it is not empty."""

    data: bytes
    etag: str = '"one"'
    content_type: str = "application/octet-stream"
    headers: dict[str, str] = field(default_factory=dict)


Wrong = Callable[["Handler", Served], None]


@dataclass
class Seen:
    """A request as it came."""

    path: str
    headers: dict[str, str]


class Server:
    """Serves until :meth:`close`; ``url`` is its address."""

    def __init__(self) -> None:
        self.files: dict[str, Served] = {}
        self.wrongs: dict[str, list[Wrong]] = {}
        self.seen: list[Seen] = []
        self.repositories: dict[str, dict[str, Any]] = {}
        self.closing = threading.Event()
        self._http = _Http(self)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def speak_tls(self, folder: Path) -> None:
        """From now on with a certificate that nobody has signed."""
        made = folder / "made.pem"
        command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=127.0.0.1"
        subprocess.run([*command.split(), "-keyout", made, "-out", folder / "c.pem"], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "c.pem", made)
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self.url = self.url.replace("http:", "https:")

    def close(self) -> None:
        self.closing.set()
        self._http.shutdown()
        self._thread.join()
        self._http.cut()
        self._http.server_close()

    def add(self, path: str, data: bytes, **about: Any) -> str:
        """Serve ``data`` at ``path``; returns the address."""
        self.files[path] = Served(data, **about)
        return self.url + path

    def repository(self, name: str, files: dict[str, bytes], *, pickled: bool = False, **card: Any) -> None:
        """A repository as Hugging Face tells of it; files of 1,000 bytes and more are "large" ones."""
        siblings = []
        for path, data in files.items():
            self.add(f"/{name}/resolve/c0ffee/{path}", data)
            entry: dict[str, Any] = {"rfilename": path, "size": len(data)}
            entry["blobId"] = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            if len(data) >= 1000:
                digest = hashlib.sha256(data).hexdigest()
                entry["lfs"] = {"sha256": digest, "size": len(data), "pointerSize": 130}
            siblings.append(entry)
        self.answer(f"/api/models/{name}/revision/main", {"id": name, "sha": "c0ffee", "siblings": siblings, **card})

    def answer(self, path: str, data: Any) -> None:
        """Answer ``path`` with JSON."""
        self.add(path, json.dumps(data).encode(), content_type="application/json")

    def go_wrong(self, path: str, *wrongs: Wrong) -> None:
        """The next requests of ``path`` are answered so, one after the other; those after them are answered well."""
        self.wrongs[path] = list(wrongs)

    def asked(self, path: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.path == path]


class _Http(ThreadingHTTPServer):
    """Waits at its end for every thread it has begun, and cuts the lines that they hold."""

    daemon_threads = False

    def __init__(self, served: Server) -> None:
        self.served = served
        self._lines: list[socket.socket] = []
        super().__init__(("127.0.0.1", 0), Handler)

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # HTTPServer's own looks up a name
        self.server_name, self.server_port = self.server_address[:2]

    def process_request(self, request: Any, client_address: Any) -> None:
        self._lines.append(request)
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A line that the other side has cut is what these tests are about; anything else is said."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def cut(self) -> None:
        for line in self._lines:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = cast(_Http, self.server).served
        path = unquote(urlsplit(self.path).path)
        server.seen.append(Seen(path, {name.lower(): value for name, value in self.headers.items()}))
        served = server.files.get(path)
        wrongs = server.wrongs.get(path)
        try:
            if wrongs:
                wrongs.pop(0)(self, served or Served(b""))
            elif served is None:
                self.send(404, b"nothing here")
            else:
                self.serve(served)
        except OSError:
            self.close_connection = True  # the other side has stopped

    def serve(self, served: Served, write: Callable[[bytes], None] | None = None) -> None:
        """As a good server does: ranges, and ``If-Range``."""
        begin = self.first_byte(served)
        if begin >= len(served.data) and begin:
            self.send(416, b"", {"Content-Range": f"bytes */{len(served.data)}"})
            return
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(served.data) - 1}/{len(served.data)}")
        self.send_header("Content-Length", str(len(served.data) - begin))
        self.about(served)
        self.end_headers()
        (write or self.wfile.write)(served.data[begin:])

    def first_byte(self, served: Served) -> int:
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        if not match or (condition and condition not in (served.etag, served.headers.get("Last-Modified"))):
            return 0
        return int(match[1])

    def about(self, served: Served) -> None:
        self.send_header("Content-Type", served.content_type)
        if served.etag:
            self.send_header("ETag", served.etag)
        for name, value in served.headers.items():
            self.send_header(name, value)

    def send(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Tests want no log."""


# -- what goes wrong


def breaks_off(after: int) -> Wrong:
    """The line goes dead after so many bytes of the answer."""

    def answer(handler: Handler, served: Served) -> None:
        def write(data: bytes) -> None:
            handler.wfile.write(data[:after])
            handler.close_connection = True

        handler.serve(served, write)

    return answer


def is_slow(handler: Handler, served: Served) -> None:
    def write(data: bytes) -> None:
        for begin in range(0, len(data), SLOW_PIECE):
            handler.wfile.write(data[begin : begin + SLOW_PIECE])
            handler.wfile.flush()
            time.sleep(SLOW_PAUSE)

    handler.serve(served, write)


def hangs(seconds: float) -> Wrong:
    """Says nothing for so long, then gives up."""

    def answer(handler: Handler, served: Served) -> None:
        cast(_Http, handler.server).served.closing.wait(seconds)
        handler.close_connection = True

    return answer


def says(status: int, **headers: str) -> Wrong:
    """Answers with a status and headers; underscores in their names are hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler, served: handler.send(status, b"{}", named)


def sends_page(handler: Handler, served: Served) -> None:
    handler.send(200, PAGE, {"Content-Type": "text/html; charset=utf-8"})


def sends(data: bytes, status: int = 200, **headers: str) -> Wrong:
    """These bytes instead of the file."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler, served: handler.send(status, data, named)


def without_ranges(handler: Handler, served: Served) -> None:
    """Answers with all of it, whatever was asked."""
    handler.headers.replace_header("Range", "") if "Range" in handler.headers else None
    handler.serve(served)
