"""What the sites tell of a model, from answers of the form that they have."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from desktop_app.checkpoints.identity import Identity
from desktop_app.checkpoints.sidecars import read_notes
from desktop_app.core.errors import AppError, RequestError
from desktop_app.download.download import begin_offer, download
from desktop_app.download.links import Sites
from desktop_app.download.look_up import look_up, named_choice
from desktop_app.download.web import Web
from tests.download import server as wrong
from tests.download.server import Server, weights

INDEX = {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"]}
MODEL = {
    "model_index.json": json.dumps(INDEX).encode(),
    "unet/config.json": b'{"_class_name": "UNet2DConditionModel"}',
    "unet/diffusion_pytorch_model.fp16.safetensors": weights(5000),
    "unet/diffusion_pytorch_model.safetensors": weights(9000),
    "unet/diffusion_pytorch_model.bin": b"\x80\x02" * 2000,
    "README.md": b"# A model",
}


def error(text: str, web: Web, sites: Sites) -> str:
    with pytest.raises(AppError) as raised:
        look_up(text, web, sites)
    return raised.value.message.id


def test_a_repository_is_told_before_it_is_fetched(server: Server, web: Web, sites: Sites, to: Path) -> None:
    server.repository("owner/name", MODEL, cardData={"license": "openrail", "base_model": ["owner/base"]})
    offer = look_up("owner/name", web, sites)
    choice = named_choice(offer, "")
    assert (offer.title, offer.site, offer.licence, offer.base_model) == (
        "owner/name",
        "huggingface",
        "openrail",
        "owner/base",
    )
    assert not offer.gated
    assert (choice.name, len(choice.files)) == ("name", 3)
    assert choice.size == sum(len(MODEL[file.path]) for file in choice.files)
    placed = download(begin_offer(offer, choice, to), web, lambda _: None, to)
    assert {path.relative_to(placed).as_posix() for path in placed.rglob("*") if path.is_file()} == {
        file.path for file in choice.files
    }
    assert all((placed / file.path).read_bytes() == MODEL[file.path] for file in choice.files)
    assert [path.name for path in to.iterdir()] == ["name"]
    assert look_up(offer.link, web, sites).title == offer.title


def test_a_folder_that_is_there_is_not_fetched_again(server: Server, web: Web, sites: Sites, to: Path) -> None:
    server.repository("owner/name", MODEL)
    offer = look_up("owner/name", web, sites)
    work = begin_offer(offer, offer.choices[0], to)
    assert download(work, web, lambda _: None, to) == to / "name"
    server.seen.clear()
    assert download(begin_offer(offer, offer.choices[0], to), web, lambda _: None, to) == to / "name"
    assert server.seen == []
    (to / "name/unet/config.json").write_text("{}")
    placed = download(begin_offer(offer, offer.choices[0], to), web, lambda _: None, to)
    assert placed == to / "name-2"
    assert [seen.path for seen in server.seen] == ["/owner/name/resolve/c0ffee/unet/config.json"]
    assert (to / "name/unet/config.json").read_text() == "{}"


def test_small_files_are_checked_as_well(server: Server, web: Web, sites: Sites, to: Path) -> None:
    server.repository("owner/name", MODEL)
    offer = look_up("owner/name", web, sites)
    path = "/owner/name/resolve/c0ffee/unet/config.json"
    server.go_wrong(path, wrong.sends(MODEL["unet/config.json"].replace(b"2D", b"3D")))
    with pytest.raises(AppError) as raised:
        download(begin_offer(offer, offer.choices[0], to), web, lambda _: None, to)
    assert raised.value.message.id == "download.digest"


def test_a_file_or_folder_of_a_repository(server: Server, web: Web, sites: Sites) -> None:
    server.repository("owner/name", MODEL | {"loras/a.safetensors": weights(2000)})
    offer = look_up(f"{server.url}/owner/name/blob/main/loras/a.safetensors", web, sites)
    assert [choice.name for choice in offer.choices] == ["a.safetensors"]
    offer = look_up(f"{server.url}/owner/name/tree/main/unet", web, sites)
    assert (offer.choices[0].name, offer.choices[0].folder) == ("unet", True)
    assert error(f"{server.url}/owner/name/blob/main/none.safetensors", web, sites) == "download.not-found"


def test_several_files_are_a_persons_choice(server: Server, web: Web, sites: Sites) -> None:
    server.repository("owner/loras", {"a.safetensors": weights(2000), "b.safetensors": weights(2000)})
    offer = look_up("owner/loras", web, sites)
    assert named_choice(offer, "b.safetensors").name == "b.safetensors"
    for name, id in (("", "download.which"), ("c", "download.no-file")):
        with pytest.raises(RequestError) as raised:
            named_choice(offer, name)
        assert raised.value.message.id == id
        assert "a.safetensors, b.safetensors" in str(raised.value)


def test_of_a_pair_the_pickled_one_is_not_taken(server: Server, web: Web, sites: Sites) -> None:
    server.repository("owner/lora", {"a.bin": b"\x80" * 2000, "a.safetensors": weights(2000)})
    assert named_choice(look_up("owner/lora", web, sites), "").name == "a.safetensors"


def test_a_gated_repository_is_told_although_its_files_are_not(server: Server, web: Web, sites: Sites) -> None:
    card = {"license": "other", "license_name": "flux-1-dev"}
    server.repository("owner/gated", MODEL, gated="auto", cardData=card)
    server.go_wrong("/owner/gated/resolve/c0ffee/model_index.json", wrong.says(401, X_Error_Code="GatedRepo"))
    offer = look_up("owner/gated", web, sites)
    assert offer.gated
    assert offer.licence == "flux-1-dev"
    assert len(offer.choices[0].files) == 3


@pytest.mark.parametrize(
    ("answer", "id"),
    [
        (wrong.says(401, X_Error_Code="RepoNotFound"), "download.no-repository"),
        (wrong.says(401), "download.no-repository"),
        (wrong.says(401, X_Error_Message="Invalid credentials in Authorization header"), "download.token"),
        (wrong.says(403), "download.forbidden"),
        (wrong.says(404), "download.not-found"),
        (wrong.sends(b"[]"), "download.answer"),
        (wrong.sends(b"<html>"), "download.answer"),
        (wrong.sends(b"{}"), "download.nothing"),
        (wrong.sends(b'{"siblings": [{"rfilename": 5}, {}, 7]}'), "download.nothing"),
        (wrong.sends(b'{"siblings": [{"rfilename": "../../evil.md"}]}'), "download.nothing"),
    ],
)
def test_a_look_up_that_fails_says_why(server: Server, web: Web, sites: Sites, answer: wrong.Wrong, id: str) -> None:
    server.go_wrong("/api/models/owner/name/revision/main", answer)
    assert error("owner/name", web, sites) == id


def test_a_name_that_leads_out_of_the_folder_is_harmless(server: Server, web: Web, sites: Sites) -> None:
    server.repository("owner/evil", {"../../evil.safetensors": weights(2000)})
    (choice,) = look_up("owner/evil", web, sites).choices
    assert (choice.name, choice.files[0].path) == ("evil.safetensors", "evil.safetensors")


def civitai(server: Server, data: bytes) -> None:
    """Model 12 with version 34 of one file, and a training archive beside it."""
    digest = hashlib.sha256(data).hexdigest().upper()
    server.add("/api/download/models/34", data)
    files = [
        {"name": "training.zip", "sizeKB": 1.5, "downloadUrl": "https://civitai.com/api/download/models/34?type=x"},
        {
            "name": "soft light.safetensors",
            "sizeKB": len(data) / 1024,
            "primary": True,
            "hashes": {"SHA256": digest, "AutoV2": digest[:10]},
            "downloadUrl": "https://civitai.com/api/download/models/34",
        },
    ]
    version = {
        "id": 34,
        "modelId": 12,
        "name": "v2",
        "baseModel": "SDXL 1.0",
        "trainedWords": ["golden hour"],
        "model": {"name": "Soft Light", "type": "LORA"},
        "files": files,
    }
    server.answer("/api/v1/model-versions/34", version)
    model = {"id": 12, "name": "Soft Light", "allowCommercialUse": ["Image"], "allowNoCredit": False}
    server.answer("/api/v1/models/12", model | {"modelVersions": [{"id": 34}, {"id": 33}]})


@pytest.mark.parametrize("link", ["/models/12/soft-light", "/models/12?modelVersionId=34", "/api/download/models/34"])
def test_a_version_of_civitai_comes_with_its_notes(server: Server, web: Web, to: Path, link: str) -> None:
    data = weights(7001)
    civitai(server, data)
    offer = look_up(f"{server.url}{link}", web, Sites(civitai=server.url))
    assert (offer.title, offer.base_model) == ("Soft Light · v2", "SDXL 1.0")
    assert offer.licence == "Civitai (commercial use: Image; credit required)"
    choice = named_choice(offer, "soft light.safetensors")
    assert offer.choices[0] == choice
    assert (choice.size, choice.files[0].url) == (7001, f"{server.url}/api/download/models/34")
    placed = download(begin_offer(offer, choice, to), web, lambda _: None, to)
    assert placed == to / "soft light.safetensors"
    assert read_notes(Identity(placed)).trigger_words == ("golden hour",)


def test_a_model_of_civitai_without_versions(server: Server, web: Web) -> None:
    server.answer("/api/v1/models/12", {"id": 12, "name": "Empty", "modelVersions": []})
    assert error(f"{server.url}/models/12", web, Sites(civitai=server.url)) == "download.nothing"


@pytest.mark.parametrize(
    ("headers", "path", "name"),
    [
        ({"Content-Disposition": 'attachment; filename="a b.safetensors"'}, "/get", "a b.safetensors"),
        ({"Content-Disposition": "attachment; filename*=UTF-8''%C3%A4.safetensors"}, "/get", "ä.safetensors"),
        ({"Content-Disposition": 'attachment; filename="../../x.safetensors"'}, "/get", "x.safetensors"),
        ({}, "/files/c%20d.safetensors", "c d.safetensors"),
    ],
)
def test_any_other_link_is_one_file(server: Server, web: Web, headers: dict, path: str, name: str) -> None:
    server.add(path.replace("%20", " "), weights(3000), headers=headers)
    offer = look_up(server.url + path, web, Sites())
    assert (offer.title, offer.choices[0].size, offer.site) == (name, 3000, "")


def test_any_other_link_to_a_page(server: Server, web: Web) -> None:
    url = server.add("/page", wrong.PAGE, content_type="text/html")
    assert error(url, web, Sites()) == "download.web-page"
