"""Downloads from a server that does everything wrong: each case resumes, or ends in its own sentence."""

from __future__ import annotations

import errno
import hashlib
import shutil
import threading
import time
from pathlib import Path

import pytest

from desktop_app.core import network
from desktop_app.core.errors import AppError
from desktop_app.download import download as whole
from desktop_app.download.download import begin_offer, download
from desktop_app.download.links import Sites
from desktop_app.download.look_up import look_up
from desktop_app.download.offer import Choice, Offer, RemoteFile
from desktop_app.download.web import Patience, Stopped, Web
from desktop_app.download.work import Progress, read_work
from tests.download import server as wrong
from tests.download.server import Server, weights

SIZE = 600_000
DATA = weights(SIZE)
PATH = "/files/model.safetensors"
NAME = "model.safetensors"


def offered(server: Server, *, digest: bool = True, size: int | None = SIZE, data: bytes = DATA, **about) -> Offer:
    """One file at :data:`PATH`, told with or without digest and size."""
    url = server.add(PATH, data, **about)
    told = f"sha256:{hashlib.sha256(data).hexdigest()}" if digest else ""
    return Offer(link=url, title=NAME, choices=(Choice(NAME, (RemoteFile(NAME, url, size, told),)),))


def fetched(offer: Offer, to: Path, web: Web, reports: list[Progress] | None = None) -> Path:
    work = begin_offer(offer, offer.choices[0], to)
    return download(work, web, (reports if reports is not None else []).append, to.parent / "cache")


def failure(offer: Offer, to: Path, web: Web) -> str:
    """Id of the error that a download ends in."""
    with pytest.raises(AppError) as raised:
        fetched(offer, to, web)
    assert raised.value.message.remedy
    return raised.value.message.id


def left(to: Path) -> list[str]:
    return sorted(path.name for path in to.iterdir())


def test_a_file_comes_whole_with_progress_and_leaves_nothing_else(server: Server, web: Web, to: Path) -> None:
    reports: list[Progress] = []
    path = fetched(offered(server), to, web, reports)
    assert path == to / NAME
    assert path.read_bytes() == DATA
    assert left(to) == [NAME]
    assert reports[-1] == Progress(SIZE, SIZE)
    assert sorted(reports, key=lambda one: one.done) == reports


# -- what resumes


@pytest.mark.parametrize("digest", [True, False])
def test_a_broken_line_is_taken_up_where_it_broke(server: Server, web: Web, to: Path, digest: bool) -> None:
    server.go_wrong(PATH, wrong.breaks_off(200_000), wrong.breaks_off(150_000))
    assert fetched(offered(server, digest=digest), to, web).read_bytes() == DATA
    ranges = [seen.headers.get("range") for seen in server.asked(PATH)]
    assert ranges == [None, "bytes=200000-", "bytes=350000-"]
    conditions = [seen.headers.get("if-range") for seen in server.asked(PATH)]
    assert conditions == [None] * 3 if digest else [None, '"one"', '"one"']


def test_tries_count_anew_when_something_came(server: Server, web: Web, to: Path) -> None:
    server.go_wrong(PATH, *[wrong.breaks_off(70_000)] * 6)
    assert fetched(offered(server), to, web).read_bytes() == DATA


def test_another_start_of_the_program_goes_on(server: Server, to: Path) -> None:
    server.go_wrong(PATH, wrong.breaks_off(300_000), *[wrong.says(503)] * 9)
    offer = offered(server, digest=False)
    assert failure(offer, to, Web(patience=Patience(tries=2, first_wait=0.01))) == "download.server"
    (hidden,) = to.iterdir()
    again = read_work(hidden)
    assert again is not None
    assert (again.title, again.link, again.have(NAME)) == (NAME, offer.link, 300_000)
    server.go_wrong(PATH)
    assert download(again, Web(), lambda _: None, to.parent).read_bytes() == DATA
    assert server.asked(PATH)[-1].headers["range"] == "bytes=300000-"
    assert left(to) == [NAME]


def test_another_version_under_the_same_address_is_begun_anew(server: Server, web: Web, to: Path) -> None:
    server.go_wrong(PATH, wrong.breaks_off(200_000), *[wrong.says(503)] * 3)
    offer = offered(server, digest=False)
    assert failure(offer, to, web) == "download.server"
    newer = weights(SIZE, seed=7)
    offered(server, digest=False, data=newer, etag='"two"')
    server.go_wrong(PATH)
    assert fetched(offer, to, web).read_bytes() == newer
    assert server.asked(PATH)[-1].headers["if-range"] == '"one"'


