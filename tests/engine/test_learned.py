"""Textual inversions of every format: embedded as they were learned, against an encoder whose table holds them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file
from torch import Tensor, nn

from desktop_app.checkpoints.embeddings import count_vectors, find_embeddings
from desktop_app.checkpoints.finding import files_in
from desktop_app.checkpoints.identify import identify
from desktop_app.core.catalog import A1111, COMFY, INVOKE, PLAIN
from desktop_app.core.events import Notice
from desktop_app.core.guidance_form import NONE
from desktop_app.engine.engine import Engine
from desktop_app.engine.families.stable_diffusion_xl import StableDiffusionXL
from desktop_app.engine.learned import learned_in_texts, read_learned
from desktop_app.prompt.reading import Reading
from tests.engine.conftest import CPU, MODEL, loaded, pictures, request_for, run
from tests.tiny_models import loaded as finished
from tests.tiny_models import tiny_xl_pipeline

WIDTH, WIDTH_2 = 16, 24
"""Of the tiny text encoders."""
VECTORS = torch.randn(3, WIDTH, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def folder(models: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Files beside the tiny model, whose widths stand for those that are known for embeddings."""
    monkeypatch.setattr("desktop_app.checkpoints.kinds._EMBEDDING_WIDTHS", {WIDTH: "unknown", 999: "unknown"})
    folder = models / "embeddings"
    folder.mkdir()
    save_file({"emb_params": VECTORS}, folder / "Easy Neg.safetensors")
    yield folder
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


def with_vectors(model: Any, ids: list[int], places: dict[int, Tensor]) -> Tensor:
    """The definition: rows of the encoder's own table are the vectors, for tokens that no text has."""
    tokenizer, encoder = model.text.tokenizer, model.text.encoder
    filled = [tokenizer.bos_token_id, *ids, tokenizer.eos_token_id]
    filled += [tokenizer.pad_token_id] * (77 - len(filled))
    table: nn.Embedding = encoder.get_input_embeddings()
    before = table.weight.clone()
    spare = range(50, 60)
    with torch.inference_mode():
        for token, (place, vector) in zip(spare, places.items(), strict=False):
            filled[1 + place] = token
            table.weight[token] = vector
        said = encoder(torch.tensor([filled]))[0]
        table.weight.copy_(before)
    return said


def told(engine: Engine, prompt: str, dialect: str = A1111) -> Tensor:
    """What the engine's model was told of ``prompt`` when it made a picture."""
    request = request_for(prompt=prompt, prompt_syntax=1, prompt_dialect=dialect, steps=1, guidance_scale=1.0)
    pictures(run(engine, request))
    model = loaded(engine)
    return model.encode(model.tokenize(request, NONE)).positive


@pytest.mark.parametrize(
    ("prompt", "dialect"),
    [
        ("a Easy Neg house", A1111),
        ("a embedding:easy neg house", A1111),
        ("a embedding:EASY NEG house", COMFY),
        ("a <easy neg> house", INVOKE),
    ],
)
def test_a_name_stands_for_its_vectors(engine: Engine, folder: Path, prompt: str, dialect: str) -> None:
    a, house = (loaded(engine).text.tokenizer(word, add_special_tokens=False)["input_ids"] for word in ("a", "house"))
    ids = [*a, 0, 0, 0, *house]
    expected = with_vectors(loaded(engine), ids, {len(a) + place: vector for place, vector in enumerate(VECTORS)})
    assert torch.allclose(told(engine, prompt, dialect), expected, atol=1e-6)


def test_weights_count_and_other_words_do_not_change(engine: Engine, folder: Path) -> None:
    plain, weighed = told(engine, "a easy neg house"), told(engine, "a (easy neg:1.5) house")
    assert torch.allclose(weighed[:, 2:5], 1.5 * plain[:, 2:5], atol=1e-6)
    assert torch.allclose(weighed[:, 5:], plain[:, 5:], atol=1e-6)
    without = told(engine, "a uneasy negative house")
    (folder / "Easy Neg.safetensors").unlink()
    assert torch.equal(told(engine, "a uneasy negative house"), without)
    assert not torch.allclose(told(engine, "a easy neg house"), plain, atol=1e-3)


@pytest.mark.parametrize("dialect", [COMFY, PLAIN])
def test_a_bare_name_is_a_word_elsewhere(engine: Engine, folder: Path, dialect: str) -> None:
    named = told(engine, "easy neg", dialect)
    (folder / "Easy Neg.safetensors").unlink()
    assert torch.equal(told(engine, "easy neg", dialect), named)


def test_vectors_stay_together_at_the_end_of_a_chunk(engine: Engine, folder: Path) -> None:
    words = "the " * 74
    expected = told(engine, f"{words}BREAK easy neg")
    assert torch.equal(told(engine, f"{words}easy neg"), expected)


def test_a_file_for_another_model_or_a_pickle_is_said(engine: Engine, folder: Path) -> None:
    save_file({"emb_params": torch.zeros(1, 999)}, folder / "wide.safetensors")
    torch.save({"string_to_param": {"*": VECTORS}, "name": "old"}, folder / "old.pt")
    request = request_for(prompt="wide old", prompt_syntax=1, prompt_dialect=A1111, steps=1)
    notices = [event.message.id for event in run(engine, request) if isinstance(event, Notice)]
    assert notices == ["embedding.pickle", "embedding.width"]


