"""Which models there are, and the facts of each: its family's, with its own facts file laid over them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from desktop_app.checkpoints.bridged import parts_with_weights, weighty_parts, with_pipeline
from desktop_app.checkpoints.footprint import read_footprint
from desktop_app.checkpoints.lone_parts import (
    NO_PARTS,
    OWN_MOTION,
    Parts,
    fitting_autoencoders,
    fitting_motion_adapters,
    fitting_tiny,
    read_config,
)
from desktop_app.checkpoints.part_config import impossible_layers
from desktop_app.checkpoints.pipelines import read_call
from desktop_app.checkpoints.safetensors_header import read_header
from desktop_app.checkpoints.scan import display_name
from desktop_app.checkpoints.single_file import check_single_file, configuration, usable, weight_files
from desktop_app.checkpoints.weights_file import FileProblem
from desktop_app.core.catalog import (
    FAMILIES,
    FILM,
    FIRST_SIZES,
    OTHER,
    SCHEDULERS,
    Family,
    FilmFacts,
    ModelFacts,
    PreviewFactors,
)
from desktop_app.core.errors import AppError
from desktop_app.core.request import MAX_CLIP_SKIP

FACTS_FILE = "safelight.json"
FACTS_VERSION = 1
MODEL_INDEX = "model_index.json"
_ENLARGER = "enlarger"
_MAX_ENLARGE = 8


def read_model_facts(folder: Path, parts: Parts = NO_PARTS, key: str = "") -> ModelFacts:
    """Facts of the model in ``folder``, with what of ``parts`` fits it: motion adapters and autoencoders.

    ``key`` is what it is called among others, by default its display name. A single file takes the place of a diffusers
    folder, and ``NAME.safelight.json`` that of its facts file. Raises ``AppError``; reads no weights.
    """
    if folder.is_file():
        return _facts_of_file(folder, parts, key or display_name(folder))
    kind = _pipeline_of(folder)
    family_key, family = _family_of(folder, kind)
    own = _read_own(folder / FACTS_FILE)
    facts = _facts(folder, key or display_name(folder), folder, family_key, family, own, parts)
    return replace(facts, pipeline=kind if family.bridge else "")


def _facts_of_file(file: Path, parts: Parts, key: str) -> ModelFacts:
    identity = usable(file)
    family_key = next(key for key, family in FAMILIES.items() if identity.architecture in family.architectures)
    own = dict(_read_own(_own_facts(file)))
    if size := FIRST_SIZES.get((identity.architecture, identity.prediction)):
        own["defaults"] = {"width": size[0], "height": size[1], **own.get("defaults", {})}
    return _facts(file, key, configuration(identity), family_key, FAMILIES[family_key], own, parts)


def _facts(
    path: Path,
    key: str,
    configs: Path,
    family_key: str,
    family: Family,
    own: Mapping[str, Any],
    parts: Parts,
) -> ModelFacts:
    """``configs`` holds the diffusers configuration of the model at ``path``, and is it if that is a folder."""
    motion = fitting_motion_adapters(configs, parts) if family.animated else ()
    tiny = fitting_tiny(configs, family, parts)
    autoencoders = (*fitting_autoencoders(configs, family, parts), *tiny) if "vae" in family.controls else ()
    try:
        merged = _merge(path, key, configs, family_key, family, own, motion)
        footprint = read_footprint(path, configs, family.parts or weighty_parts(path, read_config(path / MODEL_INDEX)))
        return replace(merged, autoencoders=autoencoders, tiny_autoencoders=tiny, footprint=footprint)
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as problem:
        raise AppError("model.facts", file=str(_own_facts(path)), reason=str(problem)) from problem


def _own_facts(path: Path) -> Path:
    """Where the model at ``path`` says more of itself than its family does."""
    return path.with_suffix(f".{FACTS_FILE}") if path.is_file() else path / FACTS_FILE


def check_model_files(facts: ModelFacts) -> None:
    """Find missing, truncated or damaged weight files before anything loads them. Raises ``AppError``. Milliseconds."""
    folder = Path(facts.folder)
    if folder.is_file():
        check_single_file(folder)
        return
    parts = FAMILIES[facts.family].parts or parts_with_weights(folder, read_config(folder / MODEL_INDEX))
    parts += (_ENLARGER,) * (facts.enlarge > 1) + (OWN_MOTION,) * ("" in facts.motion_models)
    for part in parts:
        files = sorted((folder / part).glob("*.safetensors"))
        if not files:
            raise AppError("model.missing-file", model=display_name(folder), file=f"{part}/*.safetensors")
        tensors = sum(_count_tensors(folder.name, file) for file in files)
        if setting := impossible_layers(read_config(folder / part / "config.json"), tensors):
            reason = f"asks for more layers than there are weights ({setting})"
            raise AppError("model.damaged", model=display_name(folder), file=f"{part}/config.json", reason=reason)


def _count_tensors(model: str, file: Path) -> int:
    """How many tensors are in ``file``, one of the weights of ``model``. Raises ``AppError`` if it is damaged."""
    try:
        return len(read_header(file))
    except FileProblem as problem:
        path = f"{file.parent.name}/{file.name}"
        raise AppError("model.damaged", model=model, file=path, reason=str(problem)) from problem


def weights_of(facts: ModelFacts) -> list[Path]:
    """The files that the model is read from. Raises ``AppError``."""
    path = Path(facts.folder)
    return weight_files(usable(path)) if path.is_file() else sorted(path.glob("*/*.safetensors"))


def _text_layers(folder: Path, family: Family) -> int:
    encoder = next((part for part in family.parts if part.startswith("text_encoder")), "text_encoder")
    layers = read_config(folder / encoder / "config.json").get("num_hidden_layers")
    return layers if isinstance(layers, int) and layers > 0 else MAX_CLIP_SKIP


def _pipeline_of(folder: Path) -> str:
    """The class of diffusers' pipeline that the model in ``folder`` was saved from."""
    try:
        kind = json.loads((folder / MODEL_INDEX).read_text(encoding="utf-8"))["_class_name"]
        if not isinstance(kind, str):
            raise TypeError("no name of a class")
        return kind
    except OSError as problem:
        raise AppError("model.missing-file", model=display_name(folder), file=MODEL_INDEX) from problem
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        raise AppError(
            "model.damaged", model=display_name(folder), file=MODEL_INDEX, reason="is not valid"
        ) from problem


