"""Faces: pages that need nothing but themselves."""
