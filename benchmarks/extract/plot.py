"""A bar chart as SVG, by hand: it is text, so that a change of figures is a change that people can read."""

from __future__ import annotations

from html import escape

from benchmarks.extract.figures import FLOOR, FLOOR_AS_OURS, OURS, OURS_FILE
from benchmarks.extract.results import Measured, Results

WIDTH, LABEL, NUMBER, BAR, GAP, HEAD = 820, 170, 130, 18, 6, 34
COLOURS = {FLOOR: "#9aa0a6", FLOOR_AS_OURS: "#9aa0a6", OURS: "#188038", OURS_FILE: "#81c995"}
PEER_COLOUR = "#4285f4"


def plot(results: Results) -> str:
    """Seconds of every contestant, a group for each shape, each group on a scale of its own."""
    body: list[str] = []
    top = 0
    for measured in results.shapes.values():
        top = _group(body, measured, top)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top + 10}" viewBox="0 0 {WIDTH} {top + 10}" '
        'font-family="sans-serif" font-size="12">'
    )
    return "\n".join([head, f'<rect width="{WIDTH}" height="{top + 10}" fill="#ffffff"/>', *body, "</svg>", ""])


def _group(body: list[str], measured: Measured, top: int) -> int:
    ran = {name: found.middle("seconds") for name, found in measured.contestants.items() if found.runs and not found.problem}
    body.append(f'<text x="8" y="{top + 22}" font-weight="bold">{escape(f"{measured.shape.name}: {measured.rows:,} rows")}</text>')
    at, room = top + HEAD, WIDTH - LABEL - NUMBER
    for name in measured.contestants:
        middle = at + BAR - 5
        body.append(f'<text x="{LABEL - 8}" y="{middle}" text-anchor="end">{escape(name)}</text>')
        if name in ran:
            width = max(1.0, room * ran[name] / max(ran.values()))
            body.append(f'<rect x="{LABEL}" y="{at}" width="{width:.1f}" height="{BAR}" fill="{COLOURS.get(name, PEER_COLOUR)}"/>')
            body.append(f'<text x="{LABEL + width + 6:.1f}" y="{middle}">{ran[name]:.2f} s</text>')
        else:
            body.append(f'<text x="{LABEL}" y="{middle}" fill="#b3261e">no result that equals the source</text>')
        at += BAR + GAP
    return at + GAP
