"""Machines: content-addressed objects, their encoding, and caches."""
