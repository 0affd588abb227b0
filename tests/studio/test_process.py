"""The real engine in its own process, with real kills."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from desktop_app.core.events import Picture
from desktop_app.core.network import Offline
from desktop_app.core.request import GenerationRequest
from desktop_app.export.pictures import save_picture
from desktop_app.studio.generation_thread import GenerationThread
from desktop_app.studio.job_queue import JobQueue
from desktop_app.studio.transport import ProcessTransport
from tests.checkpoints.bad_weights import MEGABYTE, write_all
from tests.tiny_models import add_enlarger, tiny_model

REQUEST = GenerationRequest(model="tiny", prompt="a red house", width=64, height=64, steps=4, seed=3, scheduler="euler")
ENDLESS = replace(REQUEST, steps=1000, count=1000)
posix = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    add_enlarger(tiny_model(folder / "tiny", facts={"enlarge": 4}))
    return folder


@pytest.fixture(scope="module")
def transport(models, tmp_path_factory) -> ProcessTransport:
    folder = tmp_path_factory.mktemp("engine")
    return ProcessTransport(lambda: [f"--models={models}", f"--cache={folder}"], folder / "engine.log")


@pytest.fixture(scope="module")
def queue(qapp, transport, tmp_path_factory) -> Iterator[JobQueue]:
    """A job queue over one engine process for all tests here; those that kill it leave another one behind."""
    folder = tmp_path_factory.mktemp("pictures")

    def save(frames, result):
        return save_picture(frames, result, folder=folder, template="{seed}", format="png", quality=90, metadata=True)

    thread = GenerationThread(transport, save)
    queue = JobQueue(thread, lambda: True)
    thread.start()
    yield queue
    thread.shut_down()


def running(qtbot, queue, job):
    """Wait until ``job`` denoises."""
    qtbot.waitUntil(lambda: job.state == "denoising" or job.ended, timeout=60_000)
    assert job.state == "denoising", job.message


def ended(qtbot, job, timeout=60_000):
    qtbot.waitUntil(lambda: job.ended, timeout=timeout)


def test_the_process_makes_the_same_pixels_twice_and_stays_up(qtbot, queue, transport):
    first, second = queue.add(REQUEST), queue.add(REQUEST)
    ended(qtbot, second)
    assert (first.state, second.state) == ("finished", "finished"), first.message
    pixels = [job.finished[0].frames for job in (first, second)]
    assert pixels[0] == pixels[1]
    assert pixels[0].shape == (1, 64, 64, 3)
    assert queue.engine_run.device == first.finished[0].result.run.device
    assert first.finished[0].path.exists()


def test_a_finished_picture_travels_to_the_engine_and_comes_back_larger(qtbot, queue):
    small, whole = queue.add(REQUEST), queue.add(replace(REQUEST, enlarge=4))
    ended(qtbot, whole)
    finished = small.finished[0]
    again = queue.add(replace(REQUEST, enlarge=4), source=Picture(0, finished.frames, finished.result))
    states = []
    queue.progressed.connect(lambda job: states.append(job.state))
    ended(qtbot, again)
    assert again.state == "finished", again.message
    assert "denoising" not in states
    assert again.finished[0].frames == whole.finished[0].frames
    assert again.finished[0].frames.shape == (1, 256, 256, 3)
    assert again.finished[0].path not in (finished.path, whole.finished[0].path)


@posix
@pytest.mark.parametrize("how", ["SIGKILL", "SIGSEGV", "SIGBUS"])
def test_a_killed_engine_fails_its_job_and_another_runs_the_next(qtbot, queue, transport, how):
    job, after = queue.add(ENDLESS), queue.add(REQUEST)
    running(qtbot, queue, job)
    killed = transport.pid
    os.kill(killed, getattr(signal, how))
    ended(qtbot, job, timeout=5000)
    assert (job.state, job.message.id) == ("failed", "engine.stopped")
    ended(qtbot, after)
    assert after.state == "finished"
    assert transport.pid != killed


_CONNECTS = """
import os, socket, sys, threading, time
outcome = os.environ["OUTCOME"]

def wait_and_connect():
    while not os.path.exists(outcome):
        time.sleep(0.01)
    try:
        socket.create_connection(("127.0.0.1", int(os.environ["PORT"])))
        said = "connected"
    except OSError as problem:
        said = str(problem)
    with open(outcome, "w") as file:
        file.write(said)

if "desktop_app.engine.process" in sys.orig_argv:
    threading.Thread(target=wait_and_connect, daemon=True).start()
"""


def test_a_running_engine_cannot_connect_even_to_this_machine(qtbot, queue, tmp_path, monkeypatch):
    outcome = tmp_path / "outcome"
    (tmp_path / "sitecustomize.py").write_text(_CONNECTS)  # what a library does that looks for news
    monkeypatch.setenv("OUTCOME", str(outcome))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH")))))
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        monkeypatch.setenv("PORT", str(server.getsockname()[1]))
        queue.restart_engine()
        job = queue.add(REQUEST)
        ended(qtbot, job)
        outcome.touch()
        qtbot.waitUntil(lambda: bool(outcome.read_text()), timeout=10_000)
        assert outcome.read_text() == str(Offline())
        with pytest.raises(BlockingIOError):
            server.accept()
    assert job.state == "finished"


_MAPS_A_FILE = """
import mmap, os, sys, threading, time
file = os.environ["MAPPED"]

def wait_and_read():
    with open(file, "rb") as opened:
        mapped = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
    while os.stat(file).st_size:
        time.sleep(0.01)
    mapped[0]

if "desktop_app.engine.process" in sys.orig_argv and os.stat(file).st_size:
    threading.Thread(target=wait_and_read, daemon=True).start()
