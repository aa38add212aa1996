"""Read a cluster's configuration files: where its HDFS and YARN are."""

from __future__ import annotations

import getpass
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree  # see _properties: no document type gets to it

_FILES = ("core-site.xml", "hdfs-site.xml", "yarn-site.xml", "mapred-site.xml")
_MOST_BYTES = 4 << 20
_VARIABLE = re.compile(r"\$\{([^}$]+)\}")
_MOST_VARIABLES = 20  # as in Hadoop's Configuration
_ANY_HOST = ("0.0.0.0", "")  # noqa: S104  # an address to listen on, not to ask


@dataclass(frozen=True)
class Addresses:
    """Where to ask; of a service with standbys there are several."""

    fs_uri: str
    webhdfs_urls: tuple[str, ...]
    resourcemanager_urls: tuple[str, ...]
    historyserver_url: str
    queue: str


class Settings:
    """Settings by name; `${name}` in a value stands for another one.

    Source: org.apache.hadoop.conf.Configuration.
    """

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values

    def get(self, name: str, default: str = "") -> str:
        """Return a setting, expanded, or the default."""
        text = self._values.get(name, default).strip()
        for _ in range(_MOST_VARIABLES):
            found = _VARIABLE.search(text)
            value = self._value(found[1]) if found else None
            if found is None or value is None:
                break
            text = text[: found.start()] + value + text[found.end() :]
        return text

    def names(self, name: str) -> list[str]:
        """Return a setting that is a list with commas."""
        return [part.strip() for part in self.get(name).split(",") if part.strip()]

    def is_true(self, name: str, default: str) -> bool:
        """Return a setting that is true or false."""
        return self.get(name, default).lower() == "true"

    def number(self, name: str, default: float) -> float:
        """Return a setting that is a number; the default if it is none."""
        try:
            return float(self.get(name, str(default)))
        except ValueError:
            return default

    def _value(self, name: str) -> str | None:
        return getpass.getuser() if name == "user.name" else self._values.get(name)


def read_settings(conf_dir: Path, problems: list[str]) -> Settings:
    """Read the configuration files of a directory, the later ones over the earlier ones.

    Parameters
    ----------
    problems : a sentence is added for each file that cannot be read.
    """
    values: dict[str, str] = {}
    for name in _FILES:
        path = conf_dir / name
        try:
            values.update(_properties(path.read_bytes()))
        except FileNotFoundError:
            continue
        except OSError as error:
            problems.append(f"{path} cannot be read: {error.strerror}")
        except ValueError as error:
            problems.append(f"{path} is not a configuration file of Hadoop: {error}")
    return Settings(values)


def _properties(encoded: bytes) -> Iterator[tuple[str, str]]:
    """Yield the names and values of a file; a ValueError says what is wrong with it."""
    if len(encoded) > _MOST_BYTES:
        raise ValueError(f"it has more than {_MOST_BYTES} bytes")
    text = encoded.decode("utf-8-sig")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("it has a document type, which is not read")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314  # without a document type: no entities
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from error
    if root.tag != "configuration":
        raise ValueError(f"its root is <{root.tag}>, not <configuration>")
    for element in root:
        if element.tag.endswith("}include"):
            raise ValueError("it includes another file, which is not read; copy that into it")
        if element.tag == "property" and element.findtext("name"):
            yield element.findtext("name", "").strip(), element.findtext("value") or ""


def addresses(settings: Settings, problems: list[str]) -> Addresses | None:
    """Return where a cluster's services are; None if `problems` say why there is no telling."""
    before = len(problems)
    _require_usable(settings, problems)
    fs_uri = settings.get("fs.defaultFS") or settings.get("fs.default.name")
    parts = urlsplit(fs_uri)
    if parts.scheme != "hdfs" or not parts.netloc:
        problems.append(
            f"fs.defaultFS is {fs_uri or 'not set'}; the pipeline works on hdfs://HOST:PORT only"
        )
    webhdfs = tuple(_webhdfs_urls(settings, parts.netloc))
    managers = tuple(_manager_urls(settings, problems))
    history = settings.get("mapreduce.jobhistory.webapp.address", "0.0.0.0:19888")
    if len(problems) > before:
        return None
    return Addresses(
        f"hdfs://{parts.netloc}",
        webhdfs,
        managers,
        _url(history, urlsplit(managers[0]).hostname or ""),
        settings.get("mapreduce.job.queuename", "default"),
    )


def _require_usable(settings: Settings, problems: list[str]) -> None:
    """Refuse what the pipeline cannot talk to."""
    security = settings.get("hadoop.security.authentication", "simple")
    if security != "simple":
        problems.append(
            f"the cluster asks for {security} (hadoop.security.authentication); on an existing "
            "cluster the pipeline logs in by the user's name only"
        )
    if settings.get("dfs.http.policy") == "HTTPS_ONLY":
        problems.append("HDFS speaks HTTPS only (dfs.http.policy), which is not supported here")
    if settings.get("yarn.http.policy") == "HTTPS_ONLY":
        problems.append("YARN speaks HTTPS only (yarn.http.policy), which is not supported here")
    if not settings.is_true("dfs.webhdfs.enabled", "true"):
        problems.append("WebHDFS is off (dfs.webhdfs.enabled); the pipeline needs it")
    framework = settings.get("mapreduce.framework.name", "local")
    if framework != "yarn":
        problems.append(f"mapreduce.framework.name is {framework}; jobs have to run on yarn")


def _webhdfs_urls(settings: Settings, authority: str) -> Iterator[str]:
    """Yield the HTTP addresses of the NameNodes; of a name service there are several."""
    host = authority.rpartition(":")[0] or authority
    if authority in settings.names("dfs.nameservices"):
        for node in settings.names(f"dfs.ha.namenodes.{authority}"):
            rpc = settings.get(f"dfs.namenode.rpc-address.{authority}.{node}")
            name = f"dfs.namenode.http-address.{authority}.{node}"
            yield _url(settings.get(name, "0.0.0.0:9870"), rpc.rpartition(":")[0])
    else:
        yield _url(settings.get("dfs.namenode.http-address", "0.0.0.0:9870"), host)


def _manager_urls(settings: Settings, problems: list[str]) -> Iterator[str]:
    """Yield the HTTP addresses of the ResourceManagers."""
    is_many = settings.is_true("yarn.resourcemanager.ha.enabled", "false")
    ids = settings.names("yarn.resourcemanager.ha.rm-ids") if is_many else [""]
    for suffix in (f".{name}" if name else "" for name in ids):
        host = settings.get(f"yarn.resourcemanager.hostname{suffix}")
        address = settings.get(f"yarn.resourcemanager.webapp.address{suffix}", "0.0.0.0:8088")
        if not host and address.partition(":")[0] in _ANY_HOST:
            problems.append(
                f"yarn-site.xml names no yarn.resourcemanager.hostname{suffix}: where the "
                "ResourceManager is cannot be told"
            )
        yield _url(address, host)
    if not ids:
        problems.append("yarn.resourcemanager.ha.enabled is true without ha.rm-ids")


def _url(address: str, host: str) -> str:
    """Return the URL of HOST:PORT; where that is any host, the service is on `host`."""
    name, _, port = address.rpartition(":")
    return f"http://{host if name in _ANY_HOST else name}:{port}"
