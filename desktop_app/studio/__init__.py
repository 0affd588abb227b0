"""Living state of the program, in QtCore only. Knows no widget and no torch."""
