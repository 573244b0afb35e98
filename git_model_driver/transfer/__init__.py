"""Acts: tensors from one store to another."""
