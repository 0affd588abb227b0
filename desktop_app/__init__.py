"""Safelight: pictures and films from words, on your own machine."""

__version__ = "0.1.0"
