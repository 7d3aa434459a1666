"""`./lake traffic`: keep writing to the shop as its application would."""

from __future__ import annotations

import json as json_format
import sys
import time
from typing import Annotated

import typer

from cli.console import end_in_order
from cli.stack.errors import StackError
from cli.stack.settings import Settings
from sample.traffic import Traffic, TrafficError

REPORT_EVERY_S = 5.0


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
    end_in_order()
    try:
        with shop:
            _run(shop, seconds, quiet=json)
    except KeyboardInterrupt:
        shop.stop()  # it has stopped already, unless the interrupt came while it started
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
        shop.wait(min(REPORT_EVERY_S, left_s))
        if not quiet:
            print(_line(shop), flush=True)


def _line(shop: Traffic) -> str:
    summary = shop.summary()
    rows = summary["rows"]
    written = ", ".join(f"{table} {' '.join(f'{count:,} {verb}' for verb, count in verbs.items())}" for table, verbs in rows.items())
    return f"{summary['seconds']:.0f} s  {summary['transactions']:,} transactions ({summary['per_second']}/s)  {written or 'nothing yet'}"
