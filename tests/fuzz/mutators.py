"""Change bytes so that they stay close to a format: what a blind change would never get past.

A file's checksums are made right again, lengths become odd ones, and SequenceFiles get blocks whose
compressed buffers are whole but say something wrong inside.
"""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable

from mr_jobs.lib.sequencefile_format import CODECS, ESCAPE, SYNC_BYTES, Header
from mr_jobs.lib.writables import WRITABLES, encode_vint
from tests.fuzz.seeds import seeds_of

MAX_BYTES = 4096
_NUMBERS = (0, 1, 2, 4, 8, 127, 128, 255, 256, 511, 512, 513, 65521, 1 << 31, (1 << 31) - 1)
_SEEDS: dict[str, list[bytes]] = {}


def mutated(target: str, data: bytes, rng: random.Random) -> bytes:
    """Return `data` with one to four changes, at most MAX_BYTES long."""
    for _ in range(rng.randint(1, 4)):
        change = rng.choice(_CHANGES[target])
        data = change(data, rng, target)
    return repaired(target, data, rng)[:MAX_BYTES]


def repaired(target: str, data: bytes, rng: random.Random) -> bytes:
    """Make the checksums of a tar or PNG right again, most of the time."""
    if target == "tar" and rng.random() < 0.9:
        return _checksummed_tar(data)
    if data.startswith(b"\x89PNG") and rng.random() < 0.8:
        return _checksummed_png(data)
    return data


def _flip(data: bytes, rng: random.Random, _: str) -> bytes:
    if not data:
        return bytes([rng.randrange(256)])
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def _number(data: bytes, rng: random.Random, _: str) -> bytes:
    """Overwrite 1 to 8 bytes by a number that lengths go wrong at."""
    n_bytes = rng.choice((1, 2, 4, 4, 4, 8))
    number = rng.choice((*_NUMBERS, len(data), rng.randrange(1024))) * rng.choice((1, 1, 1, -1))
    order = rng.choice(("big", "little"))
    packed = (number & (1 << 8 * n_bytes) - 1).to_bytes(n_bytes, order)  # type: ignore[arg-type]
    at = rng.randrange(len(data) + 1)
    return data[:at] + packed + data[at + n_bytes :]


def _cut(data: bytes, rng: random.Random, _: str) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _drop(data: bytes, rng: random.Random, _: str) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + data[at + rng.randint(1, 64) :]


def _repeat(data: bytes, rng: random.Random, _: str) -> bytes:
    at = rng.randrange(len(data) + 1)
    piece = data[at : at + rng.choice((4, 20, 100, 512, 1024))]
    to = rng.randrange(len(data) + 1)
    return data[:to] + piece + data[to:]


def _splice(data: bytes, rng: random.Random, target: str) -> bytes:
    """Go on with the end of a seed."""
    seed = _a_seed(rng, target)
    return data[: rng.randrange(len(data) + 1)] + seed[rng.randrange(len(seed) + 1) :]


def _a_seed(rng: random.Random, target: str) -> bytes:
    if target not in _SEEDS:
        _SEEDS[target] = seeds_of(target)
    return rng.choice(_SEEDS[target])


def _marker(data: bytes, rng: random.Random, _: str) -> bytes:
    """Put in a sync marker: that of some seed, at any place."""
    sync = data[-SYNC_BYTES:] if rng.random() < 0.2 else bytes(range(100, 116))
    at = rng.randrange(len(data) + 1)
    return data[:at] + ESCAPE + sync + data[at:]


def _new_sequencefile(data: bytes, rng: random.Random, target: str) -> bytes:
    """Make another file: any header, and records or blocks that may say something wrong."""
    compression = rng.choice(("none", "none", "record", "block"))
    codec = None if compression == "none" else rng.choice(list(CODECS))
    key_class, value_class = classes = rng.choices(list(WRITABLES), k=2)
    sync = rng.choice((bytes(range(100, 116)), b"\xff" * 16, bytes(16), rng.randbytes(16)))
    out = [Header(key_class, value_class, compression, codec, sync).encode()]
    for _ in range(rng.randrange(6)):
        if compression == "block" or rng.random() < 0.3:
            out.append(ESCAPE + sync)
        out.append(
            _block(codec or "default", classes, rng)
            if compression == "block"
            else _record(codec, classes, rng)
        )
    return b"".join(out)


