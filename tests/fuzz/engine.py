"""One fuzzing process: a target under libFuzzer, with Python's branches as its coverage.

    python -m tests.fuzz.engine TARGET [LIBFUZZER OPTION …] CORPUS

`tests.fuzz.run` starts it; libFuzzer ends it.
"""

from __future__ import annotations

import importlib
import random
import sys

import atheris  # type: ignore[import-untyped]

# Following more modules finds more and costs speed: readers of headers are Python in tarfile and
# Pillow, pixels are decoded in C.
FOLLOWED = {
    "tar": ["mr_jobs", "tarfile"],
    "probe": ["mr_jobs", "PIL"],
    "decode": ["mr_jobs", "PIL"],
    "repair": ["mr_jobs", "PIL"],
}


def main(argv: list[str]) -> None:
    """Fuzz the target `argv[1]` until libFuzzer ends the process."""
    name = argv[1]
    for module in FOLLOWED.get(name, ()):
        for loaded in [m for m in sys.modules if m.partition(".")[0] == module]:
            del sys.modules[loaded]  # to be imported again, followed
    with atheris.instrument_imports(include=FOLLOWED.get(name, ["mr_jobs"])):
        targets = importlib.import_module("tests.fuzz.targets")
    mutators = importlib.import_module("tests.fuzz.mutators")

    def change(data: bytes, max_bytes: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if rng.random() < 0.5:  # libFuzzer knows what the code compared its bytes with
            changed = bytes(atheris.Mutate(data, max_bytes))
            return bytes(mutators.repaired(name, changed, rng)[:max_bytes])
        return bytes(mutators.mutated(name, data, rng)[:max_bytes])

    atheris.Setup([argv[0], *argv[2:]], targets.TARGETS[name], custom_mutator=change)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
