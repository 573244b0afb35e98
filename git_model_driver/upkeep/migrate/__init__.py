"""Acts: history from plain Git or Git LFS to manifests, and back."""
