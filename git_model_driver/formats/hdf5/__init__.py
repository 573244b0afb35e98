"""HDF5 without libhdf5, which malformed files make write outside its memory."""
