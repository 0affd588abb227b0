"""The engine's environment, set before torch, diffusers and transformers are imported, which read it once.

No network, no telemetry, no chatter, and threads that sleep while they wait.
"""

from __future__ import annotations

import os

os.environ.update(
    HF_HUB_OFFLINE="1",
    TRANSFORMERS_OFFLINE="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    HF_HUB_DISABLE_UPDATE_CHECK="1",
    HF_HUB_DISABLE_PROGRESS_BARS="1",
    DO_NOT_TRACK="1",
    DIFFUSERS_DISABLE_REMOTE_CODE="1",
    DIFFUSERS_VERBOSITY="error",
    TRANSFORMERS_VERBOSITY="error",
    TRANSFORMERS_NO_ADVISORY_WARNINGS="1",
    TOKENIZERS_PARALLELISM="false",
)
# OpenMP's threads spin while they wait for each other. Beside any other program that wants the same cores, a spinning
# thread keeps the one it waits for off its core: a small model ran 25 times slower on two busy cores. Sleeping costs
# nothing measurable where the cores are free.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
