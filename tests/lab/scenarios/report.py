"""The report of a run: one HTML file with its plots drawn as SVG, nothing to be fetched."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from tests.lab.scenarios.figures import Figure, of_scenario
from tests.lab.scenarios.play import Tally
from tests.lab.scenarios.script import Script

WIDTH, ROW, LEFT, RIGHT = 760, 26, 190, 90
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:860px;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;font-size:13px}td,th{padding:3px 9px;text-align:right;
border-bottom:1px solid #ddd}td:first-child,th:first-child{text-align:left}
small,.note{color:#666}svg{max-width:100%}svg text{font:12px system-ui,sans-serif;fill:#333}
"""
TARGETS = {
    "pickups_noticed": "at least 0.99",
    "to_light_p95_s": "at most the hold and 1 s",
    "to_silence_p95_s": "at most 1.0",
    "false_sounds_per_8h": "at most 1",
    "parked_alarms": "0 in 1,000 hours",
    "inferences_saved": "at least 0.8",
}


def page(
    scripts: Sequence[Script],
    tallies: Mapping[str, Tally],
    figures: Mapping[str, Figure],
    facts: Mapping[str, object],
) -> str:
    """The whole page. `facts` says how it was made: model, hours, seed, frames a second."""
    played = [script for script in scripts if script.name in tallies]
    rows = {script.name: of_scenario(tallies[script.name]) for script in played}
    return "\n".join(
        [
            "<!doctype html><html lang=en><meta charset=utf-8>",
            f"<title>Procrastobot: scenarios</title><style>{STYLE}</style>",
            "<h1>How right the box is, in simulated scenes</h1>",
            "<p>Scenes are simulated; what the detector makes of each thing in them is drawn from"
            " what the shipped detector made of real, labelled pictures. Intervals are 95 %.</p>",
            _facts(facts),
            _headline(figures),
            "<h2>Pick-ups noticed</h2>",
            _bars(played, rows, "noticed", 1.0, percent=True),
            "<h2>From pick-up to light</h2>",
            _curves(played, {s.name: tallies[s.name].to_light_s for s in played}, 6.0),
            "<h2>From put-down to silence</h2>",
            _curves(played, {s.name: tallies[s.name].to_silence_s for s in played}, 2.0),
            "<h2>False sounds in 8 hours</h2>",
            _bars(played, rows, "false_sounds_per_8h", None),
            "<h2>Inferences spared</h2>",
            _bars(played, rows, "inferences_saved", 1.0, percent=True),
            "<h2>Every scenario</h2>",
            _table(played, tallies, rows),
            "</html>",
        ]
    )


def number(value: float) -> str:
    """Three digits that matter; a dash where nothing was measured."""
    if math.isnan(value):
        return "-"
    if value == 0 or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"


def with_interval(figure: Figure) -> str:
    if math.isnan(figure.value):
        return "-"
    return f"{number(figure.value)} ({figure.low:.2g}..{figure.high:.2g})"


def _facts(facts: Mapping[str, object]) -> str:
    return (
        "<p class=note>"
        + "; ".join(f"{escape(str(name))}: {escape(str(value))}" for name, value in facts.items())
        + "</p>"
    )


def _headline(figures: Mapping[str, Figure]) -> str:
    lines = ["<table><tr><th>figure<th>value<th>95 % interval<th>wanted"]
    for name, figure in figures.items():
        lines.append(
            f"<tr><td>{escape(name)}<td><b>{number(figure.value)}</b>"
            f"<td>{number(figure.low)} to {number(figure.high)}<td>{TARGETS.get(name, '')}"
        )
    return "\n".join([*lines, "</table>"])


