"""What people paste, and names that servers say."""

from __future__ import annotations

import pytest

from desktop_app.core.errors import AppError, RequestError
from desktop_app.download.links import CivitaiLink, DirectLink, HubLink, Sites, read_link, shown
from desktop_app.download.offer import Choice, RemoteFile, choice_from_json, choice_to_json, is_safe, safe_name
from desktop_app.download.web import may_follow, origin

HUB = "https://huggingface.co"


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("owner/name", HubLink("owner/name")),
        ("  owner/name-1.5_x \n", HubLink("owner/name-1.5_x")),
        (f"{HUB}/owner/name", HubLink("owner/name")),
        (f"{HUB}/owner/name/", HubLink("owner/name")),
        (f"{HUB}/owner/name/tree/main", HubLink("owner/name")),
        (f"{HUB}/owner/name/tree/fp16/unet", HubLink("owner/name", "fp16", "unet")),
        (f"{HUB}/owner/name/tree/refs%2Fpr%2F3", HubLink("owner/name", "refs/pr/3")),
        (f"{HUB}/owner/name/blob/main/a%20b.safetensors", HubLink("owner/name", "main", "a b.safetensors")),
        (f"{HUB}/owner/name/resolve/main/x.gguf?download=true", HubLink("owner/name", "main", "x.gguf")),
        ("https://hf.co/owner/name", HubLink("owner/name")),
        ("hf://owner/name", HubLink("owner/name")),
        ("https://civitai.com/models/12/some-name", CivitaiLink(12)),
        ("https://civitai.com/models/12/some-name?modelVersionId=34", CivitaiLink(12, 34)),
        ("https://civitai.com/api/download/models/34?type=Model&token=secret", CivitaiLink(None, 34)),
        ("https://civitai.com/model-versions/34", CivitaiLink(None, 34)),
        ("urn:air:sdxl:lora:civitai:12@34", CivitaiLink(12, 34)),
        ("urn:air:sdxl:lora:civitai:12", CivitaiLink(12)),
        ("https://example.org/a/b.safetensors?x=1", DirectLink("https://example.org/a/b.safetensors?x=1")),
    ],
)
def test_links_are_understood(text, link):
    assert read_link(text, Sites()) == link


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "download.link"),
        ("a red house", "download.link"),
        ("ftp://example.org/x", "download.link"),
        ("http://[::1/x", "download.link"),
        ("file:///etc/passwd", "download.link"),
        ("https://name:secret@example.org/x", "download.link"),
        (f"{HUB}/datasets/owner/name", "download.no-model"),
        (f"{HUB}/spaces/owner/name", "download.no-model"),
        (HUB, "download.no-model"),
        ("https://civitai.com/images/5", "download.no-model"),
    ],
)
def test_what_is_none_is_refused(text, error):
    with pytest.raises(RequestError) as raised:
        read_link(text, Sites())
    assert raised.value.message.id == error
    assert "secret" not in str(raised.value)


def test_a_mirror_is_the_site():
    sites = Sites.from_environment({"HF_ENDPOINT": "https://mirror.example/"})
    assert sites == Sites(huggingface="https://mirror.example")
    assert Sites.from_environment({}) == Sites()
    assert read_link("https://mirror.example/owner/name", sites) == HubLink("owner/name")


def test_secrets_of_a_link_are_not_shown():
    assert shown("https://a:b@example.org:81/x?token=secret#y") == "https://example.org:81/x"
    assert shown("nonsense?token=secret") == "nonsense"
    assert shown("https://[broken?token=secret") == "https://[broken"


@pytest.mark.parametrize("path", ["a.safetensors", "unet/config.json", "a/b/c d.txt", "ä/日本.json"])
def test_paths_inside_are_safe(path):
    assert is_safe(path)


@pytest.mark.parametrize(
    "path",
    ["", "/a", "../a", "a/../../b", "a/./b", "a//b", "C:/a", "a\\b", "a\0b", "con", "nul.txt", "a/", "a.", "a ", "a|b"],
)
def test_paths_that_lead_elsewhere_are_refused(path):
    assert not is_safe(path)
    with pytest.raises(AppError):
        Choice("folder", (RemoteFile(path, "https://example.org"),), folder=True)


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\a.safetensors", "a.safetensors"),
        ("a:b?.safetensors", "a_b_.safetensors"),
        (".hidden", "hidden"),
        ("..", ""),
        ("nul.safetensors", ""),
        ("x" * 500 + ".safetensors", "x" * 188 + ".safetensors"),
        ("夢" * 500 + ".safetensors", "夢" * 62 + ".safetensors"),
        ("\ud800.safetensors", "_.safetensors"),
    ],
)
def test_names_that_servers_say_are_made_safe(said, name):
    assert safe_name(said) == name
    assert not name or is_safe(name)


def test_a_choice_survives_its_json():
    choice = Choice("m", (RemoteFile("a/b", "https://example.org", 5, "sha256:00"),), folder=True)
    assert choice_from_json(choice_to_json(choice)) == choice


def test_redirects_never_leave_the_secure_web():
    assert may_follow("https://a/", "https://b/")
    assert may_follow("http://a/", "https://b/")
    assert may_follow("http://a/", "http://b/")
    assert not may_follow("https://a/", "http://b/")
    assert not may_follow("http://a/", "ftp://b/")


def test_an_origin_is_scheme_host_and_port():
    assert origin("https://huggingface.co/a") == origin("https://huggingface.co:443") != origin("http://huggingface.co")
