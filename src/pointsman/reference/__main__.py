"""Writes the pages into a folder, or prints them."""

from __future__ import annotations

import sys
from pathlib import Path

from pointsman.reference.api import reference
from pointsman.reference.coming_from import coming_from
from pointsman.reference.error_codes import error_codes

PAGES = {"coming-from.md": coming_from, "errors.md": error_codes, "reference.md": reference}

if __name__ == "__main__":
    for name, page in PAGES.items():
        if len(sys.argv) > 1:
            (Path(sys.argv[1]) / name).write_text(page(), encoding="utf-8")
        else:
            sys.stdout.write(page())
