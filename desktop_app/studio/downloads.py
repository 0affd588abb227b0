"""The window's downloads: those that run, wait, rest or failed. Fetched one after the other on a thread of their own.

After a start of the program unfinished ones rest until somebody resumes them. What needs the HTTP library is imported
on the threads that use it, so that the window opens without.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from desktop_app.core.errors import AppError, RequestError
from desktop_app.core.messages import Message
from desktop_app.download.links import CivitaiLink, HubLink, Sites, read_link
from desktop_app.download.offer import Choice, Offer
from desktop_app.download.rate import Rate
from desktop_app.download.tokens import Tokens
from desktop_app.download.work import Progress, Work, read_work
from desktop_app.studio.background import Background

if TYPE_CHECKING:
    from desktop_app.download.web import Web

REPORT_EVERY = 0.2
"""Seconds between two reports of progress."""


class Conversation:
    """Makes a :class:`Web` on the thread that works with it; may be stopped from another, even before that."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stopped = False
        self._web: Web | None = None

    def open(self, tokens: Tokens, sites: Sites) -> Web:
        from desktop_app.download.web import Web

        web = Web(tokens.by_origin(sites))
        with self._lock:
            self._web = web
            if self._stopped:
                web.stop()
        return web

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            if self._web:
                self._web.stop()


@dataclass(eq=False, slots=True)
class Download:
    """One of the list. ``state`` is "waiting", "running", "paused", "failed" or "finished"."""

    work: Work
    state: str
    progress: Progress
    rate: Rate = field(default_factory=Rate)
    message: Message | None = None
    """Why it failed."""
    path: Path | None = None
    """Where it is, once it is finished."""
    conversation: Conversation = field(default_factory=Conversation)
    at_work: bool = False
    """Whether the thread has it, or will have; also while it stops."""
    dropped: bool = False
    """Whether what has come shall be thrown away."""


