"""What the helpers of notebooks and the Python shell return: as text, HTML or a picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib.errors import ImageError
from mr_jobs.lib.images import probe
from mr_jobs.lib.records import CatalogRow
from mr_jobs.lib.repair import RepairSettings, decode_repaired
from mr_jobs.lib.shown import shown
from pipeline.index.engine import plain
from pipeline.index.printing import Shown, table_lines
from pipeline.report.thumbnails import thumbnail

_SHOWN_ROWS = 60
_SIDE_PX = 384  # of the longer side of a picture, at most
_MAX_PX = 100_000_000


class Table(Sequence[tuple[Any, ...]]):
    """Rows of an answer.

    Parameters
    ----------
    columns : their names.
    rows : the rows; numbers, texts and None.
    """

    def __init__(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        self.columns = list(columns)
        self.rows = [tuple(map(plain, row)) for row in rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: Any) -> Any:  # noqa: ANN401  # a row, or a list for a slice
        return self.rows[place]

    def column(self, name: str) -> list[Any]:
        """Return the values of a column."""
        return [row[self.columns.index(name)] for row in self.rows]

    def __repr__(self) -> str:
        some = Shown(iter(self.rows), _SHOWN_ROWS)
        lines = [*table_lines(self.columns, some.rows())]
        left = f"; {some.n_left_out} more" if some.n_left_out else ""
        return "\n".join([*lines, f"({some.n_shown} rows{left})"])

    def _repr_html_(self) -> str:
        def row(cells: Sequence[object], tag: str) -> str:
            texts = ("NULL" if cell is None else shown(str(cell)) for cell in cells)
            return "<tr>" + "".join(f"<{tag}>{escape(text)}</{tag}>" for text in texts) + "</tr>"

        rows = "".join(row(cells, "td") for cells in self.rows[:_SHOWN_ROWS])
        left = len(self.rows) - _SHOWN_ROWS
        note = f"<p>{left} more rows</p>" if left > 0 else ""
        head = row(self.columns, "th")
        return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>{note}"


class Picture:
    """An image of the store.

    Attributes
    ----------
    row : its row of the catalogue.
    encoded : its file, byte for byte.
    """

    def __init__(self, row: CatalogRow, encoded: bytes) -> None:
        self.row = row
        self.encoded = encoded

    def pixels(self) -> NDArray[np.uint8]:
        """Decode it: uint8 of shape (height, width, 3), red, green, blue, upright.

        Raises
        ------
        ImageError
            It is one of those that cannot be used.
        """
        found = decode_repaired(
            self.encoded, probe(self.encoded), RepairSettings(), max_image_px=_MAX_PX
        )
        return np.ascontiguousarray(found.image[:, :, ::-1])

    def __repr__(self) -> str:
        row = self.row
        size = f"{row.width} x {row.height} pixels, " if row.width else ""
        state = row.status if row.reason is None else f"{row.status}: {row.reason}"
        return shown(f"{row.key}: {row.format or 'no image'}, {size}{row.bytes} bytes, {state}")

    def _repr_png_(self) -> bytes | None:
        try:
            image = self.pixels()[:, :, ::-1]
        except ImageError:
            return None  # its text says why
        share = _SIDE_PX / max(image.shape[:2])
        if share < 1:
            size = (max(1, round(image.shape[1] * share)), max(1, round(image.shape[0] * share)))
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        return cv2.imencode(".png", image)[1].tobytes()


class Grid(Sequence[Picture]):
    """Pictures side by side."""

    def __init__(self, pictures: Sequence[Picture]) -> None:
        self._pictures = list(pictures)

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, place: Any) -> Any:  # noqa: ANN401
        return self._pictures[place]

    def __repr__(self) -> str:
        return "\n".join(map(repr, self._pictures)) or "(no images)"

    def _repr_html_(self) -> str:
        cells = "".join(self._cells())
        return f'<div style="display:flex;flex-wrap:wrap;gap:8px">{cells}</div>'

    def _cells(self) -> Iterator[str]:
        for picture in self._pictures:
            found = thumbnail(picture.encoded, RepairSettings(), _MAX_PX)
            name = escape(shown(picture.row.image_id))
            box = (
                f'<img src="{found["src"]}" alt="{name}">'
                if "src" in found
                else f"<em>{escape(shown(found['problem']))}</em>"
            )
            label = f"<figcaption><small>{name}</small></figcaption>"
            yield f'<figure style="margin:0;width:110px">{box}{label}</figure>'
