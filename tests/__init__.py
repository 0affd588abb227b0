"""Mirrors ``desktop_app``: the tests of each room are in the folder of its name."""
