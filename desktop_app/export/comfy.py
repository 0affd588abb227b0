"""ComfyUI's graph: a JSON object of nodes by id, under ``prompt``. A picture is read off the sampler it ends in.

The nodes that come with ComfyUI are understood, and of others what they call alike. An input is a value, or
``[id, output]`` of the node that gives it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PureWindowsPath
from typing import Any

from desktop_app.core.catalog import COMFY
from desktop_app.core.request import PROMPT_SYNTAX, RANDOM_SEED, GenerationRequest
from desktop_app.core.result import Result
from desktop_app.export.samplers import from_comfy

KEY = "prompt"
_MOST = 200
"""Nodes that are followed from an input; a graph may go in circles."""
Node = Mapping[str, Any]


def result_of(data: object) -> Result | None:
    """The recipe of a graph; None when nothing in it samples. Raises ``ValueError`` or ``TypeError``."""
    nodes = {str(key): node for key, node in data.items() if _inputs(node)} if isinstance(data, Mapping) else {}
    sampler = next(filter(_samples, nodes.values()), None)
    if sampler is None:
        return None
    values = _inputs(sampler)
    above = list(_above(nodes, values.get("model")))
    steps = int(_value(nodes, values.get("steps"), 20))
    scheduler, schedule_type = from_comfy(str(values.get("sampler_name", "")), str(values.get("scheduler", "")))
    texts = {name: list(_above(nodes, values.get(name))) for name in ("positive", "negative")}
    width, height = _size(_above(nodes, values.get("latent_image")))
    request = GenerationRequest(
        model=_model(above),
        prompt="".join([_text(nodes, texts["positive"]), *_loras(above)]),
        negative_prompt=_text(nodes, texts["negative"]),
        width=width,
        height=height,
        steps=steps,
        guidance_scale=float(_value(nodes, values.get("cfg"), 7.0)),
        scheduler=scheduler,
        schedule_type=schedule_type,
        clip_skip=_clip_skip(texts["positive"]),
        seed=int(_value(nodes, values.get("seed", values.get("noise_seed")), RANDOM_SEED)),
        prompt_syntax=PROMPT_SYNTAX,
        prompt_dialect=COMFY,
    )
    return Result(request=request, run=None, seconds=0.0, steps_done=steps, program="ComfyUI")


def _inputs(node: Any) -> Node:
    inputs = node.get("inputs") if isinstance(node, Mapping) else None
    return inputs if isinstance(inputs, Mapping) else {}


def _samples(node: Node) -> bool:
    return {"positive", "negative", "latent_image", "steps", "sampler_name"} <= set(_inputs(node))


def _above(nodes: Mapping[str, Node], link: Any) -> Iterator[Node]:
    """The nodes that an input depends on, the nearest first."""
    waiting, seen = [link], set()
    while waiting and len(seen) < _MOST:
        link = waiting.pop(0)
        key = str(link[0]) if isinstance(link, list) and len(link) == 2 else ""
        if key in nodes and key not in seen:
            seen.add(key)
            yield nodes[key]
            waiting += _inputs(nodes[key]).values()


def _value(nodes: Mapping[str, Node], value: Any, otherwise: Any) -> Any:
    """A value that is written down, or that a node of one value gives."""
    if isinstance(value, list):
        node = next(_above(nodes, value), {})
        value = next((one for one in _inputs(node).values() if isinstance(one, int | float | str)), None)
    return otherwise if value is None else value


def _text(nodes: Mapping[str, Node], above: list[Node]) -> str:
    """Of the nearest node that encodes one; SDXL's nodes have two, mostly the same."""
    for node in above:
        for name in ("text", "text_g"):
            if name in _inputs(node):
                return str(_value(nodes, _inputs(node)[name], ""))
    return ""


def _model(above: list[Node]) -> str:
    """Name of the checkpoint or denoiser that is loaded, without folder and ending."""
    for node in above:
        for name in ("ckpt_name", "unet_name", "model_name"):
            if isinstance(found := _inputs(node).get(name), str):
                return PureWindowsPath(found).stem
    return ""


def _loras(above: list[Node]) -> list[str]:
    """As the prompt asks for them here; the first loaded stands first."""
    loras: list[str] = []
    for node in reversed(above):
        name, weight = _inputs(node).get("lora_name"), _inputs(node).get("strength_model", 1)
        if isinstance(name, str) and isinstance(weight, int | float):
            loras.append(f" <lora:{PureWindowsPath(name).stem}:{weight:g}>")
    return loras


def _size(above: Iterator[Node]) -> tuple[int, int]:
    for node in above:
        width, height = _inputs(node).get("width"), _inputs(node).get("height")
        if isinstance(width, int) and isinstance(height, int):
            return width, height
    return 512, 512


def _clip_skip(above: list[Node]) -> int:
    layers = (_inputs(node).get("stop_at_clip_layer") for node in above)
    return next((-layer for layer in layers if isinstance(layer, int) and layer < 0), 1)
