"""``generate`` makes the pictures it is asked for, and says no in one sentence before any torch is imported."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from desktop_app.cli import main
from desktop_app.commands.progress import Progress
from desktop_app.core.events import Decoding, Denoising, Encoding, Loading
from desktop_app.export.recipes import read_recipe
from tests.cli.conftest import Run

Capture = pytest.CaptureFixture[str]


def test_a_picture_at_the_asked_place(generate: Run, tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "new" / "house.png"
    assert generate("a red house", "-o", str(path), "--seed", "7", "--steps", "2", "--size", "96x64") == 0
    out, err = capsys.readouterr()
    assert out == f"{path}\n"
    assert "Seed 7" in err
    recipe = read_recipe(path)
    assert recipe is not None
    assert (recipe.request.prompt, recipe.seed, recipe.steps_done) == ("a red house", 7, 2)
    with Image.open(path) as image:
        assert image.size == (96, 64)


def test_every_option_reaches_the_recipe(generate: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    options = ["--negative", "night", "--guidance", "2.5", "--scheduler", "DPM++ 2M", "--schedule-type", "karras"]
    options += ["--clip-skip", "2", "--precision", "half", "--offload", "group", "--decode", "tiles"]
    assert generate("a boat", "-o", str(path), "--steps", "2", "--device", "cpu", *options) == 0
    recipe = read_recipe(path)
    assert recipe is not None
    request = recipe.request
    assert (request.negative_prompt, request.guidance_scale) == ("night", 2.5)
    assert (request.scheduler, request.schedule_type, recipe.run.device) == ("dpmpp-2m", "karras", "cpu")
    assert request.clip_skip == 2
    assert (recipe.run.dtype, recipe.run.tiled) == ("bfloat16", True)


def test_a_refiner_finishes_the_pictures_of_sdxl(data_dir: Path, tmp_path: Path, capsys: Capture) -> None:
    from tests.tiny_models import tiny_facts, tiny_xl_pipeline, tiny_xl_refiner_pipeline

    for name, pipeline in (("xl", tiny_xl_pipeline()), ("finisher", tiny_xl_refiner_pipeline())):
        pipeline.save_pretrained(data_dir / "models" / name)
        (data_dir / "models" / name / "safelight.json").write_text(json.dumps(tiny_facts()))
    common = ["--data-dir", str(data_dir), "generate", "x", "-o", f"{tmp_path}/a.png", "--model", "xl", "--steps", "2"]
    finisher = data_dir / "models" / "finisher"
    assert main([*common, "--refiner", str(finisher), "--refiner-at", "0.7"]) == 0
    recipe = read_recipe(tmp_path / "a.png")
    assert recipe is not None
    assert (recipe.request.refiner, recipe.request.refiner_at, recipe.steps_done) == ("finisher", 0.7, 2)
    capsys.readouterr()
    for named, said in (("gone", "no refiner called “gone”"), ("xl", "is no refiner"), ("finisher", "not after 1.5")):
        assert main([*common, "--refiner", named, "--refiner-at", "1.5"]) == 2
        assert said in capsys.readouterr().err
    next((finisher / "unet").glob("*.safetensors")).unlink()
    assert main([*common, "--refiner", "finisher"]) == 1
    assert "finisher is incomplete: unet/" in capsys.readouterr().err


def test_enlarging_is_the_models_choice_until_asked(data_dir: Path, generate: Run, tmp_path: Path) -> None:
    from tests.tiny_models import add_enlarger, tiny_facts

    folder = data_dir / "models" / "tiny"
    facts = tiny_facts(enlarge=4)
    facts["defaults"]["enlarge"] = 4
    (folder / "safelight.json").write_text(json.dumps(facts))
    add_enlarger(folder)
    for name, options, side in (("a", [], 256), ("b", ["--no-enlarge"], 64), ("c", ["--enlarge"], 256)):
        path = tmp_path / f"{name}.png"
        assert generate("x", "-o", str(path), "--steps", "1", "--seed", "1", *options) == 0
        recipe = read_recipe(path)
        assert recipe is not None
        assert recipe.request.final_size == (side, side)
        with Image.open(path) as image:
            assert image.size == (side, side)


def test_a_model_that_cannot_enlarge_says_so(generate: Run, tmp_path: Path, capsys: Capture) -> None:
    assert generate("x", "-o", str(tmp_path / "a.png"), "--enlarge") == 2
    assert "The model Tiny cannot draw its pictures larger." in capsys.readouterr().err
    assert not (tmp_path / "a.png").exists()


def test_without_o_the_template_names_it_in_the_output_folder(generate: Run, data_dir: Path, capsys: Capture) -> None:
    settings = {"file_name": "{prompt}/{seed}", "format": "webp", "quality": 50}
    (data_dir / "settings.json").write_text(json.dumps(settings))
    assert generate("a red house", "--seed", "3", "--steps", "1") == 0
    assert capsys.readouterr().out == f"{data_dir / 'pictures' / 'a-red-house' / '3.webp'}\n"


@pytest.mark.parametrize("folder", ["existing", "missing/"])
def test_a_folder_as_output(folder: str, generate: Run, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "existing").mkdir()
    assert generate("x", "-o", f"{tmp_path}/{folder}", "--steps", "1") == 0
    path = Path(capsys.readouterr().out.strip())
    assert path.parent == tmp_path / folder
    assert path.is_file()


def test_a_batch_is_numbered_and_equals_single_runs(generate: Run, tmp_path: Path, capsys: Capture) -> None:
    assert generate("x", "-o", f"{tmp_path}/b.png", "--steps", "2", "--seed", "10", "--count", "2", "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["path"] for line in lines] == [f"{tmp_path}/b.png", f"{tmp_path}/b-2.png"]
    assert [line["seed"] for line in lines] == [10, 11]
    assert lines[1]["recipe"]["request"]["seed"] == 11
    assert generate("x", "-o", f"{tmp_path}/single.png", "--steps", "2", "--seed", "11") == 0
    with Image.open(tmp_path / "b-2.png") as batch, Image.open(tmp_path / "single.png") as single:
        assert batch.tobytes() == single.tobytes()


def test_an_existing_file_is_kept_and_the_new_name_said(generate: Run, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "a.png").write_text("mine")
    assert generate("x", "-o", f"{tmp_path}/a.png", "--steps", "1") == 0
    assert (tmp_path / "a.png").read_text() == "mine"
    out, err = capsys.readouterr()
    assert out == f"{tmp_path / 'a-2.png'}\n"
    assert "a.png already exists; the picture is in a-2.png." in err


def test_a_model_given_as_a_folder(data_dir: Path, tiny_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    options = ["--model", str(tiny_folder / "tiny"), "-o", str(path), "--steps", "1"]
    assert main(["--data-dir", str(tmp_path / "other"), "generate", "x", *options]) == 0
    recipe = read_recipe(path)
    assert recipe is not None
    assert recipe.request.model == str(tiny_folder / "tiny")


def test_quiet_prints_the_file_name_alone(generate: Run, tmp_path: Path, capsys: Capture) -> None:
    assert generate("-o", f"{tmp_path}/a.png", "--steps", "1", "--quiet", "--", "-moody") == 0
    out, err = capsys.readouterr()
    assert (out, err) == (f"{tmp_path / 'a.png'}\n", "")
    recipe = read_recipe(tmp_path / "a.png")
    assert recipe is not None
    assert recipe.request.prompt == "-moody"


@pytest.mark.parametrize("prompt", ["", "word " * 10_000, "\ud800\x00", "‏בית אדום", "🏠👩‍🚀", "<|endoftext|>"])
def test_any_prompt_makes_a_picture(prompt: str, generate: Run, tmp_path: Path, capsys: Capture) -> None:
    assert generate("-o", f"{tmp_path}/a.png", "--steps", "1", "--", prompt) == 0
    assert (tmp_path / "a.png").is_file()
    assert "were left out" not in capsys.readouterr().err


def test_plain_text_is_cut_where_the_model_stops_reading(generate: Run, tmp_path: Path, capsys: Capture) -> None:
    options = ("-o", f"{tmp_path}/a.png", "--steps", "1", "--prompt-dialect", "plain")
    assert generate(*options, "--", "word " * 100) == 0
    assert "were left out" in capsys.readouterr().err
    recipe = read_recipe(tmp_path / "a.png")
    assert recipe is not None
    assert (recipe.request.prompt_dialect, recipe.request.prompt_syntax) == ("plain", 1)


BAD = [
    (["--steps", "0"], "Steps must be"),
    (["--steps", "1000000"], "Steps must be"),
    (["--steps", "many"], "invalid int value"),
    (["--scheduler", "lcm", "--steps", "51"], "at most 50 steps"),
    (["--vae", "another"], "no autoencoder (VAE) “another”"),
    (["--refiner", "another"], "The model Tiny hands its pictures to no refiner"),
    (["--clip-skip", "3"], "Clip skip must be a whole number from 1 to 2"),
    (["--size", "0x0"], "Width and height"),
    (["--size", "7x7"], "Width and height"),
    (["--size", "100000x64"], "Width and height"),
    (["--size", "65x64"], "multiples of 8"),
    (["--size", "64"], "not of the form 512x768"),
    (["--size", "axb"], "not of the form 512x768"),
    (["--guidance", "nan"], "Guidance must be"),
    (["--guidance", "inf"], "Guidance must be"),
    (["--guidance", "-1"], "Guidance must be"),
    (["--seed", str(2**64)], "The seed must be"),
    (["--seed", "-2"], "The seed must be"),
    (["--count", "0"], "number of pictures"),
    (["--scheduler", "magic"], "no scheduler called “magic”"),
    (["--schedule-type", "magic"], "no schedule type “magic”"),
    (["--model", "magic"], "no model called “magic”"),
    (["--device", "abacus"], "invalid choice"),
    (["-o", "house.bmp"], "no picture format called “.bmp”"),
    (["-o", "house"], "no picture format called “house”"),
    (["more"], "unrecognized arguments"),
]


@pytest.mark.parametrize(("arguments", "sentence"), BAD, ids=[" ".join(bad[0])[:24] for bad in BAD])
def test_bad_arguments_are_refused_in_a_sentence(
    arguments: list[str], sentence: str, generate: Run, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "desktop_app.engine.engine", None)  # importing it would fail the test
    try:
        code = generate("x", *arguments)
    except SystemExit as left:  # argparse's own way
        code = left.code
    out, err = capsys.readouterr()
    assert code == 2
    assert sentence in err
    assert out == ""
    assert "Traceback" not in err


def test_a_damaged_model_is_named(data_dir: Path, tmp_path: Path, capsys: Capture) -> None:
    from tests.tiny_models import tiny_model

    weights = tiny_model(tmp_path / "broken") / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    options = ["--model", str(tmp_path / "broken"), "--data-dir", str(data_dir), "-o", f"{tmp_path}/a.png"]
    assert main(["generate", "x", *options]) == 1
    assert "broken is damaged: unet/diffusion_pytorch_model.safetensors is cut off" in capsys.readouterr().err
    weights.unlink()
    assert main(["generate", "x", *options]) == 1
    assert "unet/*.safetensors is missing" in capsys.readouterr().err


def test_an_output_that_cannot_be_written_is_named_before_the_work(
    generate: Run, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "desktop_app.engine.engine", None)
    (tmp_path / "file").write_text("mine")
    assert generate("x", "-o", f"{tmp_path}/file/a.png") == 1
    assert "Pictures cannot be written to" in capsys.readouterr().err


def test_a_template_that_cannot_be_used_is_named_before_the_work(
    generate: Run, data_dir: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "desktop_app.engine.engine", None)
    (data_dir / "settings.json").write_text('{"file_name": "{oops}"}')
    assert generate("x") == 1
    assert "The file name template “{oops}” cannot be used: it names {oops}." in capsys.readouterr().err


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks /proc which file it is")
def test_a_picture_that_cannot_be_saved_is_kept_elsewhere(
    generate: Run, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, spare = tmp_path / "target", tmp_path / "spare"
    spare.mkdir()
    real_fsync = os.fsync
    monkeypatch.setattr("tempfile.tempdir", str(spare))

    def full(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink().is_relative_to(target):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real_fsync(descriptor)

    monkeypatch.setattr("os.fsync", full)
    assert generate("x", "-o", f"{target}/a.png", "--steps", "1", "--seed", "5") == 1
    said = capsys.readouterr().err
    assert f"The disk is full: a.png could not be saved in {target}. What was made is kept as {spare}" in said
    assert list(target.iterdir()) == []
    assert read_recipe(spare / "safelight-5.png") is not None


def test_a_data_folder_that_cannot_be_used(tmp_path: Path, tiny_folder: Path, capsys: Capture) -> None:
    (tmp_path / "file").write_text("")
    options = ["--model", str(tiny_folder / "tiny"), "-o", f"{tmp_path}/a.png"]
    assert main(["generate", "x", "--data-dir", str(tmp_path / "file" / "data"), *options]) == 1
    assert "Choose another with --data-dir." in capsys.readouterr().err


def test_an_unexpected_error_is_one_sentence_and_debug_shows_the_rest(
    generate: Run, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*_: object) -> None:
        raise KeyError("boom")

    monkeypatch.setattr("desktop_app.commands.making.validate", explode)
    assert generate("x") == 1
    err = capsys.readouterr().err
    assert "Something went wrong: KeyError: 'boom'." in err
    assert "Traceback" not in err
    assert generate("x", "--debug") == 1
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_cancels_cleanly(python: list[str], data_dir: Path, tmp_path: Path) -> None:
    options = ["--model", "tiny", "--data-dir", str(data_dir), "--count", "1000", "--steps", "2", "--size", "64x64"]
    command = [*python, "generate", "x", "-o", f"{tmp_path}/out/", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    first = process.stdout.readline().strip()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Cancelled." in err
    assert "Traceback" not in err
    saved = [first, *out.split()]
    assert sorted(saved) == sorted(str(path) for path in (tmp_path / "out").iterdir()), "whole pictures only"


def test_no_qt_and_no_sound_when_piped(python: list[str], data_dir: Path, tmp_path: Path) -> None:
    options = ["--model", "tiny", "--data-dir", str(data_dir), "-o", f"{tmp_path}/a.png", "--steps", "1"]
    script = (
        "import sys; from desktop_app.cli import main; code = main(sys.argv[1:]); "
        "print(sorted(name for name in sys.modules if name.startswith(('PySide6', 'shiboken')))); sys.exit(code)"
    )
    command = [python[0], "-c", script, "generate", "x", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{tmp_path}/a.png", "[]"]
    assert "\r" not in done.stderr
    assert done.stderr.startswith("Seed ")


def test_progress_is_one_line_redrawn_and_taken_away(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    progress = Progress(enabled=True, kind="picture")
    for event in (Loading("unet", 0.5), Encoding(), Denoising(0, 2, 0, 4), Denoising(0, 2, 2, 4), Decoding(0)):
        progress.show(event)
    progress.clear()
    err = capsys.readouterr().err
    lines = err.split("\r\x1b[K")
    assert lines[0] == lines[-1] == ""
    assert "[############------------] loading unet" in lines
    assert any(line.startswith("[############------------] picture 1 of 2, step 2 of 4, ") for line in lines)
    assert "\n" not in err