def a1111_pickle(file: Path) -> None:
    torch.save({"string_to_token": {"*": 265}, "string_to_param": {"*": VECTORS}, "name": file.stem, "step": 9}, file)


FORMATS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "A1111": ("easyneg.pt", a1111_pickle),
    "A1111 safetensors": ("easyneg.safetensors", lambda file: save_file({"emb_params": VECTORS}, file)),
    "diffusers": ("easyneg.bin", lambda file: torch.save({"<easy>": VECTORS[0]}, file)),
    "diffusers safetensors": ("easyneg.safetensors", lambda file: save_file({"<easy>": VECTORS[0]}, file)),
}
"""Format: (file, what writes it)."""


@pytest.mark.parametrize("form", FORMATS)
def test_a_name_says_what_diffusers_says_by_it(form: str, engine: Engine, folder: Path, models: Path) -> None:
    name, write = FORMATS[form]
    write(folder / name)
    pipeline = StableDiffusionPipeline.from_pretrained(models / MODEL)
    pipeline.load_textual_inversion(folder, weight_name=name, token="easyneg")
    theirs, _ = pipeline.encode_prompt("a easyneg house", "cpu", 1, do_classifier_free_guidance=False)
    request = request_for(prompt="a easyneg house", prompt_syntax=1, prompt_dialect=A1111)
    text = loaded(engine).text
    learned = learned_in_texts(Reading(((1, request),)), text.widths, files_in([folder]), lambda file: True)
    assert not learned.notices
    text.learn(learned.vectors)
    assert torch.equal(loaded(engine).encode(text.tokenize(request, NONE)).positive, theirs)


def test_the_one_that_is_no_pickle_is_read(folder: Path) -> None:
    a1111_pickle(folder / "easyneg.pt")
    save_file({"emb_params": VECTORS}, folder / "easyneg.safetensors")
    a1111_pickle(folder / "easyneg.zz.pt")
    assert find_embeddings("easyneg", files_in([folder]))["easyneg"].path.suffix == ".safetensors"
    assert count_vectors(folder / "easyneg.pt") == 3


def test_every_format_is_read(tmp_path: Path) -> None:
    formats = {
        "comfy": ({"string_to_param.*": VECTORS, "string_to_token.*": torch.tensor(265)}, {"text": VECTORS}),
        "pair": ({"clip_g": VECTORS + 1, "clip_l": VECTORS}, {"text": VECTORS, "text-2": VECTORS + 1}),
    }
    for name, (tensors, expected) in formats.items():
        save_file(tensors, tmp_path / f"{name}.safetensors")
        torch.save(tensors, tmp_path / f"{name}.pt")
        for ending in ("safetensors", "pt"):
            found = read_learned(tmp_path / f"{name}.{ending}")
            assert found.keys() == expected.keys()
            assert all(torch.equal(found[part], expected[part]) for part in expected)


def test_the_first_ones_and_bare_tensors_are_read(tmp_path: Path) -> None:
    """The code of the paper wrote a module of parameters; some have nothing but the tensor in a file."""
    parameters = nn.ParameterDict({"*": nn.Parameter(VECTORS)})
    torch.save({"string_to_token": {"*": torch.tensor(265)}, "string_to_param": parameters}, tmp_path / "first.pt")
    torch.save(VECTORS, tmp_path / "bare.bin")
    for name in ("first.pt", "bare.bin"):
        assert identify(tmp_path / name).problem is None
        assert torch.equal(read_learned(tmp_path / name)["text"], VECTORS)


def test_xl_says_what_diffusers_says_by_a_pair(tmp_path: Path) -> None:
    pipeline = tiny_xl_pipeline()
    pipeline.save_pretrained(tmp_path / "xl")
    model = finished(StableDiffusionXL.load(tmp_path / "xl", CPU, lambda: None))
    pair = {"clip_l": VECTORS, "clip_g": torch.ones(3, WIDTH_2)}
    save_file(pair, tmp_path / "easyneg.safetensors")
    request = request_for(prompt="a easyneg house", prompt_syntax=1, prompt_dialect=A1111)
    learned = learned_in_texts(Reading(((1, request),)), model.text.widths, files_in([tmp_path]))
    assert not learned.notices
    model.text.learn(learned.vectors)
    words, pooled = model.encode(model.tokenize(request, NONE))
    encoders = (pipeline.text_encoder, pipeline.tokenizer), (pipeline.text_encoder_2, pipeline.tokenizer_2)
    for vectors, (encoder, tokenizer) in zip(pair.values(), encoders, strict=True):
        pipeline.load_textual_inversion(vectors, token="easyneg", text_encoder=encoder, tokenizer=tokenizer)
    theirs, _, their_pooled, _ = pipeline.encode_prompt(
        "a easyneg house", device="cpu", do_classifier_free_guidance=False
    )
    assert torch.equal(words.positive, theirs)
    assert torch.equal(pooled.positive, their_pooled)
