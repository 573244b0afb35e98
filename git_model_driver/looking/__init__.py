"""Acts: what is in a model, and what changed between two."""
