"""What hardly changes stands still, what moves is untouched."""

from __future__ import annotations

import torch

from desktop_app.engine.steady import steady


def flickering_film() -> torch.Tensor:
    """12 frames of 32 × 48 px: noise of two levels everywhere, and a bright square that crosses the upper half."""
    noise = torch.randint(-2, 3, (12, 32, 48, 3), generator=torch.Generator().manual_seed(1))
    film = 100 + noise
    for index in range(12):
        film[index, 4:10, 3 * index : 3 * index + 6] = 220
    return film.to(torch.uint8)


def test_still_parts_stop_flickering() -> None:
    film = steady(flickering_film(), 8)
    assert film.dtype == torch.uint8
    assert (film[:, 20:] == film[:1, 20:]).all()


def test_what_moves_stays_as_it_is() -> None:
    before = flickering_film()
    assert torch.equal(steady(before, 8)[:, 4:10, :39], before[:, 4:10, :39])


def test_a_film_without_motion_becomes_its_mean() -> None:
    before = flickering_film()[:, 16:]
    assert torch.equal(steady(before, 8)[3], before.float().mean(0).round().to(torch.uint8))
