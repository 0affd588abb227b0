"""The denoised estimate comes from one function; here it is held against every scheduler's own arithmetic."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from torch import Tensor

from desktop_app.core.catalog import DIFFUSION_SCHEDULERS, SCHEDULERS
from desktop_app.engine.denoise import denoise, denoised_estimate, skipped_steps
from desktop_app.engine.schedulers import build_scheduler
from tests.engine.test_oracle import NO_SAMPLE
from tests.engine.test_schedulers import TWICE, config

CASES = [
    (key, kind, prediction_type)
    for key in DIFFUSION_SCHEDULERS
    for kind in SCHEDULERS[key].schedule_types
    if kind in ("default", "karras", "beta")  # the others bring nothing new to the estimate
    for prediction_type in ("epsilon", "v_prediction", "sample")
    if prediction_type != "sample" or key not in NO_SAMPLE
]
STEPS = 6
BETWEEN = ("karras", "exponential", "beta")
"""Schedule types whose sigmas fall between whole timesteps."""


class Recorder:
    """Notes what the scheduler itself takes for x₀ at every step."""

    def __init__(self, scheduler: Any) -> None:
        self.own: list[Tensor] = []
        self._scheduler, self._step = scheduler, scheduler.step
        scheduler.step = self

    @property
    def __signature__(self) -> Any:
        return inspect.signature(self._step)

    def __call__(self, prediction: Tensor, t: Tensor, sample: Tensor, **options: Any) -> tuple[Tensor, ...]:
        first_order = getattr(self._scheduler, "state_in_first_order", True)
        sigmas, index = getattr(self._scheduler, "sigmas", None), getattr(self._scheduler, "step_index", None)
        out = self._step(prediction, t, sample, **options)
        if type(self._scheduler).__name__ == "HeunDiscreteScheduler":
            # It keeps the derivative (x − x₀) / sigma of a first-order step, and of none other.
            self.own.append(sample - sigmas[index or 0] * self._scheduler.prev_derivative if first_order else sample)
        elif type(self._scheduler).__name__ == "DEISMultistepScheduler":
            sigma = sigmas[index or 0]  # it keeps the noise, and takes samples of unit variance
            self.own.append((sigma**2 + 1) ** 0.5 * sample - sigma * self._scheduler.model_outputs[-1])
        elif hasattr(self._scheduler, "model_outputs"):
            self.own.append(self._scheduler.model_outputs[-1])
        else:
            self.own.append(out[1])
        return out


def noisy_network(model_input: Tensor, t: Tensor) -> Tensor:
    return 0.7 * model_input + 0.2 * torch.sin(3 * model_input)


def run(key: str, kind: str, prediction_type: str, predict: Any, record: bool) -> tuple[list[Any], Any]:
    scheduler = build_scheduler(key, kind, config(prediction_type=prediction_type), STEPS, "test")
    recorder = Recorder(scheduler) if record else None
    generator = torch.Generator().manual_seed(3)
    noise = torch.randn(1, 4, 8, 8, generator=generator)
    return list(denoise(predict, scheduler, noise, STEPS, generator)), recorder


@pytest.mark.parametrize(("key", "kind", "prediction_type"), [case for case in CASES if case[0] not in ("lcm", "pndm")])
def test_the_estimate_is_the_schedulers_own(key, kind, prediction_type):
    states, recorder = run(key, kind, prediction_type, noisy_network, record=True)
    assert len(recorder.own) == len(states)
    compared = 0
    for index, (state, own) in enumerate(zip(states, recorder.own, strict=True)):
        if key == "heun" and index % 2 == 1:
            continue
        torch.testing.assert_close(state.estimate, own, rtol=2e-4, atol=2e-4)
        compared += 1
    assert compared >= STEPS


@pytest.mark.parametrize(("key", "kind", "prediction_type"), CASES)
def test_a_perfect_network_is_recognised_at_every_evaluation(key, kind, prediction_type):
    """A network that knows x₀ and solves for its own answer from the noise level of the training schedule."""
    truth = torch.linspace(-1, 1, 4 * 8 * 8).reshape(1, 4, 8, 8)
    alphas = build_scheduler(key, kind, config(), STEPS, "test").alphas_cumprod.double()

    def level(t: Tensor) -> tuple[float, float]:
        """Sigma interpolated between whole timesteps, as the schedulers do."""
        sigmas = ((1 - alphas) / alphas) ** 0.5
        low = int(t)
        high = min(low + 1, 999)
        sigma = float(sigmas[low] + (float(t) - low) * (sigmas[high] - sigmas[low]))
        return (1 / (sigma**2 + 1)) ** 0.5, sigma / (sigma**2 + 1) ** 0.5

    def perfect(x: Tensor, t: Tensor) -> Tensor:
        alpha, sigma = level(t)
        noise = (x - alpha * truth) / sigma
        return {"epsilon": noise, "v_prediction": alpha * noise - sigma * truth, "sample": truth}[prediction_type]

    states, _ = run(key, kind, prediction_type, perfect, record=False)
    # Their sigmas fall between timesteps, which some schedulers round: the network is then told a slightly wrong t.
    tolerance = 0.15 if kind in BETWEEN else 2e-3
    for state in states:
        torch.testing.assert_close(state.estimate, truth, rtol=0, atol=tolerance)


def test_the_formulas_invert_the_definitions():
    x0, noise = torch.randn(2, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0)).double()
    for angle in (0.1, 0.8, 1.5):
        alpha, sigma = torch.cos(torch.tensor(angle)).double(), torch.sin(torch.tensor(angle)).double()
        x = alpha * x0 + sigma * noise
        answers = {"epsilon": noise, "v_prediction": alpha * noise - sigma * x0, "sample": x0}
        for kind, prediction in answers.items():
            torch.testing.assert_close(denoised_estimate(x, prediction, alpha, sigma, kind), x0)
    with pytest.raises(ValueError, match="unknown prediction type"):
        denoised_estimate(x0, noise, alpha, sigma, "flow")


def test_inference_mode_does_not_leak_to_the_consumer():
    scheduler = build_scheduler("ddim", "default", config(), 3, "test")
    generator = torch.Generator().manual_seed(0)
    loop = denoise(noisy_network, scheduler, torch.randn(1, 4, 8, 8), 3, generator)
    next(loop)
    assert not torch.is_inference_mode_enabled()
    loop.close()
    assert not torch.is_inference_mode_enabled()


def lookup(key: str, kind: str, prediction_type: str = "epsilon") -> Any:
    return build_scheduler(key, kind, config(prediction_type=prediction_type), STEPS, "test")


def mixture(model_input: Tensor, clean: Tensor, noise: Tensor) -> tuple[float, float, float]:
    """(alpha, sigma, largest deviation) of ``model_input`` as alpha · clean + sigma · noise, by least squares."""
    parts = torch.stack([clean.flatten(), noise.flatten()], dim=1).double()
    solved = torch.linalg.lstsq(parts, model_input.flatten().double()[:, None]).solution
    alpha, sigma = solved.flatten().tolist()
    return alpha, sigma, float((parts @ solved - model_input.flatten().double()[:, None]).abs().max())


@pytest.mark.parametrize(("key", "kind"), sorted({case[:2] for case in CASES}))
def test_known_frames_are_seen_at_the_noise_level_of_every_evaluation(key, kind):
    """The level is told from the table of the training schedule, which no scheduler's step had a hand in."""
    draw = torch.Generator().manual_seed(5)
    known, noise = torch.randn(1, 4, 2, 8, 8, generator=draw), torch.randn(1, 4, 5, 8, 8, generator=draw)
    alphas, seen = lookup(key, kind).alphas_cumprod, []

    def watching(model_input: Tensor, t: Tensor) -> Tensor:
        alpha, sigma, deviation = mixture(model_input[:, :, :2], known, noise[:, :, :2])
        assert deviation < 1e-4
        assert alpha**2 + sigma**2 == pytest.approx(1, abs=1e-4)
        table = alphas[int(t) : int(t) + 2] ** 0.5
        rounding = 0.02 if kind in BETWEEN else 2e-3
        assert float(table.min()) - rounding <= alpha <= float(table.max()) + rounding
        seen.append(alpha)
        return noisy_network(model_input, t)

    generator = torch.Generator().manual_seed(0)
    states = list(denoise(watching, lookup(key, kind), noise, STEPS, generator, known=known))
    assert seen[0] < 0.2 < seen[-1]
    assert len(states) == len(seen) >= STEPS
    assert all(torch.equal(state.estimate[:, :, :2], known) for state in states)
    assert torch.equal(states[-1].latents[:, :, :2], known)
    assert not torch.equal(states[-1].latents[:, :, 2:4], known)


