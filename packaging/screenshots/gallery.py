"""Draws the README's gallery: `python packaging/screenshots/gallery.py PICTURES.webp FILMS.webp`.

Twelve sentences at default settings, with the seeds 1 to 12 in their order, and four films with the seeds 1 to 4:
nothing is picked.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from desktop_app.checkpoints.facts import read_model_facts  # noqa: E402
from desktop_app.core.catalog import FILM  # noqa: E402
from desktop_app.core.control import StopSignal  # noqa: E402
from desktop_app.core.events import Picture  # noqa: E402
from desktop_app.core.paths import bundled_models_dir  # noqa: E402
from desktop_app.core.request import default_request  # noqa: E402
from desktop_app.engine.engine import Engine  # noqa: E402

COLUMNS, SIDE, GAP = 4, 256, 8
SENTENCES = (
    "a red sailboat on a calm sea at sunset with the sun",
    "a purple castle on the left in snowy mountains at night with a full moon",
    "an orange cat on the right in a flower meadow during the day with clouds",
    "a yellow hot air balloon in a red canyon at dawn",
    "a white lighthouse on a sandy beach at dusk",
    "a green umbrella in the city in the rain",
    "a blue house on the left in a pine forest at night in falling snow",
    "a pink flower close up in desert dunes at dawn",
    "a red car on the right in farm fields during the day with a rainbow",
    "a white windmill on green hills at sunset with clouds",
    "a yellow duck on a calm sea during the day with the sun",
    "an orange rocket in a red canyon at dusk",
)
FILMS = (
    "a red sailboat on the left on a calm sea at sunset with the sun, sails to the right",
    "a yellow hot air balloon in the middle in a red canyon at dawn, rises",
    "a white lighthouse in the middle on a sandy beach at dusk, as the camera pans left",
    "a blue castle on the left in the city at dawn with the sun, while the sun goes up",
)


def main() -> None:
    """Draw the pictures and save them as one sheet, then the films as another, which moves."""
    folder = bundled_models_dir()
    request = default_request(read_model_facts(folder / "postcard"))
    with tempfile.TemporaryDirectory() as cache:
        engine = Engine(models=[folder], cache=Path(cache), device="cpu")
        pictures = [
            _draw(engine, replace(request, prompt=sentence, seed=seed))[0] for seed, sentence in enumerate(SENTENCES, 1)
        ]
        moving = replace(request, kind=FILM)
        films = [_draw(engine, replace(moving, prompt=words, seed=seed)) for seed, words in enumerate(FILMS, 1)]
    _sheet(pictures).save(sys.argv[1], quality=88, method=6)
    first, *others = [_sheet(list(frames)) for frames in zip(*films, strict=True)]
    milliseconds = round(1000 / request.fps)
    first.save(sys.argv[2], save_all=True, append_images=others, duration=milliseconds, loop=0, quality=80, method=6)


def _sheet(pictures: list[Image.Image]) -> Image.Image:
    """The pictures in rows of COLUMNS."""
    rows = -(-len(pictures) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (SIDE + GAP) - GAP, rows * (SIDE + GAP) - GAP), "white")
    for k, picture in enumerate(pictures):
        at = (k % COLUMNS * (SIDE + GAP), k // COLUMNS * (SIDE + GAP))
        sheet.paste(picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS), at)
    return sheet


def _draw(engine: Engine, request) -> list[Image.Image]:
    """The picture, or the frames of the film, that ``request`` asks for."""
    for event in engine.generate(request, StopSignal(), preview=False):
        if isinstance(event, Picture):
            count, height, width, _ = event.frames.shape
            size = height * width * 3
            pieces = [event.frames.data[k * size : (k + 1) * size] for k in range(count)]
            return [Image.frombytes("RGB", (width, height), piece) for piece in pieces]
    raise RuntimeError("no picture came")


if __name__ == "__main__":
    main()
