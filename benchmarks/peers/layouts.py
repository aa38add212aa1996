"""The same images laid out once for each contestant: files, bundles, lines."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import NamedTuple

from benchmarks.features import SETS, load
from mr_jobs.lib.sequencefile import Writer

KEY_PREFIX = "train/n00000000/"  # of an image's key in a bundle; its name follows
BUNDLE_BYTES = 128 << 20
_PHOTOGRAPHS = 200
_BUFFER_BYTES = 1 << 17


class Layouts(NamedTuple):
    """Where the images are: a file each, in SequenceFiles, as lines of name and base64 in JSON."""

    files: Path
    bundles: Path
    lines: Path
    n_images: int
    what: str
    mean_kb: float


def lay_out(folder: Path, n_images: int) -> Layouts:
    """Write `n_images` images below `folder`: the photographs, repeated under other names.

    Without ../shared they are made pictures of the same size.
    """
    originals, what = load(*SETS["natural size"], min(n_images, _PHOTOGRAPHS))
    files, bundles, lines = (folder / name for name in ("files", "bundles", "lines"))
    for place in (files, bundles, lines):
        place.mkdir(parents=True)
    n_bytes, bundle, writer, file = 0, 0, None, None
    with (lines / "images.jsonl").open("w") as json_lines:
        for number in range(n_images):
            name, encoded = f"{number:06}.JPEG", originals[number % len(originals)]
            (files / name).write_bytes(encoded)
            text = base64.b64encode(encoded).decode()
            json_lines.write(f"{json.dumps(name)}\t{json.dumps(text)}\n")
            if file is None or file.tell() + len(encoded) > BUNDLE_BYTES:
                if file is not None:
                    file.close()
                file = (bundles / f"part-{bundle:05}").open("wb", buffering=_BUFFER_BYTES)
                writer, bundle = Writer(file), bundle + 1
            assert writer is not None
            writer.append((KEY_PREFIX + name).encode(), encoded)
            n_bytes += len(encoded)
    if file is not None:
        file.close()
    return Layouts(files, bundles, lines, n_images, what, n_bytes / max(n_images, 1) / 1e3)
