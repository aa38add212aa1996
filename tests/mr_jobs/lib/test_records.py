import pytest

from mr_jobs.lib.errors import DataError
from mr_jobs.lib.imagenet import ImageKey
from mr_jobs.lib.records import ShardKey, held_out_from, place, require_one_tag, shard_key

KEYS = [f"train/n{i % 7:02}/{i}.JPEG" for i in range(3000)]


def test_a_shards_key_survives_a_round_trip() -> None:
    text = shard_key("train/n01/a b.JPEG", 3, 0.9999, 0.0, tag="0123abcd")

    key = ShardKey.parse(text)

    assert str(key) == text
    assert key.image == ImageKey("val", "n01", "a b.JPEG")
    assert key.place == pytest.approx(place("train/n01/a b.JPEG", 3), abs=1e-15)


@pytest.mark.parametrize(
    "key", ["", "train\t00\ttrain/n1/a", "train\tzz\ttrain/n1/a\t-", "train\t00\tn1/a\t-"]
)
def test_what_is_no_shards_key_is_refused(key: str) -> None:
    with pytest.raises(DataError, match="not the key of a shard's record"):
        ShardKey.parse(key)


@pytest.mark.parametrize("fractions", [(0.0, 0.0), (0.2, 0.0), (0.3, 0.3)])
def test_a_sixth_of_the_training_images_is_held_out(fractions: tuple[float, float]) -> None:
    keys = [ShardKey.parse(shard_key(key, 0, *fractions)) for key in KEYS]
    train = [key for key in keys if key.split == "train"]

    held_out = [key for key in train if key.place >= held_out_from(*fractions)]

    assert abs(len(held_out) / len(train) - 1 / 6) < 4 * (5 / 36 / len(train)) ** 0.5


def test_two_tags_are_refused_and_one_or_none_are_not() -> None:
    require_one_tag([])
    require_one_tag(["-", "-"])

    with pytest.raises(DataError, match="shards of two different runs are mixed"):
        require_one_tag(["-", "0123abcd"])
