"""Stage 2: a small CLIP, trained contrastively on rendered pictures and their captions.

Its text tower conditions the U-Net, as in Stable Diffusion; the whole model labels and finds pictures.
Loss and learned temperature follow Radford et al., "Learning transferable visual models from natural language
supervision" (2021).
"""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from captions import caption, full_caption
from common import mixed_precision, render_all, scenes, to_tensor, train, trained_pictures
from drawing import about_object
from scene import (
    COLOURS,
    DISTANCES,
    OBJECTS,
    PLACES,
    SKIES,
    TERRAINS,
    TIMES,
    WEATHERS,
    Scene,
    is_held_out,
)
from tokenizer import MAX_LENGTH, check_tokenizer

PEAK_RATE = 1e-3
BATCH = 128
STORE, STORE_STEPS = 4000, 150  # rendered scenes held at a time, steps before they are replaced
PLAIN_CAPTION = 0.6  # share of captions that say everything, always in the same words
WIDTH = 192
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "object": OBJECTS,
    "colour": tuple(COLOURS),
    "terrain": TERRAINS,
    "time": TIMES,
    "place": PLACES,
}
READ: dict[str, tuple[str, ...]] = ATTRIBUTES | {"distance": DISTANCES, "weather": WEATHERS, "sky": SKIES}
READING_WEIGHT = 1.0  # of the loss that keeps every attribute readable in the picture tower
FINDING_WEIGHT = 4.0  # of the loss by which every patch knows whether the object is there
WHOLE_CLIP = "clip."  # before the names of CLIP's weights in a checkpoint
GROUP = 4  # scenes of a batch that share terrain, time, weather and sky
PROMPTS = 48  # captions whose mean stands for an attribute in zero-shot labelling


def new_clip() -> CLIPModel:
    """An untrained CLIP: text tower of 3 layers, picture tower of 4 layers over 8 x 8 patches, width 192 each."""
    size = 8000
    text = {
        "vocab_size": size,
        "hidden_size": WIDTH,
        "intermediate_size": 512,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "max_position_embeddings": MAX_LENGTH,
        "bos_token_id": size - 2,
        "eos_token_id": size - 1,
        "pad_token_id": size - 1,
    }
    vision = {
        "hidden_size": WIDTH,
        "intermediate_size": 512,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "image_size": 128,
        "patch_size": 16,
    }
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=WIDTH))


def load_clip(out: Path) -> CLIPModel:
    """The CLIP of the checkpoints in `out`: the finished one, with the U-Net's text tower, if it is there."""
    finished = out / "aligned.pt"
    clip = new_clip()
    state = torch.load(finished if finished.exists() else out / "clip.pt", weights_only=False)["model"]
    whole = {name.removeprefix(WHOLE_CLIP): value for name, value in state.items() if name.startswith(WHOLE_CLIP)}
    clip.load_state_dict(whole)
    return clip.eval().requires_grad_(False)


def tokenize(tokenizer: CLIPTokenizer, texts: list[str]) -> torch.Tensor:
    """Token numbers (n, MAX_LENGTH), padded with the end token."""
    return tokenizer(texts, padding="max_length", truncation=True, max_length=MAX_LENGTH, return_tensors="pt").input_ids


def text_features(clip: CLIPModel, ids: torch.Tensor) -> torch.Tensor:
    """Unit vectors (n, WIDTH) of captions."""
    return functional.normalize(clip.text_projection(clip.text_model(ids).pooler_output), dim=-1)


def picture_features(clip: CLIPModel, x: torch.Tensor) -> torch.Tensor:
    """Unit vectors (n, WIDTH) of pictures (n, 3, 128, 128) in -1..1."""
    return functional.normalize(clip.visual_projection(clip.vision_model(x).pooler_output), dim=-1)


def train_clip(out: Path, minutes: float) -> None:
    """Train CLIP for `minutes` of active time; resumes from out/clip.pt."""
    torch.manual_seed(4)
    _train(new_clip(), out, "clip", minutes)


