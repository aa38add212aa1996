import io
from collections.abc import Sequence

import numpy as np
import pytest

from models.dataset import NO_CLASS, blocks, index_classes, merge_parts
from mr_jobs.lib.errors import DataError
from mr_jobs.lib.imagenet import ImageKey
from mr_jobs.lib.records import encode_vector, shard_key
from mr_jobs.lib.sequencefile import Reader, Writer

Record = tuple[str, bytes]


def shard(records: Sequence[Record], key_class: str = "BytesWritable") -> Reader:
    file = io.BytesIO()
    with Writer(file, key_class=key_class) as writer:
        for key, value in records:
            writer.append(key.encode() if key_class == "BytesWritable" else key, value)
    file.seek(0)
    return Reader(file, "part-00000")


@pytest.fixture
def records() -> list[Record]:
    keys = [
        f"{split}/n0000000{number % 3}/{split}_{number}.JPEG"
        for split in ("train", "val", "test")
        for number in range(20)
    ]
    return [
        (shard_key(key, 0, 0.0, 0.0), encode_vector(np.full(3, number, np.float32)))
        for number, key in enumerate(keys)
    ]


@pytest.mark.parametrize("n_shards", [1, 2, 7, 100])
def test_the_order_does_not_depend_on_the_number_of_shards(
    records: list[Record], n_shards: int
) -> None:
    one = shard(sorted(records))
    several = [shard(sorted(records[start::n_shards])) for start in range(n_shards)]

    merged = [(key, vector.tolist()) for key, vector in merge_parts(several, "train")]

    assert merged == [(key, vector.tolist()) for key, vector in merge_parts([one], "train")]
    assert len(merged) == 20


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_only_the_split_asked_for_comes(records: list[Record], split: str) -> None:
    keys = [key for key, _ in merge_parts([shard(sorted(records))], split)]

    assert len(keys) == 20
    assert {key.split for key in keys} == {split}


def test_a_shard_with_text_keys_is_read_too(records: list[Record]) -> None:
    assert len(list(merge_parts([shard(sorted(records), "Text")], "val"))) == 20


def test_an_image_that_comes_twice_is_refused(records: list[Record]) -> None:
    readers = [shard(sorted(records)), shard(records[:1])]

    with pytest.raises(DataError, match=r"train/n00000000/train_0\.JPEG comes twice"):
        list(merge_parts(readers, "train"))


def test_an_unsorted_shard_is_refused(records: list[Record]) -> None:
    train = sorted(records[:20], reverse=True)

    with pytest.raises(DataError, match="out of order"):
        list(merge_parts([shard(train)], "train"))


def test_a_value_that_is_no_vector_is_refused_with_the_image_named() -> None:
    reader = shard([("train\t00\ttrain/n01/a.JPEG\t-", b"12345")])

    with pytest.raises(DataError, match=r"train/n01/a\.JPEG is not a vector"):
        list(merge_parts([reader], "train"))


def test_a_key_that_is_no_image_is_refused() -> None:
    with pytest.raises(DataError, match="not the key of a shard's record"):
        list(merge_parts([shard([("train\tnonsense", b"1234")])], "train"))


def test_shards_of_two_runs_are_refused() -> None:
    keys = [shard_key(f"train/n01/{name}.JPEG", 0, 0.0, 0.0, tag=name) for name in "ab"]
    readers = [shard([(key, encode_vector(np.zeros(3, np.float32)))]) for key in keys]

    with pytest.raises(DataError, match=r"two different runs are mixed \(tags a, b\)"):
        list(merge_parts(readers, "train"))


def test_no_shards_give_no_images() -> None:
    assert list(merge_parts([], "train")) == []


@pytest.mark.parametrize(
    ("wnids", "found"), [([], "none at all"), (["n01", "n01", "unlabelled"], "all of n01")]
)
def test_fewer_than_two_synsets_are_refused(wnids: list[str], found: str) -> None:
    with pytest.raises(DataError, match=found):
        index_classes(wnids)


def pair(
    name: str, *vector: float
) -> tuple[ImageKey, np.ndarray[tuple[int], np.dtype[np.float32]]]:
    return ImageKey("train", f"n{name[0]}", name), np.array(vector, np.float32)


def test_blocks_keep_the_order_and_mark_unknown_synsets() -> None:
    pairs = [pair("1a", 1), pair("2a", 2), pair("9a", 3), pair("1b", 4), pair("2b", 5)]

    found = list(blocks(pairs, {"n1": 0, "n2": 1}, n_rows=2))

    assert [len(block.keys) for block in found] == [2, 2, 1]
    assert np.concatenate([block.X for block in found]).ravel().tolist() == [1, 2, 3, 4, 5]
    assert np.concatenate([block.y for block in found]).tolist() == [0, 1, NO_CLASS, 0, 1]
    assert found[0].X.dtype == np.float32


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_a_vector_that_is_not_finite_is_refused_with_the_image_named(number: float) -> None:
    with pytest.raises(DataError, match="train/n2/2a holds NaN or infinity"):
        list(blocks([pair("1a", 1, 1), pair("2a", 0, number), pair("2b", 1, 1)], {}))


def test_a_vector_of_another_length_is_refused_with_the_image_named() -> None:
    with pytest.raises(DataError, match="train/n2/2a has 1 numbers where the first has 2"):
        list(blocks([pair("1a", 1, 1), pair("2a", 1)], {}))
