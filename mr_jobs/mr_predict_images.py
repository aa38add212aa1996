r"""Name what is on every image of bundles, with a trained model.

Input    bundles: SequenceFiles of (image key, encoded image); or with --hbase lists of rows
         (mr_jobs/image_input.py), which get the predictions under the name of --noted-as
Output   text, tab separated, each part sorted by key:
         <image_id> <image key> <rank> <wnid> <score>, a line for each of an image's best classes
Counted  images/read = images/predicted + images/skipped; the skipped ones by reason, as
         images/skipped_<reason>; images that came under `quarantine/` are skipped unread

The model is a scikit-learn pipeline in a file of arrays (`mr_jobs.model_file`), whose classes are
wnids; `--features` and `--codebooks` are what its vectors were made with. A score is LDA's
posterior probability, or another model's decision value.

    python mr_jobs/mr_predict_images.py --model model.npz --codebooks codebooks.npz \
        --features '{"features": ["hog", "fisher"]}' bundles/part-* > predictions.tsv
    python mr_jobs/mr_predict_images.py -r hadoop --model model.npz hdfs:///bundles
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mrjob.protocol import RawProtocol
from mrjob.step import MRStep

from mr_jobs.image_input import ImageInput
from mr_jobs.job import bundle_step
from mr_jobs.lib.hbase_rows import prediction_cells
from mr_jobs.lib.imagenet import ImageKey
from mr_jobs.lib.scores import require_features
from mr_jobs.model_file import load_model
from mr_jobs.model_option import ModelOption
from mr_jobs.scoring import BLOCK_ROWS, best_of_block, new_block
from mr_jobs.spec_option import CodebooksOption


class MRPredictImages(ModelOption, CodebooksOption, ImageInput):
    """Map: a block of images -> the best classes of each. Reduce: a line a class."""

    INTERNAL_PROTOCOL = RawProtocol
    OUTPUT_PROTOCOL = RawProtocol

    def configure_args(self) -> None:
        super().configure_args()
        self.add_passthru_arg(
            "--noted-as",
            default=None,
            metavar="RUN_ID",
            help="with --hbase: put them into the rows, too, as this run's (default: do not)",
        )

    def steps(self) -> list[MRStep]:
        return [
            bundle_step(
                mapper_init=self.mapper_init,
                mapper=self.mapper,
                mapper_final=self.mapper_final,
                reducer=self.reducer,
                bundle_input=self.reads_bundles(),
            )
        ]

    def mapper_init(self) -> None:
        super().mapper_init()
        self._model: Any = None  # loaded for the first image to score
        self._keys: list[str] = []

    def mapper(self, key: str, encoded: bytes) -> Iterator[tuple[str, str]]:
        """Yield (image key, wnids and scores), a block of images at a time."""
        vector = self.vector_of(key, encoded)
        if vector is None:
            return
        if self._model is None:
            self._model = load_model(Path(self.options.model))
            require_features(self._model, vector.size, key)
            self._vectors = new_block(vector.size)
        self._vectors[len(self._keys)] = vector
        self._keys.append(key)
        if len(self._keys) == BLOCK_ROWS:
            yield from self._scored()

    def mapper_final(self) -> Iterator[tuple[str, str]]:
        """Yield the last block."""
        yield from self._scored()

    def reducer(self, key: str, values: Iterator[str]) -> Iterator[tuple[str, str]]:
        """Yield (image_id, the rest of a line), best first; again for an image that comes twice."""
        image_id = ImageKey.parse(key).image_id
        for labels in values:
            fields = labels.split("\t")
            pairs = zip(fields[::2], fields[1::2], strict=True)
            for rank, (wnid, score) in enumerate(pairs, start=1):
                yield image_id, f"{key}\t{rank}\t{wnid}\t{score}"

    def _scored(self) -> Iterator[tuple[str, str]]:
        if not self._keys:
            return
        found = best_of_block(self._model, self._vectors, len(self._keys), self.options.top_k)
        for key, best in zip(self._keys, found, strict=True):
            named = [(str(self._model.classes_[n]), score) for n, score in best]
            if self.options.noted_as:
                self.note(key, prediction_cells(self.options.noted_as, named))
            yield key, "\t".join(f"{wnid}\t{score:.6g}" for wnid, score in named)
        self.count("predicted", len(self._keys))
        self._keys.clear()


if __name__ == "__main__":
    MRPredictImages.run()
