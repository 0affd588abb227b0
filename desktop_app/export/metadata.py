"""A picture's recipe inside its file: text that other programs read, and JSON that makes the picture again.

Every format carries both. The text is the infotext of AUTOMATIC1111's web interface, which most galleries and sites
show; our JSON is :meth:`desktop_app.core.result.Result.to_json`, which alone tells everything.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath
from xml.sax.saxutils import quoteattr, unescape

from desktop_app import __version__
from desktop_app.core.catalog import SCHEDULE_TYPES, SCHEDULERS
from desktop_app.core.errors import AppError, RequestError
from desktop_app.core.request import VARY, GenerationRequest, clean_text
from desktop_app.core.result import Result
from desktop_app.export.ffmpeg import read_output
from desktop_app.export.packets import EXIF_HEADER, find_packets

TEXT_KEY = "parameters"
"""Name of the infotext in a PNG."""
RECIPE_KEY = "safelight"
"""Name of our JSON in a PNG, and of its attribute in an XMP packet."""

MOVIE_SUFFIXES = (".mp4", ".m4v", ".mov", ".webm", ".mkv")
"""Films whose recipe is in tags that ffmpeg reads; the others carry it as pictures do."""

_SCHEDULE_TYPES = {**{key: label for key, (label, _) in SCHEDULE_TYPES.items()}, "default": "Uniform"}
_XMP = (
    '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:safelight="urn:safelight:1" safelight:recipe={recipe}/>'
    '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)
_XMP_RECIPE = re.compile(rb"""safelight:recipe\s*=\s*("[^"]*"|'[^']*')|<safelight:recipe>([^<]*)</safelight:recipe>""")
_BAD_EXIF = (SyntaxError, ValueError, TypeError, KeyError, OSError, struct.error)
"""What Pillow raises at a damaged block."""
_EXIF_IFD, _USER_COMMENT, _MAKE, _MODEL = 0x8769, 0x9286, 0x010F, 0x0110


def parameters_text(result: Result) -> str:
    """The recipe as infotext: prompt, "Negative prompt: …", and one line of "key: value" pairs."""
    request = result.request
    pairs = {
        "Steps": request.steps,
        **_sampling(request),
        "CFG scale": f"{request.guidance_scale:g}",
        "Seed": request.seed,
        "Size": f"{request.width}x{request.height}",
        **_enlarging(request),
        **_starting(request),
        **({"VAE": request.vae} if request.vae else {}),
        **_refining(request),
        **({"Clip skip": request.clip_skip} if request.clip_skip > 1 else {}),
        **({"Frames": request.frames, "FPS": request.fps} if request.is_film else {}),
        **_hashes(result),
        "Model": model_name(request.model),
        "Version": result.program or f"Safelight {_version(result)}",
    }
    lines = [request.prompt] if request.prompt else []
    if request.negative_prompt:
        lines.append(f"Negative prompt: {request.negative_prompt}")
    lines.append(", ".join(f"{key}: {_quoted(clean_text(str(value)))}" for key, value in pairs.items()))
    return "\n".join(lines)


def _version(result: Result) -> str:
    return result.run.versions.get("safelight", __version__) if result.run else __version__


def _sampling(request: GenerationRequest) -> dict[str, str]:
    """Nothing where the model's own scheduler was used, which has no name."""
    if not request.scheduler:
        return {}
    scheduler = SCHEDULERS.get(request.scheduler)
    return {
        "Sampler": scheduler.label if scheduler else request.scheduler,
        "Schedule type": _SCHEDULE_TYPES.get(request.schedule_type, request.schedule_type),
    }


def _enlarging(request: GenerationRequest) -> dict[str, str]:
    """How other programs note a picture that was enlarged: "Size" is then that of the first pass."""
    if request.enlarge == 1:
        return {}
    return {"Hires upscale": str(request.enlarge), "Hires upscaler": f"{model_name(request.model)} enlarger"}


def _refining(request: GenerationRequest) -> dict[str, str]:
    if not request.refiner:
        return {}
    return {"Refiner": model_name(request.refiner), "Refiner switch at": f"{request.refiner_at:g}"}


def _starting(request: GenerationRequest) -> dict[str, str]:
    """What other programs note of a start picture: how much of it was drawn anew."""
    return {"Denoising strength": f"{request.strength:g}"} if request.start and request.start_use == VARY else {}


def _hashes(result: Result) -> dict[str, str]:
    """Twelve digits each, as AUTOMATIC1111 writes them and sites that know files by their hashes read them."""
    told = {"lora": "Lora hashes", "embedding": "TI hashes"}
    files = result.run.files if result.run else ()
    pairs = {
        key: ", ".join(f"{file.name}: {file.digest[:12]}" for file in files if file.kind == kind)
        for kind, key in told.items()
    }
    return {key: value for key, value in pairs.items() if value}


def model_name(model: str) -> str:
    """Name of a model that a request may also give as a path; never the folders around it."""
    return PureWindowsPath(model).name or model  # Windows rules split at both slashes


def _quoted(value: str) -> str:
    """JSON-quoted when the value holds what separates pairs, as the readers of infotext expect."""
    return json.dumps(value, ensure_ascii=False) if set(value) & set(',:"\n') else value


def recipe_text(result: Result) -> str:
    """The recipe as our JSON: ASCII only, so that it survives every container and any odd character in it."""
    return json.dumps(result.to_json(), ensure_ascii=True, separators=(",", ":"))


def xmp_packet(recipe: str) -> bytes:
    """An XMP packet (ISO 16684-1) that carries ``recipe``, the text of :func:`recipe_text`."""
    return _XMP.format(recipe=quoteattr(recipe, {'"': "&quot;"})).encode()


