"""The commands of the command line: one module each, with ``add_arguments`` and ``run``. None of them imports Qt."""
