"""Fetches model files that a person asks for: says first what they are, then brings them whole or not at all."""
