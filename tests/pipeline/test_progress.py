from __future__ import annotations

import io

from pipeline.progress import Progress


class Clock:
    """Seconds that pass only when told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_lines_come_at_most_every_ten_seconds_with_rate_and_time_left() -> None:
    clock, file = Clock(), io.StringIO()
    with Progress("features", file, clock) as progress:
        for second in range(1, 26):
            clock.now = float(second)
            progress.update(second * 10, 500)

    assert file.getvalue().splitlines() == [
        "features: 100/500 images, 10 images/s, 40 s left",
        "features: 200/500 images, 10 images/s, 30 s left",
    ]


def test_a_terminal_gets_a_bar() -> None:
    terminal = Terminal()
    with Progress("features", terminal) as progress:
        progress.update(50, 100)

    assert "features:   0%" in terminal.getvalue()  # tqdm draws it before the first update
    assert "\n" not in terminal.getvalue()


def test_nothing_is_shown_before_the_total_is_known() -> None:
    clock, file = Clock(), io.StringIO()
    with Progress("features", file, clock) as progress:
        clock.now = 60.0
        progress.update(5, 0)

    assert file.getvalue() == ""
