"""CQL2 text -> syntax tree (OGC 21-065r2), by recursive descent.

Why not the parser that pygeoapi brings along: its CQL2 text grammar (0.4) gives AND and OR one rank, so that
`a=1 OR b=2 AND c=3` selects other rows than the standard says; it knows neither `''` inside a text, nor
`NOT (a AND b)`, nor line breaks, nor `T_AFTER(a, b)`, nor open intervals, nor one-letter names. One filter with two
meanings is the one thing this server must not have. This parser is linear in the length, stops at a stated depth, and
says at which character it stumbled.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from geoserver.filtering.areas import FUNCTIONS, parse_function
from geoserver.filtering.places import parse_box, parse_wkt
from geoserver.filtering.syntax import (
    MAX_DEPTH,
    MAX_NODES,
    SPATIAL,
    TEMPORAL,
    Call,
    Instant,
    Interval,
    Literal,
    Node,
    Property,
    check_text,
    wrong,
)
from geoserver.filtering.times import parse_instant

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["number", "parse"]

_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<text>'(?:[^'\\]|''|\\'|\\(?!'))*+')
      | (?P<quoted>"(?:[^"]|"")+")
      | (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<word>[^\W\d][\w.:]*)
      | (?P<sign><=|>=|<>|!=|[=<>+\-*/%^(),])""",
    re.VERBOSE,
)
_SHAPES = frozenset(
    ["POINT", "LINESTRING", "POLYGON", "MULTIPOINT", "MULTILINESTRING", "MULTIPOLYGON", "GEOMETRYCOLLECTION"]
)
_KEYWORDS = frozenset(["AND", "OR", "NOT", "BETWEEN", "IN", "LIKE", "IS", "NULL", "DIV"])
_COMPARISONS = {"=": "=", "<>": "<>", "!=": "<>", "<": "<", ">": ">", "<=": "<=", ">=": ">="}
_COUNTS = dict.fromkeys(("casei", "accenti", "date", "timestamp"), "1 argument") | {
    "interval": "2 arguments",
    "bbox": "4 or 6 arguments",
}
_FUNCTIONS = "CASEI, ACCENTI, DATE, TIMESTAMP, INTERVAL, BBOX, POINT, LINESTRING, POLYGON, MULTI..., " + ", ".join(
    sorted(name.upper() for name in SPATIAL | TEMPORAL | FUNCTIONS.keys())
)
_MAX_DIGITS = 300  # more than a double can hold would make PostgreSQL fail


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # text, quoted, number, word, sign, end
    text: str
    start: int
    end: int

    @property
    def keyword(self) -> str:
        return self.text.upper() if self.kind == "word" else ""


def parse(text: str) -> Node:
    """The tree of a filter in CQL2 text; raises BadParameterError that says where and what was expected."""
    return _Parser(check_text(text, "filter")).parse()


def number(text: str, parameter: str = "filter") -> int | float:
    """A number as written; raises BadParameterError for one that is not finite or has hundreds of digits."""
    value = (int(text) if text.isdigit() else float(text)) if len(text) <= _MAX_DIGITS else math.inf
    if not math.isfinite(value):
        raise wrong(text, "a finite number of reasonable length", parameter)
    return value


