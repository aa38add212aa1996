"""The Python shell: the helpers of pipeline/lab_helpers.py at a prompt, by IPython if there."""

from __future__ import annotations

import ast
import code
import sys
import traceback
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

from mr_jobs.lib.errors import PipelineError
from pipeline.shells import console

HELPERS = """\
  img("n01440764_10026")              an image: .row, .encoded, .pixels()
  grid("width > 400")                 the first images that a condition holds for
  query("SELECT COUNT(*) FROM images")
  predict("n01440764_10026")          by the newest model
  job(), job("RUNNING")               jobs on YARN
  store.list("images")                files in HDFS; cluster.webhdfs_url, … its addresses"""


def converse(namespace: dict[str, Any], banner: str, kind: str) -> None:
    """Talk Python with a person; an error of the pipeline is a sentence.

    Parameters
    ----------
    namespace : what is known from the start.
    kind : whose history it has.
    """
    if find_spec("IPython"):
        _ipython(namespace, banner, kind)
        return
    import readline
    import rlcompleter

    with console.history_of(kind) as path:
        readline.set_auto_history(True)
        readline.set_completer(rlcompleter.Completer(namespace).complete)
        readline.set_completer_delims(" \t\n`~!@#$%^&*()-=+[{]}\\|;:'\",<>/?")
        readline.parse_and_bind("tab: complete")
        try:
            _Console(namespace).interact(f"{banner}\nCtrl-D leaves", exitmsg="")
        finally:
            readline.write_history_file(path)


class _Console(code.InteractiveConsole):
    """Python's own, in which an error of the pipeline is a sentence."""

    def showtraceback(self) -> None:
        """Show the error at hand."""
        error = sys.exc_info()[1]
        if isinstance(error, PipelineError):
            console.complain(error)
        else:
            super().showtraceback()


def _ipython(namespace: dict[str, Any], banner: str, kind: str) -> None:
    """Run IPython, with nothing of the user's own profile."""
    from IPython.terminal.interactiveshell import TerminalInteractiveShell
    from traitlets.config import Config

    settings: Any = Config()
    settings.HistoryManager.hist_file = str(console.history_file(f"{kind}-ipython"))
    shell = TerminalInteractiveShell(
        config=settings,
        user_ns=namespace,
        banner1=f"{banner}\nCtrl-D leaves\n",
        confirm_exit=False,
        ipython_dir=str(console.HISTORIES / "ipython"),
    )
    shell.set_custom_exc(
        (PipelineError,), lambda _shell, _kind, error, *_, **__: console.complain(error)
    )
    shell.show_banner()
    shell.mainloop()


def run_source(namespace: dict[str, Any], lines: Iterable[str]) -> None:
    """Do what a program says, statement by statement; the value of an expression is printed.

    Raises
    ------
    PipelineError
        As the helpers raise it; any other error is shown, and ends this process with 1.
    """
    source = "".join(f"{line.rstrip(chr(10))}\n" for line in lines)
    try:
        for statement in ast.parse(source, "<input>").body:
            single = ast.Interactive([statement])
            exec(compile(single, "<input>", "single"), namespace)  # noqa: S102  # the user's own
    except PipelineError:
        raise
    except Exception:  # whatever the user's own program raises
        traceback.print_exc()
        raise SystemExit(1) from None
