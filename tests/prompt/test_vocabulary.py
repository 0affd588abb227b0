"""Words a small model does not know, and words it takes for others."""

from __future__ import annotations

from desktop_app.prompt.vocabulary import synonyms_in, unknown_words

SYNONYMS = {"cottage": "house", "balloon": "hot air balloon", "meadow": "flower meadow", "evening": "sunset"}


def replaced(prompt: str) -> list[tuple[str, str]]:
    return [(prompt[start : start + length], plain) for start, length, plain in synonyms_in(prompt, SYNONYMS)]


def test_unknown_words_are_found_whatever_their_case_and_digits_are_no_words():
    prompt = "A red dragon, HOUSE2 d’or"
    spans = unknown_words(prompt, {"a", "red", "house"})
    assert [prompt[start : start + length] for start, length in spans] == ["dragon", "d’or"]


def test_a_model_of_ordinary_language_knows_every_word():
    assert unknown_words("a dragon", ()) == []
    assert synonyms_in("a cottage", {}) == []


def test_a_synonym_is_found_with_what_it_stands_for():
    assert replaced("A Cottage, a balloon in the evening") == [
        ("Cottage", "house"),
        ("balloon", "hot air balloon"),
        ("evening", "sunset"),
    ]


def test_a_word_inside_its_own_plain_phrase_is_no_synonym():
    assert replaced("a Hot Air balloon in a flower meadow") == []
    assert replaced("hot air and a balloon, a meadow flower") == [
        ("balloon", "hot air balloon"),
        ("meadow", "flower meadow"),
    ]
    prompt = "hot air balloon balloon"
    assert synonyms_in(prompt, SYNONYMS) == [(prompt.rindex("balloon"), 7, "hot air balloon")]


def test_only_whole_words_count():
    assert replaced("cottages and a balloonist, cottage's") == []