"""


@posix
def test_a_file_that_is_cut_while_it_is_memory_mapped_ends_the_engine_alone(
    qtbot, queue, transport, tmp_path, monkeypatch
):
    mapped = tmp_path / "mapped.safetensors"
    mapped.write_bytes(bytes(100_000))
    (tmp_path / "sitecustomize.py").write_text(_MAPS_A_FILE)  # what a library does that maps its weights
    monkeypatch.setenv("MAPPED", str(mapped))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH")))))
    queue.restart_engine()
    job, after = queue.add(ENDLESS), queue.add(REQUEST)
    running(qtbot, queue, job)
    killed = transport.pid
    os.truncate(mapped, 0)
    ended(qtbot, job, timeout=5000)
    assert (job.state, job.message.id) == ("failed", "engine.stopped")
    assert "SIGBUS" in job.message.values["reason"]
    ended(qtbot, after)
    assert after.state == "finished"
    assert transport.pid != killed


@posix
def test_an_engine_that_hangs_is_ended_when_a_cancel_goes_unanswered(qtbot, queue, transport):
    job, after = queue.add(ENDLESS), queue.add(REQUEST)
    running(qtbot, queue, job)
    os.kill(transport.pid, signal.SIGSTOP)
    queue.cancel()
    ended(qtbot, job)
    assert job.state == "cancelled"
    ended(qtbot, after)
    assert after.state == "finished"


def test_cancel_is_heard_in_the_middle_of_a_job_and_the_engine_stays(qtbot, queue, transport):
    job, after = queue.add(ENDLESS), queue.add(REQUEST)
    running(qtbot, queue, job)
    engine = transport.pid
    queue.cancel()
    ended(qtbot, after)
    assert (job.state, after.state) == ("cancelled", "finished")
    assert transport.pid == engine


def test_keep_saves_the_estimate_of_an_unfinished_picture(qtbot, queue, transport):
    job = queue.add(ENDLESS)
    running(qtbot, queue, job)
    queue.keep()
    ended(qtbot, job)
    assert job.state == "finished"
    result = job.finished[0].result
    assert 0 < result.steps_done < 1000
    assert job.finished[0].path.exists()


def test_a_model_that_is_not_there_is_a_sentence_and_the_engine_stays(qtbot, queue, transport):
    job, after = queue.add(replace(REQUEST, model="gone")), queue.add(REQUEST)
    ended(qtbot, after)
    assert (job.state, job.message.id) == ("failed", "model.unknown")
    assert after.state == "finished"


@posix
def test_every_bad_file_is_named_and_the_engine_stays(qtbot, queue, transport, tmp_path):
    ended(qtbot, queue.add(REQUEST))
    engine, before = transport.pid, psutil.Process(transport.pid).memory_info().rss
    bad = write_all(tmp_path)
    jobs = {name: queue.add(replace(REQUEST, model=str(path))) for name, (path, _) in bad.items()}
    after = queue.add(REQUEST)
    ended(qtbot, after)
    assert {name: (job.state, job.message.id) for name, job in jobs.items()} == {
        name: ("failed", id or "model.unfit") for name, (_, id) in bad.items()
    }
    assert after.state == "finished"
    assert transport.pid == engine
    assert psutil.Process(engine).memory_info().rss - before < 200 * MEGABYTE


_WINDOW = """
import sys
from pathlib import Path
from desktop_app.core.request import GenerationRequest
from desktop_app.export.pictures import save_picture
from desktop_app.studio.generation_thread import GenerationThread
from desktop_app.studio.job_queue import JobQueue
from desktop_app.studio.transport import ProcessTransport

models, folder = sys.argv[1:]
transport = ProcessTransport(lambda: [f"--models={models}", f"--cache={folder}"], Path(folder) / "engine.log")
transport.open()
request = GenerationRequest(model="tiny", prompt="a", width=64, height=64, steps=1000, count=1000, scheduler="euler")
for event in transport.run(1, request, preview=False, replay=None):
    if type(event).__name__ == "Denoising":
        print(transport.pid, flush=True)
"""


def test_the_engine_leaves_when_its_window_dies_even_in_the_middle_of_a_step(models, tmp_path):
    window = subprocess.Popen(
        [sys.executable, "-c", _WINDOW, str(models), str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    engine = psutil.Process(int(window.stdout.readline()))
    assert engine.is_running()
    window.kill()
    window.wait()
    window.stdout.close()
    gone, _ = psutil.wait_procs([engine], timeout=10)
    assert gone


def test_the_window_s_process_never_imports_the_engine_or_its_libraries(models, tmp_path):
    code = f"import sys\nsys.argv = ['', {str(models)!r}, {str(tmp_path)!r}]\n" + _WINDOW.replace(
        "print(transport.pid, flush=True)", "break"
    )
    code += "\nheavy = {'torch', 'diffusers', 'transformers', 'numpy'} & set(sys.modules)\ntransport.close()\n"
    code += "sys.exit(', '.join(heavy) or None)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120, check=False).returncode == 0


def test_a_start_that_fails_is_a_message_and_jobs_do_not_wait_for_ever(qtbot, make_queue, tmp_path):
    arguments = [f"--models={tmp_path}", f"--cache={tmp_path}", "--no-such-option"]
    queue = make_queue(ProcessTransport(lambda: arguments, tmp_path / "engine.log"))
    notices = []
    queue.notice.connect(notices.append)
    job = queue.add(REQUEST)
    ended(qtbot, job)
    assert (job.state, job.message.id) == ("failed", "engine.not-starting")
    assert notices[0].id == "engine.not-starting"
    assert "no-such-option" in (tmp_path / "engine.log").read_text()