def exif_block(text: str) -> bytes:
    """An Exif block whose UserComment (0x9286) is ``text``, with the "Exif\\0\\0" prefix.

    Made by hand: Pillow would store the comment as type ASCII, where readers want type 7 (undefined) with an
    eight-byte character code (Exif 2.32, 4.6.5) and UTF-16 in the block's own byte order.
    """
    comment = b"UNICODE\0" + text.encode("utf-16-be")
    main = struct.pack(">2sHI HHHII I", b"MM", 42, 8, 1, 0x8769, 4, 1, 26, 0)
    exif = struct.pack(">HHHII I", 1, 0x9286, 7, len(comment), 44, 0)
    return EXIF_HEADER + main + exif + comment


def gif_comments(data: bytes, result: Result) -> bytes:
    """The GIF ``data`` with the recipe in two comment extensions (GIF89a, 24) before its first picture."""
    table = 3 * 2 ** ((data[10] & 7) + 1) if data[10] & 0x80 else 0
    place = 13 + table  # behind header, logical screen and global colour table
    texts = (f"{TEXT_KEY}\n{parameters_text(result)}", f"{RECIPE_KEY}\n{recipe_text(result)}")
    return data[:place] + b"".join(_comment(text.encode()) for text in texts) + data[place:]


def _comment(text: bytes) -> bytes:
    pieces = (text[start : start + 255] for start in range(0, len(text), 255))
    return b"\x21\xfe" + b"".join(bytes([len(piece)]) + piece for piece in pieces) + b"\0"


def shorten(result: Result, limit: int) -> str:
    """Infotext of at most ``limit`` UTF-16 code units: the line of pairs stays whole, the texts lose their ends."""
    text = parameters_text(result)
    head, _, pairs = text.rpartition("\n")
    room = 2 * max(0, limit - len(pairs) - 2)
    cut = head.encode("utf-16-le")[:room].decode("utf-16-le", "ignore")
    return text if cut == head else f"{cut}…\n{pairs}"


def parse_recipe(text: str) -> Result:
    """The inverse of :func:`recipe_text`. Raises ``RequestError``."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise RequestError("request.malformed", reason="its text is damaged") from problem
    return Result.from_json(data)


def texts_in(path: Path, keys: Sequence[str]) -> dict[str, str]:
    """The texts that a picture or film carries under ``keys``, wherever its format keeps them.

    With one under the first of ``keys`` the search is over. An Exif block's comment counts as :data:`TEXT_KEY`, and
    its "Make" and "Model" as what stands before their colon (as ComfyUI does it). Raises ``AppError`` ("read.picture",
    for MP4 and WebM what starting ffmpeg raises).
    """
    try:
        if path.suffix.lower() in MOVIE_SUFFIXES:
            return _texts_in_movie(path, keys)
        packets = find_packets(path, keys)
    except OSError as problem:
        raise AppError("read.picture", file=str(path), reason=problem.strerror or str(problem)) from problem
    except ValueError as problem:
        raise AppError("read.picture", file=str(path), reason=str(problem)) from problem
    recipe = _recipe_in_xmp(packets.xmp) if RECIPE_KEY in keys else None
    texts = packets.texts | ({} if recipe is None else {RECIPE_KEY: recipe})
    if keys[0] in texts or not packets.exif:
        return texts
    return {key: text for key, text in _exif_texts(packets.exif).items() if key in keys} | texts


def _texts_in_movie(path: Path, keys: Sequence[str]) -> dict[str, str]:
    """From the tags of a film, as ffmpeg lists them."""
    with path.open("rb"):  # for what the system says of a file that cannot be read
        pass
    found: dict[str, str] = {}
    for line in re.split(r"(?<!\\)\n", read_output(["-i", str(path), "-f", "ffmetadata", "-"])):
        key, _, value = line.partition("=")
        if (key := key.lower()) in keys:  # Matroska writes its tags in capitals
            found.setdefault(key, re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL))
    return found


def _exif_texts(block: bytes) -> dict[str, str]:
    """The comment of an Exif block, and what ComfyUI keeps in "Make" and "Model"; nothing of a damaged one."""
    from PIL import Image  # not needed to write

    exif = Image.Exif()
    try:
        exif.load(block)
        comment = exif.get_ifd(_EXIF_IFD).get(_USER_COMMENT)
        found = {TEXT_KEY: _comment_text(comment)} if isinstance(comment, bytes) else {}
        for tag in (_MAKE, _MODEL):
            value = exif.get(tag)
            if isinstance(value, str) and ":" in value:
                key, _, text = value.partition(":")
                found[key] = text
    except _BAD_EXIF:
        return {}
    return found


def _comment_text(comment: bytes) -> str:
    """Exif 2.32, 4.6.5: a character code of eight bytes, and text, in UTF-16 of either byte order or in UTF-8."""
    code, text = comment[:8], comment[8:]
    if code != b"UNICODE\0":
        return (text if code == b"ASCII\0\0\0" else comment).decode("utf-8", "replace").strip("\0")
    orders = (text.decode(order, "replace") for order in ("utf-16-be", "utf-16-le"))
    return max(orders, key=lambda read: sum(letter < "\x80" for letter in read)).strip("\0\ufeff")


def _recipe_in_xmp(xmp: bytes) -> str | None:
    found = _XMP_RECIPE.search(xmp)
    if found is None:
        return None
    attribute, element = found.groups()
    text = (attribute[1:-1] if attribute else element).decode("utf-8", "replace")
    return unescape(text, {"&quot;": '"', "&apos;": "'", "&#34;": '"', "&#39;": "'"})
