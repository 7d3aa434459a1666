"""`./lake traffic`: keep writing to the shop as its application would."""

from __future__ import annotations

import json as json_format
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from cli.stack.errors import StackError
from cli.stack.settings import Settings
from sample.traffic import Traffic, TrafficError

REPORT_EVERY_S = 5.0
# How soon a writer that failed is noticed.
LOOK_EVERY_S = 0.25
# Ctrl-C, and a script's `kill`.
ENDS = (signal.SIGINT, signal.SIGTERM)


def traffic(
    rate: Annotated[float, typer.Option(min=0.1, help="Transactions a second, about.")] = 20.0,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Stop after so long; without it, at Ctrl-C.")] = None,
    seed: Annotated[int | None, typer.Option(help="Draw the same decisions again.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print nothing but the summary, as JSON.")] = False,
) -> None:
    """Orders, payments, page events, status updates, soft deletes, price changes, a few long transactions."""
    settings = Settings.load()
    if settings.is_external:
        raise StackError("The traffic is the sample shop's, and this stack has servers of your own: run `./lake up --sample` first.")
    shop = Traffic(settings.mysql("shop_app"), rate=rate, seed=seed)
    try:
        with _asked_for(ENDS), shop:
            _run(shop, seconds, quiet=json)
    except TrafficError as error:
        print(f"lake traffic: {error}. Look at ./lake status; ./lake up starts what is missing.", file=sys.stderr)
        raise typer.Exit(1) from error
    print(json_format.dumps(shop.summary()) if json else f"ended: {_line(shop)}")


def _run(shop: Traffic, seconds: float | None, *, quiet: bool) -> None:
    """Report until the time is over."""
    if not quiet:
        print(f"writing to the shop, about {shop.rate:g} transactions a second; Ctrl-C ends it", flush=True)
    ends_at = time.monotonic() + (seconds if seconds is not None else float("inf"))
    while (left_s := ends_at - time.monotonic()) > 0:
        if _is_told_to_end(shop, min(REPORT_EVERY_S, left_s)):
            return
        if not quiet:
            print(_line(shop), flush=True)


@contextmanager
def _asked_for(signals: tuple[signal.Signals, ...]) -> Iterator[None]:
    """Hold signals back, for the threads that are started in the block too, until somebody asks for them.

    As an exception one of them could come between any two steps: also where this thread has just taken a lock that the writers need.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _is_told_to_end(shop: Traffic, seconds: float) -> bool:
    """Wait for so long, or for a signal. Raises TrafficError as soon as a writer has failed."""
    until = time.monotonic() + seconds
    while (left_s := until - time.monotonic()) > 0:
        if signal.sigtimedwait(ENDS, min(LOOK_EVERY_S, left_s)):
            return True
        shop.wait(0)
    return False


def _line(shop: Traffic) -> str:
    summary = shop.summary()
    rows = summary["rows"]
    written = ", ".join(f"{table} {' '.join(f'{count:,} {verb}' for verb, count in verbs.items())}" for table, verbs in rows.items())
    return f"{summary['seconds']:.0f} s  {summary['transactions']:,} transactions ({summary['per_second']}/s)  {written or 'nothing yet'}"
