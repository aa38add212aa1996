"""Hadoop's files are written whole, escaped, sorted, and only when they differ."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from types import ModuleType

import pytest

Load = Callable[[str], ModuleType]


def test_xml_is_escaped_sorted_and_typed_as_hadoop_reads_it(library: Load) -> None:
    text = library("hadoop_conf").render(
        "core-site.xml", {"b": True, "a": "<1 & 2>", "c": ["x", "y"], "d": 7}
    )

    root = ET.fromstring(text)  # noqa: S314
    pairs = [(p.findtext("name"), p.findtext("value")) for p in root.iter("property")]
    assert pairs == [("a", "<1 & 2>"), ("b", "true"), ("c", "x,y"), ("d", "7")]


def test_properties_are_lines(library: Load) -> None:
    assert library("hadoop_conf").render("log4j.properties", {"b": 1, "a": "x"}) == "a=x\nb=1\n"


@pytest.mark.parametrize("value", [False, "false"])
def test_false_is_lower_case(library: Load, value: object) -> None:
    assert library("hadoop_conf").to_text(value) == "false"
