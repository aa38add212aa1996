"""Cut raw images into bundles: one split a bundle, at most one HDFS block, of like sizes."""

from __future__ import annotations

from mr_jobs.lib.rawtar import Plan, RawRange


class BundlePlan:
    """Plan the bundles of a group of sources.

    Parameters
    ----------
    bundle_bytes : the most a bundle may hold.
    expected_bytes : what the group comes to; the bundles get equal parts of it.
    """

    def __init__(self, bundle_bytes: int, expected_bytes: int) -> None:
        self._bundles: list[Plan] = []
        self._limit = bundle_bytes
        self._fair = -(-expected_bytes // (1 + expected_bytes // bundle_bytes)) or bundle_bytes
        self._due = 0  # total at which the next bundle begins
        self._size = 0  # of the bundle
        self._total = 0
        self._like: RawRange | None = None  # the range that is growing: from start to end, n images
        self._start = self._end = self._n = 0

    def add(
        self, like: RawRange, offset: int, length: int, label_key: str = "", label: str = ""
    ) -> None:
        """Add one image; those of a tar come in order, with one and the same `like`.

        `like` is the image's range but for place and length; `label` its wnid, if that has none.
        """
        if self._total >= self._due or self._size + length > self._limit:
            self.skip()
            self._bundles.append(Plan([], {}))
            self._due = self._fair * len(self._bundles)
            self._size = 0
        if like is not self._like:
            self.skip()
            self._like, self._start, self._n = like, offset, 0
        self._end = offset + length
        self._n += 1
        self._size += length
        self._total += length
        if label:
            self._bundles[-1].labels[label_key] = label

    def skip(self) -> None:
        """Leave an image out that the bundling job would take: the range ends before it."""
        if self._like is not None:
            length = self._end - self._start
            whole = self._like._replace(offset=self._start, length=length, n_images=self._n)
            self._bundles[-1].ranges.append(whole)
            self._like = None

    def finish(self) -> list[Plan]:
        """Return the plans, one a bundle."""
        self.skip()
        return self._bundles
