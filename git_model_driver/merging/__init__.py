"""Acts: three manifests in, one out. Only tensors changed on both sides are read."""
