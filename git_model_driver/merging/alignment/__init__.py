"""Models that were trained apart: their units brought into one order."""
