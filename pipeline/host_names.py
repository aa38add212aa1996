"""Check an inventory of hosts before Ansible or ssh sees a word of it.

A name in it becomes an argument of ssh; a variable can start a program here (ProxyCommand), act
as somebody else there (ansible_become) or be a template, which Ansible evaluates here. So what is
allowed is listed, and everything else is refused. Ansible reads files in its own way (one
that is executable it runs): give it what `read_inventory` returned, written anew, never the file.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from mr_jobs.lib.errors import ConfigError
from mr_jobs.lib.plain_files import read_plain

MAX_INVENTORY_BYTES = 1 << 18
MAX_HOSTS = 1000
_MOST_NESTED = 10
_MOST_TOKENS_NESTED = 50  # of YAML: three a group
_LONGEST_NAME = 253  # of a host in DNS
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")  # of a group or a variable
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")
_PATH = re.compile(r"/[A-Za-z0-9_./+-]*")
_HOME_PATH = re.compile(r"(~/|/)[A-Za-z0-9_./+-]*")
_NUMBER = re.compile(r"[0-9]{1,5}")
_TEMPLATE = re.compile(r"\{[{%#]")
_PARTS = ("hosts", "children", "vars")
_SSH_OPTIONS = {  # in small letters, as ssh takes them in any
    "userknownhostsfile": _HOME_PATH,
    "stricthostkeychecking": re.compile("yes"),
    "port": _NUMBER,
    "connecttimeout": _NUMBER,
    "serveraliveinterval": _NUMBER,
    "serveralivecountmax": _NUMBER,
    "identitiesonly": re.compile("yes|no"),
}
_SSH_ARGS = (
    "-o UserKnownHostsFile=PATH, StrictHostKeyChecking=yes, Port, ConnectTimeout, "
    "ServerAliveInterval, ServerAliveCountMax and IdentitiesOnly"
)


def check_host_name(name: object) -> None:
    """Raise a ConfigError unless a name or address can safely be an argument of ssh.

    Letters, digits, dot, dash and underscore, beginning with a letter or a digit: nothing that ssh
    takes for an option, a shell for more than a word, or Ansible for a pattern or a template.
    """
    if not isinstance(name, str) or len(name) > _LONGEST_NAME or not _HOST.fullmatch(name):
        raise ConfigError(
            f"inventory: {_shown(name)} is no host name; use letters, digits, dot, dash and "
            f"underscore, the first a letter or a digit, at most {_LONGEST_NAME} of them"
        )


def read_inventory(path: Path) -> dict[str, Any]:
    """Read an inventory in YAML and check it, see `check_inventory`.

    Raises
    ------
    ConfigError
        It cannot be read, is too large, no plain YAML (a tag such as `!vault` or `!unsafe`, an
        alias), or says what an inventory must not.
    """
    try:
        text = read_plain(path, MAX_INVENTORY_BYTES).decode("utf-8")
        _check_tokens(text)
        data = yaml.safe_load(text)
    except OSError as error:
        raise ConfigError(f"inventory: {path} cannot be read ({error.strerror})") from error
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"inventory: {path} is no plain YAML ({_first_line(error)})") from error
    check_inventory(data)
    return dict(data)


def _check_tokens(text: str) -> None:
    """Raise a ValueError for what would make a small text take long."""
    depth = 0
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        if isinstance(token, yaml.AliasToken):  # a few lines of them are billions of hosts
            raise ValueError("an alias, *name; write it out")
        depth += type(token).__name__.endswith("StartToken")
        depth -= type(token).__name__.endswith("EndToken")
        if depth > _MOST_TOKENS_NESTED:
            raise ValueError("nested too deep")


def check_inventory(data: object) -> None:
    """Check an inventory, as YAML reads it: groups with `hosts`, `children` and `vars`.

    Raises
    ------
    ConfigError
        A name holds other characters than it may, a variable would run a program or change who
        acts, a value is a template, or there are too many hosts.
    """
    if not isinstance(data, Mapping) or not data:
        raise ConfigError("inventory: it names no group; see docs/architecture.md")
    hosts: set[str] = set()
    for name, group in data.items():
        _check_group(name, group, hosts, 0)
    if len(hosts) > MAX_HOSTS:
        raise ConfigError(f"inventory: {len(hosts)} hosts; the most are {MAX_HOSTS}")


def _check_group(name: object, group: object, hosts: set[str], depth: int) -> None:
    _check_word(name, "group")
    if depth > _MOST_NESTED:
        raise ConfigError(f"inventory: groups are nested deeper than {_MOST_NESTED}")
    parts = _mapping(group, f"group {name}")
    if unknown := sorted(str(part) for part in parts if part not in _PARTS):
        raise ConfigError(
            f"inventory: group {name} has {_shown(unknown[0])}; it can have {', '.join(_PARTS)}"
        )
    for host, variables in _mapping(parts.get("hosts"), f"hosts of {name}").items():
        check_host_name(host)
        hosts.add(host)
        _check_variables(variables, host)
    for child, inner in _mapping(parts.get("children"), f"children of {name}").items():
        _check_group(child, inner, hosts, depth + 1)
    _check_variables(parts.get("vars"), f"group {name}")


def _mapping(value: object, what: str) -> Mapping[Any, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigError(f"inventory: {what}: not a table of names")
    return value


def _check_word(name: object, what: str) -> None:
    if not isinstance(name, str) or len(name) > _LONGEST_NAME or not _WORD.fullmatch(name):
        raise ConfigError(
            f"inventory: {_shown(name)} is no name of a {what}; use letters, digits and underscore"
        )


def _check_variables(variables: object, of: str) -> None:
    for name, value in _mapping(variables, f"variables of {of}").items():
        _check_word(name, "variable")
        for text in _texts(value, 0):
            if _TEMPLATE.search(text) or not text.isprintable():
                raise ConfigError(
                    f"inventory: {name} of {of} is a template or holds control characters; "
                    "write the value itself"
                )
        if not name.startswith("ansible_"):
            continue
        if name not in _ANSIBLE:
            raise ConfigError(
                f"inventory: {name} of {of} is refused: it may run programs or change who acts; "
                f"allowed are {', '.join(_ANSIBLE)}"
            )
        is_fit, wanted = _ANSIBLE[name]
        if not is_fit(value):
            raise ConfigError(f"inventory: {name} of {of} is {_shown(value)}; use {wanted}")


def _texts(value: object, depth: int) -> Iterator[str]:
    """Yield all texts in a value, also the names in a table."""
    if depth > _MOST_NESTED:
        raise ConfigError(f"inventory: a variable is nested deeper than {_MOST_NESTED}")
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from _texts(inner, depth + 1)
    elif isinstance(value, list | tuple | set):
        for inner in value:
            yield from _texts(inner, depth + 1)


def _like(pattern: re.Pattern[str]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_host(value: object) -> bool:
    return _like(_HOST)(value) and len(str(value)) <= _LONGEST_NAME


def _is_port(value: object) -> bool:
    return type(value) is int and 0 < value < 1 << 16


def _are_ssh_args(value: object) -> bool:
    """Say whether a text is nothing but `-o NAME=VALUE` of the options that are allowed."""
    if not isinstance(value, str):
        return False
    try:
        words = shlex.split(value)
    except ValueError:
        return False
    options = [word.partition("=") for word in words[1::2]]
    return len(words) % 2 == 0 and all(
        flag == "-o" and name.lower() in _SSH_OPTIONS and fits(text)
        for flag, (name, _, text) in zip(words[::2], options, strict=True)
        for fits in [_like(_SSH_OPTIONS.get(name.lower(), _NUMBER))]
    )


_ANSIBLE: dict[str, tuple[Callable[[object], bool], str]] = {
    "ansible_host": (_is_host, "a host name or address"),
    "ansible_port": (_is_port, "a port"),
    "ansible_user": (_like(_USER), "a user's name"),
    "ansible_connection": (_like(re.compile("ssh|local")), "ssh or local"),
    "ansible_python_interpreter": (_like(_PATH), "an absolute path without spaces"),
    "ansible_ssh_private_key_file": (_like(_HOME_PATH), "an absolute path without spaces"),
    "ansible_ssh_common_args": (_are_ssh_args, f"none but {_SSH_ARGS}"),
}


def _shown(value: object) -> str:
    return ascii(value)[:100]


def _first_line(error: Exception) -> str:
    return ascii((str(error).splitlines() or [type(error).__name__])[0])[1:-1][:200]
