"""Send a range of a local file to HDFS, from the page cache to the socket by the kernel alone.

Source: the WebHDFS REST API of Hadoop, operation CREATE: the NameNode names the DataNode that takes
the bytes. The client library's own way, chunk by chunk through Python, is half as fast; over TLS
there is no other.
"""

from __future__ import annotations

import os
import socket
import struct
from contextlib import closing
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, urlencode, urlsplit

from mr_jobs.lib.errors import ClusterError
from pipeline import cluster_http

_TIMEOUT_S = 120
_BUFFER_BYTES = 1 << 20  # in the DataNode, between HTTP and HDFS


def send_range(webhdfs_url: str, hdfs_path: str, path: Path, offset: int, length: int) -> None:
    """Write `length` bytes from byte `offset` of a local file as a file in HDFS.

    Raises
    ------
    ClusterError
        If HDFS refuses it or does not answer.
    """
    query = {"op": "CREATE", "overwrite": "true", "buffersize": _BUFFER_BYTES}
    query |= cluster_http.user_query(webhdfs_url)
    target = f"/webhdfs/v1{quote(hdfs_path)}?{urlencode(query)}"
    try:
        location, said = _datanode(webhdfs_url, target)
        if not location:
            raise ClusterError(f"{hdfs_path}: HDFS refused to make it: {said[:200]!r}")
        connection = cluster_http.connect(location, _TIMEOUT_S, webhdfs_url)
        with closing(connection) as datanode, path.open("rb") as file:
            datanode.putrequest("PUT", location.partition(urlsplit(location).netloc)[2])
            datanode.putheader("Content-Type", "application/octet-stream")
            datanode.putheader("Content-Length", str(length))
            datanode.endheaders()
            sent = _send(datanode.sock, file, offset, length)
            answer = datanode.getresponse()
            said = answer.read()
    except (OSError, HTTPException) as error:
        raise ClusterError(
            f"{hdfs_path}: HDFS did not take it ({error}); see `bin/pipeline status`"
        ) from error
    if answer.status != 201 or sent != length:
        raise ClusterError(f"{hdfs_path}: HDFS took {sent} of {length} bytes: {said[:200]!r}")


def _datanode(webhdfs_url: str, target: str) -> tuple[str, bytes]:
    """Ask the NameNode where the bytes go; return the address, "" if refused, and what it says."""
    for last in (False, True):
        sent = cluster_http.headers(webhdfs_url)
        with closing(cluster_http.connect(webhdfs_url, _TIMEOUT_S)) as namenode:
            namenode.request("PUT", target, headers=sent)
            answer = namenode.getresponse()
            said = answer.read()
        if last or not cluster_http.refused(webhdfs_url, sent, answer.status):
            break
    return answer.getheader("Location", ""), said


def _send(connection: socket.socket, file: BinaryIO, offset: int, length: int) -> int:
    """Let the kernel send it all in few calls; return the bytes sent.

    The socket blocks, with the time limit in the kernel: Python's own limit would make each call
    return after a socket buffer, and then wait for the interpreter that plans the next part.
    """
    if hasattr(connection, "context"):  # of TLS: the kernel does not know its key
        file.seek(offset)
        return _send_by_parts(connection, file, length)
    connection.settimeout(None)
    limit = struct.pack("ll", _TIMEOUT_S, 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
    sent = 0
    while sent < length:
        n_bytes = os.sendfile(connection.fileno(), file.fileno(), offset + sent, length - sent)
        if not n_bytes:  # the file has shrunk
            break
        sent += n_bytes
    connection.settimeout(_TIMEOUT_S)
    return sent


def _send_by_parts(connection: socket.socket, file: BinaryIO, length: int) -> int:
    left = length
    while left and (part := file.read(min(left, _BUFFER_BYTES))):
        connection.sendall(part)
        left -= len(part)
    return length - left