def test_a_server_that_passes_over_the_condition_mixes_nothing(server: Server, web: Web, to: Path) -> None:
    def careless(handler: wrong.Handler, served: wrong.Served) -> None:
        del handler.headers["If-Range"]
        handler.serve(served)

    server.go_wrong(PATH, wrong.breaks_off(200_000), *[wrong.says(503)] * 3)
    offer = offered(server, digest=False)
    assert failure(offer, to, web) == "download.server"
    newer = weights(SIZE, seed=7)
    offered(server, digest=False, data=newer, etag='"two"')
    server.go_wrong(PATH, careless)
    assert fetched(offer, to, web).read_bytes() == newer


def test_another_etag_of_the_same_bytes_loses_nothing(server: Server, web: Web, to: Path) -> None:
    """With a digest what counts is the bytes: a site moves its files from one store to another."""
    server.go_wrong(PATH, wrong.breaks_off(200_000), *[wrong.says(503)] * 3)
    assert failure(offered(server), to, web) == "download.server"
    server.go_wrong(PATH)
    assert fetched(offered(server, etag='"two"'), to, web).read_bytes() == DATA
    assert server.asked(PATH)[-1].headers["range"] == "bytes=200000-"


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_without_a_strong_etag_the_time_of_the_change_counts(server: Server, web: Web, to: Path, etag: str) -> None:
    when = "Wed, 21 Oct 2015 07:28:00 GMT"
    server.go_wrong(PATH, wrong.breaks_off(200_000))
    offer = offered(server, digest=False, etag=etag, headers={"Last-Modified": when})
    assert fetched(offer, to, web).read_bytes() == DATA
    assert server.asked(PATH)[-1].headers["if-range"] == when


def test_without_any_mark_of_its_version_it_is_begun_anew(server: Server, web: Web, to: Path) -> None:
    server.go_wrong(PATH, wrong.breaks_off(200_000))
    assert fetched(offered(server, digest=False, etag=""), to, web).read_bytes() == DATA
    assert [seen.headers.get("range") for seen in server.asked(PATH)] == [None, None]


def test_a_server_without_ranges_sends_it_all_again(server: Server, web: Web, to: Path) -> None:
    server.go_wrong(PATH, wrong.breaks_off(200_000), wrong.without_ranges)
    assert fetched(offered(server), to, web).read_bytes() == DATA


def test_a_server_that_always_breaks_at_the_same_byte_is_given_up(server: Server, web: Web, to: Path) -> None:
    def again(handler: wrong.Handler, served: wrong.Served) -> None:
        del handler.headers["Range"]
        wrong.breaks_off(200_000)(handler, served)

    server.go_wrong(PATH, *[again] * 20)
    assert failure(offered(server), to, web) == "download.broken"
    assert len(server.asked(PATH)) == 3, "the first brought something, two did not"


def test_a_range_from_elsewhere_is_not_written(server: Server, web: Web, to: Path) -> None:
    lie = wrong.sends(DATA[1000:], 206, Content_Range=f"bytes 1000-{SIZE - 1}/{SIZE}")
    server.go_wrong(PATH, wrong.breaks_off(200_000), lie)
    assert fetched(offered(server), to, web).read_bytes() == DATA


def test_416_begins_anew(server: Server, web: Web, to: Path) -> None:
    server.go_wrong(PATH, wrong.breaks_off(200_000), wrong.says(416))
    assert fetched(offered(server), to, web).read_bytes() == DATA
    assert [seen.headers.get("range") for seen in server.asked(PATH)] == [None, "bytes=200000-", None]


def test_416_for_a_whole_file_of_unknown_length_ends_it(server: Server, web: Web, to: Path) -> None:
    offer = offered(server, digest=False, size=None)
    work = begin_offer(offer, offer.choices[0], to)
    work.save()
    work.part(NAME).write_bytes(DATA)
    work.validators[NAME] = '"one"'
    assert download(work, web, lambda _: None, to).read_bytes() == DATA
    assert len(server.asked(PATH)) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_server_in_trouble_is_asked_again(server: Server, web: Web, to: Path, status: int) -> None:
    server.go_wrong(PATH, wrong.says(status))
    assert fetched(offered(server), to, web).read_bytes() == DATA


def test_the_pause_that_the_server_wants_counts(server: Server, to: Path) -> None:
    server.go_wrong(PATH, wrong.says(429, Retry_After="0"))
    an_hour = Web(patience=Patience(first_wait=3600))
    assert fetched(offered(server), to, an_hour).read_bytes() == DATA


def test_a_silent_server_is_asked_again(server: Server, to: Path) -> None:
    server.go_wrong(PATH, wrong.hangs(0.5))
    web = Web(patience=Patience(tries=3, first_wait=0.01, read=0.2))
    assert fetched(offered(server), to, web).read_bytes() == DATA


# -- pause and cancel


