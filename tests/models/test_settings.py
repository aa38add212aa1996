import tomllib
from pathlib import Path
from typing import Any

import pytest

from models.settings import ModelSettings
from mr_jobs.lib.errors import ConfigError

ROOT = Path(__file__).parents[2]


def test_the_table_in_pipeline_toml_is_the_default() -> None:
    table = tomllib.loads((ROOT / "pipeline.toml").read_text())["model"]

    assert ModelSettings.from_dict(table) == ModelSettings()


def test_settings_survive_a_round_trip() -> None:
    settings = ModelSettings(kind="ridge", shrinkage=0.7, top_k=3)

    assert ModelSettings.from_dict(settings.to_dict()) == settings


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"kind": "svm"}, "kind = 'svm' has to be lda, ridge or sgd"),
        ({"shrinkage": 1.5}, "shrinkage = 1.5 has to be"),
        ({"shrinkage": "much"}, "shrinkage = 'much' has to be"),
        ({"shrinkage": True}, "shrinkage = True has to be"),
        ({"shrinkage": float("nan")}, "shrinkage = nan has to be"),
        ({"kind": "ridge", "shrinkage": 1.0}, "shrinkage = 1.0 has to be .* between 0 and 1"),
        ({"kind": "ridge", "shrinkage": 0}, "shrinkage = 0 has to be .* between 0 and 1"),
        ({"kind": "ridge", "shrinkage": "ledoit-wolf"}, 'has to be "auto" or a number between'),
        ({"select_features": 1}, "select_features = 1 has to be true or false"),
        ({"sgd_loss": "squared"}, "sgd_loss = 'squared' has to be one of log_loss, hinge"),
        ({"sgd_alpha": 0}, "sgd_alpha = 0 has to be a number above 0"),
        ({"sgd_epochs": 0}, "sgd_epochs = 0 has to be a whole number from 1"),
        ({"top_k": 2.5}, "top_k = 2.5 has to be a whole number from 1"),
        ({"depth": 3}, "has no depth; known: kind, shrinkage"),
    ],
)
def test_a_value_that_does_not_fit_is_named(table: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        ModelSettings.from_dict(table)
