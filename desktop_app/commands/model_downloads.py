"""``models download`` and ``models token``: model files out of the network, and who asks for them."""

from __future__ import annotations

import argparse
import getpass
import shutil
import sys
from pathlib import Path
from typing import Any

from desktop_app.core import network
from desktop_app.core.errors import RequestError
from desktop_app.core.paths import AppPaths, app_paths
from desktop_app.core.settings import load_settings
from desktop_app.core.sizes import size_text
from desktop_app.download.download import begin_offer, download
from desktop_app.download.links import Sites, shown
from desktop_app.download.look_up import look_up, named_choice
from desktop_app.download.offer import Choice, Offer
from desktop_app.download.rate import Rate
from desktop_app.download.tokens import SITES, Tokens
from desktop_app.download.web import Web
from desktop_app.download.work import Progress

_BAR = 24
_REDRAW = 0.005
"""Part of the whole between two drawings of the line."""


def add_arguments(commands: Any) -> None:
    """The two sub-commands, for argparse's action that ``models`` has for them."""
    about = "download a model from Hugging Face, Civitai or any other link"
    told = f"{about.capitalize()}. What it is and how large is said, and asked, before; the same command goes on later."
    fetching = commands.add_parser("download", help=about, description=told)
    fetching.add_argument("source", metavar="REPO_OR_URL", help="owner/name on Hugging Face, or a link")
    fetching.add_argument("--to", type=Path, metavar="FOLDER", help="by default the models folder of Safelight")
    fetching.add_argument("--file", default="", metavar="NAME", help="which one, where there are several files")
    fetching.add_argument("--yes", action="store_true", help="do not ask")
    fetching.set_defaults(models=_download)
    about = "keep a token for a site that wants to know who asks; an empty one is forgotten"
    token = commands.add_parser("token", help=about, description=f"{about.capitalize()}.")
    token.add_argument("site", choices=list(SITES))
    token.set_defaults(models=_token)


def _download(options: argparse.Namespace) -> int:
    """Look up, ask, download. Returns 0, or 1 if the answer is no. Raises ``AppError``."""
    paths = app_paths(options.data_dir)
    settings, _ = load_settings(paths.settings)
    network.set_offline(settings["offline"])
    sites = Sites.from_environment()
    web = Web(Tokens(paths.tokens).by_origin(sites))
    offer = look_up(options.source, web, sites)
    choice = named_choice(offer, options.file)
    to = (options.to or paths.models).expanduser().absolute()
    _tell(offer, choice, to)
    if not options.yes and not _agreed():
        return 1
    line = _Line()
    try:
        placed = download(begin_offer(offer, choice, to), web, line.show)
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from here.", file=sys.stderr)
        raise
    finally:
        line.clear()
        web.close()
    print(placed)
    if not _is_looked_at(to, paths, settings["model_folders"]):
        print(f"To see it in the window: python main.py models add {to}", file=sys.stderr)
    return 0


def _token(options: argparse.Namespace) -> int:
    """Read a token that nobody sees. Returns 0. Raises ``AppError``."""
    paths = app_paths(options.data_dir)
    asked = f"Token for {options.site}: "
    text = getpass.getpass(asked) if sys.stdin.isatty() else sys.stdin.readline()
    where = {"keyring": "in the keyring of the system", "file": f"in {paths.tokens}, for you alone", "": "nowhere now"}
    print(f"It is kept {where[Tokens(paths.tokens).keep(options.site, text)]}.")
    return 0


def _tell(offer: Offer, choice: Choice, to: Path) -> None:
    """What is to be downloaded, on stderr; stdout is for the result."""
    rows = {
        "Model": offer.title,
        "Takes": f"{choice.name} ({len(choice.files)} files)" if choice.folder else choice.name,
        "Size": size_text(choice.size) or "not said",
        "Made for": offer.base_model,
        "Licence": offer.licence or "not said",
        "Access": "its owner wants your agreement first" if offer.gated else "",
        "Careful": "pickled weights may run code in programs that load them" if choice.pickled else "",
        "Page": shown(offer.page),
        "Into": str(to),
    }
    for name, value in rows.items():
        if value:
            print(f"{name:<10}{value}", file=sys.stderr)


def _agreed() -> bool:
    """Whether a person says yes. Raises ``RequestError`` where nobody can be asked."""
    if not sys.stdin.isatty():
        raise RequestError("download.ask")
    print("Download it? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _is_looked_at(to: Path, paths: AppPaths, more: list[str]) -> bool:
    return any(to.is_relative_to(folder.absolute()) for folder in paths.model_folders(more))


class _Line:
    """One line on stderr that shows how far it is; nothing when that is no terminal."""

    def __init__(self) -> None:
        self._rate = Rate()
        self._shown = -1.0

    def show(self, progress: Progress) -> None:
        self._rate.add(progress.done)
        fraction = progress.done / progress.total if progress.total else 0.0
        if not sys.stderr.isatty() or (abs(fraction - self._shown) < _REDRAW and fraction < 1):
            return
        self._shown = fraction
        filled = round(_BAR * fraction)
        text = f"[{'#' * filled}{'.' * (_BAR - filled)}] {_amount(progress)}"
        if progress.checking:
            text += ", checking"
        elif (left := self._rate.left(progress.total)) is not None:
            text += f", {size_text(round(self._rate.speed))}/s, {round(left)} s left"
        sys.stderr.write(f"\r{text[: shutil.get_terminal_size().columns - 1]}\x1b[K")
        sys.stderr.flush()

    def clear(self) -> None:
        if self._shown >= 0:
            sys.stderr.write("\r\x1b[K")


def _amount(progress: Progress) -> str:
    done, total = size_text(progress.done), size_text(progress.total)
    return f"{done} of {total}" if total else done
