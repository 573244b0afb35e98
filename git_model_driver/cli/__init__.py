"""Doors: one module per verb; parsing and printing only."""
