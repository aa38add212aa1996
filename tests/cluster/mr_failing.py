"""A job whose map task fails: what is said of it has to be the task's own words."""

from __future__ import annotations

from mr_jobs.job import ImageJob


class MRFailing(ImageJob):
    """Refuse every line."""

    def mapper(self, _: object, line: str) -> None:
        """Refuse a line."""
        raise ValueError(f"nobody expects {line}")


if __name__ == "__main__":
    MRFailing.run()