@pytest.mark.parametrize("strength", [0.34, 0.5, 1.0])
@pytest.mark.parametrize(("key", "kind"), sorted({case[:2] for case in CASES if case[1] != "beta"}))
def test_a_start_is_noised_as_the_first_step_taken_expects(key, kind, strength):
    draw = torch.Generator().manual_seed(5)
    start, noise = torch.randn(2, 1, 4, 8, 8, generator=draw)
    alphas, seen = lookup(key, kind).alphas_cumprod, []

    def watching(model_input: Tensor, t: Tensor) -> Tensor:
        seen.append((mixture(model_input, start, noise), t))
        return noisy_network(model_input, t)

    generator = torch.Generator().manual_seed(0)
    states = list(denoise(watching, lookup(key, kind), noise, STEPS, generator, start=start, strength=strength))
    (alpha, _, deviation), t = seen[0]
    assert deviation < 1e-4
    assert alpha == pytest.approx(float(alphas[int(t)] ** 0.5), abs=0.02 if kind in BETWEEN else 2e-3)
    skipped = skipped_steps(lookup(key, kind), STEPS, strength)
    assert states[0].step == skipped + (0 if key in (*TWICE, "pndm") and len(states) > 1 else 1)
    assert states[-1].step == STEPS


@pytest.mark.parametrize("key", ["dpmpp-2m", "deis", "unipc"])
def test_beta_noise_levels_that_share_a_timestep_are_taken_in_order(key):
    scheduler = build_scheduler(key, "beta", config(), 50, "test")
    noise = torch.randn(1, 4, 2, 2, generator=torch.Generator().manual_seed(1))
    *_, last = denoise(lambda sample, t: torch.zeros_like(sample), scheduler, noise, 50, torch.Generator())
    assert len(scheduler.timesteps.unique()) < 50
    assert last.step == 50
    assert last.latents.isfinite().all()


def test_a_start_at_strength_zero_takes_no_step():
    generator, start = torch.Generator().manual_seed(0), torch.ones(1, 4, 8, 8)
    loop = denoise(noisy_network, lookup("ddim", "default"), start, STEPS, generator, start=start, strength=0)
    assert list(loop) == []


@pytest.mark.parametrize(
    ("steps", "strength", "skipped", "in_flow"), [(20, 0, 20, 20), (20, 1, 0, 0), (20, 0.7, 6, 6), (3, 0.3, 3, 2)]
)
def test_skipped_steps(steps, strength, skipped, in_flow):
    assert skipped_steps(lookup("ddim", "default"), steps, strength) == skipped
    assert skipped_steps(build_scheduler("flow-euler", "default", {}, steps, "test"), steps, strength) == in_flow
