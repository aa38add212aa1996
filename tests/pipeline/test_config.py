from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from mr_jobs.lib.errors import ConfigError
from mr_jobs.lib.features.registry import FEATURES
from mr_jobs.lib.repair import RepairSettings
from pipeline.config import CONFIGS, Config, find_config


def test_pipeline_toml_shows_every_key_with_its_default() -> None:
    assert Config.load() == Config.from_dict({})


def test_every_key_of_the_configuration_stands_in_pipeline_toml(repo_root: Path) -> None:
    text = (repo_root / "pipeline.toml").read_text()

    for table in Config.load().to_dict().values():
        for key, value in table.items():
            if isinstance(value, dict):
                assert f"\n[features.{key}]" in text
                assert all(f"\n{parameter} = " in text for parameter in value)
            else:
                assert f"\n{key} = " in text


def test_every_feature_has_its_table_in_pipeline_toml(repo_root: Path) -> None:
    tables = tomllib.loads((repo_root / "pipeline.toml").read_text())["features"]

    for name, feature in FEATURES.items():
        assert tables[name] == feature().to_dict()


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_configuration_of_configs_is_whole(path: Path) -> None:
    assert find_config(path.stem) == path
    assert Config.load(path).features.n_features < 9000


def test_a_configuration_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(ConfigError, match="by name there are 32px, best, fast"):
        find_config("slow")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[data", "not TOML"),
        ("[clusters]\n", "no table clusters"),
        ("[data]\nval_fraction = 1.5\n", "val_fraction and test_fraction are shares"),
        ("[data]\nseed = -1\n", "seed is a whole number from 0"),
        ("[data]\nbundle_mb = '8'\n", "bundle_mb is a whole number from 1"),
        ("[features]\nhog_cell = 8\n", "hog_cell"),
        ("[repair]\nmin_decoded_share = 2\n", "min_decoded_share is 2; use a number above 0"),
        ("[repair]\nmax_image_px = 2\n", "repair: no setting is called max_image_px"),
        ("[features.repair]\n", "repair is a table of its own"),
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


def test_the_table_repair_reaches_the_features_and_back(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[repair]\nmin_decoded_share = 0.5\nsecond_opinion = false\n")

    config = Config.load(path)

    assert config.features.repair == RepairSettings(0.5, second_opinion=False)
    assert config.to_dict()["repair"] == {"min_decoded_share": 0.5, "second_opinion": False}
    assert Config.from_dict(config.to_dict()) == config
    assert config.features.fingerprint() != Config.load().features.fingerprint()