def _bars(
    scripts: Sequence[Script],
    rows: Mapping[str, Mapping[str, Figure]],
    column: str,
    most: float | None,
    *,
    percent: bool = False,
) -> str:
    """One bar for each scenario that has the figure, with a whisker for its interval."""
    shown = [s for s in scripts if not math.isnan(rows[s.name][column].value)]
    if not shown:
        return "<p class=note>Nothing to show.</p>"
    top = most or max(1e-9, *(rows[s.name][column].high for s in shown))
    room = WIDTH - LEFT - RIGHT
    parts = [f'<svg viewBox="0 0 {WIDTH} {ROW * len(shown) + 8}" role="img">']
    for line, script in enumerate(shown):
        figure = rows[script.name][column]
        y = ROW * line + 6
        value, low, high = (min(1.0, v / top) * room for v in _triple(figure))
        text = f"{100 * figure.value:.1f} %" if percent else number(figure.value)
        parts.append(
            f'<text x="{LEFT - 8}" y="{y + 13}" text-anchor="end">{escape(script.name)}</text>'
            f'<rect x="{LEFT}" y="{y}" width="{value:.1f}" height="16" fill="#7aa6c2"/>'
            f'<path d="M{LEFT + low:.1f} {y + 8}H{LEFT + high:.1f}" stroke="#234"/>'
            f'<text x="{LEFT + max(value, high) + 6:.1f}" y="{y + 13}">{text}</text>'
        )
    return "\n".join([*parts, "</svg>"])


def _triple(figure: Figure) -> tuple[float, float, float]:
    return figure.value, figure.low, figure.high


COLOURS = ("#1b6ca8", "#c1440e", "#3a7d44", "#8e44ad", "#b8860b", "#5d6d7e", "#d81b60", "#00838f")


def _curves(scripts: Sequence[Script], values: Mapping[str, list[float]], most_s: float) -> str:
    """Share of times that were at most so long, a line for each scenario."""
    shown = [s for s in scripts if len(values[s.name]) >= 5]
    if not shown:
        return "<p class=note>Nothing to show.</p>"
    height, left, bottom = 260, 46, 30
    room, tall = WIDTH - left - 170, height - bottom - 10
    parts = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img">']
    for tenth in range(0, 11, 2):
        y = 10 + tall * (1 - tenth / 10)
        parts.append(
            f'<path d="M{left} {y:.1f}h{room}" stroke="#e5e5e5"/>'
            f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{tenth * 10} %</text>'
        )
    for tick in range(5):
        second = most_s * tick / 4
        x = left + room * tick / 4
        parts.append(f'<text x="{x:.1f}" y="{height - 8}" text-anchor="middle">{second:g} s</text>')
    for line, script in enumerate(shown):
        ordered = sorted(values[script.name])
        colour = COLOURS[line % len(COLOURS)]
        points = []
        for percent in range(101):
            at = ordered[min(len(ordered) - 1, percent * len(ordered) // 100)]
            if at > most_s:
                break
            x, y = left + room * at / most_s, 10 + tall * (1 - percent / 100)
            points.append(f"{x:.1f},{y:.1f}")
        parts.append(
            f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}"'
            ' stroke-width="1.8"/>'
            f'<text x="{WIDTH - 160}" y="{24 + 18 * line}" style="fill:{colour}">'
            f"{escape(script.name)} ({len(ordered)})</text>"
        )
    return "\n".join([*parts, "</svg>"])


def _table(
    scripts: Sequence[Script],
    tallies: Mapping[str, Tally],
    rows: Mapping[str, Mapping[str, Figure]],
) -> str:
    columns = list(next(iter(rows.values()), {}))
    lines = [
        "<table><tr><th>scenario<th>hours<th>pick-ups"
        + "".join(f"<th>{escape(column.replace('_', ' '))}" for column in columns)
    ]
    for script in scripts:
        tally = tallies[script.name]
        cells = "".join(
            f"<td>{number(figure.value)}<br><small>{number(figure.low)} to {number(figure.high)}"
            "</small>"
            for figure in rows[script.name].values()
        )
        lines.append(
            f"<tr><td>{escape(script.title)}<br><small>{escape(script.text)}</small>"
            f"<td>{tally.hours:.0f}<td>{tally.pickups}{cells}"
        )
    return "\n".join([*lines, "</table>"])
