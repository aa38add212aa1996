"""Read a page as its user's programs would: the numbers, and what it refers to."""

from __future__ import annotations

from html.parser import HTMLParser


class Page(HTMLParser):
    """The numbers of a page by their names, the text that is read, and the tags with attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.numbers: dict[str, float] = {}
        self.twice: set[str] = set()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self._inside: list[str] = []
        self.feed(text)

    @property
    def text(self) -> str:
        """All text outside style sheets and scripts."""
        return " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.tags.append((tag, found))
        self._inside.append(tag)
        if tag == "data":
            name, value = found["data-name"], float(found["value"])
            if self.numbers.get(name, value) != value:
                self.twice.add(name)
            self.numbers[name] = value

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self._inside):
            self.words.append(data)
