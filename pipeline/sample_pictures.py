"""Draw and encode the synthetic pictures of the default data set, the same bytes for a seed.

A class is a pair (shape, hue family). Shapes and hues are each shared by several classes and hue
ranges overlap, so neither alone tells the classes apart. Everything that touches pixels is integer
arithmetic or one of OpenCV's bit-exact operations (INTER_LINEAR_EXACT, GaussianBlur and filled
polygons on uint8), so the bytes do not depend on the processor's vector instructions.
"""

from __future__ import annotations

import colorsys
import io
import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

Pixels = NDArray[np.uint8]

_JPEG_QUALITY = 93
_HUE_HALF_WIDTH_DEG = 38
_SUBPIXEL_BITS = 4
_AWKWARD_FRACTION = 0.05  # objects so small and far off that the error is never quite 0
_SECOND_OBJECT_FRACTION = 0.15
_HUES_DEG = {"reddish": 0, "yellowish": 68, "greenish": 142, "bluish": 215, "purplish": 288}
_SIZES_PX = np.array(
    [(500, 375)] * 5 + [(375, 500)] * 2 + [(500, 333), (333, 500), (480, 360), (400, 400)]
)


class Box(NamedTuple):
    """Corners of an object in pixels counted from 0, both corners inside it."""

    xmin: int
    ymin: int
    xmax: int
    ymax: int


class Picture(NamedTuple):
    """A drawn picture (uint8, (height, width, 3), BGR) and the boxes of its class's objects."""

    pixels: Pixels
    boxes: tuple[Box, ...]


class PictureClass(NamedTuple):
    """What the objects of one class look like."""

    hue: str
    shape: str

    @property
    def words(self) -> str:
        """The class's words in the synset mapping."""
        return f"synthetic {self.hue} {self.shape}"


class _Pose(NamedTuple):
    """Size (of the canvas's shorter side), turn (radians) and how far off centre (0 to 1)."""

    radius_fraction: float
    angle: float
    spread: float


def _ring(n_points: int, *radii: float) -> list[tuple[float, float]]:
    """Place points around the origin, the first at the top, their radii taken in turn."""
    angles = [2 * math.pi * i / n_points - math.pi / 2 for i in range(n_points)]
    return [
        (radii[i % len(radii)] * math.cos(angle), radii[i % len(radii)] * math.sin(angle))
        for i, angle in enumerate(angles)
    ]


_CROSS = [(-0.35, -1), (0.35, -1), (0.35, -0.35), (1, -0.35), (1, 0.35), (0.35, 0.35)]
_BOLT = [(0.1, -1), (0.65, -1), (0.15, -0.2), (0.65, -0.2), (-0.4, 1), (-0.1, 0.15), (-0.6, 0.15)]
# Contours in a circle of radius 1; a second contour is a hole.
_SHAPES: dict[str, list[list[tuple[float, float]]]] = {
    "disc": [_ring(40, 1.0)],
    "triangle": [_ring(3, 1.0)],
    "cross": [_CROSS + [(-x, -y) for x, y in _CROSS]],
    "star": [_ring(10, 1.0, 0.45)],
    "ring": [_ring(40, 1.0), _ring(40, 0.6)],
    "square": [[(-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8)]],
    "arrow": [[(0, -1), (0.9, 0), (0.3, 0), (0.3, 1), (-0.3, 1), (-0.3, 0), (-0.9, 0)]],
    "hourglass": [[(-0.8, -1), (0.8, -1), (0.15, 0), (0.8, 1), (-0.8, 1), (-0.15, 0)]],
    "ell": [[(-0.7, -1), (-0.1, -1), (-0.1, 0.4), (0.7, 0.4), (0.7, 1), (-0.7, 1)]],
    "bolt": [_BOLT],
}


def _pair_shapes_with_hues() -> list[PictureClass]:
    """List every (hue, shape) so that each shape and each hue soon belongs to two classes."""
    shapes, hues = list(_SHAPES), list(_HUES_DEG)
    return [
        PictureClass(hues[(i + offset) % len(hues)], shape)
        for group in (shapes[:5], shapes[5:])
        for offsets in ((0, 1), (2, 3), (4,))
        for i, shape in enumerate(group)
        for offset in offsets
    ]


