"""Acts: which commit changed which tensor, and how it came to do so."""
