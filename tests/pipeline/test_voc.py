"""Boxes of one XML file; whatever is in it, a box or a reason comes out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.voc import MAX_XML_BYTES, Box, BoxFault, parse_voc

OBJECT = """<object><name>{name}</name><pose>Unspecified</pose><truncated>1</truncated>
<difficult>0</difficult><bndbox><xmin>{0}</xmin><ymin>{1}</ymin><xmax>{2}</xmax><ymax>{3}</ymax>
</bndbox></object>"""


def xml(*boxes: tuple[object, ...], name: str = "n01440764", size: object = 500) -> bytes:
    """Make an annotation of one object a box."""
    shape = f"<size><width>{size}</width><height>375</height><depth>3</depth></size>"
    objects = "".join(OBJECT.format(*box, name=name) for box in boxes)
    return f"<annotation><folder>x</folder>{shape}{objects}</annotation>".encode()


def _reason(encoded: bytes) -> str:
    """Return why a whole file is refused."""
    with pytest.raises(BoxFault) as caught:
        parse_voc(encoded)
    return str(caught.value)


def _only(encoded: bytes) -> Box | str:
    (found,) = parse_voc(encoded)
    return str(found) if isinstance(found, BoxFault) else found


def test_every_field_of_a_box_is_read() -> None:
    assert _only(xml((13, 22, 485, 342))) == Box("n01440764", 13, 22, 485, 342, 500, 375, 1, 0)


def test_boxes_come_in_the_files_order_and_a_broken_one_alone_is_refused() -> None:
    found = list(parse_voc(xml((1, 1, 5, 5), (9, 1, 5, 5), (2, 2, 6, 6))))

    assert [f"{box}" if isinstance(box, BoxFault) else box.xmin for box in found] == [
        1,
        "broken_box",
        2,
    ]


def test_fractions_are_rounded_and_sizes_that_are_none_are_null() -> None:
    box = _only(xml((1.4, 1.6, "5e0", " 7 "), size="?"))

    assert box == Box("n01440764", 1, 2, 5, 7, None, 375, 1, 0)


def test_a_video_frames_further_fields_are_ignored() -> None:
    encoded = xml((1, 1, 5, 5)).replace(
        b"<pose>", b"<trackid>0</trackid><occluded>1</occluded><pose>"
    )

    assert isinstance(_only(encoded), Box)


def test_a_file_without_objects_has_no_boxes() -> None:
    assert list(parse_voc(xml())) == []


@pytest.mark.parametrize(
    ("corners", "reason"),
    [
        ((5, 1, 5, 5), "broken_box"),
        ((1, 6, 5, 5), "broken_box"),
        (("", 1, 5, 5), "not_numbers"),
        (("one", 1, 5, 5), "not_numbers"),
        (("nan", 1, 5, 5), "not_numbers"),
        ((1, 1, "inf", 5), "not_numbers"),
        ((1, 1, "1e300", 5), "not_numbers"),
        ((1, 1, 1 << 31, 5), "not_numbers"),
    ],
)
def test_a_box_that_is_none_says_why(corners: tuple[object, ...], reason: str) -> None:
    assert _only(xml(corners)) == reason


@pytest.mark.parametrize("name", ["", "a/b", "a\tb", "x" * 300])
def test_a_box_of_no_class_is_refused(name: str) -> None:
    assert _only(xml((1, 1, 5, 5), name=name)) == "no_class"


BOMB = """<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><annotation>&b;</annotation>"""


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        (BOMB.encode(), "doctype"),
        (BOMB.encode("utf-16"), "not_utf8"),
        (b'<?xml version="1.0" encoding="cp037"?>' + BOMB.encode("cp037"), "not_utf8"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation/>', "doctype"),
        (b"<annotation>&a;</annotation>", "not_xml"),
        (b"<annotation>", "not_xml"),
        (b"", "not_xml"),
        (b"\0" * 100, "not_xml"),
        (b"<html></html>", "no_annotation"),
        (b"<annotation>" + b" " * MAX_XML_BYTES, "too_large"),
    ],
)
def test_a_hostile_file_is_refused_with_a_reason(encoded: bytes, reason: str) -> None:
    assert _reason(encoded) == reason


def test_a_declared_encoding_does_not_hide_a_document_type() -> None:
    hidden = b'<?xml version="1.0" encoding="cp037"?><annotation><object/></annotation>'

    assert _only(hidden) == "no_class"  # read as the UTF-8 that was looked through


def test_deep_nesting_is_no_crash() -> None:
    depth = 100_000
    assert (
        list(parse_voc(b"<annotation>" + b"<a>" * depth + b"</a>" * depth + b"</annotation>")) == []
    )


@given(
    st.binary(max_size=300)
    | st.text(alphabet="<>/&;annotiobjc!D[]\"' \n", max_size=300).map(str.encode)
)
def test_any_bytes_give_boxes_or_a_reason(encoded: bytes) -> None:
    try:
        found = list(parse_voc(encoded))
    except BoxFault:
        return
    assert all(isinstance(box, Box | BoxFault) for box in found)
