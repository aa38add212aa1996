"""Small pictures for the page, as data: URIs."""

from __future__ import annotations

import base64
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib.errors import ImageError
from mr_jobs.lib.images import probe
from mr_jobs.lib.repair import RepairSettings, decode_repaired

SIDE_PX = 96
_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 78, cv2.IMWRITE_JPEG_OPTIMIZE, 1)


def thumbnail(encoded: bytes, repair: RepairSettings, max_image_px: int) -> dict[str, Any]:
    """Make a thumbnail of an image, upright, its longer side at most 96 px.

    Parameters
    ----------
    encoded : the image's file.
    repair, max_image_px : as the run decoded its images.

    Returns
    -------
    src: a data: URI of a JPEG; width_px, height_px. Or problem: a sentence why there is none.
    """
    try:
        header = probe(encoded)
        image = decode_repaired(
            encoded, header, repair, max_image_px=max_image_px, min_side_px=SIDE_PX
        ).image
    except ImageError as error:
        return {"problem": f"no picture: {error}"}
    return as_uri(_shrunk(image))


def as_uri(image: NDArray[np.uint8]) -> dict[str, Any]:
    """Encode a small image, uint8 of shape (height, width) or (height, width, 3), as `thumbnail`.

    Returns
    -------
    src, width_px, height_px.
    """
    jpeg = cv2.imencode(".jpg", image, _JPEG)[1].tobytes()
    height_px, width_px = image.shape[:2]
    src = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
    return {"src": src, "width_px": width_px, "height_px": height_px}


def _shrunk(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height_px, width_px = image.shape[:2]
    share = SIDE_PX / max(height_px, width_px)
    if share >= 1:
        return image
    size = (max(1, round(width_px * share)), max(1, round(height_px * share)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
