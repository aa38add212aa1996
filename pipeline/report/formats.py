"""How numbers and names are written on the page."""

from __future__ import annotations

from typing import Any, NamedTuple

from markupsafe import Markup


class Fact(NamedTuple):
    """A line of facts; with a key when the value is a number that a program may look up."""

    label: str
    text: str
    key: str = ""
    value: float | str = ""


def count_fact(label: str, key: str, n: int) -> Fact:
    """Return a fact that is a count."""
    return Fact(label, f"{n:,}", key, n)


def number(value: float) -> str:
    """Write a number with four digits that count.

    >>> number(0.30000000000000004)
    '0.3'
    """
    return f"{value:.4g}"


def percent(value: float) -> str:
    """Write a share.

    >>> percent(0.301)
    '30.1%'
    """
    return f"{value:.1%}"


def visible(value: object) -> object:
    r"""Replace what cannot be seen, or is not allowed in HTML, in a text from outside.

    >>> visible("a\x00\u202eb")
    'a��b'
    """
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():
        return value
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in value)


def brief(words: str) -> str:
    """Return the first of a synset's words.

    >>> brief("tench, Tinca tinca")
    'tench'
    """
    return words.partition(",")[0]


def bytes_text(n: int) -> str:
    """Write a number of bytes.

    >>> bytes_text(41_904_753)
    '40.0 MiB'
    """
    value = float(n)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def score_format(*, probabilities: bool) -> Any:  # noqa: ANN401  # a function of a float
    """Return how scores are written."""
    return percent if probabilities else number


FILTERS: dict[str, Any] = {
    "n": lambda value: f"{value:,}",
    "pct": percent,
    "pct0": lambda value: f"{value:.0%}",
    "g": number,
    "s": lambda value: f"{value:.1f} s",
    "brief": brief,
    "spaced": lambda text: str(text).replace("_", " "),
}
