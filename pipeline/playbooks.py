"""Run this project's Ansible playbooks through ansible-runner and turn failures into sentences."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mr_jobs.lib.errors import ClusterError, ConfigError
from pipeline.ssh_connections import ssh_connections

ROOT = Path(__file__).resolve().parents[1]
ANSIBLE_DIR = ROOT / "ansible"
LOG_DIR = ROOT / "var" / "ansible"
KEPT_LOGS = 20
STOP_S = 10.0
POLL_S = 0.05
# ansible-runner copies the whole environment into its artifacts: only what the tasks need goes on
PASSED_ENV = (
    *("HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TMPDIR", "JAVA_HOME", "SSH_AUTH_SOCK"),
    *(
        "ANSIBLE_VAULT_PASSWORD_FILE",
        "MAVEN_OPTS",
        "MAVEN_ARGS",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
    ),
    *("http_proxy", "https_proxy", "no_proxy"),
)
PREFLIGHT = "cluster_preflight"
BOOKKEEPING = ("set_fact", "validate_argument_spec")
_AWAY = {
    "destroy": "nothing was deleted; bring it back, or go on without it by --force-missing HOST",
    "deploy": "what was done stays, `bin/pipeline up` goes on from there",
}


@dataclass
class Playbook:
    """What a playbook run left: the results of its modules, and what went wrong."""

    log: Path
    changed: int = 0
    results: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    failures: list[tuple[str, str, str, str, bool]] = field(default_factory=list)  # last: unreached
    pid: int | None = None
    rc: int | None = None

    def result(self, module: str) -> dict[str, dict[str, Any]]:
        """Return {host: last result} of a module."""
        return self.results.get(module, {})


def run_playbook(
    name: str,
    variables: dict[str, Any],
    progress: Callable[[str], None],
    *,
    inventory: dict[str, Any] | None = None,
    limit: str | None = None,
    needs_all: bool = True,
) -> Playbook:
    """Run one playbook.

    Parameters
    ----------
    name : `deploy`, `status` or `destroy`.
    variables : extra variables; they win over `ansible/group_vars/all`.
    progress : called with the name of each task as it starts.
    inventory : for Ansible, from `inventory.for_ansible`; None: this machine is the whole cluster.
    limit : Ansible's pattern of the hosts to work on; None: all.
    needs_all : a host that cannot be reached is an error.

    Raises
    ------
    ConfigError : the machine is not fit for a cluster (a pre-flight check failed).
    ClusterError : any other task failed, or Ansible itself did.
    """
    import ansible_runner  # 0.2 s that `--help` need not pay

    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
    private = LOG_DIR / f"{stamp}-{name}"
    private.mkdir(parents=True, mode=0o700)
    playbook = Playbook(private / "run" / "stdout")
    variables_file = private / "vars.json"
    variables_file.write_text(json.dumps(variables))
    variables_file.chmod(0o600)
    hosts = ANSIBLE_DIR / "inventories" / "local.yml"
    if inventory:
        hosts = private / "hosts.json"
        hosts.write_text(json.dumps(inventory))
    runner = ansible_runner.interface.init_runner(
        private_data_dir=str(private),
        artifact_dir=str(private),
        ident="run",
        project_dir=str(ANSIBLE_DIR),
        playbook=f"{name}.yml",
        inventory=str(hosts),
        limit=limit,
        extravars=variables_file.name,
        suppress_env_files=True,
        fact_cache_type="memory",
        quiet=True,
        cancel_callback=lambda: False,  # else it takes SIGINT and SIGTERM over, for good
        event_handler=lambda event: _collect(playbook, event, progress),
    )
    try:
        with ssh_connections() as sockets:
            runner.config.env = {**_environment(runner.config.env, private), **sockets}
            _run(runner.run, playbook)
    finally:
        (private / "run" / "command").unlink(missing_ok=True)
        _drop_old_logs()
    playbook.rc = runner.rc
    missed = all(failure[4] for failure in playbook.failures) and playbook.failures
    if playbook.rc != 0 and (needs_all or not missed):
        raise _error(name, playbook)
    return playbook


def _environment(prepared: dict[str, str], private: Path) -> dict[str, str]:
    """Reduce the environment to what Ansible and the tasks need; nothing goes to ~/.ansible."""
    kept = {key: os.environ[key] for key in PASSED_ENV if key in os.environ}
    own = {k: v for k, v in prepared.items() if k.startswith(("AWX_", "RUNNER_", "ANSIBLE_"))}
    own = {k: v for k, v in own.items() if os.environ.get(k) != v}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {
        **kept,
        **own,
        "PATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",
        "ANSIBLE_CONFIG": str(ANSIBLE_DIR / "ansible.cfg"),
        "ANSIBLE_HOME": str(private / "home"),
        "ANSIBLE_REMOTE_TMP": str(private / "home" / "tmp"),  # of this machine; hosts have theirs
        "ANSIBLE_HOST_KEY_CHECKING": "True",  # ansible-runner would turn it off
        "ANSIBLE_NOCOLOR": "1",
    }


def _collect(playbook: Playbook, event: dict[str, Any], progress: Callable[[str], None]) -> bool:
    """Take what matters from one event; False keeps it out of the artifacts."""
    playbook.pid = event.get("pid") or playbook.pid
    kind, data = event.get("event", ""), event.get("event_data", {})
    action = str(data.get("task_action", "")).rpartition(".")[2]
    if kind == "playbook_on_task_start":
        if action not in BOOKKEEPING:
            progress(str(data.get("name", "")).rpartition(" : ")[2])
    elif kind in ("runner_on_ok", "runner_on_failed", "runner_on_unreachable"):
        host, result = data.get("host", "?"), data.get("res", {})
        playbook.results.setdefault(action, {})[host] = result
        playbook.changed += bool(kind == "runner_on_ok" and result.get("changed"))
        if kind != "runner_on_ok" and not data.get("ignore_errors"):
            gone = kind == "runner_on_unreachable"
            said = _last_words(result) if gone else _essence(result)
            playbook.failures.append((data.get("task", "?"), host, action, said, gone))
    return False


def _essence(result: dict[str, Any]) -> str:
    """Return the one line of a failed task's result that says what went wrong."""
    message = str(result.get("msg", "")).strip()
    for key in ("stderr", "module_stderr", "exception"):
        lines = [line.strip() for line in str(result.get(key) or "").splitlines() if line.strip()]
        if lines and (not message or message.startswith(("non-zero", "MODULE FAILURE"))):
            errors = [line for line in lines if "ERROR" in line or "Exception" in line]
            return (errors or lines)[-1]
    return message.splitlines()[0] if message else "no message"