def _family_of(folder: Path, kind: str) -> tuple[str, Family]:
    """The family of models saved from the pipeline ``kind``, with the controls that this model has."""
    named = (key for key, family in FAMILIES.items() if kind in family.pipelines and _is_told(folder, family))
    key = next(named, OTHER)
    family = FAMILIES[key]
    if family.bridge is None:
        return key, family
    call = read_call(kind)
    if call is None or not call.draws_from_words:
        raise AppError("model.family", model=display_name(folder), kind=kind)
    return key, with_pipeline(family, call, read_config(folder / "vae" / "config.json"))


def _is_told(folder: Path, family: Family) -> bool:
    """Whether the configs in ``folder`` say what ``family.told_by`` asks for."""
    if family.told_by is None:
        return True
    file, key, value = family.told_by
    return read_config(folder / file).get(key) == value


def _read_own(path: Path) -> Mapping[str, Any]:
    try:
        own = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as problem:
        raise AppError("model.facts", file=str(path), reason="it is not valid JSON") from problem
    if not isinstance(own, Mapping) or own.get("format") != FACTS_VERSION:
        raise AppError("model.facts", file=str(path), reason=f"its format is not {FACTS_VERSION}")
    return own


def _merge(
    path: Path,
    key: str,
    configs: Path,
    family_key: str,
    family: Family,
    own: Mapping[str, Any],
    motion_models: tuple[str, ...],
) -> ModelFacts:
    defaults, vocabulary = own.get("defaults", {}), own.get("vocabulary", {})
    scheduler, schedulers = _schedulers(family, own, defaults)
    enlarge, default_enlarge = _enlarging(own, defaults)
    film = _film(family, own.get("film", {})) if motion_models or FILM in family.kinds else None
    return ModelFacts(
        key=key,
        name=str(own.get("name", key)),
        folder=str(path),
        family=family_key,
        description=str(own.get("description", "")),
        licence=str(own.get("licence", "")),
        sizes=_sizes(family, own, defaults),
        multiple=int(own.get("multiple", family.multiple)),
        min_size=int(own.get("min_size", family.min_size)),
        max_size=int(own.get("max_size", family.max_size)),
        steps=int(defaults.get("steps", family.steps)),
        guidance_scale=float(defaults.get("guidance_scale", family.guidance_scale)),
        scheduler=scheduler,
        schedule_type=str(defaults.get("schedule_type", family.schedule_type)),
        schedulers=schedulers,
        controls=tuple(own.get("controls", family.controls)),
        preview=_preview(own.get("preview"), int(own.get("latent_channels", family.latent_channels))),
        max_clip_skip=min(MAX_CLIP_SKIP, _text_layers(configs, family)),
        enlarge=enlarge,
        default_enlarge=default_enlarge,
        kinds=family.kinds + (FILM,) * (film is not None and FILM not in family.kinds),
        film=film,
        strength=family.strength,
        needs_start=family.needs_start,
        motion_models=motion_models,
        examples=_examples(own),
        vocabulary=tuple(str(word) for word in vocabulary.get("words", ())),
        synonyms={str(word): str(plain) for word, plain in vocabulary.get("synonyms", {}).items()},
        surprise=_surprise(own),
    )


