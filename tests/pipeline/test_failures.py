from __future__ import annotations

from pathlib import Path

from pipeline import failures

TRACEBACK = """\
reporter:counter:images,read,1
Traceback (most recent call last):
  File "mr_extract_features.py", line 70, in mapper
    vector = self.spec.extract(encoded)
ZeroDivisionError: division by zero
log4j:WARN No appenders could be found
"""


def _container(logs: Path, number: int, **files: str) -> None:
    folder = logs / f"container_1_0001_01_{number:06}"
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)


def test_the_container_that_holds_the_traceback_is_found(tmp_path: Path) -> None:
    _container(tmp_path, 1, stderr="Broken pipe\n", syslog="INFO: fine\n")
    _container(tmp_path, 2, stderr=TRACEBACK, syslog="WARN: subprocess failed\n")

    cause = failures.from_containers(tmp_path)

    assert cause is not None
    assert cause.strip().startswith("Traceback (most recent call last):")
    assert cause.endswith("ZeroDivisionError: division by zero")


def test_without_a_python_traceback_javas_word_on_the_data_is_taken(tmp_path: Path) -> None:
    syslog = "INFO: x\njava.io.IOException: File is corrupt!\n\tat org.apache\n"
    _container(tmp_path, 1, stderr="", syslog=syslog)

    assert failures.from_containers(tmp_path) == "java.io.IOException: File is corrupt!"


def test_no_logs_give_no_cause(tmp_path: Path) -> None:
    assert failures.from_containers(tmp_path / "none") is None


def test_a_traceback_that_ends_in_a_data_error_gives_its_sentence() -> None:
    cause = "Traceback\n  File\nmr_jobs.lib.errors.BundleError: b.seq: cut off at byte 9"

    assert failures.data_error(cause) == "b.seq: cut off at byte 9"
    assert failures.data_error(TRACEBACK) is None
    assert failures.data_error(None) is None
