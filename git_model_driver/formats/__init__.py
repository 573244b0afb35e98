"""Readers: one module per file format behind one Protocol (formats.base)."""
