"""Divide HiveQL that comes line by line into statements, which end with a semicolon."""

from __future__ import annotations

import re

# A quoted text or name, in which a backslash escapes; one that is not ended goes on to the end.
_QUOTED = "|".join(rf"{q}(?:[^{q}\\]|\\.)*(?:{q}|\\?\Z)" for q in ("'", '"', "`"))
_TOKEN = re.compile(rf"({_QUOTED})|--[^\n]*|;|.", re.DOTALL)


class Statements:
    r"""Lines go in, complete statements come out, without their semicolons and comments.

    >>> found = Statements()
    >>> found.add("SELECT ';' -- not the end; here")
    []
    >>> found.add("FROM images; SHOW")
    ["SELECT ';' \nFROM images"]
    >>> found.rest
    'SHOW'
    """

    def __init__(self) -> None:
        self._text = ""

    @property
    def rest(self) -> str:
        """What no semicolon has ended yet."""
        return _without_comments(self._text)

    @property
    def open_quote(self) -> str:
        """The quote that a text was begun with and not ended; "" outside of texts."""
        last = ""
        for token in _TOKEN.finditer(self._text):
            last = token[1] or ""
        closed = len(last) > 1 and last.endswith(last[0]) and not last.endswith(f"\\{last[0]}")
        return "" if closed else last[:1]

    def add(self, line: str) -> list[str]:
        """Take a line and return the statements that end in it."""
        self._text += f"{line}\n"
        start, statements = 0, []
        for token in _TOKEN.finditer(self._text):
            if token[0] == ";":
                statements.append(_without_comments(self._text[start : token.start()]))
                start = token.end()
        self._text = self._text[start:] if _without_comments(self._text[start:]) else ""
        return [statement for statement in statements if statement]

    def clear(self) -> None:
        """Forget what is not complete."""
        self._text = ""


def _without_comments(text: str) -> str:
    kept = (token[0] for token in _TOKEN.finditer(text) if not token[0].startswith("--"))
    return "".join(kept).strip()
