"""MP4, WebM and GIF: frames encoded by ffmpeg, with the recipe inside."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from desktop_app.core.errors import AppError
from desktop_app.core.frames import Frames
from desktop_app.core.result import Result
from desktop_app.export.ffmpeg import run_ffmpeg
from desktop_app.export.metadata import RECIPE_KEY, TEXT_KEY, gif_comments, parameters_text, recipe_text
from desktop_app.export.reading import count_frames, images_of

_TO_YUV = (
    "scale=in_range=pc:out_range=tv:out_color_matrix=bt709:flags=accurate_rnd+full_chroma_int,format=yuv420p,"
    "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
)
"""Converted to BT.709 and said to be: players guess otherwise, and guess wrong for small films."""
_PALETTE = "split[a][b];[a]palettegen=stats_mode=full[p];[b][p]paletteuse=dither=sierra2_4a:diff_mode=rectangle"
"""Two passes in one run: a palette of the whole film, then every frame in it."""


@dataclass(frozen=True, slots=True)
class FilmOptions:
    """How a film is written; what a format does not have counts for nothing."""

    fps: float
    loops: int
    """How often a player shows it; 0 is for ever."""
    quality: int
    """1 to 100."""


def write_mp4(frames: Frames, result: Result | None, path: Path, options: FilmOptions) -> None:
    """H.264 in yuv420p with BT.709 colours, which every player knows; what begins to play while it is loading."""
    codec = ("-c:v", "libx264", "-preset", "medium", "-crf", str(_between(42, 10, options.quality)))
    container = ("-movflags", "+faststart+use_metadata_tags", "-f", "mp4")
    _write_movie(frames, result, path, options, (*codec, *container))


def write_webm(frames: Frames, result: Result | None, path: Path, options: FilmOptions) -> None:
    """VP9 in yuv420p with BT.709 colours."""
    rate = ("-crf", str(_between(58, 14, options.quality)), "-b:v", "0")
    codec = ("-c:v", "libvpx-vp9", *rate, "-deadline", "good", "-cpu-used", "3", "-row-mt", "1")
    _write_movie(frames, result, path, options, (*codec, "-f", "webm"))


def write_gif(frames: Frames, result: Result | None, path: Path, options: FilmOptions) -> None:
    """A GIF with one palette for the whole film. Its delays are hundredths of a second."""
    times = {0: "0", 1: "-1"}.get(options.loops, str(options.loops - 1))  # ffmpeg counts repetitions; -1: none
    run_ffmpeg([*_raw(frames, options.fps), "-vf", _PALETTE, "-loop", times, "-f", "gif"], frames.data, target=path)
    if result is not None:
        data = path.read_bytes()
        path.write_bytes(gif_comments(data, result))
    check_count(path, frames.count, suffix=".gif")


def resized(frames: Frames, size: tuple[int, int]) -> Frames:
    """``frames`` at ``size`` (width, height) in px."""
    width, height = size
    if size == (frames.width, frames.height):
        return frames
    smooth = Image.Resampling.LANCZOS
    return Frames(frames.count, height, width, b"".join(i.resize(size, smooth).tobytes() for i in images_of(frames)))


def check_count(path: Path, wanted: int, *, suffix: str = "") -> None:
    """Read a finished file back. Raises ``AppError`` ("save.short") when frames are missing."""
    found = count_frames(path, suffix)
    if found != wanted:
        raise AppError("save.short", found=found, wanted=wanted)


def even(frames: Frames) -> Frames:
    """``frames`` with even sides, which yuv420p needs: the last column or row is repeated."""
    if not (frames.width % 2 or frames.height % 2):
        return frames
    import numpy  # the window writes films too, and starts without it

    pixels = numpy.frombuffer(frames.data, "uint8").reshape(frames.shape)
    pixels = numpy.pad(pixels, ((0, 0), (0, frames.height % 2), (0, frames.width % 2), (0, 0)), "edge")
    count, height, width, _ = pixels.shape
    return Frames(count, height, width, pixels.tobytes())


def _write_movie(frames: Frames, result: Result | None, path: Path, options: FilmOptions, codec: Sequence[str]) -> None:
    frames = even(frames)
    with tempfile.TemporaryDirectory() as folder:
        facts = Path(folder, "metadata.txt")  # arguments have a length limit, files have none
        facts.write_text(_ffmetadata(result), encoding="utf-8")
        inputs = [*_raw(frames, options.fps), "-i", str(facts), "-map", "0:v", "-map_metadata", "1"]
        run_ffmpeg([*inputs, "-vf", _TO_YUV, *codec], frames.data, target=path)
    check_count(path, frames.count, suffix=".mp4")


def _raw(frames: Frames, fps: float) -> list[str]:
    """The input: RGB frames on standard input."""
    size = f"{frames.width}x{frames.height}"
    return ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", f"{fps:g}", "-i", "-"]


def _ffmetadata(result: Result | None) -> str:
    """The recipe as ffmpeg's metadata file (ffmpeg-formats, "Metadata")."""
    pairs = {} if result is None else {TEXT_KEY: parameters_text(result), RECIPE_KEY: recipe_text(result)}
    return "\n".join([";FFMETADATA1", *(f"{key}={_escaped(value)}" for key, value in pairs.items()), ""])


def _escaped(value: str) -> str:
    for special in ("\\", "=", ";", "#", "\n"):
        value = value.replace(special, f"\\{special}")
    return value


def _between(worst: int, best: int, quality: int) -> int:
    """The encoder's constant rate factor for a quality from 1 to 100."""
    return round(worst + (best - worst) * (quality - 1) / 99)
