"""The nouns: plain Python that every other room may import. No Qt, no torch."""
