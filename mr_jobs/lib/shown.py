"""Show texts from outside, such as names of files, to people and to Hadoop: as text alone.

A terminal acts on control characters (U+001B begins a command, U+009B is one character for the
same), some characters turn the direction of a line, a line end forges the next line, and half a
surrogate pair, which a name of a file that is not UTF-8 becomes, cannot be written at all.
"""

from __future__ import annotations


def shown(text: str, keep: str = "") -> str:
    r"""Write what is not printable as escapes, but for the characters in `keep`.

    >>> print(shown("a\x1b[2J\u202eb\udcff"))
    a\x1b[2J\u202eb\udcff
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text
    )


def shown_lines(text: str) -> str:
    """Write a text of several lines as `shown` does; line ends and tabs stay."""
    return shown(text, keep="\n\t")
