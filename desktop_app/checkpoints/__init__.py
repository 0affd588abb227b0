"""Say what a model file or folder is before anything loads it. Plain Python."""