class _Parser:
    """One method per rank of the grammar, weakest binding first."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._scan(text)
        self._at = 0
        self._depth = 0
        self._nodes = 0

    def parse(self) -> Node:
        node = self._either()
        if self._next.kind != "end":
            self._stumble("AND, OR or the end of the filter")
        return node

    def _scan(self, text: str) -> list[_Token]:
        tokens: list[_Token] = []
        at = 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                unclosed = text[at] in "'\""
                raise wrong(
                    text[at : at + 40], f"{'a closing quote' if unclosed else 'CQL2 text'} (character {at + 1})"
                )
            if match.lastgroup != "space":
                tokens.append(_Token(str(match.lastgroup), match.group(), at, match.end()))
            at = match.end()
        return [*tokens, _Token("end", "", at, at)]

    # -- tokens ---------------------------------------------------------------------------------------------------

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._next
        self._at += 1
        self._nodes += 1
        if self._nodes > MAX_NODES * 2:
            raise wrong(self._text, f"at most about {MAX_NODES:,} fields, values and operators")
        return token

    def _accept(self, *wanted: str) -> str:
        """Take the next token when it is one of these signs or keywords, and say which."""
        token = self._next
        found = token.text if token.kind == "sign" else token.keyword
        if found and found in wanted:
            self._take()
            return found
        return ""

    def _expect(self, sign: str) -> None:
        if not self._accept(sign):
            self._stumble(repr(sign) if sign.isupper() else f"{sign!r}")

    def _stumble(self, expected: str) -> NoReturn:
        token = self._next
        found = self._text[token.start : token.start + 40] or "the end"
        raise wrong(found, f"{expected} (character {token.start + 1} of the filter)")

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise wrong(self._text, f"at most {MAX_DEPTH} levels of brackets, NOT and functions")

    # -- conditions -----------------------------------------------------------------------------------------------

    def _either(self) -> Node:
        return self._joined("OR", self._both)

    def _both(self) -> Node:
        return self._joined("AND", self._negated)

    def _joined(self, word: str, operand: Callable[[], Node]) -> Node:
        nodes = [operand()]
        while self._accept(word):
            nodes.append(operand())
        return nodes[0] if len(nodes) == 1 else Call(word.lower(), tuple(nodes))

    def _negated(self) -> Node:
        if not self._accept("NOT"):
            return self._compared()
        self._deeper()
        node = Call("not", (self._negated(),))
        self._depth -= 1
        return node

    def _compared(self) -> Node:
        left = self._sum()
        if sign := self._accept(*_COMPARISONS):
            return Call(_COMPARISONS[sign], (left, self._sum()))
        if self._accept("IS"):
            negated = self._accept("NOT")
            self._expect("NULL")
            return _maybe_not(bool(negated), Call("isNull", (left,)))
        negated = self._accept("NOT")
        if self._accept("BETWEEN"):
            low = self._sum()
            self._expect("AND")
            return _maybe_not(bool(negated), Call("between", (left, low, self._sum())))
        if self._accept("LIKE"):
            return _maybe_not(bool(negated), Call("like", (left, self._sum())))
        if self._accept("IN"):
            self._expect("(")
            return _maybe_not(bool(negated), Call("in", (left, *self._arguments())))
        if negated:
            self._stumble("BETWEEN, LIKE or IN after NOT")
        return left

    # -- values ---------------------------------------------------------------------------------------------------

    def _sum(self) -> Node:
        node = self._product()
        while sign := self._accept("+", "-"):
            node = Call(sign, (node, self._product()))
        return node

    def _product(self) -> Node:
        node = self._power()
        while sign := self._accept("*", "/", "%", "DIV"):
            node = Call(sign.lower(), (node, self._power()))
        return node

    def _power(self) -> Node:
        node = self._signed()
        return Call("^", (node, self._signed())) if self._accept("^") else node

    def _signed(self) -> Node:
        sign = self._accept("-", "+")
        if not sign:
            return self._atom()
        self._deeper()
        node = self._signed()
        self._depth -= 1
        if sign == "+":
            return node
        if isinstance(node, Literal) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
            return Literal(-node.value)
        return Call("-", (Literal(0), node))

    def _atom(self) -> Node:
        if self._accept("("):
            self._deeper()
            node = self._either()
            self._expect(")")
            self._depth -= 1
            return node
        token = self._next
        if token.kind in ("end", "sign") or token.keyword in _KEYWORDS:
            self._stumble("a field, a value or a function")
        self._take()
        match token.kind:
            case "text":
                return Literal(_unquote(token.text))
            case "number":
                return Literal(number(token.text))
            case "quoted":
                return Property(token.text[1:-1].replace('""', '"'))
        return self._word(token)

    def _word(self, token: _Token) -> Node:
        word = token.keyword
        if word in _SHAPES and (self._next.text == "(" or self._next.keyword in ("EMPTY", "Z", "M", "ZM")):
            return self._shape(token)
        if self._next.text == "(" and self._next.kind == "sign":
            self._take()
            self._deeper()
            node = self._function(token)
            self._depth -= 1
            return node
        if word in ("TRUE", "FALSE"):
            return Literal(word == "TRUE")
        return Property(token.text)

    def _function(self, token: _Token) -> Node:
        name = token.text.lower()
        arguments = self._arguments()
        if name in ("casei", "accenti") and len(arguments) == 1:
            return Call(name, tuple(arguments))
        if name in SPATIAL | TEMPORAL and len(arguments) == 2:  # noqa: PLR2004 - what is compared
            return Call(name, tuple(arguments))
        if name in ("date", "timestamp") and len(arguments) == 1:
            return parse_instant(_string(arguments[0], name))
        if name == "interval" and len(arguments) == 2:  # noqa: PLR2004 - a start and an end
            return Interval(*(interval_end(argument) for argument in arguments))
        if name == "bbox" and len(arguments) in (4, 6):
            return parse_box([_number(argument) for argument in arguments])
        if name in FUNCTIONS:
            return parse_function(name, arguments)
        if name in SPATIAL | TEMPORAL | _COUNTS.keys():
            needed = _COUNTS.get(name, "2 arguments")
            raise wrong(token.text, f"{needed} and not {len(arguments)} (character {token.start + 1})")
        raise wrong(token.text, f"one of the functions {_FUNCTIONS} (character {token.start + 1})")

    def _arguments(self) -> list[Node]:
        """What stands before the closing bracket, separated by commas; at least one."""
        nodes = [self._either()]
        while self._accept(","):
            nodes.append(self._either())
        self._expect(")")
        return nodes

    def _shape(self, first: _Token) -> Node:
        """Well-known text: taken as it stands up to its closing bracket, and read by GEOS."""
        depth = 0
        last = first
        while depth or last is first or last.keyword in ("Z", "M", "ZM"):
            if self._next.kind not in ("sign", "number", "word"):
                self._stumble("well-known text")
            last = self._take()
            depth += (last.text == "(") - (last.text == ")")
            if last.keyword == "EMPTY" and not depth:
                break
        return parse_wkt(self._text[first.start : last.end])


def interval_end(node: Node) -> Instant | Property | None:
    """One end of an interval: '..', a date or time as text, an instant, or a field."""
    match node:
        case Literal(".."):
            return None
        case Literal(str() as text):
            return parse_instant(text)
        case Instant() | Property():
            return node
    raise wrong("INTERVAL", "two ends, each '..', a date, a time or a field")


def _maybe_not(negated: bool, node: Node) -> Node:
    return Call("not", (node,)) if negated else node


def _unquote(text: str) -> str:
    return re.sub(r"''|\\'", "'", text[1:-1])


def _string(node: Node, function: str) -> str:
    if isinstance(node, Literal) and isinstance(node.value, str):
        return node.value
    raise wrong(function.upper(), f"a text in quotes, as in {function.upper()}('2024-05-31')")


def _number(node: Node) -> float:
    if isinstance(node, Literal) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return node.value
    raise wrong("BBOX", "4 or 6 numbers")
