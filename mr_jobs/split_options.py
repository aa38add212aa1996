"""The options of jobs that have to know on which side of the split an image is."""

from __future__ import annotations

from pathlib import Path

from mr_jobs.job import ImageJob
from mr_jobs.lib.duplicates import LEAKS, NO_GROUPS, Groups
from mr_jobs.lib.records import NO_TAG, shard_key


class SplitOptions(ImageJob):
    """A job that is told how the images are divided; `self.shard_key(key)` says where one goes."""

    def configure_args(self) -> None:
        """Take seed, shares, groups of duplicates, and what becomes of leaks."""
        super().configure_args()
        for split in ("val", "test"):
            self.add_passthru_arg(
                f"--{split}-fraction",
                type=float,
                default=0.0,
                help=f"share of the train images that goes to {split} (default: %(default)s)",
            )
        self.add_file_arg(
            "--groups",
            default=None,
            metavar="FILE",
            help="table of mr_jobs.lib.duplicates.GroupRow (default: no image has duplicates)",
        )
        self.add_passthru_arg(
            "--leaks",
            choices=LEAKS,
            default=LEAKS[0],
            help="what becomes of leaks (default: %(default)s)",
        )
        self.add_passthru_arg(
            "--seed", type=int, default=0, help="seed of the hash (default: %(default)s)"
        )

    def mapper_init(self) -> None:
        """Read the groups of duplicates."""
        super().mapper_init()
        self._groups = NO_GROUPS
        if self.options.groups:
            with Path(self.options.groups).open(encoding="utf-8", newline="\n") as lines:
                move = self.options.leaks == "move"
                self._groups = Groups.from_lines(lines, move_leaks=move)

    def shard_key(self, key: str, tag: str = NO_TAG) -> str:
        """Return the key of an image's record in the shards, see `records.shard_key`."""
        options = self.options
        return shard_key(
            key, options.seed, options.val_fraction, options.test_fraction, self._groups, tag
        )
