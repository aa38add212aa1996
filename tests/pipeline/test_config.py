from __future__ import annotations

from pathlib import Path

import pytest

from mr_jobs.lib.errors import ConfigError
from pipeline.config import Config


def test_pipeline_toml_shows_every_key_with_its_default() -> None:
    assert Config.load() == Config.from_dict({})


def test_every_key_of_the_configuration_stands_in_pipeline_toml(repo_root: Path) -> None:
    text = (repo_root / "pipeline.toml").read_text()

    for table in Config.load().to_dict().values():
        for key in table:
            assert f"\n{key} = " in text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[data", "not TOML"),
        ("[clusters]\n", "no table clusters"),
        ("[data]\nval_fraction = 1.5\n", "val_fraction and test_fraction are shares"),
        ("[data]\nseed = -1\n", "seed is a whole number from 0"),
        ("[data]\nbundle_mb = '8'\n", "bundle_mb is a whole number from 1"),
        ("[features]\nhog_cell = 8\n", "hog_cell"),
        ("[model]\nkind = 'svm'\n", "kind = 'svm' has to be"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)

    with pytest.raises(ConfigError, match=told):
        Config.load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such configuration file"):
        Config.load(tmp_path / "none.toml")
