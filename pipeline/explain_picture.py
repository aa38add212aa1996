"""Draw an explanation over its image, as a PNG or as a page that holds it."""

from __future__ import annotations

import base64
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]  # blue, green, red

# Vermillion and blue of M. Okabe and K. Ito, Color Universal Design (2002): told apart by people
# with any kind of colour vision. The signs in the cells tell them apart without colours, too.
FOR: Colour = (0, 94, 213)
AGAINST: Colour = (178, 114, 0)
_INK: Colour = (40, 40, 40)
_SIDE_PX = 384  # of the longer side of an image
_MARGIN_PX = 16
_BAR_PX = 16
_LINE_PX = 24
_FONT, _FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.45
_MARKED = 0.25  # of the greatest cell; the sign of a cell of less is not drawn


def as_png(image: Pixels, cells: NDArray[np.float64], names: tuple[str, str]) -> bytes:
    """Draw an image, and beside it the same in grey with its cells coloured, and a legend.

    Parameters
    ----------
    image : uint8 of shape (height, width, 3), BGR.
    cells : float64 of shape (n, n), row by row, of the image's square: see `explain.Explanation`.
    names : of the class and the other one; what is not ASCII is drawn as `?`.

    Returns
    -------
    A PNG file.
    """
    shown = _fitted(image)
    most = float(np.abs(cells).max())
    gap = np.full((shown.shape[0], _MARGIN_PX, 3), 255, np.uint8)
    panels = np.hstack([shown, gap, heat_map(shown, cells / (most or 1.0))])
    legend = _legend(panels.shape[1], most, names)
    edges = ((_MARGIN_PX, _MARGIN_PX), (_MARGIN_PX, _MARGIN_PX), (0, 0))
    whole = np.pad(np.vstack([panels, legend]), edges, constant_values=255)
    return cv2.imencode(".png", whole)[1].tobytes()


def heat_map(image: Pixels, shares: NDArray[np.float64]) -> Pixels:
    """Colour an image's cells.

    Parameters
    ----------
    image : uint8 of shape (height, width, 3), BGR; it is drawn in light grey.
    shares : float64 of shape (n, n), from -1, `AGAINST`, to 1, `FOR`.

    Returns
    -------
    uint8 of shape (height, width, 3), BGR.
    """
    height_px, width_px = image.shape[:2]
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    light = 255.0 - 0.6 * (255.0 - grey.astype(np.float64))
    each = cv2.resize(shares, (width_px, height_px), interpolation=cv2.INTER_NEAREST)
    mixed = _coloured(light, np.asarray(each, np.float64))
    for row, column in np.argwhere(np.abs(shares) >= _MARKED).tolist():
        y = round((row + 0.5) * height_px / len(shares))
        x = round((column + 0.5) * width_px / len(shares))
        _mark(mixed, (x, y), plus=shares[row, column] > 0)
    return mixed


def _coloured(base: NDArray[np.float64] | np.float64, shares: NDArray[np.float64]) -> Pixels:
    """Mix the colours of shares, of shape (height, width), into pixels."""
    strength = 0.8 * np.abs(shares)[..., np.newaxis]
    colour = np.where(shares[..., np.newaxis] > 0, np.array(FOR), np.array(AGAINST))
    return np.rint((1.0 - strength) * base + strength * colour).astype(np.uint8)


def _mark(image: Pixels, centre: tuple[int, int], *, plus: bool) -> None:
    (x, y), arm = centre, 2
    cv2.line(image, (x - arm, y), (x + arm, y), _INK, 1)
    if plus:
        cv2.line(image, (x, y - arm), (x, y + arm), _INK, 1)


def _fitted(image: Pixels) -> Pixels:
    """Resize an image so that its longer side is `_SIDE_PX`, and the other one 24 px or more."""
    height_px, width_px = image.shape[:2]
    scale = _SIDE_PX / max(height_px, width_px)
    size = (max(_LINE_PX, round(width_px * scale)), max(_LINE_PX, round(height_px * scale)))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, size, interpolation=way), np.uint8)


def _legend(width_px: int, most: float, names: tuple[str, str]) -> Pixels:
    """Draw a bar from the one colour to the other, with numbers and what they speak for."""
    legend: Pixels = np.full((_MARGIN_PX + _BAR_PX + 3 * _LINE_PX, width_px, 3), 255, np.uint8)
    shares = np.linspace(-1.0, 1.0, width_px)[np.newaxis]
    legend[_MARGIN_PX : _MARGIN_PX + _BAR_PX] = _coloured(np.float64(255), shares)
    y = _MARGIN_PX + _BAR_PX + 16
    for text, place in ((f"-{most:.3g}", 0.0), ("0", 0.5), (f"+{most:.3g}", 1.0)):
        _write(legend, text, y, place)
    _write(legend, f"+ speaks for {names[0]}", y + _LINE_PX, 0.0)
    _write(legend, f"- speaks for {names[1]}", y + 2 * _LINE_PX, 0.0)
    return legend


def _write(image: Pixels, text: str, y: int, place: float) -> None:
    """Write a line with its baseline at `y`; `place` is 0 for the left, 1 for the right."""
    shown = text.encode("ascii", "replace").decode()
    while (width_px := cv2.getTextSize(shown, _FONT, _FONT_SCALE, 1)[0][0]) > image.shape[1]:
        shown = shown.removesuffix("...")[:-1] + "..."
    x = round(place * (image.shape[1] - width_px))
    cv2.putText(image, shown, (x, y), _FONT, _FONT_SCALE, _INK, 1, cv2.LINE_AA)


def as_page(png: bytes, result: dict[str, Any]) -> bytes:
    """Make an HTML page of a picture of `as_png` and a result of `explain_command.run`."""
    from pipeline.report.render import page

    view = {
        **result,
        "chosen": result["class"]["wnid"],
        "against": result["other"]["wnid"],
        "src": f"data:image/png;base64,{base64.b64encode(png).decode()}",
    }
    names = {result[who]["wnid"]: result[who]["words"] for who in ("class", "other")}
    return page("explain.html.j2", view, names).encode()
