#!/usr/bin/python
"""Make the archive of parsed classes that lets every JVM of Hadoop start in half the time."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: hadoop_archive
short_description: Dump a class data sharing archive, once for a distribution and a Java
description:
  - The first deployment runs its JVMs with C(-XX:DumpLoadedClassList); the union of the lists is
    what C(java -Xshare:dump) puts into the archive. Without the archive all works, only slower.
options:
  archive: {type: path, required: true, description: The archive.}
  jar: {type: path, required: true, description: The jar that names all others; the class path.}
  java: {type: path, required: true, description: The java program.}
  lists: {type: path, required: true, description: Directory of the class lists.}
  options: {type: list, elements: str, default: [], description: Options that all JVMs have.}
author: ImageNet on Hadoop
"""
EXAMPLES = r"""
- hadoop_archive: {archive: /cache/17.jsa, jar: /cache/hadoop.jar, java: java, lists: /run/classes}
"""
RETURN = r"""
classes: {description: How many classes the lists name., returned: changed, type: int}
"""


def main() -> None:
    """Dump the archive unless it is there."""
    module = AnsibleModule(
        argument_spec={
            "archive": {"type": "path", "required": True},
            "jar": {"type": "path", "required": True},
            "java": {"type": "path", "required": True},
            "lists": {"type": "path", "required": True},
            "options": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    args = module.params
    archive = Path(args["archive"])
    if archive.exists():
        module.exit_json(changed=False)
    names = sorted({line for path in Path(args["lists"]).glob("*") for line in read(path)})
    if not names or module.check_mode:
        module.exit_json(changed=bool(names))
    with archive.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists():  # another deployment may have made it meanwhile
            problem = dump(args, archive, names)
            if problem:
                module.warn(f"no class archive, programs start slower: {problem}")
    module.exit_json(changed=archive.exists(), classes=len(names))


def read(path: Path) -> list[str]:
    """Read a class list whose JVM may still be writing: the last line may be a part."""
    text = path.read_text(errors="replace")
    return [line for line in text[: text.rfind("\n") + 1].splitlines() if line[:1] not in ("", "#")]


def dump(args: dict[str, str], archive: Path, names: list[str]) -> str:
    """Dump beside the archive and rename; return the problem, empty when there is none."""
    prefix = f".making-{archive.name}-"
    for stale in archive.parent.glob(f"{prefix}*"):  # of one that was killed; the lock is ours
        shutil.rmtree(stale)
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix=prefix) as scratch:
        listed, made = Path(scratch, "classes"), Path(scratch, "made.jsa")
        listed.write_text("\n".join(names) + "\n")
        command = [args["java"], *args["options"], "-Xshare:dump", "-cp", args["jar"]]
        command += [f"-XX:SharedClassListFile={listed}", f"-XX:SharedArchiveFile={made}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not made.is_file():
            return (done.stderr or done.stdout).strip().splitlines()[-1]
        made.rename(archive)
    return ""


if __name__ == "__main__":
    main()
