"""Read the boxes of an annotation: one XML file in the form of PASCAL VOC.

The file is hostile until read: its names and numbers are checked, and a document type, which could
define entities that grow or read other files, is refused before anything is parsed.
Source: the ILSVRC devkits' readme.txt, "Bounding box annotations".
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple
from xml.etree import ElementTree  # see parse_voc: no document type gets to it

from mr_jobs.lib.imagenet import is_wnid

MAX_XML_BYTES = 1 << 20
_MAX_NUMBER = (1 << 31) - 1
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


class Box(NamedTuple):
    """A box in pixels of the annotation's own image size; None where the file does not say."""

    wnid: str
    xmin: int
    ymin: int
    xmax: int
    ymax: int
    image_width: int | None = None
    image_height: int | None = None
    truncated: int | None = None
    difficult: int | None = None


class BoxFault(ValueError):
    """An annotation, or a box, that cannot be used; the message is the reason, a short word."""


def parse_voc(encoded: bytes) -> Iterator[Box | BoxFault]:
    """Yield the boxes of an XML file, or what is wrong with one.

    Raises
    ------
    BoxFault
        If the whole file is of no use: too_large, not_utf8, doctype, not_xml or no_annotation.
    """
    root = _parse(encoded)
    size: dict[str, str] = {}
    objects = []
    for child in root:
        if child.tag == "object":
            objects.append(child)
        elif child.tag == "size":
            size = _texts(child)
    shape = (_size(size.get("width")), _size(size.get("height")))
    return (_box_or_fault(found, shape) for found in objects)


def box_of(wnid: str, corners: list[str | None]) -> Box:
    """Check a box's class and its xmin, ymin, xmax, ymax.

    Raises
    ------
    BoxFault
        no_class, not_numbers or broken_box (empty, or with its corners swapped).
    """
    if not is_wnid(wnid):
        raise BoxFault("no_class")
    xmin, ymin, xmax, ymax = (_number(corner) for corner in corners)
    if xmin >= xmax or ymin >= ymax:
        raise BoxFault("broken_box")
    return Box(wnid, xmin, ymin, xmax, ymax)


def _parse(encoded: bytes) -> ElementTree.Element:
    if len(encoded) > MAX_XML_BYTES:
        raise BoxFault("too_large")
    try:
        text = encoded.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BoxFault("not_utf8") from error
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise BoxFault("doctype")
    parser = ElementTree.XMLParser()  # noqa: S314  # a str is parsed as what it was checked as
    try:
        parser.feed(text)
        root = parser.close()
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise BoxFault("not_xml") from error
    if root.tag != "annotation":
        raise BoxFault("no_annotation")
    return root


def _box_or_fault(
    found: ElementTree.Element, shape: tuple[int | None, int | None]
) -> Box | BoxFault:
    facts = _texts(found)
    corners: dict[str, str] = {}
    for child in found:
        if child.tag == "bndbox":
            corners = _texts(child)
    try:
        box = box_of(facts.get("name", ""), [corners.get(name) for name in _CORNERS])
    except BoxFault as fault:
        return fault
    flags = (_flag(facts.get("truncated")), _flag(facts.get("difficult")))
    return Box(*box[:5], *shape, *flags)


def _texts(element: ElementTree.Element) -> dict[str, str]:
    return {child.tag: (child.text or "").strip() for child in element}


def _number(text: str | None) -> int:
    """Read a corner; some tools write fractions, which are rounded."""
    try:
        number = float(text or "")
    except ValueError as error:
        raise BoxFault("not_numbers") from error
    if not math.isfinite(number) or abs(number) > _MAX_NUMBER:
        raise BoxFault("not_numbers")
    return round(number)


def _size(text: str | None) -> int | None:
    try:
        size = _number(text)
    except BoxFault:
        return None
    return size if size > 0 else None


def _flag(text: str | None) -> int | None:
    return int(text) if text in ("0", "1") else None
