"""What diffusers' own pipelines take, read from their source: nothing of diffusers is imported, no code of it runs."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

REQUIRED = object()
"""Stands for the default of a parameter that has none."""
_ALWAYS = frozenset({"prompt", "height", "width", "num_inference_steps"})
"""What every pipeline takes that draws from words."""
_OTHER_STARTS = re.compile(
    r"2Img|Inpaint|Control|Edit|Upscale|SuperResolution|Refiner|Fill|Layered|InstructPix|InContext|HDR|Adapter|Prior"
    r"|Decoder|I2I|(?<!T)I2V|(Image|Video)(2|To)(Video|World)|Onnx"
)
"""In the names of pipelines that begin with something else than words, such as a picture, whatever their defaults."""
_NAMES: dict[str, tuple[str, ...]] = {
    "negative_prompt": ("negative_prompt",),
    "steps": ("num_inference_steps",),
    "guidance_scale": ("guidance_scale",),
    "frames": ("num_frames", "video_length"),
    "fps": ("frame_rate", "fps"),
}
"""Fields of a request and the parameters they are given as: the first that a pipeline has."""


@dataclass(frozen=True, slots=True)
class PipelineCall:
    """How one of diffusers' pipelines is called."""

    name: str
    """Its class: the ``_class_name`` in a ``model_index.json``."""
    parameters: Mapping[str, Any]
    """Defaults by name: None where one is computed, :data:`REQUIRED` where there is none."""
    stops_early: bool
    """Whether it can be told in the middle to go on to decoding (``_interrupt``)."""

    @property
    def draws_from_words(self) -> bool:
        """Whether words are enough for a picture or film."""
        required = {name for name, value in self.parameters.items() if value is REQUIRED}
        return self.parameters.keys() >= _ALWAYS and required <= {"prompt"} and not _OTHER_STARTS.search(self.name)

    @property
    def films(self) -> bool:
        return self.parameter("frames") is not None

    def parameter(self, field: str, own: str = "") -> str | None:
        """What it calls a ``field`` of a request: ``own`` if it has that, else the usual name; None if it has none."""
        return next((name for name in (own, *_NAMES[field]) if name in self.parameters), None)

    def default(self, field: str, own: str = "") -> Any:
        """Of the parameter for ``field``; None where there is none."""
        value = self.parameters.get(self.parameter(field, own) or "")
        return None if value is REQUIRED else value


@cache
def read_call(name: str) -> PipelineCall | None:
    """How the pipeline ``name`` of the installed diffusers is called; None if it has none of that name.

    Looks through some hundreds of files, once for each name.
    """
    found = _find_class(name) if name.isidentifier() else None
    if found is None:
        return None
    for part in found.body:
        if isinstance(part, ast.FunctionDef) and part.name == "__call__":
            looks = any(isinstance(node, ast.Attribute) and node.attr == "interrupt" for node in ast.walk(part))
            return PipelineCall(name, _parameters(part.args), looks)
    return None


def _find_class(name: str) -> ast.ClassDef | None:
    spec = importlib.util.find_spec("diffusers")
    if spec is None or spec.origin is None:
        return None
    start = re.compile(rf"^class {name}\b", re.MULTILINE)
    for file in sorted(Path(spec.origin).parent.glob("pipelines/**/pipeline_*.py")):
        text = file.read_text(encoding="utf-8")
        if start.search(text):
            classes = (part for part in ast.parse(text).body if isinstance(part, ast.ClassDef))
            return next((part for part in classes if part.name == name), None)
    return None


def _parameters(arguments: ast.arguments) -> dict[str, Any]:
    names = [argument.arg for argument in arguments.args][1:]  # without self
    defaults = [_literal(value) for value in arguments.defaults]
    required = [REQUIRED] * (len(names) - len(defaults))
    return dict(zip(names, [*required, *defaults], strict=True))


def _literal(value: ast.expr) -> Any:
    """A default that is written out; None for one that is computed."""
    try:
        return ast.literal_eval(value)
    except ValueError:
        return None
