"""What benchmarks print and write: the machine, tables, sections of docs/benchmarks.md."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

_TITLE = """# Benchmarks

Each section is written by the command that it names; `benchmarks/setup` installs the programs to
compare with, once, into `.venv-bench`. They do the same work: decode a JPEG, resize it to a square
of 128 pixels, HOG of 1,764 numbers and an HSV histogram of 128. This project decodes at a reduced
scale where the image is large enough, the others in full, as their users would.
"""


def machine() -> str:
    """Describe the machine: cores, processor, memory, Python."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    processor = model.group(1) if model else platform.machine()
    return (
        f"{os.cpu_count()} cores of {processor}, {memory_gib:.0f} GiB, "
        f"Python {platform.python_version()}"
    )


def load() -> float:
    """Return how many processes ran or wanted to, on average of the last minute."""
    return os.getloadavg()[0]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a Markdown table; the first column is text, the others are numbers.

    >>> print(table(["what", "s"], [["a", "1"]]))
    | what | s |
    | --- | ---: |
    | a | 1 |
    """
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def today() -> str:
    """Return the date, in UTC."""
    return datetime.now(UTC).date().isoformat()


def write_section(document: Path, title: str, body: str) -> None:
    """Put a section into a document in the place of the one with this title, else at its end."""
    text = document.read_text(encoding="utf-8") if document.exists() else _TITLE
    parts = re.split(r"(?m)^(?=## )", text)
    section = f"## {title}\n\n{body.strip()}\n"
    places = [i for i, part in enumerate(parts) if part.startswith(f"## {title}\n")]
    if places:
        parts[places[0]] = section
    else:
        parts.append(section)
    document.parent.mkdir(parents=True, exist_ok=True)
    document.write_text("\n".join(f"{part.rstrip()}\n" for part in parts), encoding="utf-8")
