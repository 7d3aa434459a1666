"""`./lake env`; the bash file runs `cli/env_file.py` itself, this is for `python -m cli env`."""

from __future__ import annotations

import sys

from cli import env_file


def env() -> None:
    """Write the stack's `.env` and link it for docker compose."""
    sys.exit(env_file.main())
