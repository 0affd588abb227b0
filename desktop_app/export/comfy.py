"""ComfyUI's graph: a JSON object of nodes by id. A picture is read off the sampler that begins with an empty latent.

The nodes that come with ComfyUI are understood, and of others what they call alike. An input is a value, or a link
``[id, output]`` to the node that gives it. Every walk is bounded, because a graph may be hostile or go in circles.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PureWindowsPath
from typing import Any

from desktop_app.core.catalog import COMFY, FILM, PICTURE
from desktop_app.core.request import FPS, FRAMES, PROMPT_SYNTAX, RANDOM_SEED, GenerationRequest
from desktop_app.core.result import Result
from desktop_app.export.samplers import from_comfy

KEY, FILM_KEY = "prompt", "comment"
"""Where ComfyUI keeps the graph, and where its Video Helper Suite keeps it in films, in an object of its own."""
_DEEP = 12
"""Links that are followed for one number."""
_WIDE = 500
"""Nodes that are visited in one walk."""
_SPOKEN = 100
"""Nodes of texts and conditionings that are visited for one prompt."""
_TEXTS = ("populated_text", "text", "text_g", "t5xxl", "clip_l", "string", "value")
_NUMBERS = ("value", "seed", "noise_seed", "int", "float", "number", "width", "height")
_JOINED = ("conditioning", "conditioning_1", "conditioning_2", "conditioning_to", "conditioning_from")
_CHECKPOINTS = ("ckpt_name", "unet_name", "base_ckpt_name")
Node = Mapping[str, Any]
"""The inputs of a node by name; "class" is its kind."""


def result_of(data: object, size: tuple[int, int], *, film: bool = False) -> Result | None:
    """The recipe of a graph; None when nothing in it samples by words.

    ``size``, (width, height) in px, counts where the graph says none; frames and their rate where it made a ``film``.
    Raises ``ValueError`` or ``TypeError``.
    """
    if isinstance(data, Mapping) and isinstance(data.get("prompt"), str | Mapping):  # as the Video Helper Suite has it
        data = json.loads(data["prompt"]) if isinstance(data["prompt"], str) else data["prompt"]
    graph = _Graph(data)
    sampler = graph.sampler()
    return None if sampler is None else _result(graph, sampler, size, film=film)


def _result(graph: _Graph, sampler: Node, size: tuple[int, int], *, film: bool) -> Result | None:
    guider, sigmas = graph.node(sampler.get("guider")) or sampler, graph.node(sampler.get("sigmas")) or sampler
    positive = graph.words(guider.get("positive", guider.get("conditioning")), "positive")
    if positive is None:
        return None
    chain = list(graph.chain(guider.get("model")))
    names = graph.node(sampler.get("sampler")) or sampler
    scheduler, schedule_type = from_comfy(str(names.get("sampler_name", "")), str(sigmas.get("scheduler", "")))
    noise = graph.node(sampler.get("noise")) or sampler
    behind = list(graph.above(guider.get("positive", guider.get("conditioning"))))
    guidance = next((node["guidance"] for node in behind if "guidance" in node), guider.get("cfg"))
    latents = list(graph.above(sampler.get("latent_image")))
    steps = int(graph.number(sigmas.get("steps"), 20))
    width, height = graph.size(latents) or size
    request = GenerationRequest(
        model=_model(chain),
        prompt="".join([positive, *_loras(chain)]),
        negative_prompt=graph.words(guider.get("negative"), "negative") or "",
        width=width,
        height=height,
        steps=steps,
        guidance_scale=float(graph.number(guidance, 7.0)),
        scheduler=scheduler,
        schedule_type=schedule_type,
        clip_skip=_clip_skip(behind),
        seed=int(graph.number(noise.get("noise_seed", noise.get("seed")), RANDOM_SEED)),
        kind=FILM if film else PICTURE,
        frames=int(graph.first(latents, ("length", "batch_size"), FRAMES)) if film else FRAMES,
        fps=int(graph.first(graph.nodes.values(), ("frame_rate", "fps"), FPS)) if film else FPS,
        prompt_syntax=PROMPT_SYNTAX,
        prompt_dialect=COMFY,
    )
    return Result(request=request, run=None, seconds=0.0, steps_done=steps, program="ComfyUI")


class _Graph:
    """Nodes by id, and ways through them."""

    def __init__(self, data: object) -> None:
        self.nodes: dict[str, Node] = {}
        for key, node in data.items() if isinstance(data, Mapping) else ():
            if isinstance(node, Mapping) and isinstance(node.get("inputs"), Mapping):
                self.nodes[str(key)] = {**node["inputs"], "class": str(node.get("class_type", ""))}

    def node(self, link: Any) -> Node | None:
        """The node that a link leads to; None for what is no link."""
        return self.nodes.get(_target(link))

    def sampler(self) -> Node | None:
        """The sampler that makes the first pass: no other stands before it, and it begins with noise."""
        samplers = [node for node in self.nodes.values() if _samples(node)]
        begin = [node for node in samplers if not any(map(_samples, self.above(node.get("latent_image"))))]
        noisy = [node for node in begin if node.get("add_noise", "enable") not in ("disable", False)]
        return next(iter([*noisy, *begin, *samplers]), None)

    def above(self, link: Any) -> Iterator[Node]:
        """The nodes that an input depends on, the nearest first."""
        waiting, seen = deque([_target(link)]), set[str]()
        while waiting and len(seen) < _WIDE:
            key = waiting.popleft()
            if key not in seen and (node := self.nodes.get(key)):
                seen.add(key)
                yield node
                waiting.extend(target for value in node.values() if (target := _target(value)))

    def chain(self, link: Any) -> Iterator[Node]:
        """The nodes that a model passes through, the nearest first; the last one loads it."""
        for _ in range(_WIDE):
            node = self.node(link)
            if node is None:
                return
            yield node
            link = node.get("model", node.get("unet"))

    def words(self, link: Any, role: str, seen: set[str] | None = None) -> str | None:
        """The text behind a conditioning that has the ``role`` "positive" or "negative"; None where there is none."""
        seen = set() if seen is None else seen
        node = self._unseen(link, seen)
        if node is None:
            return None
        if node["class"] == "ConditioningZeroOut":
            return ""
        if role in node:  # what works on both, such as a ControlNet, or holds both texts itself
            return node[role] if isinstance(node[role], str) else self.words(node[role], role, seen)
        if (text := self._text_of(node, seen)) is not None:
            return text
        parts = [self.words(node[name], role, seen) for name in _JOINED if name in node]
        return ", ".join(filter(None, parts)) if any(part is not None for part in parts) else None

    def _text_of(self, node: Node, seen: set[str]) -> str | None:
        """A text that is written down in a node, or that nodes before it give."""
        if "string_a" in node:
            return "".join(self._text(node.get(name), seen) or "" for name in ("string_a", "delimiter", "string_b"))
        found = (self._text(node[name], seen) for name in _TEXTS if name in node)
        return next((text for text in found if text is not None), None)

    def _text(self, value: Any, seen: set[str]) -> str | None:
        if isinstance(value, str):
            return value
        node = self._unseen(value, seen)
        return None if node is None else self._text_of(node, seen)

    def _unseen(self, link: Any, seen: set[str]) -> Node | None:
        """The node that a link leads to, once in a walk, and of the first :data:`_SPOKEN` of it."""
        key = _target(link)
        if key in seen or len(seen) >= _SPOKEN:
            return None
        seen.add(key)
        return self.nodes.get(key)

    def number(self, value: Any, otherwise: float) -> float:
        """A number that is written down, or that nodes of numbers give."""
        for _ in range(_DEEP):
            if isinstance(value, int | float) and not isinstance(value, bool):
                return value
            node = self.node(value) or {}
            value = next((node[name] for name in _NUMBERS if name in node), None)
        return otherwise

    def first(self, nodes: Iterable[Node], names: tuple[str, ...], otherwise: float) -> float:
        """The first number that one of ``nodes`` has under one of ``names``."""
        found = (self.number(node[name], 0) for node in nodes for name in names if name in node)
        return next(filter(None, found), otherwise)

    def size(self, nodes: Iterable[Node]) -> tuple[int, int] | None:
        """The first size in px that one of ``nodes`` has."""
        for node in nodes:
            for prefix in ("", "empty_latent_"):
                width, height = (int(self.number(node.get(prefix + side), 0)) for side in ("width", "height"))
                if width and height:
                    return width, height
        return None


def _target(value: Any) -> str:
    """Id of the node that a link leads to; "" for what is no link."""
    return str(value[0]) if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str | int) else ""


def _samples(node: Node) -> bool:
    by_itself = {"positive", "negative", "latent_image"} <= set(node) and bool({"steps", "sigmas"} & set(node))
    return by_itself or {"guider", "sigmas", "latent_image"} <= set(node)


def _model(chain: list[Node]) -> str:
    """Name of the checkpoint or denoiser that is loaded, without folder and ending."""
    for node in chain:
        for name in (*_CHECKPOINTS, *(() if "model" in node else ("model_name",))):
            if isinstance(found := node.get(name), str):
                return PureWindowsPath(found).stem
    return ""


def _loras(chain: list[Node]) -> list[str]:
    """As the prompt asks for them here; the first loaded stands first."""
    loras: list[str] = []
    for node in reversed(chain):
        several = [value for value in node.values() if isinstance(value, Mapping) and value.get("on")]
        wearing = [(one.get("lora"), one.get("strength", 1)) for one in several]
        wearing.append((node.get("lora_name"), node.get("strength_model", node.get("lora_model_strength", 1))))
        for name, weight in wearing:
            if isinstance(name, str) and name != "None" and isinstance(weight, int | float) and weight:
                loras.append(f" <lora:{PureWindowsPath(name).stem}:{weight:g}>")
    return loras


def _clip_skip(behind: list[Node]) -> int:
    layers = (node.get(name) for node in behind for name in ("stop_at_clip_layer", "clip_skip"))
    return next((-layer for layer in layers if isinstance(layer, int) and layer < 0), 1)
