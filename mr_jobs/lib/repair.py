"""Decode images of every kind to the same pixels, repairing what OpenCV alone gets wrong."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib.errors import ConfigError, ImageError
from mr_jobs.lib.images import (
    BROKEN_FILE,
    MAX_IMAGE_PX,
    Probe,
    decode_probed,
    open_in_pillow,
    reduction,
)
from mr_jobs.lib.magick import decode_with_magick, library_suffix

DECODING_VERSION = 3  # raised with every change of code that changes a verdict or a pixel
_STRIP_PX = 256


@dataclass(frozen=True)
class RepairSettings:
    """The table [repair]: what is done with images that are not plain and whole.

    Parameters
    ----------
    min_decoded_share : a JPEG that ends too early is kept when at least this share of its rows
        decodes; 1 refuses all that lack a row.
    second_opinion : ask ImageMagick about images that OpenCV refuses.

    Raises
    ------
    ConfigError
        If a value does not fit; the sentence names it.
    """

    min_decoded_share: float = 1.0
    second_opinion: bool = True

    def __post_init__(self) -> None:
        share = self.min_decoded_share
        if not isinstance(share, int | float) or isinstance(share, bool) or not 0 < share <= 1:
            raise ConfigError(
                f"repair: min_decoded_share is {share!r}; use a number above 0, at most 1"
            )
        if not isinstance(self.second_opinion, bool):
            raise ConfigError(
                f"repair: second_opinion is {self.second_opinion!r}; use true or false"
            )

    def require(self) -> None:
        """Raise a ConfigError if this machine lacks what the settings need."""
        if self.second_opinion:
            library_suffix()

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RepairSettings:
        """Build settings from `to_dict`'s or pipeline.toml's values; what is missing is default."""
        known = [field.name for field in fields(cls)]
        if unknown := sorted(set(values) - set(known)):
            raise ConfigError(
                f"repair: no setting is called {', '.join(unknown)}; known: {', '.join(known)}"
            )
        return cls(**values)


DEFAULTS = RepairSettings()


class Repaired(NamedTuple):
    """An image that decoded, and the kinds of repair that it took."""

    image: NDArray[np.uint8]
    kinds: frozenset[str]


def decode_repaired(
    encoded: bytes,
    header: Probe,
    settings: RepairSettings = DEFAULTS,
    *,
    max_image_px: int = MAX_IMAGE_PX,
    min_side_px: int | None = None,
) -> Repaired:
    """Decode an image to 8-bit BGR, upright, whatever it takes.

    A plain JPEG is OpenCV's `decode` and nothing else. The kinds of repair are

    - `cmyk`: CMYK and YCCK are converted by the ICC profile in the file, if it has one that works;
      else by (1 - C)(1 - K), as OpenCV and ImageMagick do. With or without Adobe's marker, the
      values of a JPEG are taken as inverted, as every decoder takes them.
    - `bits_16`: the upper 8 of 16 bits count.
    - `orientation`: the EXIF orientation is applied.
    - `alpha`: transparent pixels are put over white.
    - `truncated`: a JPEG that ends too early; what is missing is grey.
    - `magick`: OpenCV refuses the file, ImageMagick does not.

    Parameters
    ----------
    encoded : the file's bytes.
    header : of `probe`.
    settings : which of the repairs that can be chosen are made.
    max_image_px, min_side_px : as in `images.decode`.

    Returns
    -------
    image : uint8 array of shape (height, width, 3), BGR; kinds : of the repairs.

    Raises
    ------
    ImageError
        `too_many_pixels`, `too_many_scans` (before anything is allocated) or `undecodable`.
    """
    kinds = {kind for kind, needed in _KINDS.items() if needed(header)}
    try:
        image = decode_probed(encoded, header, max_image_px=max_image_px, min_side_px=min_side_px)
    except ImageError as error:
        if error.reason != "undecodable":
            raise
        encoded, image, kind = _rescued(encoded, header, settings, min_side_px, error)
        kinds.add(kind)
    if "magick" in kinds:
        return Repaired(image, frozenset(kinds))
    if "cmyk" in kinds:
        image = _through_profile(encoded, header, image, reduction(header, min_side_px))
    if "alpha" in kinds:
        over_white = _over_white(encoded, header)
        if over_white is None:
            kinds.remove("alpha")
        else:
            image = over_white
    return Repaired(image, frozenset(kinds))


_KINDS: dict[str, Callable[[Probe], bool]] = {
    "alpha": lambda header: header.transparent,
    "bits_16": lambda header: header.bits == 16,
    "cmyk": lambda header: header.cmyk,
    "orientation": lambda header: header.exif_orientation != 1,
}


def _rescued(
    encoded: bytes,
    header: Probe,
    settings: RepairSettings,
    min_side_px: int | None,
    error: ImageError,
) -> tuple[bytes, NDArray[np.uint8], str]:
    """Decode what OpenCV refuses; return the bytes that were decoded, the image, the kind."""
    from mr_jobs.lib import truncated  # few images need it, and it needs numpy.random

    cut = truncated.rescue(encoded) if header.format == "jpeg" else None
    if cut:  # the user's setting decides: ImageMagick would fill the rest and not say so
        ended, share = cut
        if share < settings.min_decoded_share:
            raise ImageError("undecodable", f"jpeg: ends after {share:.1%} of its rows") from error
        n_px = header.width_px * header.height_px
        image = decode_probed(ended, header, max_image_px=n_px, min_side_px=min_side_px)
        return ended, image, "truncated"
    if not settings.second_opinion or header.bits > 16:  # nothing says what such numbers mean
        raise error
    image = decode_with_magick(encoded, header)
    return encoded, upright(image, header.exif_orientation), "magick"


def _through_profile(
    encoded: bytes, header: Probe, image: NDArray[np.uint8], factor: int
) -> NDArray[np.uint8]:
    """Convert CMYK by the ICC profile in the file; `image`, as it is, if there is none of use."""
    from PIL import ImageCms  # few images need it, and no task without one

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            picture = open_in_pillow(encoded)
            profile = picture.info.get("icc_profile")
            if not profile:
                return image
            picture.draft(None, (header.width_px // factor, header.height_px // factor))
            srgb = ImageCms.profileToProfile(
                picture,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                renderingIntent=ImageCms.Intent.PERCEPTUAL,
                outputMode="RGB",
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
        except (*BROKEN_FILE, ImageCms.PyCMSError):
            return image
    converted = _stored_to_upright(np.asarray(srgb)[..., ::-1], header)
    return converted if converted.shape == image.shape else image


def _over_white(encoded: bytes, header: Probe) -> NDArray[np.uint8] | None:
    """Put a transparent image over white; None if no pixel is transparent or Pillow refuses it.

    Pillow decodes it, since OpenCV knows only some kinds of transparency.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            picture = open_in_pillow(encoded).convert("RGBA")
        except BROKEN_FILE:
            return None
    if picture.getchannel("A").getextrema() == (255, 255):
        return None
    width_px, height_px = picture.size
    over = np.empty((height_px, width_px, 3), np.uint8)
    for top in range(0, height_px, _STRIP_PX):  # for Pillow's pixels become numpy's by a copy
        strip = np.asarray(picture.crop((0, top, width_px, min(top + _STRIP_PX, height_px))))
        alpha = strip[..., 3:].astype(np.uint16)
        mixed = (strip[..., 2::-1] * alpha + 255 * (255 - alpha) + 127) // 255
        over[top : top + _STRIP_PX] = mixed
    return _stored_to_upright(over, header)


def _stored_to_upright(image: NDArray[np.uint8], header: Probe) -> NDArray[np.uint8]:
    """Apply the EXIF orientation to Pillow's pixels; to those of a TIFF it has done so itself."""
    return upright(image, 1 if header.format == "tiff" else header.exif_orientation)


def upright(image: NDArray[np.uint8], exif_orientation: int) -> NDArray[np.uint8]:
    """Apply an EXIF orientation (1 to 8) to an image as it is stored.

    Source: Exif 2.32, tag 0x0112: 2 to 4 mirror or turn by 180 degrees, 5 to 8 swap the sides.
    """
    if exif_orientation >= 5:
        image = image.swapaxes(0, 1)
    if exif_orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if exif_orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)
