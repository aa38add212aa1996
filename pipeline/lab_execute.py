"""Run notebooks from top to bottom in the kernel of `bin/pipeline lab`, and keep their outputs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from mr_jobs.lib.errors import ConfigError, DataError
from pipeline.lab_files import KERNEL
from pipeline.playbooks import ROOT

_CELL_S = 600
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def execute(
    names: Iterable[str], work: Path, variables: dict[str, str], say: Callable[[str], None]
) -> list[str]:
    """Run notebooks of a folder, each in a kernel of its own, and write them back with outputs.

    Parameters
    ----------
    names : file names in `work`.
    variables : as `lab_files.write_kernel` returned them.
    say : is told each name.

    Returns
    -------
    The names.

    Raises
    ------
    ConfigError
        There is no such notebook.
    DataError
        A cell failed; the notebook is written as far as it came.
    """
    import nbformat

    done = []
    os.environ.update(variables)
    for name in names:
        path = work / name
        if not path.is_file():
            raise ConfigError(f"no notebook {path}")
        say(f"lab: {name}")
        book = nbformat.read(path, as_version=4)
        try:
            _run(book, work, name)
        finally:
            _tidy(book)
            nbformat.write(book, path)
        done.append(name)
    return done


def _run(book: Any, work: Path, name: str) -> None:  # noqa: ANN401
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    client = NotebookClient(
        book,
        timeout=_CELL_S,
        kernel_name=KERNEL,
        resources={"metadata": {"path": str(work)}},
        record_timing=False,
    )
    try:
        client.execute()
    except CellExecutionError as error:
        said = [line for line in _COLOURS.sub("", str(error)).splitlines() if line.strip()]
        raise DataError(f"{name}: a cell failed: {said[-1]}") from error


def _tidy(book: Any) -> None:  # noqa: ANN401
    """Leave out of the outputs what is of this machine or moment alone."""
    book.metadata.pop("widgets", None)
    for cell in book.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", ()):
            if "text" in output:
                output["text"] = _text(output["text"])
            for kind, content in output.get("data", {}).items():
                if isinstance(content, str) and kind.startswith("text/"):
                    output["data"][kind] = _text(content)


def _text(text: str) -> str:
    return _COLOURS.sub("", text).replace(f"{ROOT}/", "")
