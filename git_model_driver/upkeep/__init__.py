"""What keeps the store in order: what is needed, pruning, repacking, usage."""
