"""Pure functions: formats, images and features; no mrjob, no network, no state."""
