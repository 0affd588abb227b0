"""Where things are: the program's own resources, and the folders that belong to the user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import platformdirs

import desktop_app
from desktop_app.core.errors import AppError
from desktop_app.core.measurements import FILE as MEASUREMENTS

APP = "Safelight"
DIGESTS = "digests.json"
"""In the cache folder."""
_PACKAGE = Path(desktop_app.__file__).parent


def resources_dir() -> Path:
    """The ``resources`` folder: inside the package when installed from a wheel, beside it in a checkout."""
    installed = _PACKAGE / "resources"
    return installed if installed.is_dir() else _PACKAGE.parent / "resources"


def bundled_models_dir() -> Path:
    """Holds one folder for each model that comes with the program."""
    return resources_dir() / "models"


def architectures_dir() -> Path:
    """Holds one folder for each architecture of single files: diffusers' configuration without weights."""
    return resources_dir() / "architectures"


@dataclass(frozen=True, slots=True)
class AppPaths:
    """Folders of one installation. Nothing is created until :meth:`prepare`."""

    data: Path
    """Settings, window state, logs, and the lock that makes the window the only one."""
    cache: Path
    """What can be made again: preview factors, the processor's dtype probe, what runs took of memory, thumbnails."""
    pictures: Path
    """Default output folder."""

    @property
    def settings(self) -> Path:
        return self.data / "settings.json"

    @property
    def session(self) -> Path:
        """Prompt and controls as they stood last."""
        return self.data / "session.json"

    @property
    def window(self) -> Path:
        """Geometry, splitters and folded panels."""
        return self.data / "window.json"

    @property
    def start_pictures(self) -> Path:
        """Frames that were taken from films to start from; requests name them."""
        return self.data / "start-pictures"

    @property
    def model_index(self) -> Path:
        """What is known of the files in the model folders."""
        return self.cache / "models.json"

    @property
    def digests(self) -> Path:
        """By what LoRAs and textual inversions are known when they are called otherwise."""
        return self.cache / DIGESTS

    @property
    def downloads(self) -> Path:
        """Which downloads are not finished, and the folder that was chosen last."""
        return self.data / "downloads.json"

    @property
    def tokens(self) -> Path:
        """Tokens of sites, where the system has no keyring; for its owner alone."""
        return self.data / "tokens.json"

    @property
    def measurements(self) -> Path:
        """What runs on this machine took of memory."""
        return self.cache / MEASUREMENTS

    @property
    def consents(self) -> Path:
        """Which pickled files may be read."""
        return self.data / "consents.json"

    @property
    def log(self) -> Path:
        return self.data / "logs" / "safelight.log"

    @property
    def engine_log(self) -> Path:
        return self.log.with_name("engine.log")

    @property
    def crash_log(self) -> Path:
        """Where a native crash of the window leaves its trace."""
        return self.log.with_name("crash.log")

    @property
    def models(self) -> Path:
        """Diffusers folders and single files that the user puts here are offered in the window."""
        return self.data / "models"

    def model_folders(self, more: Sequence[str] = ()) -> tuple[Path, ...]:
        """Where models are looked for, ``more`` being what the settings say; of two with one name the first counts."""
        return (bundled_models_dir(), self.models, *(Path(folder).expanduser() for folder in more))

    def prepare(self) -> None:
        """Create the folders. Raises ``AppError`` when that is impossible."""
        for folder in (self.data, self.cache, self.log.parent):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as problem:
                reason = problem.strerror or str(problem)
                raise AppError("data-dir.unusable", folder=str(folder), reason=reason) from problem


def app_paths(data_dir: Path | None = None) -> AppPaths:
    """The user's folders; with ``data_dir`` everything stays inside that one folder (portable use)."""
    if data_dir is not None:
        root = data_dir.expanduser().absolute()
        return AppPaths(data=root, cache=root / "cache", pictures=root / "pictures")
    return AppPaths(
        data=platformdirs.user_data_path(APP, appauthor=False),
        cache=platformdirs.user_cache_path(APP, appauthor=False),
        pictures=platformdirs.user_pictures_path() / APP,
    )
