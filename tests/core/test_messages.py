"""Every message that the source can say exists and has all the values it needs."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

import desktop_app
from desktop_app.core.errors import AppError
from desktop_app.core.messages import ENGLISH, Message

SOURCES = sorted(Path(desktop_app.__file__).parent.rglob("*.py"))
SPEAKERS = ("AppError", "RequestError", "Message", "FileProblem")


def placeholders(id: str) -> set[str]:
    text = " ".join(ENGLISH[id])
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def uses() -> Iterator[tuple[str, str, set[str] | None]]:
    """(where, id, names of the values or None where the source does not spell them out)."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or getattr(node.func, "id", "") not in SPEAKERS or not node.args:
                continue
            for argument in node.args[:2]:  # of a FileProblem the file stands first
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield f"{path.name}:{node.lineno}", argument.value, _names(node)


def _names(call: ast.Call) -> set[str] | None:
    if (speaker := getattr(call.func, "id", "")) != "Message":
        names = [keyword.arg for keyword in call.keywords]
        return None if None in names else {*map(str, names), *(["file"] if speaker == "FileProblem" else [])}
    if len(call.args) == 1:
        return set()
    values = call.args[1]
    if isinstance(values, ast.Dict) and all(isinstance(key, ast.Constant) for key in values.keys):
        return {str(key.value) for key in values.keys if isinstance(key, ast.Constant)}
    return None


USES = list(uses())


def test_the_source_was_read() -> None:
    assert len(USES) > 30
    assert {where.partition(":")[0] for where, _, _ in USES} >= {"request.py", "facts.py", "pictures.py"}


@pytest.mark.parametrize(("where", "id", "names"), USES, ids=[f"{where} {id}" for where, id, _ in USES])
def test_every_message_said_exists_with_its_values(where: str, id: str, names: set[str] | None) -> None:
    assert id in ENGLISH, where
    if names is not None:
        assert names == placeholders(id), where


@pytest.mark.parametrize("id", ENGLISH)
def test_every_message_can_be_said_and_is_well_formed(id: str) -> None:
    message = Message(id, dict.fromkeys(placeholders(id), "7"))
    assert message.text.endswith(".")
    assert "{" not in str(message)
    assert "!" not in str(message)
    assert message.text[0].isupper() or message.text[0] == "7"


@pytest.mark.parametrize("id", [id for id in ENGLISH if id.startswith(("file.", "folder."))])
def test_what_is_wrong_with_a_file_begins_with_its_name_and_has_a_remedy(id: str) -> None:
    text, remedy = ENGLISH[id]
    assert text.startswith("{file} ")
    assert remedy


def test_every_message_is_said_somewhere() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in SOURCES if path.name != "messages.py")
    assert [id for id in ENGLISH if f'"{id}"' not in text] == []


def test_round_trip() -> None:
    message = Message("seed.range", {"value": 2**64, "high": 5})
    assert Message.from_json(message.to_json()) == message


def test_an_error_is_its_message() -> None:
    problem = AppError("count.range", value=0, high=10)
    assert str(problem) == "The number of pictures must be from 1 to 10, not 0."
    assert problem.message.remedy == ""
