import json
import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from mobility_pipeline.cities.overpass_ql import (
    ask_for_around,
    ask_for_named,
    ask_for_relation,
    quote_string,
)
from mobility_pipeline.sandbox.osm_ql import ParseError, World, answer

INJECTIONS = [
    '"];out;rel(1);out geom;//',
    "\\",
    '\\"',
    '\\\\"]',
    "a\nb",
    "a\rb",
    "a\tb\x00c\x7f\x85\u2028",
    ".*",
    "(a|b)+[x]{2}^$?",
    "'; DROP TABLE city; --",
    "<script>alert(1)</script>",
    "/* */ // {{bbox}}",
    "أبها",
    "🏙",
]
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(texts)
def test_quoted_text_is_one_string(text: str) -> None:
    """JSON, whose strings know the same escapes, reads back what was quoted."""
    assert json.loads(quote_string(text)) == text


@pytest.mark.parametrize("text", INJECTIONS)
def test_quoted_injection_is_one_string(text: str) -> None:
    """Quotes, backslashes, newlines and control characters stay inside."""
    quoted = quote_string(text)
    assert json.loads(quoted) == text
    assert not re.search(r"[\x00-\x1f\x7f]", quoted)


def make_world(*names: str) -> World:
    """Relations 1, 2, … of these names, in Türkiye."""
    relations = [
        {
            "type": "relation",
            "id": number,
            "bounds": {},
            "members": [],
            "tags": {"boundary": "administrative", "name": name},
        }
        for number, name in enumerate(names, 1)
    ]
    return World(relations, {n: "TR" for n in range(1, len(names) + 1)}, {})


def find(name: str, world: World) -> list[int]:
    """Ask the world for a name."""
    found = answer(ask_for_named(name, "TR", None, None), world)
    return [element["id"] for element in found]


@given(texts, texts)
@example("a.c", "abc")
@example("(a|b)", "a")
@example("a", "a{1}")
def test_a_name_finds_itself_and_nothing_else(name: str, other: str) -> None:
    """No character of a name is an operator: another reader of the language agrees."""
    name, other = " ".join(name.split()), " ".join(other.split())
    assume(name and other.casefold() != name.casefold() and ";" not in name + other)
    # Python folds case of some letters in ways that str.casefold does not.
    assume(not re.fullmatch(re.escape(name), other, re.IGNORECASE))
    assert find(name, make_world(name, other)) == [1]


@pytest.mark.parametrize("name", INJECTIONS)
def test_injection_does_not_break_out(name: str) -> None:
    """Text that looks like a question finds only the city of that name."""
    assert find(name, make_world("Esenler", name)) == [2]


@pytest.mark.parametrize(
    ("stored", "asked", "found"),
    [
        ("Santiago;Santiago de Chile", "Santiago", True),
        ("Santiago; Santiago de Chile", "Santiago de Chile", True),
        ("Santiago de Chile", "Santiago", False),
        ("SANTIAGO", "santiago", True),
    ],
)
def test_whole_names_of_a_list_count(stored: str, asked: str, found: bool) -> None:
    """A tag may list names; a part of a name is not a name; case does not matter."""
    assert find(asked, make_world(stored)) == ([1] if found else [])


def test_other_questions_are_read_too() -> None:
    """A relation by number; around points, with a level."""
    world = make_world("Esenler")
    assert [e["id"] for e in answer(ask_for_relation(1), world)] == [1]
    question = ask_for_around([(28.9, 41.05), (29, 41)], "TR", 8)
    assert "is_in(41.0500000,28.9000000);" in question
    assert '["admin_level"="8"]' in question


@pytest.mark.parametrize(
    "question",
    [
        "",
        "rel(1);out;",
        '[out:json][timeout:60];rel["a;out geom;',
        '[out:json][timeout:60];rel["a\\x"="b"];out;',
        "[out:json][timeout:60];node(1);out;",
        "[out:json][timeout:60];rel(1)",
    ],
)
def test_sandbox_refuses_what_it_cannot_read(question: str) -> None:
    """The other reader is strict, so that it would notice."""
    with pytest.raises(ParseError):
        answer(question, make_world("a"))
