"""The engine needs no network and does not look for one; the rooms below it need no torch."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.tiny_flow_models import write_flow_model
from tests.tiny_pipelines import tiny_sd3_pipeline

ROOT = Path(__file__).parents[2]


def in_a_process_of_its_own(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )


GENERATE = """
    import json, socket, sys
    from pathlib import Path

    attempts = []

    class Blocked(socket.socket):
        def __init__(self, family=socket.AF_INET, *arguments, **options):
            if family in (socket.AF_INET, socket.AF_INET6):
                caller = sys._getframe(1).f_globals["__name__"]
                if caller != "urllib3.util.connection":  # asks at import, once, whether this system knows IPv6
                    attempts.append(f"socket {family} by {caller}")
                raise OSError("blocked")
            super().__init__(family, *arguments, **options)

    def no_names(*arguments, **options):
        attempts.append(f"look-up {arguments}")
        raise OSError("blocked")

    socket.socket = Blocked
    socket.getaddrinfo = socket.gethostbyname = socket.gethostbyname_ex = no_names
    try:
        socket.create_connection(("example.org", 80))
    except OSError:
        assert attempts, "the block does not block"
    attempts.clear()

    from desktop_app.core.control import StopSignal
    from desktop_app.core.request import GenerationRequest
    from desktop_app.engine.engine import Engine, serve

    engine = Engine(models=[Path(sys.argv[1])], cache=Path(sys.argv[2]), device="cpu")
    name, scheduler = sys.argv[3:]
    request = GenerationRequest(model=name, prompt="a red house", width=64, height=64, steps=2, scheduler=scheduler)
    events = [type(event).__name__ for event in serve(engine, request, StopSignal())]

    import huggingface_hub.constants as hub
    from diffusers.utils import constants

    print(json.dumps({
        "events": events,
        "attempts": attempts,
        "offline": hub.HF_HUB_OFFLINE,
        "no telemetry": hub.HF_HUB_DISABLE_TELEMETRY,
        "no remote code": constants.DIFFUSERS_DISABLE_REMOTE_CODE,
        "qt": [name for name in sys.modules if name.startswith("PySide6")],
    }))
"""


@pytest.fixture(scope="module")
def both(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model on our own loop and one that runs through diffusers' pipeline."""
    folder = tmp_path_factory.mktemp("both")
    (folder / "tiny").symlink_to(models / "tiny")
    write_flow_model(folder / "sd3", tiny_sd3_pipeline())
    return folder


@pytest.mark.parametrize(("name", "scheduler"), [("tiny", "ddim"), ("sd3", "")])
def test_a_picture_is_made_while_the_network_is_blocked(both, tmp_path, name, scheduler):
    done = in_a_process_of_its_own(GENERATE, str(both), str(tmp_path), name, scheduler)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["events"][-2:] == ["Picture", "Finished"]
    assert found["attempts"] == []
    assert found["offline"]
    assert found["no telemetry"]
    assert found["no remote code"]
    assert found["qt"] == []


def test_the_package_itself_imports_nothing_heavy():
    script = """
        import sys
        import desktop_app.engine, desktop_app.engine.offline

        assert not {"torch", "diffusers", "transformers", "numpy"} & set(sys.modules)
    """
    done = in_a_process_of_its_own(script)
    assert done.returncode == 0, done.stderr
