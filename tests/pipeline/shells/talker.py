"""A shell to talk with in a terminal of a test: it says what it hears."""

import sys
from pathlib import Path

from mr_jobs.lib.errors import ConfigError
from pipeline.shells import console


class Echo(console.LineShell):
    """Repeats lines; `wrong` is an error, one that ends in \\ goes on."""

    def __init__(self) -> None:
        super().__init__(sys.stdout)
        self._rest = ""

    @property
    def prompt(self) -> str:
        return "more> " if self.pending else "echo> "

    @property
    def pending(self) -> bool:
        return bool(self._rest)

    def banner(self) -> str:
        return "says what it hears"

    def take(self, line: str) -> None:
        if line == "leave":
            raise console.LeaveError
        if line == "wrong":
            raise ConfigError("that was wrong \x1b[2J")
        if line.endswith("\\"):
            self._rest += line[:-1]
            return
        self.say(f"heard {self._rest}{line}")
        self._rest = ""

    def cancel(self) -> None:
        self._rest = ""

    def complete(self, before: str, word: str) -> list[str]:
        return [name for name in ("elephant", "bee") if name.startswith(word)]


if __name__ == "__main__":
    console.HISTORIES = Path(sys.argv[1])
    console.converse(Echo(), "echo")
