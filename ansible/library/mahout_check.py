#!/usr/bin/python
"""Use Mahout as a user would: two groups of points put into HDFS, found by a job of k-means."""

from __future__ import annotations

import os
import struct
import subprocess

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: mahout_check
short_description: Prove that a job of Mahout runs on YARN
description: In a directory of its own in HDFS, which is removed.
options:
  mahout_bin: {type: path, required: true, description: Mahout's launcher.}
  hadoop_bin: {type: path, required: true, description: Hadoop's launcher.}
  timeout_s: {type: int, default: 180, description: Longest time for each command.}
author: ImageNet on Hadoop
"""
EXAMPLES = r"""
- mahout_check: {mahout_bin: /data/imagenet/bin/mahout, hadoop_bin: /data/imagenet/bin/hadoop}
"""
RETURN = r"""
clusters: {description: File of the clusters that the job left., returned: success, type: str}
"""

POINTS = ((0.0, 0.0), (0.0, 1.0), (9.0, 9.0), (9.0, 8.0))
CLASSES = ("org.apache.hadoop.io.IntWritable", "org.apache.mahout.math.VectorWritable")
SYNC = bytes(range(16))


class Failure(Exception):
    """Mahout does not work; the message is one sentence."""


def main() -> None:
    """Run one round of k-means over a few points."""
    module = AnsibleModule(
        argument_spec={
            "mahout_bin": {"type": "path", "required": True},
            "hadoop_bin": {"type": "path", "required": True},
            "timeout_s": {"type": "int", "default": 180},
        },
        supports_check_mode=True,
    )
    if module.check_mode:
        module.exit_json(changed=False, clusters="")
    args = module.params
    place = f"/tmp/mahout-check-{os.getpid()}"  # noqa: S108  # of HDFS
    hadoop, mahout = [args["hadoop_bin"], "fs"], [args["mahout_bin"], "kmeans"]
    told = ["-i", f"{place}/points", "-c", f"{place}/seeds", "-o", f"{place}/clusters"]
    clusters = f"{place}/clusters/clusters-1-final/part-r-00000"
    try:
        run([*hadoop, "-mkdir", "-p", f"{place}/points"], args["timeout_s"])
        try:
            run([*hadoop, "-put", "-", f"{place}/points/part-0"], args["timeout_s"], points())
            run([*mahout, *told, "-k", "2", "-x", "1", "-cd", "0"], args["timeout_s"])
            run([*hadoop, "-test", "-s", clusters], args["timeout_s"])
        finally:
            run([*hadoop, "-rm", "-r", "-skipTrash", place], args["timeout_s"])
    except Failure as failure:
        module.fail_json(msg=str(failure))
    module.exit_json(changed=False, clusters=clusters)


def points() -> bytes:
    """Return a SequenceFile of the points, each a dense vector of doubles."""
    header = b"SEQ\x06" + b"".join(bytes([len(c)]) + c.encode() for c in CLASSES) + bytes(6) + SYNC
    records = (
        struct.pack(">iii", 4 + 2 + 16, 4, row) + struct.pack(">BBdd", 1, 2, *point)
        for row, point in enumerate(POINTS)
    )
    return header + b"".join(records)


def run(command: list[str], timeout_s: int, content: bytes = b"") -> None:
    """Run a command; raise a Failure with its last line unless it succeeds."""
    shown = " ".join(command[:3])
    try:
        done = subprocess.run(
            command, input=content, capture_output=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise Failure(f"Mahout does not work: {shown} has not ended after {timeout_s} s") from error
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        wrong = [line for line in lines if "Exception" in line or "Error" in line]
        raise Failure(f"Mahout does not work: {shown} failed: {(wrong or lines or ['?'])[-1]}")


if __name__ == "__main__":
    main()
