"""A picture U-Net with the temporal layers of a motion adapter between its own (AnimateDiff, Guo et al. 2023)."""

from __future__ import annotations

from typing import Any

from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.models.unets.unet_motion_model import MotionAdapter
from torch import Tensor, nn


class _Length:
    """What is being looked at; one object for all layers of a U-Net."""

    frames = 1
    """Of each film."""
    alike = True
    """Whether all frames of a film are told the same."""


class _Moving(nn.Module):
    """A layer of the picture U-Net, which knows no time, and after it one of the adapter's, which knows nothing else.

    Frames come folded into the batch: (batch · frames, channels, height, width).
    """

    def __init__(self, still: nn.Module, motion: nn.Module, length: _Length) -> None:
        super().__init__()
        self.still, self.motion = still, motion
        self._length = length

    def forward(self, *arguments: Any, **options: Any) -> Any:
        seen = self.still(*arguments, **options)
        if isinstance(seen, tuple):  # of an attention layer
            return (self.motion(seen[0], num_frames=self._length.frames), *seen[1:])
        return self.motion(seen, num_frames=self._length.frames)


class _OncePerFilm(nn.Module):
    """An embedding that, where all frames of a film are told the same, is computed for the first and repeated."""

    def __init__(self, embedding: nn.Module, length: _Length) -> None:
        super().__init__()
        self.embedding = embedding
        self._length = length

    def forward(self, values: Tensor, condition: Tensor | None = None) -> Tensor:
        frames = self._length.frames if self._length.alike else 1
        rest = () if condition is None else (condition[::frames],)
        return self.embedding(values[::frames], *rest).repeat_interleave(frames, dim=0)


class AnimatedUNet(nn.Module):
    """``unet`` with the layers of ``adapter`` after its own, exactly where diffusers' ``UNetMotionModel`` has them.

    The layers of both are shared, not copied, and ``unet`` itself draws pictures as before. Unlike
    ``UNetMotionModel`` it takes every option of ``UNet2DConditionModel``. Raises ``ValueError`` when they do not fit.
    """

    def __init__(self, unet: UNet2DConditionModel, adapter: MotionAdapter) -> None:
        super().__init__()
        self._length = _Length()
        if adapter.conv_in is not None:
            raise ValueError("it wants inputs besides the latents")
        self.unet = _twin(unet)
        for name in ("time_embedding", "add_embedding"):
            if (embedding := getattr(unet, name, None)) is not None:
                self.unet._modules[name] = _OncePerFilm(embedding, self._length)
        for name in ("down_blocks", "up_blocks"):
            blocks, motions = getattr(unet, name), getattr(adapter, name)
            moving = [self._moving(block, motion) for block, motion in zip(blocks, motions, strict=True)]
            self.unet._modules[name] = nn.ModuleList(moving)
        if adapter.mid_block is not None:
            self.unet._modules["mid_block"] = self._moving(unet.mid_block, adapter.mid_block)

    def _moving(self, block: Any, motion: Any) -> nn.Module:
        """``block`` with motion after each of its attentions, or after each resnet where it has none."""
        kind = "attentions" if getattr(block, "attentions", None) is not None else "resnets"
        pairs = zip(getattr(block, kind), motion.motion_modules, strict=True)
        twin = _twin(block)
        twin._modules[kind] = nn.ModuleList(_Moving(still, moving, self._length) for still, moving in pairs)
        return twin

    def forward(self, sample: Tensor, timestep: Tensor, encoder_hidden_states: Tensor) -> Tensor:
        """The prediction for films ``sample``, (batch, channels, frames, height, width), in that shape.

        ``timestep`` is one number for all or (batch,); ``encoder_hidden_states`` has a row for each film, (batch,
        tokens, width), or one for each of its frames, (batch · frames, tokens, width).
        """
        batch, _, frames, _, _ = sample.shape
        self._length.frames = frames
        if timestep.dim():
            timestep = timestep.expand(batch).repeat_interleave(frames)
        self._length.alike = len(encoder_hidden_states) == batch
        if self._length.alike:
            encoder_hidden_states = encoder_hidden_states.repeat_interleave(frames, dim=0)
        folded = sample.transpose(1, 2).flatten(0, 1)
        prediction = self.unet(folded, timestep, encoder_hidden_states, return_dict=False)[0]
        return prediction.unflatten(0, (batch, frames)).transpose(1, 2)


def animated(unet: UNet2DConditionModel, adapter: MotionAdapter) -> AnimatedUNet:
    """``unet`` made to film by ``adapter``; see :class:`AnimatedUNet`. Works with autograd as well."""
    return AnimatedUNet(unet, adapter)


def _twin(module: nn.Module) -> nn.Module:
    """Another module with the same parts, which can be exchanged in it and stay in the first."""
    twin = module.__class__.__new__(module.__class__)
    twin.__dict__ = {**module.__dict__, "_modules": dict(module._modules)}
    return twin
