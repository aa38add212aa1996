"""SequenceFiles of any records: they come back whole, however the file is cut into splits."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mr_jobs.lib.errors import BundleError
from mr_jobs.lib.sequencefile import Reader, Writer

SYNC = bytes(range(100, 116))
TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "Text": TEXTS,
    "BytesWritable": st.binary(max_size=200)
    | st.sampled_from([30_000, 102_400]).map(bytes)  # so that there are markers between
    | st.just(b"\xff\xff\xff\xff" + SYNC[:15]),
    "NullWritable": st.none(),
    "IntWritable": st.integers(-(2**31), 2**31 - 1),
    "LongWritable": st.integers(-(2**63), 2**63 - 1),
}
MODES = st.sampled_from([("none", "default")]) | st.tuples(
    st.sampled_from(["record", "block"]), st.sampled_from(["default", "deflate", "gzip", "bzip2"])
)


@st.composite
def files(draw: st.DrawFn) -> tuple[bytes, list[tuple[Any, Any]], list[int]]:
    """Draw a file, its pairs, and the offsets that the writer gave."""
    classes = [draw(st.sampled_from(list(FIELDS))) for _ in range(2)]
    pairs = draw(st.lists(st.tuples(*(FIELDS[name] for name in classes)), max_size=25))
    compression, codec = draw(MODES)
    file = BytesIO()
    with Writer(
        file,
        key_class=classes[0],
        value_class=classes[1],
        compression=compression,
        codec=codec,
        metadata=draw(st.dictionaries(TEXTS, TEXTS, max_size=3)),
        sync=SYNC,
    ) as writer:
        offsets = [writer.append(*pair) for pair in pairs]
    return file.getvalue(), pairs, offsets


@given(files())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_whatever_is_written_is_read_back_and_found_by_its_offset(file: Any) -> None:
    data, pairs, offsets = file
    reader = Reader(BytesIO(data))

    records = list(reader.records())

    assert [(r.key, r.value) for r in records] == pairs
    assert [r.offset for r in records] == offsets
    assert [r.key for r in reader.keys(0)] == [key for key, _ in pairs]
    for record in records:
        first = records[offsets.index(record.offset)]
        assert reader.read_at(record.offset) == first


@given(files(), st.data())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_splits_cut_anywhere_hold_every_record_exactly_once(
    file: Any, draws: st.DataObject
) -> None:
    data, pairs, _ = file
    cuts = draws.draw(st.lists(st.integers(0, len(data)), max_size=6))
    bounds = [0, *sorted(cuts), len(data)]
    reader = Reader(BytesIO(data))

    parts = [list(reader.records(*bounds[i : i + 2])) for i in range(len(bounds) - 1)]

    assert [(r.key, r.value) for part in parts for r in part] == pairs


@given(files(), st.data())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_a_file_cut_anywhere_gives_the_records_before_the_cut(
    file: Any, draws: st.DataObject
) -> None:
    data, pairs, _ = file
    size = draws.draw(st.integers(0, len(data)))
    errors: list[BundleError] = []
    if size < Reader(BytesIO(data)).header_length:
        with pytest.raises(BundleError):
            Reader(BytesIO(data[:size]))
        return
    reader = Reader(BytesIO(data[:size]))

    found = list(reader.records(on_damage=errors.append))

    assert [(r.key, r.value) for r in found] == pairs[: len(found)]
    whole = [r for r in Reader(BytesIO(data)).records() if r.offset + r.length <= size]
    assert found == whole
    assert len(errors) <= 1
    assert bool(errors) or size - max((r.offset + r.length for r in whole), default=size) <= 20
