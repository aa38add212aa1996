"""The errors a user can meet, each with its exit code.

Every message is one sentence that says what is wrong, where, and what to do next. Anything that is
not one of these is a programmer's mistake and fails loudly with its traceback.
"""

import errno


class PipelineError(Exception):
    """Base of every error that is the user's or the machine's, not the programmer's."""

    exit_code = 1


class ConfigError(PipelineError):
    """A wrong option, a wrong value in pipeline.toml, or something missing on this machine."""

    exit_code = 2


class ClusterError(PipelineError):
    """The cluster cannot be deployed, reached or destroyed."""

    exit_code = 3


class JobError(PipelineError):
    """A MapReduce job failed, or its counts do not add up."""

    exit_code = 4


class DataError(PipelineError):
    """The data set, a bundle or a model is damaged, incomplete or not what it claims to be."""

    exit_code = 5


class BundleError(DataError, ValueError):
    """A SequenceFile is damaged; the message names the file and the byte offset."""

    def __init__(self, what: str, name: str, offset: int) -> None:
        super().__init__(f"{name}: {what} at byte {offset}")
        self.what = what
        self.name = name
        self.offset = offset


class ImageError(DataError, ValueError):
    """An image cannot be used; `reason` is a short snake_case word, as counters have."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class IncompleteError(DataError):
    """Part of what was asked for is missing or damaged; `result` says what was done of the rest."""

    def __init__(self, message: str, result: dict[str, object]) -> None:
        super().__init__(message)
        self.result = result


def is_full_disk(error: Exception) -> bool:
    """Say whether an error means that a disk, or the user's share of it, is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
