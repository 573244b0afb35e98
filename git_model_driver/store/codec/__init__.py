"""How the bytes of an object are made few: planes, entropy coding, differences."""
