"""Double-click this file, or run ``python main.py``, to open Safelight."""

import sys

from desktop_app.cli import main

if __name__ == "__main__":
    sys.exit(main())
