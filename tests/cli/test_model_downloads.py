"""``models download`` from a server on this machine, which ``HF_ENDPOINT`` makes the mirror."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from desktop_app.cli import main
from desktop_app.core import network
from tests.download import server as wrong
from tests.download.server import Server, weights

DATA = weights(300_000)
NAME = "soft.safetensors"
Run = Callable[..., int]


class Terminal(io.StringIO):
    """Input or output that a person sits at."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    server.repository("owner/name", {NAME: DATA, "README.md": b"#"}, cardData={"license": "mit"})
    yield server
    server.close()
    network.set_offline(False)


@pytest.fixture
def models(tmp_path: Path) -> Run:
    return lambda *arguments: main(["models", "--data-dir", str(tmp_path / "data"), *arguments])


def test_a_model_comes_into_the_models_folder(server, models, tmp_path, capsys) -> None:
    assert models("download", "owner/name", "--yes") == 0
    path = tmp_path / "data" / "models" / NAME
    assert path.read_bytes() == DATA
    said = capsys.readouterr()
    assert said.out == f"{path}\n"
    for row in (
        "Takes     soft.safetensors",
        "Size      300 kB",
        "Licence   mit",
        f"Page      {server.url}/owner/name",
    ):
        assert row in said.err
    assert "models add" not in said.err


def test_another_folder_and_one_of_several_files(server, models, tmp_path, capsys) -> None:
    server.repository("owner/two", {NAME: DATA, "b.safetensors": weights(2000)})
    assert models("download", "owner/two", "--yes") == 2
    assert f"--file): b.safetensors, {NAME}." in capsys.readouterr().err
    to = tmp_path / "elsewhere"
    assert models("download", "owner/two", "--yes", "--file", "b.safetensors", "--to", str(to)) == 0
    assert [path.name for path in to.iterdir()] == ["b.safetensors"]
    assert f"models add {to}" in capsys.readouterr().err


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("\n", 1)])
def test_a_person_is_asked(server, models, tmp_path, monkeypatch, answer, code) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert models("download", "owner/name") == code
    assert (tmp_path / "data" / "models" / NAME).exists() == (code == 0)


def test_where_nobody_can_be_asked_nothing_is_downloaded(server, models, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert models("download", "owner/name") == 2
    assert "--yes" in capsys.readouterr().err


def test_the_same_command_goes_on(server, models, tmp_path, capsys) -> None:
    path = f"/owner/name/resolve/c0ffee/{NAME}"
    server.go_wrong(path, wrong.breaks_off(100_000), wrong.says(404))
    assert models("download", "owner/name", "--yes") == 1
    assert "safelight: There is nothing at" in capsys.readouterr().err
    assert models("download", "owner/name", "--yes") == 0
    assert [seen.headers.get("range") for seen in server.asked(path)][1:] == ["bytes=100000-"] * 2


def test_a_terminal_sees_progress(server, models, monkeypatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    assert models("download", "owner/name", "--yes") == 0
    assert f"[{'#' * 24}] 300 kB of 300 kB" in terminal.getvalue()


def test_offline_is_offline(server, models, tmp_path, capsys) -> None:
    settings = tmp_path / "data" / "settings.json"
    settings.parent.mkdir()
    settings.write_text(json.dumps({"offline": True}))
    assert models("download", "owner/name", "--yes") == 1
    assert "Connections are switched off." in capsys.readouterr().err
    assert server.seen == []


def test_a_token_is_kept_and_sent(server, models, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setitem(sys.modules, "keyring", None)
    monkeypatch.setattr(sys, "stdin", io.StringIO("hf_secret\n"))
    assert models("token", "huggingface") == 0
    assert models("download", "owner/name", "--yes") == 0
    assert {seen.headers["authorization"] for seen in server.seen} == {"Bearer hf_secret"}
    said = capsys.readouterr()
    assert "for you alone" in said.out
    assert "hf_secret" not in said.out + said.err
