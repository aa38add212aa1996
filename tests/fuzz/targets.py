"""What must hold for any bytes at all, a function a target: it returns, or the contract is broken.

The contract of everything that reads what came from outside: only a `PipelineError` escapes, it
ends, memory does not follow what a length claims, and what is given out is what is in the file.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import pairwise

import numpy as np

from mr_jobs.lib import typedbytes
from mr_jobs.lib.errors import BundleError, DataError, ImageError
from mr_jobs.lib.images import Probe, decode, probe
from mr_jobs.lib.rawtar import Member, walk_members
from mr_jobs.lib.repair import RepairSettings, decode_repaired
from mr_jobs.lib.sequencefile import Reader, Record, Writer
from mr_jobs.lib.sequencefile_format import ESCAPE

MAX_IMAGE_PX = 1 << 16  # of `decode`, so that an execution stays short
_MAX_BYTES = 1 << 16  # of a record, likewise
_BLOCK_BYTES = 512  # of a tar
_NAME = "fuzz.seq"
_SETTINGS = RepairSettings(min_decoded_share=0.1, second_opinion=False)
_REASONS = {"empty", "not_an_image", "too_many_pixels", "undecodable"}


def fuzz_sequencefile(data: bytes) -> None:
    """Read bytes as a SequenceFile in every way that `Reader` has, and hold the ways together."""
    try:
        reader = Reader(BytesIO(data), _NAME, max_bytes=_MAX_BYTES)
    except BundleError as error:
        _check_error(error, data)
        return
    if reader.codec == "bzip2" and len(data) % 8:
        return  # its buffers of 4 MB make it 50 times as slow as the others: now and then will do
    records, damaged = _drain(reader.records(), data)
    _check_places(reader, records, data)
    match len(data) % 3:  # one of them an execution is enough, and three times as fast
        case 0:
            _check_keys(reader, records, data)
        case 1:
            _check_splits(reader, records, data, damaged=damaged)
        case _ if reader.codec is None:
            _check_rewritten(reader, records)


def _drain(found: Iterator[Record], data: bytes) -> tuple[list[Record], bool]:
    """Return the records, and whether they end in damage."""
    records: list[Record] = []
    try:
        records.extend(found)
    except BundleError as error:
        _check_error(error, data)
        return records, True
    return records, False


def _check_error(error: BundleError, data: bytes) -> None:
    assert 0 <= error.offset <= len(data)
    assert str(error) == f"{_NAME}: {error.what} at byte {error.offset}"


def _check_places(reader: Reader, records: list[Record], data: bytes) -> None:
    """Records lie behind one another; those of one block at the same place."""
    if not records:
        return
    assert records[0].offset >= reader.header_length
    assert records[-1].offset + records[-1].length <= len(data)
    for before, after in pairwise(records):
        same_block = reader.compression == "block" and before[2:] == after[2:]
        assert same_block or after.offset >= before.offset + before.length


def _check_keys(reader: Reader, records: list[Record], data: bytes) -> None:
    """Keys alone, and a record at its offset, are those of the whole records."""
    keys, _ = _drain(reader.keys(), data)  # goes on where only a value is damaged
    assert [r._replace(value=None) for r in records] == keys[: len(records)]
    if records:
        first = reader.read_at(records[-1].offset)
        assert first in records
        assert first.offset == records[-1].offset


def _check_splits(reader: Reader, records: list[Record], data: bytes, *, damaged: bool) -> None:
    """Two adjoining splits give what the whole file gives, wherever it is cut."""
    errors: list[BundleError] = []
    cut = int.from_bytes(data[-3:], "big") % (len(data) + 1)
    parts = [
        list(reader.records(0, cut, on_damage=errors.append)),
        list(reader.records(cut, on_damage=errors.append)),
    ]
    for error in errors:
        _check_error(error, data)
    if damaged:
        together = list(reader.records(on_damage=lambda _: None))
        assert together[: len(records)] == records
    if _markers_are_where_they_belong(reader, records, data):
        assert bool(errors) == damaged
        assert damaged or parts[0] + parts[1] == records


def _markers_are_where_they_belong(reader: Reader, records: list[Record], data: bytes) -> bool:
    """Say whether nothing else looks like a marker; the format relies on its being random."""
    marker = ESCAPE + reader.sync
    places: set[int] = set()
    end = reader.header_length
    for record in records:
        places.update(range(end, record.offset, len(marker)))
        if reader.compression == "block":
            places.add(record.offset)
        end = record.offset + record.length
    places.update(range(end, len(data), len(marker)))
    at = reader.header_length
    while (at := data.find(marker, at)) in places:
        at += 1
    return at < 0


def _check_rewritten(reader: Reader, records: list[Record]) -> None:
    """What was read can be written, and is read back the same."""
    file = BytesIO()
    with Writer(
        file,
        key_class=reader.key_class,
        value_class=reader.value_class,
        metadata=reader.metadata,
        sync=reader.sync,
    ) as writer:
        for record in records:
            writer.append(record.key, record.value)
    again = Reader(file)
    assert again.metadata == reader.metadata
    assert [r[:2] for r in again.records()] == [r[:2] for r in records]


def fuzz_tar(data: bytes) -> None:
    """Walk bytes as a tar; members lie behind one another, and a walk can begin at any of them."""
    members: list[Member] = []
    damage = _walk(data, 0, members)
    end = 0
    for member in members:
        assert member.offset == end
        assert member.data_offset >= member.offset + _BLOCK_BYTES
        assert member.size >= 0
        end = member.end
        _check_header(member, data)
    assert end <= len(data)
    assert end <= damage if damage is not None else not any(data[end : end + _BLOCK_BYTES])
    if members:
        rest: list[Member] = []
        begin = len(data) % len(members)
        assert _walk(data, members[begin].offset, rest) == damage
        assert rest == members[begin:]


def _walk(data: bytes, offset: int, members: list[Member]) -> int | None:
    """Add the members from `offset`; return the place of damage, or None."""
    try:
        members.extend(walk_members(BytesIO(data), offset, len(data)))
    except tarfile.ReadError as error:
        at: int = error.at  # type: ignore[attr-defined]
        return at
    return None


def _check_header(member: Member, data: bytes) -> None:
    """A member with one header is what tarfile takes it for; what is taken has a name."""
    if member.refused is None:
        assert member.name.rsplit("/", 1)[-1]
        assert not member.name.startswith(("/", "../"))
    if member.data_offset == member.offset + _BLOCK_BYTES:
        header = data[member.offset : member.data_offset]
        try:
            info = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
        except tarfile.HeaderError:  # its owner, time or device is nonsense, which does not matter
            return
        assert info.name.rstrip("/") == member.name.rstrip("/")
        assert member.refused or info.size == member.size


def fuzz_typedbytes(data: bytes) -> None:
    """Read bytes as Hadoop streaming's typed bytes; each pair is where it says it is."""
    pairs: list[tuple[bytes, bytes]] = []
    try:
        pairs.extend(typedbytes.read_pairs(BytesIO(data)))
    except DataError:
        assert _n_bytes(pairs) <= len(data)
    else:
        assert _n_bytes(pairs) == len(data)
    at = 0
    for field in (field for pair in pairs for field in pair):
        at += 5
        assert data[at : at + len(field)] == field
        at += len(field)