def _schedulers(family: Family, own: Mapping[str, Any], defaults: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """A newcomer's scheduler, and all that may be chosen."""
    schedulers = tuple(own.get("schedulers", family.schedulers))
    unknown = set(schedulers) - set(SCHEDULERS)
    scheduler = defaults.get("scheduler", family.scheduler)
    if unknown or scheduler not in (schedulers or (family.scheduler,)):
        raise ValueError(f"it names schedulers that do not fit: {', '.join(sorted(unknown)) or scheduler}")
    return scheduler, schedulers


def _sizes(family: Family, own: Mapping[str, Any], defaults: Mapping[str, Any]) -> tuple[tuple[int, int], ...]:
    """(width, height) in px, a newcomer's first."""
    sizes = [(int(width), int(height)) for width, height in own.get("sizes", family.sizes)]
    if "width" in defaults:
        sizes.insert(0, (int(defaults["width"]), int(defaults["height"])))
    if not sizes:
        raise ValueError("it offers no size")
    return tuple(dict.fromkeys(sizes))


def _enlarging(own: Mapping[str, Any], defaults: Mapping[str, Any]) -> tuple[int, int]:
    """How many times as large its enlarger draws, and what a newcomer gets."""
    enlarge, default = int(own.get("enlarge", 1)), int(defaults.get("enlarge", 1))
    if not 1 <= enlarge <= _MAX_ENLARGE or default not in (1, enlarge):
        raise ValueError(f"it enlarges {enlarge} times, by default {default} times")
    return enlarge, default


def _film(family: Family, own: Mapping[str, Any]) -> FilmFacts | None:
    if family.film is None:
        return None
    numbers = {name: int(own[name]) for name in ("frames", "max_frames", "fps", "window", "moments") if name in own}
    film = replace(
        family.film,
        **numbers,
        shared_noise=float(own.get("shared_noise", 0)),
        steady=float(own.get("steady", 0)),
        moment_prompt=str(own.get("moment_prompt", "")),
        examples=_examples(own),
        surprise=_surprise(own),
    )
    if not 1 < film.frames <= film.max_frames or min(film.fps, film.window) < 1:
        raise ValueError(f"its films have {film.frames} of {film.max_frames} frames, {film.fps} a second")
    if not 0 <= film.shared_noise <= 1:
        raise ValueError(f"its films share {film.shared_noise} of their noise, which must be from 0 to 1")
    if not 0 <= film.steady < 255:
        raise ValueError(f"its films hold still what changes by {film.steady} levels, which must be from 0 to 254")
    if film.moments < 1 or (film.moments > 1) != all(part in film.moment_prompt for part in ("{moment}", "{prompt}")):
        raise ValueError(f"the prompt of each of its {film.moments} moments is {film.moment_prompt!r}")
    return film


def _examples(own: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(example) for example in own.get("examples", ()))


def _surprise(own: Mapping[str, Any]) -> tuple[tuple[str, ...], ...]:
    return tuple(_slot(phrases) for phrases in own.get("surprise", ()))


def _slot(phrases: Any) -> tuple[str, ...]:
    if not (isinstance(phrases, list) and phrases):
        raise ValueError("a slot of its surprise sentences is not a list of phrases")
    return tuple(str(phrase) for phrase in phrases)


def _preview(data: Mapping[str, Any] | None, channels: int) -> PreviewFactors | None:
    if data is None:
        return None
    factors = tuple((float(r), float(g), float(b)) for r, g, b in data["factors"])
    red, green, blue = (float(value) for value in data["bias"])
    if len(factors) != channels:
        raise ValueError(f"it has preview factors for {len(factors)} latent channels, not {channels}")
    return PreviewFactors(factors, (red, green, blue))
