#!/usr/bin/python
"""Make the Python environment of the tasks on a host, from wheels that are there already."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: worker_env
short_description: Make a virtual environment from wheels, with no way outside
description: The hashes of all wheels are checked; the environment is made anew for other wheels.
options:
  directory: {type: path, required: true, description: The virtual environment.}
  wheels: {type: path, required: true, description: Directory of wheels and requirements.txt.}
author: ImageNet on Hadoop
"""
EXAMPLES = r"""
- worker_env: {directory: /data/imagenet/env, wheels: /data/imagenet/dist/wheels-0a1b}
"""
RETURN = r"""
python: {description: Its interpreter., returned: success, type: str}
"""

MARK = "made-of"


def main() -> None:
    """Make the environment unless it is there."""
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "wheels": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    root, wheels = Path(module.params["directory"]), Path(module.params["wheels"])
    python = root / "bin" / "python"
    mark = root / MARK
    changed = not mark.is_file() or mark.read_text() != wheels.name
    if changed and not module.check_mode:
        shutil.rmtree(root, ignore_errors=True)
        pip = next(wheels.glob("pip-*.whl"), None)
        if pip is None:
            module.fail_json(msg=f"{wheels} holds no pip, which installs the others")
        # pip runs from its own wheel: ensurepip would take 4 s
        run(module, [sys.executable, "-m", "venv", "--without-pip", str(root)])
        options = ["--no-index", "--no-deps", "--no-compile", "--quiet", "--require-hashes"]
        options += ["--disable-pip-version-check", "--no-cache-dir", "--find-links", str(wheels)]
        requirements = ["--requirement", str(wheels / "requirements.txt")]
        run(module, [str(python), f"{pip}/pip", "install", *options, *requirements])
        mark.write_text(wheels.name)
    module.exit_json(changed=changed, python=str(python))


def run(module: AnsibleModule, command: list[str]) -> None:
    """Run one step; fail with its last words."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        module.fail_json(
            msg=f"the tasks' Python environment: {said[-1].strip() if said else command[0]}"
        )


if __name__ == "__main__":
    main()
