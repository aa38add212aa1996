"""Ways to train a classifier on the shards of a run, behind one interface: see `base`."""