@pytest.mark.parametrize("how", [wrong.is_slow, wrong.hangs(60)])
def test_a_slow_server_is_left_at_once(server: Server, to: Path, how: wrong.Wrong) -> None:
    server.go_wrong(PATH, how)
    web = Web(patience=Patience(read=60))
    offer = offered(server)
    came: list[Progress] = []
    caught: list[BaseException] = []

    def run() -> None:
        try:
            fetched(offer, to, web, came)
        except Stopped as stopped:
            caught.append(stopped)

    thread = threading.Thread(target=run)
    thread.start()
    deadline = time.monotonic() + 20
    while not (server.asked(PATH) and (how is not wrong.is_slow or came[-1].done)) and time.monotonic() < deadline:
        time.sleep(0.01)
    web.stop()
    thread.join(20)  # less than a read may take
    assert not thread.is_alive()
    assert caught
    work = read_work(next(to.iterdir()))
    assert work is not None
    if how is wrong.is_slow:
        assert 0 < work.have(NAME) < SIZE
        assert fetched(offer, to, Web()).read_bytes() == DATA
        assert server.asked(PATH)[-1].headers["range"].startswith("bytes=")
    else:
        work.discard()
        assert left(to) == []


# -- what ends in a sentence


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (wrong.says(401), "download.sign-in"),
        (wrong.says(403), "download.forbidden"),
        (wrong.says(403, X_Error_Code="GatedRepo"), "download.gated"),
        (wrong.says(401, X_Error_Code="GatedRepo"), "download.gated"),
        (wrong.says(401, X_Error_Code="RepoNotFound"), "download.no-repository"),
        (wrong.says(404), "download.not-found"),
        (wrong.says(404, X_Error_Code="EntryNotFound"), "download.not-found"),
        (wrong.says(451), "download.refused"),
        (wrong.says(429), "download.too-many"),
        (wrong.says(429, Retry_After="3600"), "download.too-many"),
        (wrong.says(500), "download.server"),
        (wrong.says(503), "download.server"),
        (wrong.breaks_off(0), "download.broken"),
        (wrong.sends_page, "download.web-page"),
        (wrong.sends(wrong.PAGE.ljust(SIZE)), "download.web-page"),
        (wrong.sends(b'{"error": "no"}'.ljust(SIZE)), "download.not-weights"),
        (wrong.sends(b"version https://git-lfs.github.com/spec/v1".ljust(SIZE)), "download.pointer"),
        (wrong.sends(weights(SIZE - 1)), "download.size"),
        (wrong.sends(weights(SIZE + 1)), "download.size"),
        (wrong.sends(weights(SIZE, seed=3)), "download.digest"),
        (wrong.says(302, Location="file:///etc/passwd"), "download.redirect"),
        (wrong.says(302, Location=PATH), "download.redirect"),
        (wrong.says(302, Location="http://[::1/x"), "download.link"),
        (wrong.says(302, Location="http://127.0.0.1:port/x"), "download.redirect"),
    ],
)
def test_what_cannot_be_mended_has_a_name_and_a_remedy(
    server: Server, web: Web, to: Path, answer: wrong.Wrong, error: str
) -> None:
    server.go_wrong(PATH, *[answer] * 20)
    assert failure(offered(server), to, web) == error
    assert not (to / NAME).exists()


def test_what_is_refused_for_good_is_not_asked_again(server: Server, web: Web, to: Path) -> None:
    server.go_wrong(PATH, *[wrong.says(404)] * 5)
    failure(offered(server), to, web)
    assert len(server.asked(PATH)) == 1


def test_bytes_without_end_are_cut_off(server: Server, web: Web, to: Path) -> None:
    def chunked(handler: wrong.Handler, served: wrong.Served) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for begin in range(0, 3 * SIZE, 50_000):
            piece = (DATA * 3)[begin : begin + 50_000]
            handler.wfile.write(b"%x\r\n" % len(piece) + piece + b"\r\n")

    server.go_wrong(PATH, chunked)
    assert failure(offered(server), to, web) == "download.size"


def test_a_damaged_file_that_nobody_hashed_is_noticed(server: Server, web: Web, to: Path) -> None:
    cut = DATA[:-1000]
    offer = offered(server, digest=False, size=len(cut), data=cut)
    assert failure(offer, to, web) == "download.damaged"
    offer = offered(server)
    assert fetched(offer, to, web).read_bytes() == DATA


def test_no_server_at_all(web: Web, to: Path) -> None:
    gone = Server()
    offer = offered(gone)
    gone.close()
    assert failure(offer, to, web) == "download.broken"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl to make a certificate with")
def test_a_server_that_cannot_prove_who_it_is(server: Server, web: Web, to: Path, tmp_path: Path) -> None:
    server.speak_tls(tmp_path)
    offer = offered(server)
    assert offer.link.startswith("https://")
    assert failure(offer, to, web) == "download.certificate"
    assert server.seen == []


