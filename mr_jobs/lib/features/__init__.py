"""Features: what an image becomes for a model, one file each."""

from mr_jobs.lib.features.spec import DEFAULT_FEATURES, FeatureSpec

__all__ = ["DEFAULT_FEATURES", "FeatureSpec"]
