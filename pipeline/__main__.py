"""The command line: `bin/pipeline COMMAND`. Results go to standard output, progress to error."""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from mr_jobs.lib.errors import ConfigError, IncompleteError, PipelineError, is_full_disk
from mr_jobs.lib.shown import shown, shown_lines
from pipeline import commands
from pipeline.arguments import parse
from pipeline.output import as_text

_INTERRUPTED = 130
_FULL_DISK = "the disk is full ({}); free space, then go on with --run-id (see `bin/pipeline runs`)"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    0 done, 1 other, 2 usage or configuration, 3 cluster, 4 job, 5 data, 130 interrupted.
    """
    args = parse(argv)
    try:
        with _terminal() if getattr(args, "owns_terminal", False) else _own_stdout() as out:
            try:
                _print(args, commands.COMMANDS[args.command](args), out)
            except IncompleteError as error:
                _print(args, error.result, out)
                raise
    except PipelineError as error:
        print(f"pipeline {args.command}: {shown_lines(str(error))}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"pipeline {args.command}: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:  # `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except OSError as error:
        if not is_full_disk(error):
            raise
        where = error.filename or "a file that was open"
        print(f"pipeline {args.command}: {_FULL_DISK.format(shown(str(where)))}", file=sys.stderr)
        return ConfigError.exit_code
    return 0


def _print(args: Namespace, result: dict[str, Any], out: TextIO) -> None:
    if args.json:
        print(json.dumps(result, indent=1, default=str), file=out)
    else:
        lines = as_text(args.command, result)
        is_for_programs = getattr(args, "format", "table") != "table"
        # names in it are hostile to a terminal; what goes to a file or a program stays as it is
        out.writelines(lines if is_for_programs and not out.isatty() else map(shown_lines, lines))


@contextmanager
def _terminal() -> Iterator[TextIO]:
    """Leave the terminal to a command that talks with a person, and to the programs it starts."""
    yield sys.stdout


@contextmanager
def _own_stdout() -> Iterator[TextIO]:
    """Keep standard output to the result: whatever a library prints there goes to error."""
    sys.stdout.flush()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)
        try:
            yield out
        finally:
            sys.stdout.flush()
            os.dup2(out.fileno(), 1)


if __name__ == "__main__":
    sys.exit(main())