def _record(codec: str | None, classes: list[str], rng: random.Random) -> bytes:
    key, value = (_field(name, rng) for name in classes)
    if codec:
        value = CODECS[codec].compress(value)
    return struct.pack(">ii", len(key) + len(value), len(key)) + key + value


def _block(codec: str, classes: list[str], rng: random.Random) -> bytes:
    n_records = rng.choice((0, 1, 2, 3, 7))
    out = encode_vint(n_records + (rng.random() < 0.1))
    for name in classes:
        fields = [_field(name, rng) for _ in range(n_records)]
        for buffer in (b"".join(encode_vint(len(f)) for f in fields), b"".join(fields)):
            wrong = _number(buffer, rng, "") if rng.random() < 0.05 else buffer
            packed = CODECS[codec].compress(wrong)
            out += encode_vint(len(packed)) + packed
    return out


def _field(name: str, rng: random.Random) -> bytes:
    body = rng.randbytes(rng.choice((0, 1, 4, 8, 40)))
    if name == "Text":
        body = body.hex().encode()
        return encode_vint(len(body)) + body
    if name == "BytesWritable":
        return struct.pack(">i", len(body)) + body
    sizes = {"NullWritable": 0, "IntWritable": 4, "LongWritable": 8}
    return rng.randbytes(sizes[name])


def _tar_field(data: bytes, rng: random.Random, _: str) -> bytes:
    """Overwrite a header's size, type, magic, prefix, sparse map or name."""
    at = 512 * rng.randrange(len(data) // 512 + 1)
    place, choices = rng.choice(_TAR_FIELDS)
    content = rng.choice(choices)
    return (data[: at + place] + content + data[at + place + len(content) :]).ljust(at, b"\0")


_OCTALS = (
    *(b"00000000000", b"00000001000", b"00000000777", b"77777777777", b"-0000000001"),
    *(b"\x80" + bytes(11), b"\xff" * 12, b"\x80" + b"\xff" * 11, b"\x80" + bytes(9) + b"\2\0"),
    *(b"0_000000020", b"+0000000010", bytes(12), b"           "),
)
_TAR_FIELDS: tuple[tuple[int, tuple[bytes, ...]], ...] = (
    (124, _OCTALS),
    (156, tuple(bytes([c]) for c in b"01234567xgLKSDMNVAsX\0\xff")),
    (257, (b"ustar\x0000", b"ustar  \0", bytes(8), b"ustar\0")),
    (345, (b"prefix\0", b"../\0", bytes(155), b"/\0")),
    (0, (b"a.JPEG\0", b"/abs\0", b"../up\0", b"dir/\0", b"\xff\xfe\0", b"\0", b".hidden\0")),
    (386, _OCTALS),
    (482, (b"\1", b"\0")),
    (483, _OCTALS),
    (512, (b"30 path=a.JPEG\n", b"14 size=-0512\n", b"12 size=999\n", b"0 size=1\n", b"-5 a=b\n",
           b"99999999999999999999 path=a\n", b"20 GNU.sparse.map=,\n", b"22 GNU.sparse.major=1\n",
           b"19 GNU.sparse.size=x\n", b"25 GNU.sparse.numbytes=1\n", b"9 size=x\n")),
)  # fmt: skip


def _checksummed_tar(data: bytes) -> bytes:
    out = bytearray(data)
    for at in range(0, len(out) - 511, 512):
        if out[at + 257 : at + 262] == b"ustar" or out[at + 148 : at + 156].strip(b"\0 01234567"):
            out[at + 148 : at + 156] = b" " * 8
            total = sum(out[at : at + 512])
            out[at + 148 : at + 156] = f"{total:06o}\0 ".encode()
    return bytes(out)


def _checksummed_png(data: bytes) -> bytes:
    out, at = bytearray(data), 8
    while at + 12 <= len(out):
        end = at + 8 + int.from_bytes(out[at : at + 4], "big")
        if end + 4 > len(out):
            break
        out[end : end + 4] = zlib.crc32(out[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(out)


Change = Callable[[bytes, random.Random, str], bytes]
_ANY: list[Change] = [_flip, _flip, _number, _number, _cut, _drop, _repeat, _splice]
_CHANGES: dict[str, list[Change]] = {
    "sequencefile": [*_ANY, _marker, _new_sequencefile],
    "typedbytes": _ANY,
    "tar": [*_ANY, *[_tar_field] * 8],
    "probe": _ANY,
    "decode": _ANY,
    "repair": _ANY,
}
