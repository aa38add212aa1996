"""Landing files as Flume writes them, made by hand from the Avro specification."""

from __future__ import annotations

import json
from collections.abc import Iterable

SYNC = bytes(range(16))
SPOOL = "/data/spool"
_SCHEMA = {
    "type": "record",
    "name": "Event",
    "fields": [
        {"name": "headers", "type": {"type": "map", "values": "string"}},
        {"name": "body", "type": "bytes"},
    ],
}


def number(value: int) -> bytes:
    """Encode a number: zigzag, seven bits a byte, the lowest first."""
    left = (value << 1) ^ (value >> 63)
    out = bytearray()
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*out, left])


def sized(data: bytes) -> bytes:
    """Encode bytes or a text."""
    return number(len(data)) + data


def texts(entries: dict[str, bytes]) -> bytes:
    """Encode a map of texts."""
    pairs = b"".join(sized(key.encode()) + sized(value) for key, value in entries.items())
    return (number(len(entries)) + pairs if entries else b"") + number(0)


def event(path: str, body: bytes, basename: str | None = None) -> bytes:
    """Encode an event as the spooling source gives it."""
    name = path.rpartition("/")[2] if basename is None else basename
    raw = {"file": path, "basename": name}
    return (
        texts({key: text.encode("utf-8", "surrogateescape") for key, text in raw.items()})
        + number(len(body))
        + body
    )


def head(schema: object = _SCHEMA, codec: str = "null") -> bytes:
    """Encode the head of a file."""
    meta = {"avro.schema": json.dumps(schema).encode(), "avro.codec": codec.encode()}
    return b"Obj\x01" + texts(meta) + SYNC


def block(events: Iterable[bytes]) -> bytes:
    """Encode a block of events."""
    made = list(events)
    data = b"".join(made)
    return number(len(made)) + number(len(data)) + data + SYNC


def landing_file(*images: tuple[str, bytes]) -> bytes:
    """Make a file of images, `(class/name, bytes)`, two a block."""
    made = [event(f"{SPOOL}/{place}", body) for place, body in images]
    return head() + b"".join(block(made[at : at + 2]) for at in range(0, len(made), 2))
