"""What other programs call the schedulers of :data:`desktop_app.core.catalog.SCHEDULERS`.

A name that nothing here matches stays as it is, for people to read.
"""

from __future__ import annotations

_LABELS = {
    "euler": "euler",
    "euler a": "euler-a",
    "heun": "heun",
    "dpm2": "dpm2",
    "dpm2 a": "dpm2-a",
    "lms": "lms",
    "plms": "pndm",
    "ddim": "ddim",
    "ddpm": "ddpm",
    "deis": "deis",
    "dpm++ 2m": "dpmpp-2m",
    "dpm++ sde": "dpmpp-sde",
    "dpm++ 2m sde": "dpmpp-2m-sde",
    "unipc": "unipc",
    "lcm": "lcm",
}
_SCHEDULES = {
    "karras": "karras",
    "exponential": "exponential",
    "beta": "beta",
    "sgm uniform": "sgm-uniform",
    "sgm_uniform": "sgm-uniform",
}
_AUTOMATIC = {
    "dpm2": "karras",
    "dpm2-a": "karras",
    "dpmpp-2m": "karras",
    "dpmpp-sde": "karras",
    "dpmpp-2m-sde": "exponential",
}
"""What AUTOMATIC1111's "Automatic" comes to."""
_COMFY = {
    "euler": "euler",
    "euler_ancestral": "euler-a",
    "heun": "heun",
    "dpm_2": "dpm2",
    "dpm_2_ancestral": "dpm2-a",
    "lms": "lms",
    "ddim": "ddim",
    "ddpm": "ddpm",
    "deis": "deis",
    "dpmpp_sde": "dpmpp-sde",
    "dpmpp_sde_gpu": "dpmpp-sde",
    "dpmpp_2m": "dpmpp-2m",
    "dpmpp_2m_sde": "dpmpp-2m-sde",
    "dpmpp_2m_sde_gpu": "dpmpp-2m-sde",
    "uni_pc": "unipc",
    "lcm": "lcm",
}
_INVOKE = {
    "euler": "euler",
    "euler_a": "euler-a",
    "heun": "heun",
    "kdpm_2": "dpm2",
    "kdpm_2_a": "dpm2-a",
    "lms": "lms",
    "pndm": "pndm",
    "ddim": "ddim",
    "ddpm": "ddpm",
    "deis": "deis",
    "dpmpp_2m": "dpmpp-2m",
    "dpmpp_sde": "dpmpp-sde",
    "dpmpp_2m_sde": "dpmpp-2m-sde",
    "unipc": "unipc",
    "lcm": "lcm",
}


def from_label(sampler: str, schedule: str) -> tuple[str, str]:
    """(scheduler, schedule type) of AUTOMATIC1111's names; older files have both in one, as "DPM++ 2M Karras"."""
    name, kind = sampler.strip().lower(), schedule.strip().lower()
    for suffix in ("karras", "exponential"):
        if name.endswith(" " + suffix):
            name, kind = name.removesuffix(" " + suffix), suffix
    key = _LABELS.get(name, sampler.strip())
    return key, _AUTOMATIC.get(key, "default") if kind == "automatic" else _SCHEDULES.get(kind, "default")


def from_comfy(sampler: str, schedule: str) -> tuple[str, str]:
    """(scheduler, schedule type) of ComfyUI's names."""
    return _COMFY.get(sampler, sampler), _SCHEDULES.get(schedule, "default")


def from_invoke(scheduler: str) -> tuple[str, str]:
    """(scheduler, schedule type) of InvokeAI's one name, in which "_k" says Karras."""
    name = scheduler.removesuffix("_k")
    return _INVOKE.get(name, scheduler), "karras" if name != scheduler else "default"