def _last_words(result: dict[str, Any]) -> str:
    """Return what ssh said last: a changed host key comes with a page of warnings."""
    said = str(result.get("msg", "")).rpartition("over ssh: ")[2].splitlines()
    return next((line.strip() for line in reversed(said) if line.strip(" @\r")), "no answer")


def _error(name: str, playbook: Playbook) -> ConfigError | ClusterError:
    """Say what failed: task, host, the module's own words, and where the rest is."""
    away = {host: said for _, host, _, said, gone in playbook.failures if gone}
    if away:
        host, said = sorted(away.items())[0]
        return ClusterError(
            f"{', '.join(sorted(away))} cannot be reached: {said}; "
            f"{_AWAY.get(name, 'nothing else was done')} (log: {playbook.log}, host {host})"
        )
    if not playbook.failures:
        lines = (
            playbook.log.read_text(errors="replace").splitlines() if playbook.log.exists() else []
        )
        said = next((line for line in lines if "ERROR" in line), "no reason given")
        what = f"did not run: {said}"
        if playbook.rc is None:  # ansible-runner's word for the end by a signal
            what = "was killed; the same command again goes on from there"
        return ClusterError(f"ansible-playbook {name}.yml {what}; see {playbook.log}")
    task, host, action, essence, _ = playbook.failures[0]
    kind = ConfigError if action == PREFLIGHT else ClusterError
    hosts = ", ".join(sorted({failure[1] for failure in playbook.failures}))
    return kind(f"{task!r} failed on {hosts or host}: {essence} (log: {playbook.log})")


def _run(run: Callable[[], object], playbook: Playbook) -> None:
    """Run a playbook in a thread, so that an interrupt of the caller can end it in good order."""
    with ThreadPoolExecutor(1) as executor:
        future = executor.submit(run)
        try:
            future.result()
        finally:
            for number in (signal.SIGINT, signal.SIGKILL):  # the first makes it end its workers too
                _signal(number, playbook, future)


def _signal(number: int, playbook: Playbook, future: Future[object]) -> None:
    """Signal the playbook's process unless it is over, and wait for its end."""
    deadline = time.monotonic() + STOP_S
    while not future.done() and playbook.pid is None and time.monotonic() < deadline:
        time.sleep(POLL_S)  # no event yet, so its pid is not known
    if not future.done() and playbook.pid is not None:
        os.kill(playbook.pid, number)
        wait([future], timeout=STOP_S)


def _drop_old_logs() -> None:
    """Keep the newest logs only; the names sort by time."""
    for old in sorted(LOG_DIR.iterdir())[:-KEPT_LOGS]:
        shutil.rmtree(old, ignore_errors=True)
