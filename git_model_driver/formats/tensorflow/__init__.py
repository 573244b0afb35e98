"""TensorFlow: checkpoints in two files, and SavedModels; without TensorFlow."""
