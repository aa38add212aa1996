"""What Spark's errors say to a user."""

from __future__ import annotations

import re

from mr_jobs.lib import errors
from mr_jobs.lib.errors import JobError, PipelineError

_OURS = re.compile(r"^mr_jobs\.lib\.errors\.(\w+): (.+)$", re.MULTILINE)
_PYTHONS = re.compile(
    r"^(?!org\.|java|scala\.|py4j\.)((?:\w+\.)*[A-Z]\w*(?:Error|Exception): .+)$", re.MULTILINE
)
_LENGTH = 300


def spark_error(what: str, error: BaseException) -> PipelineError:
    """Make an error of one that Spark raised: of a task's own sentence if it has one.

    Parameters
    ----------
    what : what Spark was used for.
    """
    ours = _OURS.search(str(error))
    kind = getattr(errors, ours[1], None) if ours else None
    if ours and isinstance(kind, type) and issubclass(kind, PipelineError):
        try:
            return kind(ours[2])
        except TypeError:  # it wants more than a sentence
            return JobError(f"{what}: {ours[2]}")
    in_python = _PYTHONS.search(str(error))
    said = in_python[1][:_LENGTH] if in_python else first_line(error)
    return JobError(
        f"{what}: Spark failed ({said}); more is in the logs of its containers, in `logs` of the "
        "cluster's directory"
    )


def first_line(error: BaseException) -> str:
    """Return what a Java or a Python error says, without the traces."""
    java = getattr(error, "java_exception", None)
    lines = str(java.toString() if java is not None else error).strip().splitlines()
    return (lines or [type(error).__name__])[0][:_LENGTH]
