"""A shell on a terminal: prompt, completion, history, Ctrl-C; and the same from a pipe."""

from __future__ import annotations

import io
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from mr_jobs.lib.errors import ConfigError
from pipeline.shells import console

ROOT = Path(__file__).parents[3]
TALKER = "tests.pipeline.shells.talker"


def talk(place: Path) -> pexpect.spawn:
    return pexpect.spawn(
        sys.executable, ["-m", TALKER, str(place)], cwd=ROOT, encoding="utf-8", timeout=30
    )


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[pexpect.spawn]:
    child = talk(tmp_path / "shell")
    child.expect_exact("says what it hears")
    child.expect_exact("echo> ")
    yield child
    child.close(force=True)


def ends(child: pexpect.spawn) -> int | None:
    child.expect(pexpect.EOF)
    child.close()
    code: int | None = child.exitstatus
    return code


def test_an_error_is_a_sentence_and_the_next_prompt(terminal: pexpect.spawn) -> None:
    terminal.sendline("wrong")
    terminal.expect_exact("that was wrong \\x1b[2J")
    terminal.expect_exact("echo> ")
    terminal.sendline("leave")

    assert ends(terminal) == 0


def test_tab_completes(terminal: pexpect.spawn) -> None:
    terminal.send("el\t")
    terminal.expect_exact("elephant")
    terminal.send("\r")
    terminal.expect_exact("heard elephant")


def test_ctrl_c_forgets_the_line_and_ctrl_d_leaves(terminal: pexpect.spawn) -> None:
    terminal.sendline("half\\")
    terminal.expect_exact("more> ")
    terminal.sendintr()
    terminal.expect_exact("echo> ")
    terminal.sendline("whole")
    terminal.expect_exact("heard whole")
    terminal.expect_exact("echo> ")
    terminal.sendeof()

    assert ends(terminal) == 0


def test_history_is_the_owners_alone_and_there_the_next_time(
    terminal: pexpect.spawn, tmp_path: Path
) -> None:
    terminal.sendline("one\\")
    terminal.expect_exact("more> ")
    terminal.sendline("two")
    terminal.expect_exact("heard onetwo")
    terminal.sendeof()
    ends(terminal)

    path = tmp_path / "shell" / "echo.history"
    assert path.read_text() == "one\\ two\n"  # a statement of two lines is remembered as one
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    again = talk(tmp_path / "shell")
    again.expect_exact("echo> ")
    again.send("\x1b[A\r")
    again.expect_exact("heard one\\ two")
    again.close(force=True)


class Failing(console.LineShell):
    """Fails at `wrong`."""

    closed = False

    def take(self, line: str) -> None:
        if line == "wrong":
            raise ConfigError("no")
        if line == "leave":
            raise console.LeaveError
        self.say(line)

    def finish(self) -> None:
        self.say("the end")

    def close(self) -> None:
        self.closed = True


def test_a_pipe_ends_at_its_first_error() -> None:
    shell = Failing(io.StringIO())

    with pytest.raises(ConfigError):
        console.run_lines(shell, ["a\n", "wrong\n", "b\n"])

    assert isinstance(shell.out, io.StringIO)
    assert shell.out.getvalue() == "a\n"
    assert shell.closed


@pytest.mark.parametrize(("last", "said"), [("b", "a\nb\nthe end\n"), ("leave", "a\n")])
def test_a_pipe_is_done_to_its_end_or_to_exit(last: str, said: str) -> None:
    shell = Failing(io.StringIO())

    console.run_lines(shell, ["a\n", last])

    assert isinstance(shell.out, io.StringIO)
    assert shell.out.getvalue() == said


def test_completion_is_quiet_where_the_cluster_does_not_answer() -> None:
    def fails() -> list[str]:
        raise ConfigError("no")

    assert console._quietly(fails) == []
