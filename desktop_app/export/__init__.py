"""Pictures as files: one module per format; what travels inside them is written and read in one place each.

``pictures`` saves, ``names`` makes file names, ``metadata`` says what a recipe looks like inside a file, ``packets``
finds it again without decoding a pixel; ``recipes`` reads it, and what other programs left. ``aside`` keeps what could
not be saved.
"""
