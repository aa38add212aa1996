"""Do one trainer's task in a process of its own: `python -m pipeline.trainers RUN TRAINER FOLDER`.

`work.train` starts it and measures its memory. What goes wrong is left in FOLDER/error.json.
"""

from __future__ import annotations

import ctypes
import json
import signal
import sys
from pathlib import Path

from mr_jobs.lib.errors import PipelineError
from pipeline.full import interrupts_as_errors
from pipeline.trainers.work import ERROR, do

_PR_SET_PDEATHSIG = 1
_INTERRUPTED = 130


def main(run_id: str, trainer: str, folder: str) -> int:
    """Do the task; return the exit code."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)  # not without its parent
    try:
        with interrupts_as_errors():
            do(run_id, trainer, Path(folder))
    except PipelineError as error:
        told = {"kind": type(error).__name__, "message": str(error)}
        (Path(folder) / ERROR).write_text(json.dumps(told))
        return error.exit_code
    except KeyboardInterrupt:
        return _INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
