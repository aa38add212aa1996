"""Judge one image: what it is, whether it can be used, and what its pixels need for that."""

from __future__ import annotations

import hashlib

from mr_jobs.lib.errors import ImageError
from mr_jobs.lib.features import FeatureSpec
from mr_jobs.lib.imagenet import QUARANTINE, ImageKey
from mr_jobs.lib.images import probe
from mr_jobs.lib.perceptual import signature
from mr_jobs.lib.records import CatalogRow
from mr_jobs.lib.repair import decode_repaired

MIN_SIDE_PX = 144  # a signature needs 48; fixed, so that a catalogue serves runs of any image_px
_EXTENSIONS = {
    **dict.fromkeys(["jpeg", "jpg", "jpe", "jfif"], "jpeg"),
    **dict.fromkeys(["tiff", "tif"], "tiff"),
    **{format: format for format in ("png", "gif", "webp", "bmp")},
}


def catalog_row(
    key: str,
    location: tuple[str, int | None, int | None],
    encoded: bytes,
    spec: FeatureSpec,
) -> CatalogRow:
    """Judge an image and describe it by its row of the catalogue.

    Parameters
    ----------
    key : the image's key; one under `quarantine/` stays there for the reason that it names.
    location : bundle, byte offset and length of its record; of a row of HBase its place.
    encoded : the file's bytes.
    spec : of which `max_image_px` and `repair` count here.
    """
    image = ImageKey.parse(key)
    bundle, offset, length = location
    reason = image.wnid if image.split == QUARANTINE else None
    header = repairs = picture = None
    try:
        header = probe(encoded)
        repaired = decode_repaired(
            encoded,
            header,
            spec.repair,
            max_image_px=spec.max_image_px,
            min_side_px=MIN_SIDE_PX,
        )
        kinds = repaired.kinds | misnamed(image.file_name, header.format)
        repairs = ",".join(sorted(kinds)) or None
        picture = signature(repaired.image)
    except ImageError as error:
        reason = reason or error.reason
    return CatalogRow(
        image_id=image.image_id,
        wnid=image.wnid,
        split=image.split,
        key=key,
        bundle=bundle,
        offset=offset,
        length=length,
        bytes=len(encoded),
        sha256=hashlib.sha256(encoded).hexdigest(),
        width=header and header.width_px,
        height=header and header.height_px,
        channels=header and header.channels,
        format=header and header.format,
        exif_orientation=header and header.exif_orientation,
        repairs=repairs,
        signature=picture,
        status="quarantined" if reason else "kept",
        reason=reason,
    )


def misnamed(file_name: str, format: str) -> set[str]:
    """Return the kind of repair of a file whose extension is that of another format than it has.

    >>> misnamed("n02105855_2933.JPEG", "png")
    {'format_png'}
    """
    claimed = _EXTENSIONS.get(file_name.rpartition(".")[2].lower())
    return {f"format_{format}"} if claimed and claimed != format else set()
