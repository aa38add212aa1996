#!/usr/bin/python
"""Use a cluster as a user would: directories, a file written and read, a streaming job."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible.module_utils import secure_http
from ansible.module_utils.cluster_http import fetch

DOCUMENTATION = r"""
module: cluster_check
short_description: Make HDFS directories and prove that the cluster works
description: A file is put, read and deleted; O(job) also runs it through a streaming job.
options:
  webhdfs_url: {type: str, required: true, description: Web address of the NameNode.}
  directory: {type: path, required: true, description: Directory of the cluster.}
  user: {type: str, required: true, description: User who asks.}
  administrator: {type: str, required: true, description: User who makes the directories.}
  directories: {type: list, elements: dict, default: [], description: Path, octal mode and owner.}
  hadoop_bin: {type: path, required: true, description: The launcher.}
  streaming_jar: {type: path, required: true, description: Hadoop's streaming jar.}
  job: {type: bool, default: false, description: Run the streaming job too.}
  job_options: {type: dict, default: {}, description: Settings of the job.}
  timeout_s: {type: int, default: 120, description: Longest time for the job.}
author: ImageNet on Hadoop
"""
EXAMPLES = r"""
- cluster_check: {webhdfs_url: "http://127.0.0.1:21001", user: me, job: true, ...}
"""
RETURN = r"""
made: {description: Directories that were made or had another mode., returned: success, type: list}
"""

ANSWER_S = 30.0
CONTENT = b"a cluster that is well gives this line back\n"


class Failure(Exception):
    """The cluster does not work; the message is one sentence."""


def main() -> None:
    """Make the directories and run the checks."""
    module = AnsibleModule(
        argument_spec={
            "webhdfs_url": {"type": "str", "required": True},
            "directory": {"type": "path", "required": True},
            "user": {"type": "str", "required": True},
            "administrator": {"type": "str", "required": True},
            "directories": {"type": "list", "elements": "dict", "default": []},
            "hadoop_bin": {"type": "path", "required": True},
            "streaming_jar": {"type": "path", "required": True},
            "job": {"type": "bool", "default": False},
            "job_options": {"type": "dict", "default": {}},
            "timeout_s": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    args = module.params
    if module.check_mode:
        module.exit_json(changed=False, made=[])
    secure_http.use(args["directory"])
    hdfs = WebHdfs(args["webhdfs_url"], args["user"])
    administrator = WebHdfs(args["webhdfs_url"], args["administrator"])
    place = f"/tmp/.cluster-check-{os.getpid()}"  # noqa: S108  # in HDFS
    try:
        made = [entry["path"] for entry in args["directories"] if administrator.ensure(**entry)]
        hdfs.write(f"{place}/in/line.txt", CONTENT)
        expect(hdfs.read(f"{place}/in/line.txt"), "a file read from HDFS")
        if args["job"]:
            run_job(args, f"{place}/in", f"{place}/out")
            expect(hdfs.read(f"{place}/out/part-00000").replace(b"\t", b""), "a job's output")
        hdfs.call("DELETE", place, op="DELETE", recursive="true")
    except Failure as failure:
        module.fail_json(msg=str(failure))
    except (OSError, ValueError, KeyError) as error:
        module.fail_json(msg=f"HDFS does not work at {args['webhdfs_url']}: {error}")
    module.exit_json(changed=bool(made), made=made)


class WebHdfs:
    """The few WebHDFS calls that a check needs, without a JVM."""

    def __init__(self, url: str, user: str) -> None:
        self.url, self.user = url, user

    def call(self, method: str, path: str, **query: str) -> dict[str, Any]:
        """Send one request to the NameNode and return its JSON answer."""
        text = urllib.parse.urlencode({**query, "user.name": self.user, "noredirect": "true"})
        url = f"{self.url}/webhdfs/v1{urllib.parse.quote(path)}?{text}"
        return json.loads(self.open(method, url) or b"{}")

    def open(self, method: str, url: str, data: bytes | None = None) -> bytes:
        """Send one request and return the body; a remote exception becomes a sentence."""
        request = urllib.request.Request(url, data=data, method=method)  # noqa: S310
        request.add_header("Content-Type", "application/octet-stream")
        try:
            return fetch(request, self.user, ANSWER_S)
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            if error.code == 404 and "FileNotFoundException" in text:
                raise FileNotFoundError(url) from error
            raise Failure(f"HDFS refused {method} {url.partition('?')[0]}: {text[:300]}") from error

    def ensure(self, path: str, mode: str, owner: str = "", group: str = "") -> bool:
        """Make a directory with octal mode, owner and group; True when that changed something."""
        try:
            status = self.call("GET", path, op="GETFILESTATUS")["FileStatus"]
        except FileNotFoundError:
            status = {}
        is_owners = owner in ("", status.get("owner")) and group in ("", status.get("group"))
        if status.get("type") == "DIRECTORY" and status["permission"] == mode and is_owners:
            return False
        self.call("PUT", path, op="MKDIRS", permission=mode)
        self.call("PUT", path, op="SETPERMISSION", permission=mode)
        if not is_owners:
            self.call("PUT", path, op="SETOWNER", owner=owner, group=group)
        return True

    def write(self, path: str, content: bytes) -> None:
        """Write a file through a DataNode."""
        place = self.call("PUT", path, op="CREATE", overwrite="true")["Location"]
        self.open("PUT", place, content)

    def read(self, path: str) -> bytes:
        """Read a file through a DataNode."""
        return self.open("GET", self.call("GET", path, op="OPEN")["Location"])


def expect(found: bytes, what: str) -> None:
    """Fail when the content is not the one that was written."""
    if found != CONTENT:
        raise Failure(f"{what} is {found!r}, not {CONTENT!r}")


def run_job(args: dict[str, Any], source: str, target: str) -> None:
    """Run `cat` as a map-only streaming job."""
    options = {"mapreduce.job.name": "cluster check", "mapreduce.job.reduces": 0}
    options.update({"mapreduce.job.maps": 1, **args["job_options"]})
    settings = [word for key, value in options.items() for word in ("-D", f"{key}={value}")]
    command = [args["hadoop_bin"], "jar", args["streaming_jar"], *settings]
    command += ["-input", source, "-output", target, "-mapper", "cat"]
    try:
        done = subprocess.run(
            command,
            cwd=Path(args["hadoop_bin"]).parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=args["timeout_s"],
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Failure(f"a streaming job is not done after {args['timeout_s']} s") from error
    if done.returncode:
        marks = (" ERROR ", "Exception", "failed")
        errors = [line for line in done.stderr.splitlines() if any(mark in line for mark in marks)]
        raise Failure(f"a streaming job failed: {(errors or ['it gave no reason'])[-1].strip()}")


if __name__ == "__main__":
    main()
