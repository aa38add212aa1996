"""The progress of a simulated job is the sum of what its tasks have told so far."""

from __future__ import annotations

from pathlib import Path

from mr_jobs.mr_extract_features import MRExtractFeatures
from pipeline.job_arguments import JobSpec
from pipeline.jobs import local_poll
from pipeline.stores import LocalStore


def test_amounts_are_added_once_also_of_a_line_that_is_not_whole_yet(tmp_path: Path) -> None:
    spec = JobSpec("features", MRExtractFeatures, [], LocalStore(tmp_path), "out", counter="read")
    poll = local_poll(tmp_path, spec)
    told = [tmp_path / "job" / "step" / "0000" / "mapper" / n / "stderr" for n in ("0", "1")]
    for path in told:
        path.parent.mkdir(parents=True)

    assert poll() == 0
    told[0].write_text("reporter:counter:images,read,12\nreporter:counter:images,featurized,11\n")
    told[1].write_text("a warning\nreporter:counter:images,read,30\nreporter:counter:images,re")
    assert poll() == 42
    with told[1].open("a") as file:
        file.write("ad,8\n")
    assert poll() == 50
    assert poll() == 50
