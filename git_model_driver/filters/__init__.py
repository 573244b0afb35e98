"""Acts: model file to manifest and back, for Git's filters and textconv."""