@pytest.mark.parametrize("url", ["https://{address}/x.safetensors", "http://[::1/x", "http://*/x", "http://a:b/x"])
def test_a_line_or_address_that_makes_no_sense(server: Server, web: Web, to: Path, url: str) -> None:
    url = url.format(address=server.url.removeprefix("http://"))
    offer = Offer(link=url, title=NAME, choices=(Choice(NAME, (RemoteFile(NAME, url),)),))
    assert failure(offer, to, web) in ("download.broken", "download.link")


def test_a_disk_without_room_is_said_before(
    server: Server, web: Web, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole, "RESERVE", 1 << 62)
    assert failure(offered(server), to, web) == "download.disk"
    assert server.asked(PATH) == []


def test_a_disk_that_gets_full_is_said(server: Server, web: Web, to: Path) -> None:
    offer = offered(server)
    work = begin_offer(offer, offer.choices[0], to)

    def full(progress: Progress) -> None:
        if progress.done:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(AppError) as raised:
        download(work, web, full, to)
    assert raised.value.message.id == "download.full"
    assert fetched(offer, to, web).read_bytes() == DATA


def test_a_folder_that_cannot_be_written(server: Server, web: Web, to: Path) -> None:
    (to / "file").write_text("in the way")
    assert failure(offered(server), to / "file", web) == "download.folder"


# -- offline, redirects and tokens


def test_the_switch_forbids_connections_below_every_library(server: Server, web: Web, to: Path) -> None:
    import socket
    import urllib.request

    offer = offered(server)
    network.set_offline(True)
    before = network.connections()
    assert failure(offer, to, web) == "download.offline"
    with pytest.raises(OSError, match="connections are switched off"):
        socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1])))
    with pytest.raises(OSError, match="connections are switched off"):
        urllib.request.urlopen(offer.link)
    with pytest.raises(network.Offline):
        socket.getaddrinfo("example.org", 80)
    assert network.connections() == before
    assert server.seen == []
    network.set_offline(False)
    fetched(offer, to, web)
    assert network.connections() > before


def test_switching_off_ends_what_runs(server: Server, web: Web, to: Path) -> None:
    server.go_wrong(PATH, wrong.is_slow)
    offer = offered(server)
    with pytest.raises(AppError) as raised:
        download(
            begin_offer(offer, offer.choices[0], to), web, lambda one: network.set_offline(one.done > 0), to.parent
        )
    assert raised.value.message.id == "download.offline"


def test_a_token_goes_to_its_own_origin_only(server: Server, to: Path) -> None:
    elsewhere = Server()
    try:
        target = elsewhere.add("/store/bytes", DATA)
        server.go_wrong(PATH, wrong.says(302, Location=target))
        web = Web({server.url: "secret-token"})
        assert fetched(offered(server), to, web).read_bytes() == DATA
        assert server.asked(PATH)[0].headers["authorization"] == "Bearer secret-token"
        assert "authorization" not in elsewhere.asked("/store/bytes")[0].headers
    finally:
        elsewhere.close()


def test_no_token_and_no_query_in_logs_and_errors(
    server: Server, to: Path, sites: Sites, caplog: pytest.LogCaptureFixture
) -> None:
    import logging

    caplog.set_level(logging.DEBUG)
    server.go_wrong(PATH, wrong.breaks_off(100), wrong.says(404))
    web = Web({server.url: "secret-token"}, Patience(first_wait=0.01))
    with pytest.raises(AppError) as raised:
        look_up(f"{server.url}{PATH}?token=secret-query", web, Sites())
    assert "secret" not in f"{raised.value} {caplog.text} {raised.value.message.to_json()}"


# -- what is there already


def test_what_is_in_the_folder_under_any_name_is_not_fetched(server: Server, web: Web, to: Path) -> None:
    (to / "renamed.safetensors").write_bytes(DATA)
    assert fetched(offered(server), to, web) == to / "renamed.safetensors"
    assert server.seen == []
    assert left(to) == ["renamed.safetensors"]


def test_another_file_of_the_name_is_kept(server: Server, web: Web, to: Path) -> None:
    (to / NAME).write_bytes(b"mine")
    assert fetched(offered(server), to, web) == to / "model-2.safetensors"
    assert (to / NAME).read_bytes() == b"mine"


def test_the_cache_of_hugging_face_is_used(server: Server, web: Web, to: Path) -> None:
    offer = offered(server)
    blob = to.parent / "cache/models--a--b/blobs" / offer.choices[0].files[0].digest.removeprefix("sha256:")
    blob.parent.mkdir(parents=True)
    blob.write_bytes(DATA)
    assert fetched(offer, to, web).read_bytes() == DATA
    assert server.seen == []
    blob.write_bytes(DATA[:-1] + b"x")
    (to / NAME).unlink()
    assert fetched(offer, to, web).read_bytes() == DATA
    assert len(server.asked(PATH)) == 1, "a damaged blob is not believed"
