"""The options of jobs that score with a trained model: `--model` and `--top-k`."""

from __future__ import annotations

from mr_jobs.job import ImageJob


class ModelOption(ImageJob):
    """A job that is told which model to score with, and how many best classes matter."""

    def configure_args(self) -> None:
        """Take the model's file, and the number."""
        super().configure_args()
        self.add_file_arg("--model", default=None, metavar="FILE", help="model.npz of a run")
        self.add_passthru_arg(
            "--top-k",
            type=int,
            default=5,
            help="how many of an image's best classes to look at (default: %(default)s)",
        )

    def load_args(self, args: list[str]) -> None:
        """Read the options; there is nothing to do without a model."""
        super().load_args(args)
        if self.options.model is None:
            self.arg_parser.error("--model FILE is needed")
        if self.options.top_k < 1:
            self.arg_parser.error("--top-k is at least 1")