def _n_bytes(pairs: list[tuple[bytes, bytes]]) -> int:
    return sum(10 + len(key) + len(value) for key, value in pairs)


def fuzz_probe(data: bytes) -> None:
    """Read bytes as the header of an image."""
    seen = _probe(data)
    if seen is None:
        return
    assert isinstance(seen.width_px, int)
    assert isinstance(seen.height_px, int)
    assert 1 <= seen.channels <= 4
    assert 1 <= seen.exif_orientation <= 8


def _probe(data: bytes) -> Probe | None:
    reason = ""
    try:
        return probe(data)
    except ImageError as error:
        reason = error.reason
    assert reason in _REASONS
    assert (reason == "empty") == (not data)
    return None


def fuzz_decode(data: bytes) -> None:
    """Decode bytes as an image, of few pixels."""
    seen = _probe(data)
    reason, shape = "", ()
    try:
        shape = decode(data, max_image_px=MAX_IMAGE_PX).shape
    except ImageError as error:
        reason = error.reason
    assert bool(reason) != bool(shape)
    if shape:
        assert seen is not None
        sides = (seen.height_px, seen.width_px)
        assert shape in ((*sides, 3), (*sides[::-1], 3))
    else:
        assert reason in _REASONS


def fuzz_repair(data: bytes) -> None:
    """Decode bytes as the jobs do, whatever repair it takes; ImageMagick is not asked."""
    seen = _probe(data)
    if seen is None:
        return
    reason, shape = "", ()
    try:
        found = decode_repaired(data, seen, _SETTINGS, max_image_px=MAX_IMAGE_PX)
        shape = found.image.shape
        assert found.image.dtype == np.uint8
    except ImageError as error:
        reason = error.reason
    assert bool(reason) != bool(shape)
    assert not reason or reason in _REASONS
    sides = (seen.height_px, seen.width_px)
    assert not shape or shape in ((*sides, 3), (*sides[::-1], 3))


TARGETS: dict[str, Callable[[bytes], None]] = {
    "sequencefile": fuzz_sequencefile,
    "tar": fuzz_tar,
    "typedbytes": fuzz_typedbytes,
    "probe": fuzz_probe,
    "decode": fuzz_decode,
    "repair": fuzz_repair,
}
