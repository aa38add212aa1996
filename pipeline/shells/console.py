"""A shell of lines: with history and completion on a terminal, or the lines of a pipe."""

from __future__ import annotations

import os
import readline
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from mr_jobs.lib.errors import PipelineError
from mr_jobs.lib.shown import shown_lines
from pipeline.config import VAR

HISTORIES = VAR / "shell"
_HISTORY_LINES = 2000


class LeaveError(Exception):
    """The user wants to leave the shell."""


class LineShell:
    """A language of lines.

    Attributes
    ----------
    out : where answers go.
    delimiters : characters that end a word for completion.
    """

    delimiters = " \t\n"

    def __init__(self, out: TextIO) -> None:
        self.out = out

    @property
    def prompt(self) -> str:
        """What stands before the next line."""
        raise NotImplementedError

    @property
    def pending(self) -> bool:
        """Whether the lines so far need more."""
        return False

    def banner(self) -> str:
        """Return what a person sees first: where this is, and examples that work."""
        raise NotImplementedError

    def take(self, line: str) -> None:
        """Do what a line says, as soon as it is complete.

        Raises
        ------
        PipelineError
            It cannot be done; one sentence.
        LeaveError
            It says that this is the end.
        """
        raise NotImplementedError

    def finish(self) -> None:
        """Do what is pending: there are no more lines."""

    def cancel(self) -> None:
        """Forget what is pending, and stop what runs."""

    def close(self) -> None:
        """Let go of connections."""

    def complete(self, before: str, word: str) -> list[str]:
        """Return what may stand in place of `word`, the end of the line `before` the cursor."""
        return []

    def say(self, text: str) -> None:
        """Print a line, or several; nothing in it can act on the terminal."""
        self.out.write(shown_lines(text) + "\n")


def run_lines(shell: LineShell, lines: Iterable[str]) -> None:
    """Do what lines say, up to the first that cannot be done."""
    try:
        for line in lines:
            shell.take(line.rstrip("\n"))
        shell.finish()
    except LeaveError:
        pass
    finally:
        shell.out.flush()
        shell.close()


def converse(shell: LineShell, kind: str) -> None:
    """Talk with a person, until he leaves; an error is a sentence, and the next prompt."""
    shell.say(shell.banner())
    try:
        with history_of(kind), _completing(shell):
            _converse(shell, kind)
    finally:
        shell.close()


def _converse(shell: LineShell, kind: str) -> None:
    entered: list[str] = []
    while True:
        shell.out.flush()
        try:
            entered.append(input(shell.prompt))
        except EOFError:
            shell.say("")
            return
        except KeyboardInterrupt:
            shell.say("")
            shell.cancel()
            entered.clear()
            continue
        try:
            shell.take(entered[-1])
        except LeaveError:
            return
        except PipelineError as error:
            complain(error)
        except KeyboardInterrupt:
            shell.cancel()
            complain("\ninterrupted")
        finally:
            if not shell.pending:
                _remember(kind, " ".join(entered))
                entered.clear()


def complain(what: object) -> None:
    """Tell a person what is wrong."""
    sys.stdout.flush()
    sys.stderr.write(f"{shown_lines(str(what))}\n")


@contextmanager
def history_of(kind: str) -> Iterator[Path]:
    """Give the prompts of a block a history of their own, which only its owner can read."""
    path = history_file(kind)
    readline.clear_history()
    readline.set_auto_history(False)  # a statement of several lines is remembered as one
    readline.set_history_length(_HISTORY_LINES)
    try:
        readline.read_history_file(path)
    except OSError:
        path.write_text("")  # not one: begin anew
    try:
        yield path
    finally:
        readline.set_auto_history(True)
        readline.clear_history()


def history_file(kind: str) -> Path:
    """Return the history of a kind of shell, made if it is not there: mode 0600."""
    HISTORIES.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = HISTORIES / f"{kind}.history"
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    path.chmod(0o600)
    return path


def _remember(kind: str, line: str) -> None:
    """Add a line to the history at once: two shells side by side both keep theirs."""
    n_lines = readline.get_current_history_length()
    if not line.strip() or (n_lines and readline.get_history_item(n_lines) == line):
        return
    readline.add_history(line)
    readline.append_history_file(1, HISTORIES / f"{kind}.history")


@contextmanager
def _completing(shell: LineShell) -> Iterator[None]:
    found: list[str] = []

    def complete(word: str, state: int) -> str | None:
        if state == 0:
            before = readline.get_line_buffer()[: readline.get_endidx()]
            found[:] = _quietly(lambda: shell.complete(before, word))
        return found[state] if state < len(found) else None

    readline.set_completer(complete)
    readline.set_completer_delims(shell.delimiters)
    readline.parse_and_bind("tab: complete")
    try:
        yield
    finally:
        readline.set_completer(None)


def _quietly(find: Callable[[], list[str]]) -> list[str]:
    """Find completions; none where the cluster does not answer: Tab is no question."""
    try:
        return find()
    except (PipelineError, OSError):
        return []
