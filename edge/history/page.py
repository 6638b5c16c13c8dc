"""A span of days as one HTML file: it needs no script, no other file and no network.

Every chart is drawn from a table that stands beside it, and hidden from screen readers: they have
the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape

from edge.history.clock import midnight, zone_of
from edge.history.lookback import (
    WEEKDAYS,
    LookBack,
    Span,
    duration,
    short,
    spans,
    what,
    why,
)
from edge.history.timeline import Kind, Segment

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

STYLE = """
:root {
  color-scheme: light dark;
  --ground: #f6f5f1; --card: #fff; --ink: #22252a; --faint: #5c6269; --line: #dcdad2;
  --focus: #2f7d4f; --phone: #b3261e; --away: #8a6400; --rest: #2a5fa5; --fault: #6b4c9a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #16181b; --card: #1f2226; --ink: #e8e6e1; --faint: #a6acb2; --line: #34383d;
    --focus: #62c08a; --phone: #ff8077; --away: #e0b040; --rest: #8ab4f8; --fault: #c3a6f0;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1rem; max-width: 68rem; background: var(--ground); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif;
}
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.125rem; margin: 0 0 .5rem; }
h3 { font-size: 1rem; margin: 0 0 .25rem; font-weight: 500; }
section {
  background: var(--card); border: 1px solid var(--line); border-radius: .75rem;
  padding: 1rem; margin-top: 1rem;
}
p { margin: .25rem 0; } .faint, caption, footer { color: var(--faint); font-size: .875rem; }
caption { text-align: left; padding-bottom: .25rem; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem;
  margin: 0; }
dt { color: var(--faint); font-size: .875rem; }
dd { margin: 0; font-size: 1.5rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; } .scroll:focus-visible, summary:focus-visible {
  outline: 3px solid var(--rest); outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .5rem; vertical-align: top;
  border-top: 1px solid var(--line); }
thead th, thead td { border-top: 0; }
thead th { color: var(--faint); font-weight: 500; font-size: .875rem; }
tbody th { font-weight: 500; white-space: nowrap; }
.number { text-align: right; white-space: nowrap; } .when { white-space: nowrap; }
.bar { width: 40%; min-width: 5rem; vertical-align: middle; }
svg { display: block; width: 100%; }
.bar svg { height: .9rem; }
.focus { fill: var(--focus); } .phone { fill: var(--phone); } .away { fill: var(--away); }
.break, .paused { fill: var(--rest); } .unseen, .fault { fill: var(--fault); }
.ground { fill: var(--line); }
.lanes { display: grid; grid-template-columns: auto 1fr; gap: .25rem .75rem; align-items: center; }
.lanes svg { height: 1.5rem; } .lanes span { font-size: .875rem; }
.axis { display: flex; justify-content: space-between; color: var(--faint); font-size: .75rem; }
.maps { display: grid; grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)); gap: 1.5rem;
  margin-bottom: .5rem; }
