from __future__ import annotations

from dataclasses import replace

import pytest

from desktop_app.core import events as ev
from desktop_app.core.errors import AppError
from desktop_app.core.request import RANDOM_SEED, GenerationRequest
from tests import scripted
from tests.scripted import ScriptedTransport

REQUEST = GenerationRequest(model="tiny", prompt="a house", width=16, height=16, steps=3, seed=7)


def until_ended(qtbot, queue, job):
    qtbot.waitUntil(lambda: job.ended, timeout=5000)


def until_running(qtbot, queue, job):
    qtbot.waitUntil(lambda: queue.current is job and job.state != "waiting", timeout=5000)


def test_a_job_runs_and_its_picture_is_on_disk_before_it_is_announced(qtbot, make_queue, transport):
    queue = make_queue(transport)
    seen = []
    queue.picture.connect(lambda job, finished: seen.append(finished.path.read_bytes()[:4]))
    job = queue.add(REQUEST)
    until_ended(qtbot, queue, job)
    assert job.state == "finished"
    assert [finished.result.seed for finished in job.finished] == [7]
    assert seen == [b"\x89PNG"]


def test_the_seed_is_fixed_when_the_job_is_queued(make_queue, transport):
    transport.gate.clear()
    queue = make_queue(transport)
    jobs = [queue.add(replace(REQUEST, seed=RANDOM_SEED)) for _ in range(3)]
    seeds = {job.request.seed for job in jobs}
    assert RANDOM_SEED not in seeds
    assert len(seeds) == 3
    transport.gate.set()


def test_jobs_run_in_order_and_the_front_goes_first(qtbot, make_queue, transport):
    transport.gate.clear()
    queue = make_queue(transport)
    first = queue.add(REQUEST)
    until_running(qtbot, queue, first)
    second, third = queue.add(replace(REQUEST, seed=2)), queue.add(replace(REQUEST, seed=3), front=True)
    assert queue.waiting == (third, second)
    transport.gate.set()
    until_ended(qtbot, queue, second)
    assert [request.seed for request in transport.requests] == [7, 3, 2]


def test_a_waiting_job_can_be_removed(qtbot, make_queue, transport):
    transport.gate.clear()
    queue = make_queue(transport)
    first = queue.add(REQUEST)
    until_running(qtbot, queue, first)
    second = queue.add(REQUEST)
    queue.remove(second.id)
    assert queue.jobs == (first,)
    transport.gate.set()
    until_ended(qtbot, queue, first)
    assert len(transport.requests) == 1


def test_cancel_ends_the_job_and_the_next_one_runs(qtbot, make_queue, transport):
    transport.gate.clear()
    queue = make_queue(transport)
    first, second = queue.add(REQUEST), queue.add(REQUEST)
    until_running(qtbot, queue, first)
    queue.cancel()
    assert first.stopping
    until_ended(qtbot, queue, first)
    assert first.state == "cancelled"
    transport.gate.set()
    until_ended(qtbot, queue, second)
    assert second.state == "finished"
    assert transport.opened == 1


def test_an_engine_that_does_not_hear_a_cancel_is_ended_and_started_again(qtbot, make_queue):
    transport = ScriptedTransport(deaf=True)
    transport.gate.clear()
    queue = make_queue(transport)
    job = queue.add(REQUEST)
    until_running(qtbot, queue, job)
    queue.cancel()
    until_ended(qtbot, queue, job)
    assert job.state == "cancelled"
    transport.gate.set()
    again = queue.again(job)
    until_ended(qtbot, queue, again)
    assert again.state == "finished"
    assert again.request == job.request
    assert transport.opened == 2


def test_an_engine_that_dies_fails_its_job_and_the_next_one_runs(qtbot, make_queue):
    transport = ScriptedTransport(scripted.die)
    queue = make_queue(transport)
    first, second = queue.add(REQUEST), queue.add(REQUEST)
    until_ended(qtbot, queue, first)
    assert first.state == "failed"
    assert first.message.id == "engine.stopped"
    assert "SIGSEGV" in first.message.text
    until_ended(qtbot, queue, second)
    assert second.state == "finished"


def test_a_failure_has_its_message_and_details(qtbot, make_queue):
    queue = make_queue(ScriptedTransport(scripted.fail))
    job = queue.add(REQUEST)
    until_ended(qtbot, queue, job)
    assert (job.state, job.message.id) == ("failed", "engine.memory")
    assert "Traceback" in job.details


def test_a_picture_that_cannot_be_saved_is_kept_with_the_reason(qtbot, make_queue, transport):
    def save(frames, result):
        raise AppError("save.full", file="x.png", folder="/full")

    queue = make_queue(transport, save)
    job = queue.add(REQUEST)
    until_ended(qtbot, queue, job)
    finished = job.finished[0]
    assert finished.path is None
    assert finished.message.id == "save.full"
    assert finished.frames.shape == (1, 16, 16, 3)


def test_an_engine_that_dies_while_idle_is_started_again(qtbot, make_queue, transport):
    queue = make_queue(transport)
    qtbot.waitUntil(lambda: queue.engine_state == "ready", timeout=5000)
    transport.kill()
    qtbot.waitUntil(lambda: transport.opened == 2 and queue.engine_state == "ready", timeout=5000)


def test_progress_counts_the_users_steps_and_estimates_time_left(qtbot, make_queue, transport):
    queue = make_queue(transport)
    seen = []
    queue.progressed.connect(lambda job: seen.append((job.state, job.step, job.seconds_left is not None)))
    job = queue.add(replace(REQUEST, count=2))
    until_ended(qtbot, queue, job)
    steps = [step for state, step, _ in seen if state == "denoising"]
    assert steps == [1, 2, 3, 1, 2, 3]
    assert [known for state, _, known in seen if state == "denoising"] == [False] + [True] * 5


def test_reproduce_hands_the_record_of_the_run_on(qtbot, make_queue, transport):
    queue = make_queue(transport)
    job = queue.add(REQUEST, replay=scripted.RUN)
    until_ended(qtbot, queue, job)
    assert transport.replays == [scripted.RUN]


def test_a_source_is_handed_on_also_when_the_job_runs_again(qtbot, make_queue, transport):
    queue = make_queue(transport)
    first = queue.add(REQUEST)
    until_ended(qtbot, queue, first)
    source = ev.Picture(0, first.finished[0].frames, first.finished[0].result)
    job = queue.add(replace(REQUEST, enlarge=4), source=source)
    until_ended(qtbot, queue, job)
    again = queue.again(job)
    until_ended(qtbot, queue, again)
    assert transport.sources == [None, source, source]
    assert again.finished[0].frames == job.finished[0].frames


@pytest.mark.parametrize("when", ["idle", "running"])
def test_a_new_device_restarts_the_engine_after_the_running_job(qtbot, make_queue, transport, when):
    queue = make_queue(transport)
    qtbot.waitUntil(lambda: queue.engine_state == "ready", timeout=5000)
    if when == "running":
        transport.gate.clear()
        job = queue.add(REQUEST)
        until_running(qtbot, queue, job)
    queue.restart_engine()
    if when == "running":
        assert transport.opened == 1
        transport.gate.set()
        until_ended(qtbot, queue, job)
        assert job.state == "finished"
    qtbot.waitUntil(lambda: transport.opened == 2 and queue.engine_state == "ready", timeout=5000)
