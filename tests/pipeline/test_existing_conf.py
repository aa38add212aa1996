"""Where a cluster's services are by its configuration files, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.existing_conf import Addresses, addresses, read_settings

CORE = {"fs.defaultFS": "hdfs://nn.example.org:8020"}
YARN = {"yarn.resourcemanager.hostname": "rm.example.org"}
MAPRED = {"mapreduce.framework.name": "yarn"}


def write(folder: Path, name: str, settings: dict[str, str]) -> None:
    properties = "".join(
        f"<property><name>{key}</name><value>{value}</value><final>true</final></property>"
        for key, value in settings.items()
    )
    (folder / name).write_text(
        f'<?xml version="1.0"?><?xml-stylesheet href="configuration.xsl"?>'
        f"<!-- of a distribution --><configuration>{properties}</configuration>"
    )


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """The least that a cluster's client has to know."""
    write(tmp_path, "core-site.xml", CORE)
    write(tmp_path, "yarn-site.xml", YARN)
    write(tmp_path, "mapred-site.xml", MAPRED)
    return tmp_path


def read(conf: Path) -> Addresses:
    problems: list[str] = []
    found = addresses(read_settings(conf, problems), problems)
    assert problems == []
    assert found is not None
    return found


def refused(conf: Path) -> str:
    problems: list[str] = []
    settings = read_settings(conf, problems)
    found = addresses(settings, problems)
    assert problems
    assert found is None or len(problems) == 1  # a file that could not be read
    return "\n".join(problems)


def test_what_is_not_set_is_as_hadoop_has_it(conf: Path) -> None:
    assert read(conf) == Addresses(
        fs_uri="hdfs://nn.example.org:8020",
        webhdfs_urls=("http://nn.example.org:9870",),
        resourcemanager_urls=("http://rm.example.org:8088",),
        historyserver_url="http://rm.example.org:19888",
        queue="default",
    )


def test_addresses_and_variables_in_them_are_read(conf: Path) -> None:
    write(conf, "hdfs-site.xml", {"dfs.namenode.http-address": "web.example.org:50070"})
    write(
        conf,
        "yarn-site.xml",
        {
            **YARN,
            "yarn.resourcemanager.webapp.address": "${yarn.resourcemanager.hostname}:${port}",
            "port": "18088",
        },
    )
    write(
        conf,
        "mapred-site.xml",
        {
            **MAPRED,
            "mapreduce.jobhistory.webapp.address": "hs.example.org:19888",
            "mapreduce.job.queuename": "batch",
        },
    )

    found = read(conf)

    assert found.webhdfs_urls == ("http://web.example.org:50070",)
    assert found.resourcemanager_urls == ("http://rm.example.org:18088",)
    assert found.historyserver_url == "http://hs.example.org:19888"
    assert found.queue == "batch"


def test_a_variable_that_names_itself_ends(conf: Path) -> None:
    write(conf, "mapred-site.xml", {**MAPRED, "mapreduce.job.queuename": "${a}", "a": "${a}x"})

    assert read(conf).queue.startswith("${a}")


def test_services_with_standbys_have_several_addresses(conf: Path) -> None:
    write(conf, "core-site.xml", {"fs.defaultFS": "hdfs://lake"})
    write(
        conf,
        "hdfs-site.xml",
        {
            "dfs.nameservices": "lake, other",
            "dfs.ha.namenodes.lake": "nn1,nn2",
            "dfs.namenode.http-address.lake.nn1": "one.example.org:9870",
            "dfs.namenode.rpc-address.lake.nn2": "two.example.org:8020",
        },
    )
    write(
        conf,
        "yarn-site.xml",
        {
            "yarn.resourcemanager.ha.enabled": "true",
            "yarn.resourcemanager.ha.rm-ids": "rm1,rm2",
            "yarn.resourcemanager.hostname.rm1": "one.example.org",
            "yarn.resourcemanager.webapp.address.rm2": "two.example.org:8090",
        },
    )

    found = read(conf)

    assert found.fs_uri == "hdfs://lake"
    assert found.webhdfs_urls == ("http://one.example.org:9870", "http://two.example.org:9870")
    assert found.resourcemanager_urls == (
        "http://one.example.org:8088",
        "http://two.example.org:8090",
    )


@pytest.mark.parametrize(
    ("name", "settings", "told"),
    [
        ("core-site.xml", {}, "fs.defaultFS is not set"),
        ("core-site.xml", {"fs.defaultFS": "s3a://lake"}, "fs.defaultFS is s3a://lake"),
        ("core-site.xml", {**CORE, "hadoop.security.authentication": "kerberos"}, "kerberos"),
        ("hdfs-site.xml", {"dfs.http.policy": "HTTPS_ONLY"}, "HDFS speaks HTTPS only"),
        ("hdfs-site.xml", {"dfs.webhdfs.enabled": "false"}, "WebHDFS is off"),
        ("yarn-site.xml", {}, "names no yarn.resourcemanager.hostname"),
        ("yarn-site.xml", {**YARN, "yarn.resourcemanager.ha.enabled": "true"}, "without ha.rm-ids"),
        ("mapred-site.xml", {}, "mapreduce.framework.name is local"),
    ],
)
def test_what_the_pipeline_cannot_talk_to_is_said(
    conf: Path, name: str, settings: dict[str, str], told: str
) -> None:
    write(conf, name, settings)

    assert told in refused(conf)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<configuration><property>", "no element found"),
        ("<html/>", "its root is <html>"),
        (
            '<!DOCTYPE x [<!ENTITY a "aaaa">]><configuration/>',
            "it has a document type",
        ),
        (
            '<configuration xmlns:xi="http://www.w3.org/2001/XInclude">'
            '<xi:include href="/etc/passwd"/></configuration>',
            "includes another file",
        ),
        ("\xff", "codec can't decode"),
    ],
)
def test_a_file_that_is_no_configuration_is_named(conf: Path, text: str, told: str) -> None:
    (conf / "hdfs-site.xml").write_text(text, "latin-1")

    said = refused(conf)

    assert str(conf / "hdfs-site.xml") in said
    assert told in said