.map { display: grid; grid-template-columns: auto 1fr; gap: 0 .5rem; }
.map ol { list-style: none; margin: 0; padding: 0; font-size: .75rem; color: var(--faint); }
.map li { height: 1.25rem; line-height: 1.25rem; } .map svg { height: 8.75rem; }
.map .axis { grid-column: 2; }
details { margin-top: .5rem; } summary { cursor: pointer; color: var(--faint); padding: .5rem 0; }
footer { margin: 1rem 0; }
@media (max-width: 40rem) {
  .wide { display: none; } th, td { padding: .25rem .3rem; } .bar { min-width: 2.5rem; }
}
@media print { body { max-width: none; } section { break-inside: avoid; } }
"""


@dataclass(frozen=True, slots=True)
class Said:
    """A section in plain sentences: of a self-experiment, for one."""

    title: str
    sentences: tuple[str, ...]


def page(found: LookBack, *, box: str, said: Sequence[Said] = ()) -> str:
    """The whole file."""
    title = f"{box}: {_dates(found)}"
    made = found.now.astimezone(zone_of(found.now))
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="referrer" content="no-referrer">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style>",
            "</head>",
            "<body>",
            f"<header><h1>{escape(box)}</h1><p>{escape(_dates(found))}</p></header>",
            "<main>",
            sections(found, said=said),
            "</main>",
            f"<footer>As it was known on {made:%A %d %B %Y, %H:%M}. Times of several seats add up;"
            " sessions are shared by them. This file is complete: it loads nothing.</footer>",
            "</body>",
            "</html>",
            "",
        ]
    )


def sections(found: LookBack, *, said: Sequence[Said] = ()) -> str:
    """What the file has between head and foot."""
    made = [
        _summary(found),
        _days(found),
        _timeline(found),
        _hours(found),
        _clean(found),
        *(_said(each) for each in said),
        _events(found),
    ]
    return "\n".join(filter(None, made))


def _dates(found: LookBack) -> str:
    if found.first == found.last:
        return f"{found.first:%A %d %B %Y}"
    return f"{found.first:%d %B %Y} to {found.last:%d %B %Y}"


def _section(name: str, title: str, *content: str) -> str:
    body = "\n".join(filter(None, content))
    return f'<section aria-labelledby="{name}">\n<h2 id="{name}">{title}</h2>\n{body}\n</section>'


def _summary(found: LookBack) -> str:
    whole = Span("", found.report.days)
    focus_s, phone_s = whole.sum("focus_s"), whole.sum("phone_s")
    figures = [
        ("focus", short(focus_s)),
        ("of it with the phone", short(phone_s)),
        ("pick-ups", f"{whole.sum('pickups'):.0f}"),
        ("pick-ups per hour of focus", _per_hour(whole.sum("pickups"), focus_s)),
        ("sessions completed", f"{whole.sum('sessions'):.0f}"),
        ("of them clean", f"{whole.sum('clean_sessions'):.0f}"),
        ("longest without the phone", duration(whole.longest_clean_s)),
        ("streak", f"{whole.sum('streak'):.0f}"),
    ]
    listed = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in figures)
    interruptions = sum(day.interruptions for day in found.report.days)
    notes = [
        f'<p class="faint">Interrupted by a restart or a power cut: {interruptions}.</p>'
        if interruptions
        else "",
        *(
            f'<p class="faint">Set aside, for there can be no such day: {escape(day)}'
            f" ({duration(totals.focus_s)} of focus). The clock was wrong.</p>"
            for day, totals in found.report.never
        ),
    ]
    return _section("summary", "In short", f"<dl>{listed}</dl>", *notes)


def _per_hour(count: float, focus_s: float) -> str:
    return f"{count / focus_s * 3600:.1f}" if focus_s >= 60 else "-"


def _days(found: LookBack) -> str:
    listed = spans(found.report.days)
    longest_s = max([3600.0, *(span.sum("focus_s") for span in listed)])
    head = (
        '<th scope="col">when</th><td class="bar"></td>'
        '<th scope="col" class="number">focus</th><th scope="col" class="number">phone</th>'
        '<th scope="col" class="number wide">away</th><th scope="col" class="number wide">breaks'
        '</th><th scope="col" class="number">pick-ups</th>'
        '<th scope="col" class="number wide">clean</th>'
        '<th scope="col" class="number wide">longest without the phone</th>'
    )
    rows = []
    for span in listed:
        focus_s, phone_s = span.sum("focus_s"), span.sum("phone_s")
        cells = [
            ("number", _or_nothing(focus_s)),
            ("number", _or_nothing(phone_s)),
            ("number wide", _or_nothing(span.sum("away_s"))),
            ("number wide", _or_nothing(span.sum("break_s"))),
            ("number", f"{span.sum('pickups'):.0f}" if focus_s else ""),
            ("number wide", _clean_of(span)),
            ("number wide", _or_nothing(span.longest_clean_s)),
        ]
        rows.append(
            f'<tr><th scope="row">{span.name}</th>'
            f'<td class="bar">{_bar(focus_s, phone_s, longest_s)}</td>'
            + "".join(f'<td class="{kind}">{text}</td>' for kind, text in cells)
            + "</tr>"
        )
    table = _table(
        "The bar is the focus, its right part the time with the phone.", head, rows, "days"
    )
    return _section("days", "Focus and phone", table)


def _or_nothing(seconds: float) -> str:
    return short(seconds) if seconds >= 0.5 else ""


def _clean_of(span: Span) -> str:
    sessions = span.sum("sessions")
    return f"{span.sum('clean_sessions'):.0f} of {sessions:.0f}" if sessions else ""


def _table(caption: str, head: str, rows: Iterable[str], name: str) -> str:
    body = "\n".join(rows)
    return (
        f'<div class="scroll" role="region" aria-labelledby="{name}-table" tabindex="0">'
        f'<table><caption id="{name}-table">{caption}</caption>'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>"
        "</table></div>"
    )


def _bar(focus_s: float, phone_s: float, longest_s: float) -> str:
    whole = 100 * min(1.0, focus_s / longest_s)
    phone = min(whole, 100 * phone_s / longest_s)
    return _svg(100, 1, [("focus", 0, 0, whole - phone, 1), ("phone", whole - phone, 0, phone, 1)])


_Rect = tuple[str, float, float, float, float]  # class, x, y, width, height


def _svg(width: float, height: float, rects: Iterable[_Rect], *, shades: bool = False) -> str:
    """Stretched to its place. `shades`: the class has an opacity behind a blank."""
    drawn = []
    for kind, x, y, w, h in rects:
        if w <= 0 or h <= 0:
            continue
        name, _, shade = kind.partition(" ")
        opacity = f' fill-opacity="{shade}"' if shades and shade else ""
        drawn.append(
            f'<rect class="{name}"{opacity} x="{x:.6g}" y="{y:.6g}" width="{w:.6g}"'
            f' height="{h:.6g}"/>'
        )
    return (
        f'<svg aria-hidden="true" viewBox="0 0 {width:g} {height:g}" preserveAspectRatio="none">'
        f"{''.join(drawn)}</svg>"
    )


# ---------------------------------------------------------------- one day

_LANES = (
    ("focus", (Kind.FOCUS,)),
    ("phone", (Kind.PHONE,)),
    ("away", (Kind.AWAY,)),
    ("break or pause", (Kind.BREAK, Kind.PAUSED)),
    ("fault or no view", (Kind.UNSEEN, Kind.FAULT)),
)
LEAST_HOURS = 6


def _timeline(found: LookBack) -> str:
    title = f"{found.day:%A %d %B}" if found.first != found.last else "The day"
    if not found.timeline:
        return _section("timeline", "The day", "<p>Nothing is known of it.</p>")
    zone = zone_of(found.now)
    begin, end = _hours_shown(found.timeline, midnight(found.day, zone))
    width_s = (end - begin).total_seconds()
    seats = sorted({each.seat for each in found.timeline if each.seat})
    lanes = []
    for name, kinds in _LANES:
        several = len(seats) > 1 and name in (Kind.PHONE, Kind.AWAY)
        for seat in seats if several else [None]:
            rects: list[_Rect] = [("ground", 0, 0.4, width_s, 0.2)]
            for each in found.timeline:
                if each.kind in kinds and (seat is None or each.seat == seat):
                    x = (each.begin - begin).total_seconds()
                    # What lasted a moment is to be seen too.
                    rects.append((str(each.kind), x, 0, max(each.lasted_s, width_s / 400), 1))
            label = f"{name}, {escape(seat)}" if seat else name
            lanes.append(f"<span>{label}</span>{_svg(width_s, 1, rects)}")
    hours = int(width_s // 3600)
    step = next(n for n in (1, 2, 3, 4) if hours // n <= 8 and hours % n == 0)
    marks = [begin + timedelta(hours=n) for n in range(0, hours + 1, step)]
    axis = "".join(f"<span>{_clock(mark.astimezone(zone))}</span>" for mark in marks)
    chart = (
        f'<div class="lanes" aria-hidden="true">{"".join(lanes)}<span></span>'
        f'<div class="axis">{axis}</div></div>'
    )
    rows = [
        f'<tr><th scope="row">{each.begin.astimezone(zone):%H:%M:%S}</th>'
        f"<td>{_named(each)}</td><td>{escape(each.seat or '')}</td>"
        f'<td class="number">{duration(each.lasted_s)}{", goes on" if each.open else ""}</td></tr>'
        for each in found.timeline
    ]
    head = (
        '<th scope="col">from</th><th scope="col">what</th><th scope="col">seat</th>'
        '<th scope="col" class="number">how long</th>'
    )
    table = _table("In the order in which it began.", head, rows, "timeline")
    return _section(
        "timeline", title, chart, f"<details><summary>The figures</summary>{table}</details>"
    )


def _clock(at: datetime) -> str:
    return f"{at:%H}" if at.minute == 0 else f"{at:%H:%M}"


def _named(segment: Segment) -> str:
    return escape(f"{segment.kind}: {segment.what}" if segment.what else str(segment.kind))


def _hours_shown(line: Sequence[Segment], day: datetime) -> tuple[datetime, datetime]:
    """Whole hours around what there is; not fewer than make a day readable."""
    first = min(each.begin for each in line)
    last = max(each.end for each in line)
    begin_h = int((first - day).total_seconds() // 3600)
    end_h = -int(-(last - day).total_seconds() // 3600)
    end_h = min(24, max(end_h, begin_h + LEAST_HOURS))
    begin_h = max(0, min(begin_h, end_h - LEAST_HOURS))
    if (end_h - begin_h) > 8 and (end_h - begin_h) % 2:
        end_h, begin_h = (end_h + 1, begin_h) if end_h < 24 else (end_h, begin_h - 1)
    if end_h - begin_h == 22:  # which no step of an axis divides
        begin_h, end_h = 0, 24
    return day + timedelta(hours=begin_h), day + timedelta(hours=end_h)


# ---------------------------------------------------------------- hours and weekdays


def _hours(found: LookBack) -> str:
    if not any(hour.focus_s for hours in found.hours for hour in hours):
        return ""
    maps = []
    for name, of in (("focus", "focus_s"), ("phone", "phone_s")):
        most_s = max(getattr(hour, of) for hours in found.hours for hour in hours)
        rects: list[_Rect] = [("ground 0.35", 0, y + 0.05, 24, 0.9) for y in range(7)]
        for weekday, hours in enumerate(found.hours):
            for number, hour in enumerate(hours):
                value_s = getattr(hour, of)
                if value_s:
                    shade = f"{name} {0.15 + 0.85 * value_s / most_s:.2f}"
                    rects.append((shade, number + 0.05, weekday + 0.05, 0.9, 0.9))
        days = "".join(f"<li>{day[:3]}</li>" for day in WEEKDAYS)
        axis = "".join(f"<span>{hour}</span>" for hour in (0, 6, 12, 18, 24))
        most = f"<p>The strongest colour is {duration(most_s)}.</p>" if most_s else "<p>None.</p>"
        maps.append(
            f"<div><h3>{'Focus' if name == 'focus' else 'With the phone'}</h3>"
            f'<div class="faint">{most}</div><div class="map" aria-hidden="true"><ol>{days}</ol>'
            f'{_svg(24, 7, rects, shades=True)}<div class="axis">{axis}</div></div></div>'
        )
    rows = []
    for weekday, hours in enumerate(found.hours):
        for number, hour in enumerate(hours):
            if hour.focus_s or hour.pickups:
                rows.append(
                    f'<tr><th scope="row">{WEEKDAYS[weekday]}, {number}:00</th>'
                    f'<td class="number">{duration(hour.focus_s)}</td>'
                    f'<td class="number">{duration(hour.phone_s)}</td>'
                    f'<td class="number">{hour.pickups}</td></tr>'
                )
    head = (
        '<th scope="col">hour</th><th scope="col" class="number">focus</th>'
        '<th scope="col" class="number">phone</th><th scope="col" class="number">pick-ups</th>'
    )
    table = _table("All days together.", head, rows, "hours")
    return _section(
        "hours",
        "By hour and weekday",
        f'<div class="maps">{"".join(maps)}</div>',
        f"<details><summary>The figures</summary>{table}</details>",
    )


# ---------------------------------------------------------------- lists


def _clean(found: LookBack) -> str:
    zone = zone_of(found.now)
    rows = [
        f'<tr><th scope="row">{duration(each.clean_s)}</th>'
        f'<td class="when">{each.begin.astimezone(zone):%a %d %b, %H:%M}</td>'
        f"<td>{duration(each.unseen_s) if each.unseen_s >= 30 else ''}</td></tr>"
        for each in found.clean
    ]
    if not rows:
        return ""
    head = (
        '<th scope="col">how long</th><th scope="col">from</th>'
        '<th scope="col">of it nobody saw</th>'
    )
    caption = "Focus until the phone was picked up, or until the session ended or paused."
    return _section("clean", "Longest without the phone", _table(caption, head, rows, "clean"))


def _said(said: Said) -> str:
    name = said.title.lower().replace(" ", "-").strip("?")
    return _section(name, escape(said.title), *(f"<p>{escape(s)}</p>" for s in said.sentences))


def _events(found: LookBack) -> str:
    if not found.events:
        return ""
    zone = zone_of(found.now)
    one_day = found.first == found.last
    rows = []
    for event in found.events:
        at = event.at.astimezone(zone)
        when = f"{at:%H:%M:%S}" if one_day else f"{at:%d %b, %H:%M}"
        rows.append(
            f'<tr><th scope="row" class="when">{when}</th><td>{escape(what(event))}</td>'
            f"<td>{escape(event.seat or '')}</td><td>{escape(why(event))}</td></tr>"
        )
    head = (
        '<th scope="col">when</th><th scope="col">what</th><th scope="col">seat</th>'
        '<th scope="col">why</th>'
    )
    left = found.told - len(found.events)
    shown = len(found.events)
    caption = "All of them." if left <= 0 else f"The latest {shown}; {left} more came before."
    table = _table(caption, head, rows, "events")
    return _section(
        "events", "What happened", f"<details><summary>The list</summary>{table}</details>"
    )
