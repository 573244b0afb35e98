"""Keras: its .keras archives, and what its HDF5 files call a variable."""
