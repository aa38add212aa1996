"""The options of jobs that decode images: `--features`, and `--codebooks` where they are coded."""

from __future__ import annotations

import json
from pathlib import Path

from mr_jobs.job import ImageJob
from mr_jobs.lib.codebooks import NO_CODEBOOKS, Codebooks
from mr_jobs.lib.errors import ImageError
from mr_jobs.lib.features import FeatureSpec
from mr_jobs.lib.features.base import Vector
from mr_jobs.lib.imagenet import QUARANTINE, ImageKey


class SpecOption(ImageJob):
    """A job that is told by `--features` how images are decoded; it has it as `self.spec`."""

    def configure_args(self) -> None:
        """Take the parameters as JSON."""
        super().configure_args()
        self.add_passthru_arg(
            "--features",
            default="{}",
            metavar="JSON",
            help="parameters that differ from the defaults, as a JSON object with the keys of "
            "[features] in pipeline.toml, and those of [repair] as one object, `repair` "
            f"(defaults: {json.dumps(FeatureSpec().to_dict())})",
        )

    def load_args(self, args: list[str]) -> None:
        """Read and check them; ImageMagick has to be there on every machine, if it is asked."""
        super().load_args(args)
        self.spec = FeatureSpec.from_dict(
            FeatureSpec().to_dict() | json.loads(self.options.features)
        )
        self.spec.repair.require()


class CodebooksOption(SpecOption):
    """A job that computes feature vectors: `self.codebooks` are those of the learned features."""

    def configure_args(self) -> None:
        """Take the file of the codebooks."""
        super().configure_args()
        self.add_file_arg(
            "--codebooks",
            default=None,
            metavar="FILE",
            help="codebooks of the learned features (default: none, for features without)",
        )

    def mapper_init(self) -> None:
        """Read the codebooks, and check them."""
        super().mapper_init()
        path = self.options.codebooks
        self.codebooks = Codebooks.load(Path(path)) if path else NO_CODEBOOKS
        self.check_codebooks()

    def vector_of(self, key: str, encoded: bytes) -> Vector | None:
        """Compute an image's vector; one that cannot be used is None, and counted by reason."""
        self.count("read")
        image = ImageKey.parse(key)
        try:
            if image.split == QUARANTINE:
                raise ImageError(image.wnid)
            return self.spec.extract(encoded, self.codebooks)
        except ImageError as error:
            self.count("skipped")
            self.count(f"skipped_{error.reason}")
            return None

    def check_codebooks(self) -> None:
        """See that the codebooks are those of the features, and whole."""
        self.spec.require(self.codebooks)
