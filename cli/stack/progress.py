"""How `./lake up` and `./lake down` show what they do: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.table import Table

GLYPHS = {"ready": "[green]✓[/]", "failed": "[red]✗[/]", "stopped": "[green]✓[/]", "waits": "[dim]·[/]"}


class Progress:
    """Takes the state of each service, from any thread. Subclasses show it."""

    def report(self, name: str, state: str, detail: str = "") -> None:
        """`state` is waits, prepares, starts, ready, stops, stopped or failed."""


class Lines(Progress):
    """One line when a service is ready, has stopped or failed, with the seconds since the beginning."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def report(self, name: str, state: str, detail: str = "") -> None:
        """Print the line."""
        if state in {"ready", "stopped", "failed"}:
            seconds = time.monotonic() - self._began
            line = f"{name:<15}{state} after {seconds:4.1f} s  {detail}".rstrip()
            sys.stderr.write(f"{line}\n")  # one write: services report from threads


class LiveTable(Progress):
    """A table with a row per service that changes in place."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._rows: dict[str, tuple[str, str, float]] = {}
        self._began = time.monotonic()
        self._lock = threading.Lock()

    def report(self, name: str, state: str, detail: str = "") -> None:
        """Redraw the table."""
        with self._lock:
            self._rows[name] = (state, detail, time.monotonic() - self._began)
            self._live.update(self._table())

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for name, (state, detail, seconds) in self._rows.items():
            glyph = GLYPHS.get(state, "[yellow]…[/]")
            table.add_row(glyph, name, state, f"[dim]{seconds:.1f} s[/]" if state != "waits" else "", f"[dim]{detail}[/]")
        return table


@contextmanager
def shown() -> Iterator[Progress]:
    """A `Progress` on standard error, fit for whether that is a terminal."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    with Live(console=Console(stderr=True), refresh_per_second=8) as live:
        yield LiveTable(live)