CLASSES = _pair_shapes_with_hues()
# What the odd files are, and the reason for which they cannot be used ("" where they can).
ODD_KINDS = {
    "png": ("PNG bytes under a .JPEG name", ""),
    "cmyk": ("CMYK JPEG with Adobe's marker", ""),
    "grey": ("grayscale JPEG", ""),
    "exif_rotated": ("JPEG stored on its side, with EXIF orientation 6", ""),
    "truncated": ("JPEG cut off at 60 % of its bytes", "undecodable"),
    "empty": ("file of zero bytes", "empty"),
}


def draw(picture_class: PictureClass, rng: np.random.Generator) -> Picture:
    """Draw one or two objects of a class over a background and smaller shapes of any class."""
    width, height = _SIZES_PX[rng.integers(len(_SIZES_PX))] + rng.integers(-6, 7, 2)
    canvas = _background(int(width), int(height), rng)
    for _ in range(rng.integers(1, 3)):
        distractor = CLASSES[rng.integers(len(CLASSES))]
        _paint(canvas, distractor, _Pose(rng.uniform(0.06, 0.15), math.tau * rng.random(), 1), rng)
    if rng.random() < _AWKWARD_FRACTION:
        pose = _Pose(rng.uniform(0.12, 0.22), rng.normal(0, 0.6), 0.9)
    else:
        pose = _Pose(rng.uniform(0.37, 0.47), rng.normal(0, 0.1), 0.13)
    boxes = [_paint(canvas, picture_class, pose, rng)]
    if rng.random() < _SECOND_OBJECT_FRACTION:
        second = _Pose(rng.uniform(0.15, 0.22), rng.normal(0, 0.2), 1)
        boxes.append(_paint(canvas, picture_class, second, rng))
    return Picture(_photograph(canvas, rng), tuple(boxes))


def encode(pixels: Pixels, kind: str = "jpeg") -> bytes:
    """Encode a picture as a plain JPEG, or as one of the odd files that ILSVRC is known for.

    Parameters
    ----------
    pixels : uint8 array of shape (height, width, 3), BGR.
    kind : `jpeg`, or a key of `ODD_KINDS`.
    """
    if kind == "jpeg":
        return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes()
    if kind == "png":
        return cv2.imencode(".png", pixels)[1].tobytes()
    if kind == "truncated":
        whole = encode(pixels)
        return whole[: len(whole) * 6 // 10]
    if kind == "empty":
        return b""
    return _encode_by_pillow(pixels, kind)


def _encode_by_pillow(pixels: Pixels, kind: str) -> bytes:
    image = Image.fromarray(np.ascontiguousarray(pixels[..., ::-1]))
    exif = Image.Exif()
    if kind == "cmyk":
        image = image.convert("CMYK")
    elif kind == "grey":
        image = image.convert("L")
    elif kind == "exif_rotated":
        exif[ExifTags.Base.Orientation] = 6  # "turn me a quarter clockwise to see me upright"
        image = image.transpose(Image.Transpose.ROTATE_90)
    else:
        raise ValueError(f"no such kind of picture: {kind}")
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=_JPEG_QUALITY, exif=exif.tobytes() if len(exif) else b"")
    return encoded.getvalue()


