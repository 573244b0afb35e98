"""Faces: what people read."""
