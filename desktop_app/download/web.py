"""HTTP as downloads need it: redirects that never carry a token elsewhere, bounded retries, errors in plain words.

One :class:`Web` serves one thread; :meth:`Web.stop` may be called from another.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
import urllib3.exceptions
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3.connectionpool import HTTPConnectionPool

import desktop_app
from desktop_app.core import network
from desktop_app.core.errors import AppError
from desktop_app.download.links import shown

Value = TypeVar("Value")
MOST_REDIRECTS = 10
FIRST_PIECE, PIECE = 1024, 256 * 1024
"""Bytes that tell what a file is, and at most between two looks at whether to stop."""
MOST_JSON = 32 * 1024 * 1024
"""Bytes of an answer that should be a list of files."""
LONGEST_WAIT = 120
"""Seconds that a server may ask to wait between two tries; whoever asks for more is taken at his word at once."""
logging.getLogger("urllib3").setLevel(logging.INFO)  # its debug lines hold whole addresses, secrets and all


class Stopped(Exception):
    """The download was paused or cancelled."""


class Busy(Exception):
    """Worth another try. ``error`` is what to say if none helps, ``wait`` what the server asked for, in seconds."""

    def __init__(self, error: AppError, wait: float | None = None) -> None:
        super().__init__(str(error))
        self.error, self.wait = error, wait


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to try. All in seconds but ``tries``, which counts those in a row that brought nothing."""

    tries: int = 6
    first_wait: float = 1.0
    """Doubles with every further try."""
    connect: float = 10.0
    read: float = 20.0
    """Of silence."""


class Web:
    """One conversation with servers, which :meth:`stop` ends for good."""

    def __init__(self, tokens: Mapping[str, str] | None = None, patience: Patience | None = None) -> None:
        """``tokens`` by origin, such as "https://huggingface.co": each is sent to its own origin and nowhere else."""
        self._tokens = {origin(address): token for address, token in (tokens or {}).items() if token}
        self._patience = patience or Patience()
        self._session = requests.Session()
        self._session.trust_env = False  # or it would send passwords out of ~/.netrc
        self._session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
        self._session.headers["User-Agent"] = f"Safelight/{desktop_app.__version__}"
        self._session.headers["Accept-Encoding"] = "identity"  # lengths and ranges are those of the file
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _Adapter(self._opened))
        self._stop = threading.Event()
        self._lines: list[socket.socket] = []

    def stop(self) -> None:
        """End what is going on, also a wait for a server that says nothing."""
        self._stop.set()
        for line in self._lines:
            _cut(line)

    def check(self) -> None:
        """Raises ``Stopped`` after :meth:`stop`, ``AppError`` while connections are switched off."""
        if self._stop.is_set():
            raise Stopped
        if network.is_offline():
            raise AppError("download.offline")

    def patiently(self, work: Callable[[], Value], advanced: Callable[[], bool] = lambda: False) -> Value:
        """``work()``, again after a pause when it raises ``Busy``; tries count anew whenever ``advanced()``.

        Raises what ``Busy`` holds in the end, ``Stopped``, and whatever else ``work`` raises.
        """
        tries = 0
        while True:
            self.check()
            try:
                return work()
            except Busy as busy:
                self.check()  # what was broken by stop() is no broken line
                tries = 1 if advanced() else tries + 1
                wait = self._patience.first_wait * 2 ** (tries - 1) if busy.wait is None else busy.wait
                if tries >= self._patience.tries or wait > LONGEST_WAIT:
                    raise busy.error from busy
                self._stop.wait(wait)

    def json(self, url: str, page: str = "") -> dict[str, Any]:
        """The JSON object at ``url``; errors name ``page`` instead if it is given. Raises ``AppError``, ``Stopped``."""
        return self.patiently(lambda: self._json(url, page))

    @contextmanager
    def open(self, url: str, headers: Mapping[str, str] | None = None, page: str = "") -> Iterator[requests.Response]:
        """The answer at the end of all redirects: 2xx, or 416. Raises ``AppError``, ``Busy``, ``Stopped``.

        Inside the block a broken line becomes ``Busy`` as well. Errors name ``page`` instead of ``url`` if it is given.
        """
        self.check()
        try:
            with self._follow(url, headers or {}, page or url) as response:
                yield response
        except requests.RequestException as problem:
            self.check()
            raise _failure(problem, url) from problem

    def close(self) -> None:
        self._session.close()

    def _opened(self, line: socket.socket) -> None:
        self._lines = [*(open for open in self._lines if open.fileno() >= 0), line]
        if self._stop.is_set():
            _cut(line)

    def _json(self, url: str, page: str) -> dict[str, Any]:
        with self.open(url, page=page) as response:
            text = bytearray()
            for piece in response.iter_content(64 * 1024):
                text += piece
                if len(text) > MOST_JSON:
                    raise AppError("download.answer", host=_host(url))
            try:
                data = json.loads(text)
            except (ValueError, RecursionError) as problem:
                raise AppError("download.answer", host=_host(url)) from problem
        if not isinstance(data, dict):
            raise AppError("download.answer", host=_host(url))
        return data

    def _follow(self, url: str, headers: Mapping[str, str], page: str) -> requests.Response:
        for _ in range(MOST_REDIRECTS):
            response = self._get(url, headers)
            if not response.is_redirect:
                refuse(response, url, page)
                return response
            response.close()
            url = _redirected(url, response.headers["location"])
        raise AppError("download.redirect", host=_host(url))

    def _get(self, url: str, headers: Mapping[str, str]) -> requests.Response:
        try:
            token = self._tokens.get(origin(url))
            return self._session.get(
                url,
                headers={**headers, **({"Authorization": f"Bearer {token}"} if token else {})},
                timeout=(self._patience.connect, self._patience.read),
                proxies=get_environ_proxies(url),
                allow_redirects=False,
                stream=True,
            )
        except requests.RequestException:
            raise
        except ValueError as problem:  # of urllib.parse, for an address or a redirect that is none
            raise AppError("download.link", link=shown(url)) from problem


