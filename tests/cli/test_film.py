"""``film`` says no in one sentence before any torch is imported, and its options reach the request."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from desktop_app.checkpoints.facts import read_model_facts
from desktop_app.cli import _parser, main
from desktop_app.commands.options import requested, start_fields
from desktop_app.commands.progress import Progress
from desktop_app.core.catalog import FILM
from desktop_app.core.events import Denoising
from desktop_app.core.request import GenerationRequest
from tests.cli.conftest import Run

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def film_facts(data_dir: Path) -> Path:
    """The tiny model, with a motion adapter as far as its files tell."""
    folder = data_dir / "models" / "tiny"
    (folder / "motion_adapter").mkdir()
    config = {"_class_name": "MotionAdapter", "block_out_channels": [8, 16]}
    (folder / "motion_adapter" / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture
def refused(data_dir: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch):
    """``refused(*arguments)`` runs ``film`` where importing the engine would fail; gives what was said."""
    monkeypatch.setitem(sys.modules, "desktop_app.engine.engine", None)

    def run(*arguments: str) -> str:
        try:
            code = main(["film", "--model", "tiny", "--data-dir", str(data_dir), *arguments])
        except SystemExit as left:  # argparse's own way
            code = left.code
        out, err = capsys.readouterr()
        assert (code, out) == (2, "")
        assert "Traceback" not in err
        return err

    return run


def film_request(folder: Path, *arguments: str) -> GenerationRequest:
    """What ``film`` asks of the engine when it gets ``arguments``."""
    from desktop_app.commands import film

    made: list[GenerationRequest] = []
    options = _parser().parse_args(["film", *arguments])
    facts = read_model_facts(folder)

    def take(options, kind, own) -> int:
        made.append(requested(options, facts, kind, own))
        return 0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(film, "make", take)
        assert options.run(options) == 0
    return made[0]


def test_without_options_it_is_the_models_own_film(film_facts: Path) -> None:
    request = film_request(film_facts, "a red boat")
    assert (request.kind, request.prompt) == (FILM, "a red boat")
    assert (request.frames, request.fps, request.loop, request.start) == (16, 8, False, "")


def test_every_option_reaches_the_request(film_facts: Path, tmp_path: Path) -> None:
    start = tmp_path / "start.png"
    start.write_bytes(b"any bytes")
    options = "--frames 5 --fps 12 --loop --strength 0.25 --motion-model slow --motion-bucket 40 --size 96x64"
    more = "--noise-augmentation 0.5 --seed 9 --steps 3 --guidance 2 --scheduler Euler --negative night --count 2"
    request = film_request(film_facts, "a boat", "--image", str(start), *options.split(), *more.split())
    assert (request.frames, request.fps, request.loop, request.strength) == (5, 12, True, 0.25)
    assert (request.motion_model, request.motion_bucket, request.noise_augmentation) == ("slow", 40, 0.5)
    assert (request.size, request.seed, request.steps, request.guidance_scale) == ((96, 64), 9, 3, 2.0)
    assert (request.scheduler, request.negative_prompt, request.count) == ("euler", "night", 2)
    assert (request.start, request.start_use) == (str(start), "vary")
    assert request.start_digest == hashlib.sha256(b"any bytes").hexdigest()


def test_extend_goes_on_from_a_film(film_facts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "boat.mp4").write_bytes(b"film")
    monkeypatch.chdir(tmp_path)
    request = film_request(film_facts, "--extend", "boat.mp4")
    assert (request.prompt, request.start_use) == ("", "extend")
    assert request.start == str(tmp_path / "boat.mp4"), "the recipe must hold wherever it is read"
    assert request.start_digest == hashlib.sha256(b"film").hexdigest()


def test_no_start_file_means_no_fields() -> None:
    assert start_fields(None) == {}


BAD = [
    (["--frames", "1"], "number of frames must be from 2 to 512"),
    (["--frames", "100000"], "number of frames must be from 2 to 512"),
    (["--fps", "0"], "frame rate must be from 1 to 60"),
    (["--fps", "61"], "frame rate must be from 1 to 60"),
    (["--fps", "fast"], "invalid int value"),
    (["--strength", "1.1"], "strength must be from 0 to 1"),
    (["--strength", "nan"], "strength must be from 0 to 1"),
    (["--motion-model", "magic"], "no motion adapter “magic”"),
    (["--motion-bucket", "256"], "amount of motion must be from 0 to 255"),
    (["--noise-augmentation", "2"], "noise over the start picture must be from 0 to 1"),
    (["--image", "nowhere.png"], "The start picture “nowhere.png” is not there"),
    (["--extend", "nowhere.mp4"], "The start picture “nowhere.mp4” is not there"),
    (["--extend", "."], "The file “.” cannot be read as a picture or a film"),
    (["--image", "a.png", "--extend", "b.mp4"], "not allowed with argument"),
    (["--size", "7x7"], "Width and height"),
    (["--steps", "0"], "Steps must be"),
]


@pytest.mark.parametrize(("arguments", "sentence"), BAD, ids=[" ".join(bad[0])[:24] for bad in BAD])
def test_bad_arguments_are_refused_in_a_sentence(arguments: list[str], sentence: str, film_facts, refused) -> None:
    assert sentence in refused("x", *arguments)


def test_a_picture_model_says_what_it_lacks(refused) -> None:
    said = refused("x")
    assert "The model Tiny makes pictures, not films." in said
    assert "motion adapter" in said


def test_a_start_picture_that_is_not_there_is_named_by_generate_too(
    generate: Run, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "desktop_app.engine.engine", None)
    assert generate("x", "--image", "nowhere.png") == 2
    assert "The start picture “nowhere.png” is not there" in capsys.readouterr().err
    assert generate("x", "--strength", "-0.5") == 2
    assert "strength must be from 0 to 1" in capsys.readouterr().err


def test_help_names_every_option(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as left:
        main(["film", "--help"])
    assert left.value.code == 0
    said = capsys.readouterr().out
    own = "--frames --fps --loop --image --extend --motion-model --motion-bucket --noise-augmentation --output"
    shared = "--strength --negative --model --seed --steps --guidance --size --scheduler --enlarge --count --json"
    for option in f"{own} {shared} --quiet --device --schedule-type".split():
        assert re.search(rf"^  (-o FILE, )?{option}\b", said, re.MULTILINE), option
    with pytest.raises(SystemExit):
        main(["generate", "--help"])
    said = capsys.readouterr().out
    assert "--image" in said
    assert "--frames" not in said


def test_progress_speaks_of_films(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: type("Size", (), {"columns": 100})())
    Progress(enabled=True, kind="film").show(Denoising(0, 2, 2, 4))
    assert "film 1 of 2, step 2 of 4" in capsys.readouterr().err