class Downloads(QObject):
    """Looks up links, and downloads what they lead to."""

    changed = Signal()
    """The list, or the state of one of it."""
    progressed = Signal(object)
    """Download."""
    found = Signal(object)
    """Offer that the last look-up led to."""
    not_found = Signal(object)
    """Message: why the last look-up led to none."""
    finished = Signal(object)
    """Path of a model that is whole now."""
    token_kept = Signal(str)
    """Where the token is now, as :meth:`Tokens.keep` says."""
    _came = Signal(object, object)

    def __init__(
        self,
        state: Path,
        default_folder: Path,
        tokens: Tokens,
        sites: Sites,
        background: Background,
        parent: QObject | None = None,
    ) -> None:
        """``state`` is the file that keeps the list between starts."""
        super().__init__(parent)
        self._state, self._tokens, self._sites, self._background = state, tokens, sites, background
        self.folder = default_folder
        """Where the last one went, or the next may go."""
        self.entries: list[Download] = []
        self._asking, self._fetching = Background(self), Background(self)
        self._question = Conversation()
        self._asking.failed.connect(self.not_found)
        self._came.connect(self._report)

    def restore(self) -> None:
        """Read the list as it was when the program ended."""
        self._asking.run(lambda: _read_state(self._state), self._restored)

    def look_up(self, text: str) -> None:
        """Ask what ``text`` leads to; :attr:`found` or :attr:`not_found` answers, for the last question only."""
        self.stop_asking()
        question = self._question
        self._asking.run(lambda: self._ask(text, question), lambda offer: self._answer(question, offer))

    def stop_asking(self) -> None:
        """Nobody waits for an answer any more."""
        self._question.stop()
        self._question = Conversation()

    def site_of(self, text: str) -> str:
        """The site that ``text`` leads to, if it is one that takes tokens; else ""."""
        try:
            link = read_link(text, self._sites)
        except RequestError:
            return ""
        return {HubLink: "huggingface", CivitaiLink: "civitai"}.get(type(link), "")

    def keep_token(self, site: str, token: str) -> None:
        """Keep a token, or forget it if it is ""; :attr:`token_kept` answers."""
        self._asking.run(lambda: self._tokens.keep(site, token), self.token_kept.emit)

    def start(self, offer: Offer, choice: Choice, folder: Path) -> None:
        """Download ``choice`` into ``folder``, going on where it was broken off before."""
        self.folder = folder

        def begin() -> Download:
            from desktop_app.download.download import begin_offer

            return _resting(begin_offer(offer, choice, folder))

        self._asking.run(begin, self._begun)

    def pause(self, entry: Download) -> None:
        """Let it rest; what has come stays."""
        entry.conversation.stop()
        entry.state = "paused"
        self.changed.emit()

    def resume(self, entry: Download) -> None:
        """Go on with one that rests or has failed, after those that wait."""
        if entry.state not in ("paused", "failed"):
            return
        conversation = entry.conversation = Conversation()
        entry.state, entry.message, entry.rate, entry.at_work = "waiting", None, Rate(), True
        self._fetching.run(
            lambda: self._fetch(entry, conversation), lambda ended: self._ended(entry, conversation, ended)
        )
        self.changed.emit()

    def remove(self, entry: Download) -> None:
        """Take it off the list; what has come of an unfinished one is thrown away."""
        entry.dropped = entry.state != "finished"
        entry.conversation.stop()
        self.entries.remove(entry)
        if entry.dropped and not entry.at_work:
            self._asking.run(entry.work.cancel)
        self._save()

    def close(self) -> None:
        """Stop everything; what has come stays for the next start. Call before the program ends."""
        self._question.stop()
        for entry in self.entries:
            entry.conversation.stop()
            entry.conversation = Conversation()  # how the other one ends is of no interest any more
        self._asking.close()
        self._fetching.close()

    # -- on the threads

    def _ask(self, text: str, question: Conversation) -> Offer | None:
        """The offer; None after a stop. Raises ``AppError``."""
        from desktop_app.download.look_up import look_up
        from desktop_app.download.web import Stopped

        try:
            return look_up(text, question.open(self._tokens, self._sites), self._sites)
        except Stopped:
            return None

    def _fetch(self, entry: Download, conversation: Conversation) -> Path | Message | None:
        """Where it is now, why it failed, or None after a stop."""
        from desktop_app.download.download import download
        from desktop_app.download.web import Stopped

        web = conversation.open(self._tokens, self._sites)
        try:
            return download(entry.work, web, self._reporter(entry))
        except Stopped:
            if entry.dropped:
                entry.work.cancel()
            return None
        except AppError as problem:
            return problem.message
        finally:
            web.close()

    def _reporter(self, entry: Download) -> Callable[[Progress], None]:
        last = 0.0

        def report(progress: Progress) -> None:
            nonlocal last
            if time.monotonic() - last >= REPORT_EVERY:
                last = time.monotonic()
                self._came.emit(entry, progress)

        return report

    # -- on this object's thread

    def _answer(self, question: Conversation, offer: Offer | None) -> None:
        if question is self._question and offer is not None:
            self.found.emit(offer)

    def _begun(self, entry: Download) -> None:
        """Begin ``entry``, or go on with the one of the list that is the same."""
        unfinished = {one.work.folder: one for one in self.entries if one.state != "finished"}
        known = unfinished.get(entry.work.folder)
        if known is None:
            self.entries.append(entry)
        self.resume(known or entry)
        self._save()

    @Slot(object, object)
    def _report(self, entry: Download, progress: Progress) -> None:
        if entry.state in ("waiting", "running"):
            entry.progress = progress
            entry.rate.add(progress.done)
            if entry.state == "waiting":
                entry.state = "running"
                self.changed.emit()
            self.progressed.emit(entry)

    def _ended(self, entry: Download, conversation: Conversation, ended: Path | Message | None) -> None:
        if conversation is not entry.conversation or entry not in self.entries:
            return  # it was resumed, or taken off the list, before it had stopped
        entry.at_work = False
        match ended:
            case Path():
                entry.state, entry.path = "finished", ended
                entry.progress = Progress(entry.work.choice.size or 0, entry.work.choice.size)
            case Message():
                entry.state, entry.message = "failed", ended
        self._save()
        if isinstance(ended, Path):
            self.finished.emit(ended)

    def _restored(self, state: tuple[Path | None, Sequence[Download]]) -> None:
        folder, entries = state
        self.folder = folder or self.folder
        self.entries += entries
        self.changed.emit()

    def _save(self) -> None:
        unfinished = [str(entry.work.folder) for entry in self.entries if entry.state != "finished"]
        state = {"folder": str(self.folder), "unfinished": unfinished}
        self._background.write(self._state, json.dumps(state, indent=1).encode())
        self.changed.emit()


def _resting(work: Work) -> Download:
    return Download(work, "paused", work.progress)


def _read_state(file: Path) -> tuple[Path | None, list[Download]]:
    """The folder chosen last, and the downloads whose hidden folder is still there."""
    try:
        state = json.loads(file.read_text(encoding="utf-8"))
        works = [read_work(Path(folder)) for folder in state["unfinished"]]
        return Path(state["folder"]), [_resting(work) for work in works if work]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None, []
