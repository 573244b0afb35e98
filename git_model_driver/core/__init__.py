"""Words: oids, dtypes, manifests, layouts. No input or output."""
