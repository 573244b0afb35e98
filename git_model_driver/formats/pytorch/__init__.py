"""PyTorch: what torch.save writes, as a ZIP archive and as it was before 1.6."""
