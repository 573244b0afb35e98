"""Machines: the only place that runs git or knows how git behaves."""
