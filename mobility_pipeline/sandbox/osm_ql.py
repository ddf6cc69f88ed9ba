r"""Read and answer the part of Overpass QL that boundaries are asked for in.

Source: wiki.openstreetmap.org/wiki/Overpass_API/Overpass_QL. What it does not know is a
parse error, as with the real server: text that breaks out of its string is seen.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from shapely import Point
from shapely.geometry import shape

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\\x00-\x1f]|\\.)*")|(?P<number>-?\d+(?:\.\d+)?)"""
    r"""|(?P<word>[a-z_]+)|(?P<sign>->|[][();:.,=~]))"""
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))")
_ESCAPED = {"n": "\n", "t": "\t", '"': '"', "'": "'", "\\": "\\"}

Element = dict[str, Any]
Found = list[Element]


class ParseError(ValueError):
    """The question is no Overpass QL that is known here."""


@dataclass
class World:
    """What can be asked for."""

    relations: Sequence[Element]
    """As `out geom` gives them."""
    country_codes: dict[int, str]
    """Relation -> alpha-2."""
    outlines: dict[int, Any]
    """Relation -> GeoJSON geometry."""

    def around(self, latitude: float, longitude: float) -> Found:
        """Return the relations whose area covers a point."""
        point = Point(longitude, latitude)
        return [
            relation
            for relation in self.relations
            if shape(self.outlines[relation["id"]]).covers(point)
        ]


def answer(question: str, world: World) -> Found:
    """Return the elements that a question asks for.

    Raises:
        ParseError: the question cannot be read.
    """
    try:
        return _Reader(_split(question), world).run()
    except (IndexError, KeyError, re.error) as error:
        raise ParseError(f"parse error: {error}") from error


def _split(question: str) -> list[str]:
    tokens, position = [], 0
    text = question.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ParseError(
                f"parse error: unexpected {text[position : position + 9]!r}"
            )
        tokens.append(match[0].strip())
        position = match.end()
    return tokens


@dataclass
class _Reader:
    tokens: list[str]
    world: World
    sets: dict[str, Any] = field(default_factory=dict)
    output: Found = field(default_factory=list)

    def run(self) -> Found:
        for setting in ("out", "timeout"):
            self._expect("[", setting, ":")
            self.tokens.pop(0)
            self._expect("]")
        self._expect(";")
        while self.tokens:
            self._statement()
        return self.output

    def _statement(self) -> None:
        kinds: dict[str, Callable[[], Any]] = {
            "area": self._area,
            "rel": self._relations,
            "is_in": self._is_in,
            "(": self._union,
        }
        word = self.tokens.pop(0)
        if word == "out":
            self._out()
        elif word in kinds:
            found = kinds[word]()
            self.sets[self._target()] = found
        else:
            raise ParseError(f"parse error: unknown statement {word!r}")
        self._expect(";")

    def _target(self) -> str:
        if self._next() != "->":
            return "_"
        self._expect("->", ".")
        return self.tokens.pop(0)

    def _area(self) -> str:
        self._expect("[", '"ISO3166-1"', "=")
        code = self._string()
        self._expect("]", "[", '"boundary"', "=", '"administrative"', "]")
        return code

    def _union(self) -> Found:
        found: Found = []
        while self._next() != ")":
            self._statement()
            found += self.sets["_"]
        self._expect(")")
        return found

    def _is_in(self) -> Found:
        self._expect("(")
        latitude = float(self.tokens.pop(0))
        self._expect(",")
        longitude = float(self.tokens.pop(0))
        self._expect(")")
        return self.world.around(latitude, longitude)

    def _relations(self) -> Found:
        found = [*self.world.relations]
        while self._next() in ("(", "["):
            opening = self.tokens.pop(0)
            keep = self._place_filter() if opening == "(" else self._tag_filter()
            found = [relation for relation in found if keep(relation)]
        return found

    def _place_filter(self) -> Callable[[Element], bool]:
        word = self.tokens.pop(0)
        if word.isdecimal():
            self._expect(")")
            return lambda relation: relation["id"] == int(word)
        self._expect(".")
        value = self.sets[self.tokens.pop(0)]
        self._expect(")")
        if word == "area":
            codes = self.world.country_codes
            return lambda relation: codes[relation["id"]] == value
        return lambda relation: relation in value

    def _tag_filter(self) -> Callable[[Element], bool]:
        if self._next() != "~":
            key = self._string()
            self._expect("=")
            value = self._string()
            self._expect("]")
            return lambda relation: relation["tags"].get(key) == value
        self._expect("~")
        keys = re.compile(self._string())
        self._expect("~")
        values = re.compile(self._string(), re.IGNORECASE)
        self._expect(",", "i", "]")
        return lambda relation: any(
            keys.search(key) and values.search(value)
            for key, value in relation["tags"].items()
        )

    def _out(self) -> None:
        kind = []
        while self._next() != ";":
            kind.append(self.tokens.pop(0))
        members = () if kind == ["tags", "bb"] else ("members",)
        names = ("type", "id", "bounds", *members, "tags")
        self.output += [
            {name: relation[name] for name in names} for relation in self.sets["_"]
        ]

    def _string(self) -> str:
        token = self.tokens.pop(0)
        if token[:1] != '"':
            raise ParseError(f"parse error: a string was expected, not {token!r}")
        return _ESCAPE.sub(_unescape, token[1:-1])

    def _next(self) -> str:
        return self.tokens[0] if self.tokens else ""

    def _expect(self, *wanted: str) -> None:
        for token in wanted:
            if self._next() != token:
                raise ParseError(
                    f"parse error: {token!r} expected, not {self._next()!r}"
                )
            self.tokens.pop(0)


def _unescape(match: re.Match[str]) -> str:
    if match[1]:
        return chr(int(match[1], 16))
    if match[2] not in _ESCAPED:
        raise ParseError(f"parse error: unknown escape {match[0]!r}")
    return _ESCAPED[match[2]]
