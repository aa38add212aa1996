"""Cut raw images into bundles: one split a bundle, at most one HDFS block, of like sizes."""

from __future__ import annotations

from mr_jobs.lib.rawtar import Plan, RawRange


class BundlePlan:
    """Plan the bundles of a group of sources.

    Parameters
    ----------
    bundle_bytes : the most a bundle may hold.
    expected_bytes : what the group comes to; the bundles get equal parts of it.

    Attributes
    ----------
    bundles : the plans so far.
    """

    def __init__(self, bundle_bytes: int, expected_bytes: int) -> None:
        self.bundles: list[Plan] = []
        self._limit = bundle_bytes
        self._fair = -(-expected_bytes // (1 + expected_bytes // bundle_bytes)) or bundle_bytes
        self._size = 0
        self._total = 0
        self._broken = True

    def add(self, image: RawRange, label_key: str = "", label: str = "") -> None:
        """Add one image, with its wnid where the range has none; those of a tar in order."""
        due = self._total >= self._fair * len(self.bundles)
        if not self.bundles or due or self._size + image.length > self._limit:
            self.bundles.append(Plan([], {}))
            self._size = 0
            self._broken = True
        ranges, labels = self.bundles[-1]
        last = ranges[-1] if ranges else None
        if last and not self._broken and _same_source(last, image):
            length = image.offset + image.length - last.offset
            ranges[-1] = last._replace(length=length, n_images=last.n_images + 1)
        else:
            ranges.append(image)
        if label:
            labels[label_key] = label
        self._broken = image.kind == "file"
        self._size += image.length
        self._total += image.length

    def skip(self) -> None:
        """Leave an image out that the bundling job would take: the range ends before it."""
        self._broken = True


def _same_source(last: RawRange, image: RawRange) -> bool:
    return (last.uri, last.split, last.wnid, last.kind) == (
        *(image.uri, image.split, image.wnid, image.kind),
    )
