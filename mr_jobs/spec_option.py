"""The option `--features` of jobs that decode images."""

from __future__ import annotations

import json

from mr_jobs.job import ImageJob
from mr_jobs.lib.features import FeatureSpec


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
