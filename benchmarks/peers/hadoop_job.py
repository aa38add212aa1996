"""Our feature job on a cluster, as the step `features` runs it; prints what its tasks cost.

python -m benchmarks.peers.hadoop_job CLUSTER_DIR INPUT OUTPUT N_IMAGES FACTS
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from benchmarks.peers.contestants import SPEC
from mr_jobs.mr_extract_features import MRExtractFeatures
from pipeline.cluster import Cluster
from pipeline.job_arguments import JobSpec
from pipeline.jobs import run_job
from pipeline.progress import Progress
from pipeline.stores import HdfsStore

ROOT_DIR = "/benchmark"  # in HDFS


def store_of(cluster: Cluster) -> HdfsStore:
    """Return the benchmark's directory in HDFS."""
    return HdfsStore(cluster.webhdfs_url, cluster.fs_uri, ROOT_DIR)


def main() -> None:
    """Run the job on directories of the benchmark in HDFS."""
    folder, source, output, n_images, facts = sys.argv[1:]
    cluster = Cluster.load(Path(folder))
    store = store_of(cluster)
    spec = JobSpec(
        name="features",
        job=MRExtractFeatures,
        inputs=[store.uri(source)],
        store=store,
        output=output,
        args=["--features", SPEC],
        jobconf=["mapreduce.job.ubertask.enable=false"],  # tasks of their own, for few images, too
        total=int(n_images),
    )
    result = run_job(spec, "hadoop", "benchmark", Progress("features"), cluster)
    Path(facts).write_text(json.dumps(result.facts))


if __name__ == "__main__":
    main()
