"""A plain mrjob job on lines of (name, JSON of the image in base64), as its documents have them.

python benchmarks/peers/mrjob_json.py -r local --output-dir OUTPUT LINES
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

from mrjob.job import MRJob
from mrjob.protocol import JSONProtocol

from benchmarks.peers.workload import vector_of


class MRVectors(MRJob):  # type: ignore[misc]  # mrjob ships no types
    """Map-only: image -> vector, both in base64."""

    INPUT_PROTOCOL = JSONProtocol
    OUTPUT_PROTOCOL = JSONProtocol

    def mapper(self, name: str, image: str) -> Iterator[tuple[str, str]]:
        """Yield (name, vector)."""
        yield name, base64.b64encode(vector_of(base64.b64decode(image)).tobytes()).decode()


if __name__ == "__main__":
    MRVectors.run()
