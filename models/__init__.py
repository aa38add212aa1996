"""Train, test, save and use a classifier: the driver's side, from shards to a run directory."""