def _background(width: int, height: int, rng: np.random.Generator) -> Pixels:
    """Make a soft, tinted gradient with a texture of a random grain over it."""
    hues = rng.integers(20, 236, (3, 3, 3), dtype=np.uint8)
    greys = rng.integers(20, 236, (3, 3, 1), dtype=np.uint8)
    coarse = _mix(hues, greys, int(rng.integers(40, 160)))
    cells = int(rng.choice((6, 12, 24, 48)))
    grain = rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
    if rng.random() < 0.5:
        grain[...] = grain[..., :1]
    half = (width // 2, height // 2)
    blend = int(rng.integers(15, 70))
    return _stretch(_mix(_stretch(grain, half), _stretch(coarse, half), blend), (width, height))


def _paint(
    canvas: Pixels, picture_class: PictureClass, pose: _Pose, rng: np.random.Generator
) -> Box:
    """Draw one object in place."""
    height, width = canvas.shape[:2]
    radius = pose.radius_fraction * min(height, width)
    centre = (
        width / 2 + pose.spread * rng.uniform(-0.5, 0.5) * width,
        height / 2 + pose.spread * rng.uniform(-0.5, 0.5) * height,
    )
    contours = _place(picture_class.shape, radius, pose.angle, centre, rng)
    points = np.concatenate(contours) >> _SUBPIXEL_BITS
    xmin, ymin = (int(v) for v in np.maximum(points.min(axis=0), 0))
    xmax, ymax = (int(v) for v in np.minimum(points.max(axis=0) + 1, (width - 1, height - 1)))
    region = canvas[ymin : ymax + 1, xmin : xmax + 1]
    mask = np.zeros(region.shape[:2], np.uint8)
    shifted = [
        contour - np.array((xmin, ymin), np.int32) * 2**_SUBPIXEL_BITS for contour in contours
    ]
    cv2.fillPoly(mask, shifted, (255,), cv2.LINE_AA, _SUBPIXEL_BITS)
    region[...] = _mix(_surface(picture_class.hue, mask.shape, rng), region, mask[..., None])
    return Box(xmin, ymin, xmax, ymax)


def _place(
    shape: str, radius: float, angle: float, centre: tuple[float, float], rng: np.random.Generator
) -> list[NDArray[np.int32]]:
    """Squash, turn, scale and move a shape; points in 1/16 pixel."""
    squash = rng.uniform(0.75, 1.0)
    cosine, sine = math.cos(angle), math.sin(angle)
    placed = [
        [
            (
                centre[0] + radius * (squash * x * cosine - y * sine),
                centre[1] + radius * (squash * x * sine + y * cosine),
            )
            for x, y in contour
        ]
        for contour in _SHAPES[shape]
    ]
    return [np.rint(np.array(c) * 2**_SUBPIXEL_BITS).astype(np.int32) for c in placed]


def _surface(hue: str, shape: tuple[int, ...], rng: np.random.Generator) -> Pixels:
    """Colour a region in a hue family, lit unevenly and with a soft texture."""
    degrees = _HUES_DEG[hue] + rng.uniform(-_HUE_HALF_WIDTH_DEG, _HUE_HALF_WIDTH_DEG)
    rgb = colorsys.hsv_to_rgb(degrees / 360 % 1, rng.uniform(0.5, 1.0), rng.uniform(0.55, 1.0))
    colour = np.array([round(255 * channel) for channel in reversed(rgb)], np.uint16)
    size = (shape[1], shape[0])
    light = rng.integers(150, 256, (2, 2), dtype=np.uint8)
    grain = rng.integers(170, 256, (9, 9), dtype=np.uint8)
    lit = _stretch(light, size).astype(np.uint16)
    rough = _stretch(grain, size).astype(np.uint16)
    shade = lit * rough // 255
    return (shade[..., None] * colour // 255).astype(np.uint8)


def _photograph(canvas: Pixels, rng: np.random.Generator) -> Pixels:
    """Take the picture: blur, colour cast, exposure and sensor noise."""
    sigma = rng.choice((0.0, 0.0, 0.8, 1.6))
    if sigma:
        canvas = _as_pixels(cv2.GaussianBlur(canvas, (0, 0), sigma))
    gains = rng.uniform(0.7, 1.1) * rng.uniform(0.88, 1.12, 3)
    levels = np.arange(256)[:, None] * np.rint(gains * 256).astype(np.int64) >> 8
    table = np.clip(levels, 0, 255).astype(np.uint8)[None]
    exposed = cv2.LUT(canvas, table)
    amplitude = int(rng.integers(4, 20))
    noise = rng.integers(0, amplitude + 1, canvas.shape[:2], dtype=np.uint8)
    noisy = cv2.add(exposed, cv2.merge([noise] * 3))
    return _as_pixels(cv2.subtract(noisy, np.full_like(noisy, amplitude // 2)))


def _mix(over: Pixels, under: Pixels, weight: Pixels | int) -> Pixels:
    """Lay one picture over another; weight 255 shows `over` only."""
    opaque = np.asarray(weight, np.uint32)
    mixed = over * opaque + under * (255 - opaque) + 127
    return (mixed // 255).astype(np.uint8)


def _stretch(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Resize to (width, height); the other interpolations are not bit-exact."""
    return _as_pixels(cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR_EXACT))


def _as_pixels(array: cv2.typing.MatLike) -> Pixels:
    return np.asarray(array, np.uint8)
