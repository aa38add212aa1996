"""Read images by their places in the catalogue, a few at a time: exact ranges out of bundles.

A range holds an image's bytes and not its record's head, which the catalogue's row makes needless.
In HDFS it takes one request: the DataNode that WebHDFS sends the first reader of a bundle to is
asked directly for its other ranges, since a bundle is one block. What is in HBase is read by
`pipeline.hbase_reading`.

Source: the WebHDFS REST API of Hadoop, operation OPEN; a DataNode answers it on the address that
the NameNode's redirection names, and closes the connection.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPException
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from mr_jobs.lib.errors import ClusterError, DataError
from mr_jobs.lib.records import CatalogRow
from pipeline import cluster_http, hbase_store
from pipeline.hbase_reading import Rows, requests_of
from pipeline.images import Images
from pipeline.stores import Store

_THREADS = 4
_WINDOW_ROWS = 4096  # put in the order of the bundles together
_RANGE_BYTES = 4 << 20  # a range is not made longer than this by joining
_FREE_GAP_BYTES = 512  # as much as the headers of a request
_GAP_SHARE = 0.01  # of a range may be bytes between its images
_TIMEOUT_S = 120

ReadRange = Callable[[str, int, int], bytes]  # file in the store, offset, length


class Found(NamedTuple):
    """An image of the catalogue with its bytes, or what is wrong with it."""

    row: CatalogRow
    encoded: bytes
    problem: str | None


_Answer = tuple[int, list[Found]]  # bytes that were read, and what they hold


@dataclass
class Traffic:
    """What was read: requests (or reads of a local file), and the bytes they brought."""

    requests: int = 0
    bytes: int = 0


@dataclass
class _Range:
    """Neighbours in a bundle, read at once; `start` and `end` are offsets in it, in bytes."""

    bundle: str
    start: int
    end: int
    rows: list[CatalogRow] = field(default_factory=list)
    image_bytes: int = 0


def read_images(images: Images, rows: Iterable[CatalogRow], traffic: Traffic) -> Iterator[Found]:
    """Read the images of catalogue rows and check each against its SHA-256.

    Parameters
    ----------
    images : the image store.
    rows : in any order; in that of the bundles most ranges join. Any number: memory does not grow.
    traffic : is added to.

    Yields
    ------
    Every row once, ordered by place within each 4,096 rows; with `problem` None, `encoded` is the
    image as it was ingested.

    Raises
    ------
    ClusterError
        If HDFS does not answer.
    """
    place = hbase_store.place_of(images)
    if place:
        in_hbase = Rows(place)
        with closing(in_hbase):
            asked = (partial(_read_rows, in_hbase, each) for each in requests_of(rows))
            yield from _side_by_side(asked, traffic)
        return
    read_range: ReadRange
    if images.cluster:
        read_range = HdfsRanges(images.store, images.cluster.webhdfs_url)
    else:
        read_range = _local_ranges(images.store)
    yield from _side_by_side((partial(_read, read_range, each) for each in _ranges(rows)), traffic)


def _side_by_side(asked: Iterable[Callable[[], _Answer]], traffic: Traffic) -> Iterator[Found]:
    """Yield what requests find, in their order, a few of them at a time."""
    pending: deque[Future[_Answer]] = deque()
    pool = ThreadPoolExecutor(_THREADS)
    try:
        for ask in asked:
            pending.append(pool.submit(ask))
            if len(pending) > 2 * _THREADS:
                yield from _counted(pending.popleft().result(), traffic)
        while pending:
            yield from _counted(pending.popleft().result(), traffic)
    finally:
        pool.shutdown(cancel_futures=True)


def _read_rows(in_hbase: Rows, rows: list[CatalogRow]) -> _Answer:
    n_bytes, read = in_hbase.read(rows)
    return n_bytes, [Found(*each) for each in read]


def _counted(done: _Answer, traffic: Traffic) -> list[Found]:
    n_bytes, found = done
    traffic.requests += 1
    traffic.bytes += n_bytes
    return found


def _ranges(rows: Iterable[CatalogRow]) -> Iterator[_Range]:
    """Join images that lie close together: where what is between costs less than a request."""
    rows = iter(rows)
    while window := sorted(islice(rows, _WINDOW_ROWS), key=lambda row: (row.bundle, row.span())):
        joined: _Range | None = None
        for row in window:
            _, end = row.span()
            start = end - row.bytes
            if joined and _joins(joined, row, start, end):
                joined.end = max(joined.end, end)
            else:
                if joined:
                    yield joined
                joined = _Range(row.bundle, start, end)
            joined.rows.append(row)
            joined.image_bytes += row.bytes
        if joined:
            yield joined


def _joins(joined: _Range, row: CatalogRow, start: int, end: int) -> bool:
    if row.bundle != joined.bundle or end - joined.start > _RANGE_BYTES:
        return False
    gap = start - joined.end
    gaps = joined.end - joined.start - joined.image_bytes + gap
    return gap <= _FREE_GAP_BYTES or gaps <= _GAP_SHARE * (joined.image_bytes + row.bytes)


def _read(read_range: ReadRange, each: _Range) -> _Answer:
    """Read a range and cut it into its images; return also the bytes read."""
    try:
        if each.start < 0:
            raise DataError("the catalogue does not say where it is")
        length = each.end - each.start
        data = memoryview(
            read_range(f"bundles/{each.bundle}", each.start, length) if length else b""
        )
    except DataError as error:
        return 0, [Found(row, b"", str(error)) for row in each.rows]
    found = []
    for row in each.rows:
        at = row.span()[1] - row.bytes - each.start
        encoded = bytes(data[at : at + row.bytes])
        intact = hashlib.sha256(encoded).hexdigest() == row.sha256
        problem = None if intact else f"its bytes in {row.bundle} are not those catalogued"
        found.append(Found(row, encoded, problem))
    return len(data), found


def _local_ranges(store: Store) -> ReadRange:
    def read(name: str, offset: int, length: int) -> bytes:
        try:
            with Path(store.uri(name)).open("rb", buffering=0) as file:
                file.seek(offset)
                return file.read(length)
        except OSError as error:
            raise DataError(f"{error.filename}: {error.strerror}") from error

    return read


class HdfsRanges:
    """Read ranges of files in HDFS; for any number of threads.

    Parameters
    ----------
    store : gives names their hdfs:// URIs.
    webhdfs_url : the namenode's HTTP address.
    """

    def __init__(self, store: Store, webhdfs_url: str) -> None:
        self._store = store
        self._namenode = webhdfs_url
        self._datanodes: dict[str, str] = {}  # file to the URL where its bytes are

    def __call__(self, name: str, offset: int, length: int) -> bytes:
        """Read exactly a range.

        Raises
        ------
        DataError
            If there is no such file, or its bytes cannot be had.
        ClusterError
            If HDFS does not answer.
        """
        known = self._datanodes.get(name)
        if known:
            try:
                return self._fetch(known, offset, length)
            except (OSError, HTTPException, DataError):
                self._datanodes.pop(name, None)  # that DataNode is gone, or the file is elsewhere
        uri = self._store.uri(name)
        try:
            where = self._redirection(uri, offset, length)
            data = self._fetch(where, offset, length)
        except (HTTPException, ConnectionResetError) as error:  # in the middle of an answer
            raise DataError(f"{uri}: cannot be read at byte {offset}") from error
        except OSError as error:
            raise ClusterError(
                f"{uri}: HDFS did not answer ({error}); see `bin/pipeline status`"
            ) from error
        self._datanodes[name] = where
        return data

    def _redirection(self, uri: str, offset: int, length: int) -> str:
        """Ask the namenode which DataNode to read a file from."""
        query = {"op": "OPEN", "offset": offset, "length": length}
        query |= cluster_http.user_query(self._namenode)
        path = f"/webhdfs/v1{quote(urlsplit(uri).path)}?{urlencode(query)}"
        for last in (False, True):
            sent = cluster_http.headers(self._namenode)
            with closing(cluster_http.connect(self._namenode, _TIMEOUT_S)) as connection:
                connection.request("GET", path, headers=sent)
                answer = connection.getresponse()
                said = answer.read()
            if last or not cluster_http.refused(self._namenode, sent, answer.status):
                break
        where = answer.getheader("Location")
        if answer.status != 307 or where is None:
            raise DataError(f"{uri}: {_complaint(said)}")
        return where

    def _fetch(self, where: str, offset: int, length: int) -> bytes:
        """Ask a DataNode for a range, by a URL that it was once named for the same file."""
        url = urlsplit(where)
        query = dict(parse_qsl(url.query)) | {"offset": str(offset), "length": str(length)}
        with closing(cluster_http.connect(where, _TIMEOUT_S, self._namenode)) as connection:
            connection.request("GET", f"{url.path}?{urlencode(query)}")
            answer = connection.getresponse()
            data = answer.read()
        if answer.status != 200:
            raise DataError(f"{url.path}: {_complaint(data)}")
        return data


def _complaint(body: bytes) -> str:
    """Return the first line of what WebHDFS says is wrong."""
    try:
        told = str(json.loads(body)["RemoteException"]["message"]).splitlines()
    except (ValueError, KeyError, TypeError):
        told = []
    return told[0] if told else "HDFS refused to read it"