class _Adapter(HTTPAdapter):
    """Tells ``opened`` of every connection before anything is asked through it."""

    def __init__(self, opened: Callable[[socket.socket], None]) -> None:
        self._told = opened
        super().__init__()

    def get_connection_with_tls_context(self, *arguments: Any, **options: Any) -> HTTPConnectionPool:
        pool = super().get_connection_with_tls_context(*arguments, **options)
        if "ConnectionCls" not in vars(pool):
            pool.ConnectionCls = _telling(pool.ConnectionCls, self._told)
        return pool


def _telling(kind: type[Any], opened: Callable[[socket.socket], None]) -> type[Any]:
    class Connection(kind):
        def connect(self) -> None:
            super().connect()
            opened(self.sock)

    return Connection


def _cut(line: socket.socket) -> None:
    with suppress(OSError):  # it has ended meanwhile
        line.shutdown(socket.SHUT_RDWR)


def pieces(response: requests.Response) -> Iterator[bytes]:
    """The bytes of an answer as they come; the first piece is long enough to tell what they are.

    Inside :meth:`Web.open` a broken line becomes ``Busy``, after everything that came before it.
    """
    try:
        yield response.raw.read(FIRST_PIECE)
        while piece := response.raw.read1(PIECE):
            yield piece
    except urllib3.exceptions.HTTPError as problem:
        raise requests.ConnectionError(problem) from problem


def origin(url: str) -> str:
    """Scheme, host and port of ``url``. Raises ``ValueError`` for what is no address."""
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    return f"{parts.scheme}://{parts.hostname}:{port}"


def may_follow(url: str, target: str) -> bool:
    """Whether a redirect may lead from ``url`` to ``target``: never off the web, never from https to http."""
    before, after = urlsplit(url).scheme, urlsplit(target).scheme
    return after == "https" or after == before == "http"


def _redirected(url: str, location: str) -> str:
    """Where a redirect leads. Raises ``AppError``."""
    try:
        target = urljoin(url, location)
        if may_follow(url, target) and origin(target):
            return target
    except ValueError:
        pass  # no address is as good as a wrong one
    raise AppError("download.redirect", host=_host(url))


def refuse(response: requests.Response, url: str, page: str) -> None:
    """Raises ``AppError`` or ``Busy`` unless the answer is of use (2xx, or 416, which says where a file ends).

    ``X-Error-Code`` and ``X-Error-Message`` are how Hugging Face tells apart what it answers with the same status.
    """
    status, host = response.status_code, _host(url)
    if status < 300 or status == 416:
        return
    code = response.headers.get("X-Error-Code", "")
    response.close()
    if status == 429:
        raise Busy(AppError("download.too-many", host=host), _wanted_wait(response))
    if status in (408, 425) or status >= 500:
        raise Busy(AppError("download.server", host=host, status=status), _wanted_wait(response))
    if code == "GatedRepo":
        raise AppError("download.gated", host=host)
    if status == 404 or code in ("RepoNotFound", "EntryNotFound", "RevisionNotFound"):
        id = "download.no-repository" if code == "RepoNotFound" else "download.not-found"
        raise AppError(id, link=shown(page))
    if response.headers.get("X-Error-Message", "").startswith("Invalid credentials"):
        raise AppError("download.token", host=host)
    if status in (401, 403):
        raise AppError("download.sign-in" if status == 401 else "download.forbidden", host=host)
    raise AppError("download.refused", host=host, status=status)


def _failure(problem: requests.RequestException, url: str) -> AppError | Busy:
    """What to raise for what went wrong on the way; all but a wrong address or certificate may be better next time."""
    if isinstance(problem, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema):
        return AppError("download.link", link=shown(url))
    if "CERTIFICATE_VERIFY_FAILED" in str(problem):  # of TLS, as other failures of a handshake are not
        return AppError("download.certificate", host=_host(url))
    return Busy(AppError("download.broken", host=_host(url)))


def _wanted_wait(response: requests.Response) -> float | None:
    """Seconds of ``Retry-After``; its other form, a date, is left to our own back-off."""
    wanted = response.headers.get("Retry-After", "")
    return float(wanted) if wanted.isdecimal() else None


def _host(url: str) -> str:
    return urlsplit(url).hostname or url