def align_pictures(out: Path, minutes: float) -> None:
    """Train the picture tower for the text tower that was tuned with the U-Net, which stays as it is now.

    Picture and text projections are trained along; resumes from out/aligned.pt.
    """
    torch.manual_seed(7)
    clip = load_clip(out).requires_grad_(True).train()
    clip.text_model.load_state_dict(trained_pictures(out)["text average"])
    clip.text_model.requires_grad_(False)
    clip.text_model.register_load_state_dict_pre_hook(_stay)
    _train(clip, out, "aligned", minutes)


def _stay(text: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Keep `text` as it is while a checkpoint is loaded, which was made for the text tower of its day."""
    state.update({prefix + name: value for name, value in text.state_dict().items()})


def _train(clip: CLIPModel, out: Path, name: str, minutes: float) -> None:
    """Train what of `clip` is not frozen; resumes from the checkpoint called `name`.

    Linear heads, thrown away afterwards, read every attribute off the picture tower, and off each of its patches
    whether the object is there: without them it never learns what fills few patches, nor where it is.
    """
    tokenizer = check_tokenizer(out / "tokenizer")
    heads = {"reading": nn.Linear(WIDTH, sum(map(len, READ.values()))), "finding": nn.Linear(WIDTH, 1)}
    both = nn.ModuleDict({WHOLE_CLIP.rstrip("."): clip, **heads})
    wanted = [parameter for parameter in both.parameters() if parameter.requires_grad]
    decayed = [p for p in wanted if p.ndim > 1]
    others = [p for p in wanted if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=PEAK_RATE, betas=(0.9, 0.98))

    def new_store(index: int) -> tuple[np.ndarray, list[Scene]]:
        drawn = similar_scenes(f"{name} {index}", STORE)
        return render_all(drawn), drawn

    def loss_of(store: tuple[np.ndarray, list[Scene]], rng: random.Random, share: float) -> torch.Tensor:
        with torch.no_grad():
            clip.logit_scale.clamp_(0, 4.6052)  # a temperature of at least 1/100
        starts = [rng.randrange(STORE // GROUP) * GROUP for _ in range(BATCH // GROUP)]
        picks = [start + k for start in starts for k in range(GROUP)]
        seen = [store[1][k] for k in picks]
        texts = tokenize(tokenizer, [_caption(scene, rng) for scene in seen])
        with mixed_precision():
            picture = clip.vision_model(_disturbed(to_tensor(store[0][picks]), rng))
            pooled = picture.pooler_output
            contrast = _contrast(clip, clip.visual_projection(pooled), clip.text_model(texts).pooler_output)
            scores = both["reading"](pooled).float()
            found = both["finding"](picture.last_hidden_state[:, 1:]).float().squeeze(-1)
        finding = functional.binary_cross_entropy_with_logits(found, object_patches(seen))
        return contrast + READING_WEIGHT * attribute_loss(scores, READ, seen) + FINDING_WEIGHT * finding

    def check() -> dict[str, float]:
        figures = check_clip(clip.eval(), tokenizer, 200)
        clip.train()
        return figures

    train(
        out / f"{name}.pt", both, optimizer, minutes, peak=PEAK_RATE, warm_up=40, store_steps=STORE_STEPS,
        new_store=new_store, loss_of=loss_of, check=check,
    )  # fmt: skip


def similar_scenes(seed: str, count: int) -> list[Scene]:
    """Scenes in groups of GROUP that differ in object, colour or place alone.

    Terrain, time, weather and sky are enough to tell the scenes of an ordinary batch apart, and nothing else would
    be learned from them.
    """
    rng = random.Random(seed + " similar")
    found: list[Scene] = []
    for base in scenes(seed, count // GROUP):
        group = [base]
        while len(group) < GROUP:
            name = rng.choice(("object", "object", "colour", "place", "place"))
            changes = {name: rng.choice(ATTRIBUTES[name]), "seed": rng.randrange(1 << 30)}
            scene = dataclasses.replace(rng.choice(group), **changes)
            key = (scene.object, scene.colour, scene.place)
            if not is_held_out(scene) and key not in {(s.object, s.colour, s.place) for s in group}:
                group.append(scene)
        found += group
    return found


def object_patches(batch: list[Scene]) -> torch.Tensor:
    """Which patches of 16 x 16 pixels show the object or its margin: ones and zeros (n, 64)."""
    there = torch.zeros(len(batch), 8, 8)
    for patches, scene in zip(there, batch, strict=True):
        patches[about_object(scene, 8, 8)] = 1
    return there.flatten(1)


def _caption(scene: Scene, rng: random.Random) -> str:
    return full_caption(scene) if rng.random() < PLAIN_CAPTION else caption(scene, rng)


def _disturbed(x: torch.Tensor, rng: random.Random) -> torch.Tensor:
    """Pictures a little blurred and noisy, half of the time, as generated ones are."""
    if rng.random() < 0.5:
        x = functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    return x + 0.05 * rng.random() * torch.randn_like(x)


def attribute_loss(scores: torch.Tensor, names: dict[str, tuple[str, ...]], batch: list[Scene]) -> torch.Tensor:
    """Cross-entropy, summed over attributes, of their answers' scores side by side (n, answers of all attributes)."""
    losses = []
    parts = scores.split([len(answers) for answers in names.values()], 1)
    for (name, answers), part in zip(names.items(), parts, strict=True):
        right = torch.tensor([answers.index(getattr(scene, name)) for scene in batch])
        losses.append(functional.cross_entropy(part, right))
    return torch.stack(losses).sum()


def _contrast(clip: CLIPModel, pictures: torch.Tensor, pooled_texts: torch.Tensor) -> torch.Tensor:
    """Symmetric cross-entropy: each picture picks its caption, each caption its picture."""
    pictures = functional.normalize(pictures.float(), dim=-1)
    texts = functional.normalize(clip.text_projection(pooled_texts).float(), dim=-1)
    scores = clip.logit_scale.exp() * pictures @ texts.T
    right = torch.arange(len(pictures))
    return (functional.cross_entropy(scores, right) + functional.cross_entropy(scores.T, right)) / 2


@torch.no_grad()
def check_clip(clip: CLIPModel, tokenizer: CLIPTokenizer, count: int) -> dict[str, float]:
    """On held-out renders: top-1 retrieval among 100 pictures, both ways, and zero-shot attributes."""
    unseen = scenes("clip held out", count, held_out=True)
    pictures = picture_features(clip, to_tensor(render_all(unseen)))
    texts = text_features(clip, tokenize(tokenizer, [full_caption(scene) for scene in unseen]))
    hits = []
    for start in range(0, count, 100):
        scores = pictures[start : start + 100] @ texts[start : start + 100].T
        right = torch.arange(len(scores))
        hits += [scores.argmax(0) == right, scores.argmax(1) == right]
    figures = {"retrieval": torch.cat(hits).float().mean().item()}
    for name, answers in ATTRIBUTES.items():
        chosen = (pictures @ attribute_features(clip, tokenizer, name, answers).T).argmax(1).tolist()
        right = [answers[k] == getattr(scene, name) for k, scene in zip(chosen, unseen, strict=True)]
        figures[name] = sum(right) / count
    return {name: round(value, 3) for name, value in figures.items()}


def attribute_features(clip: CLIPModel, tokenizer: CLIPTokenizer, name: str, answers: tuple[str, ...]) -> torch.Tensor:
    """One unit vector per answer: the mean over full captions that differ in nothing but this attribute."""
    contexts = scenes(f"prompts {name}", PROMPTS)
    rows = []
    for answer in answers:
        texts = [full_caption(dataclasses.replace(scene, **{name: answer})) for scene in contexts]
        rows.append(text_features(clip, tokenize(tokenizer, texts)).mean(0))
    return functional.normalize(torch.stack(rows), dim=-1)
