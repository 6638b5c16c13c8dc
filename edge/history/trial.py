"""What a self-experiment came to: the ratio of two rates, with an interval. Pure.

Each session gives a count (pick-ups) or a time (phone), and how long it was focus. Such figures
vary far more from session to session than chance alone would have it, by an amount that nobody
knows, and the two ways need not vary alike. So no distribution is assumed: the rate of each way is
sum / sum, a ratio estimator (Cochran, Sampling Techniques, 3rd ed. 1977, ch. 6); the variance of
its logarithm is the jackknife's, which errs to the safe side (Efron and Stein, The jackknife
estimate of variance, Annals of Statistics 9, 1981); the difference of the two logarithms has the t
interval of Welch (The generalization of 'Student's' problem, Biometrika 34, 1947). How often it
covers a known effect is counted by `python -m tests.long.trial`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from math import exp, inf, log, sqrt
from statistics import NormalDist, fmean
from typing import TYPE_CHECKING, Any

from edge.config import ExperimentConfig
from edge.domain import EventType
from edge.experiment import ways
from edge.history.record import Record, figure

if TYPE_CHECKING:
    from edge.history.store import Store

TYPES = frozenset(
    {
        EventType.SESSION_START,
        EventType.SESSION_END,
        EventType.INTERRUPTED,
        EventType.PICKUP,
        EventType.NOT_A_PHONE,
        EventType.PUTDOWN,
    }
)
# Fewer sessions of each way, or fewer with a pick-up, and the interval is no longer what it says.
SESSIONS_LEAST, WITH_LEAST = 12, 6
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Outcome:
    """One focus session that was drawn."""

    way: str
    focus_s: float
    phone_s: float
    pickups: int


def outcomes(events: Iterable[Record], experiment: str) -> list[Outcome]:
    """The sessions of an experiment, as they were drawn, whatever was changed in them later.

    One that was cut off counts for as long as it lasted; one that runs does not yet.
    """
    found: list[Outcome] = []
    way = ""  # that of the session that runs, with what came of it so far
    phone_s: float
    pickups: int
    for event in events:
        if event.replay:
            continue
        details = event.details
        if event.type is EventType.SESSION_START:
            way = str(details.get("way", "")) if details.get("experiment") == experiment else ""
            phone_s, pickups = 0.0, 0
        if not way:
            continue
        match event.type:
            case EventType.PICKUP:
                pickups += 1
            case EventType.NOT_A_PHONE:
                pickups = max(0, pickups - 1)
            case EventType.PUTDOWN:
                phone_s += figure(details.get("lasted_s"))
            case EventType.SESSION_END | EventType.INTERRUPTED:
                focus_s = figure(details.get("lasted_s"))
                if focus_s and details.get("session", "focus") == "focus":
                    found.append(Outcome(way, focus_s, min(phone_s, focus_s), pickups))
                way = ""
    return found


@dataclass(frozen=True, slots=True)
class Effect:
    """So many times as much per hour of focus in the second way as in the first."""

    ratio: float
    low: float
    high: float


def effect(
    first: Sequence[tuple[float, float]], second: Sequence[tuple[float, float]]
) -> Effect | None:
    """From (amount, exposure) of each session. None: there is not enough to tell."""
    rates = [_rate(each) for each in (first, second)]
    if None in rates:
        return None
    (before, variance_before, n_before), (after, variance_after, n_after) = (
        rate for rate in rates if rate is not None
    )
    variance = variance_before + variance_after
    if variance <= 0:
        return None
    parts = variance_before**2 / (n_before - 1) + variance_after**2 / (n_after - 1)
    half = student(1 - (1 - CONFIDENCE) / 2, variance**2 / parts) * sqrt(variance)
    change = after - before
    return Effect(exp(change), exp(change - half), exp(change + half))


def _rate(sessions: Sequence[tuple[float, float]]) -> tuple[float, float, int] | None:
    """(logarithm of the rate, its variance by the jackknife, sessions)."""
    count = len(sessions)
    if count < SESSIONS_LEAST or sum(amount > 0 for amount, _ in sessions) < WITH_LEAST:
        return None
    amounts = sum(amount for amount, _ in sessions)
    exposures = sum(exposure for _, exposure in sessions)
    without = [
        log((amounts - amount) / (exposures - exposure)) if amounts > amount else -inf
        for amount, exposure in sessions
    ]
    if -inf in without:
        return None
    mean = fmean(without)
    variance = (count - 1) / count * sum((each - mean) ** 2 for each in without)
    return log(amounts / exposures), variance, count


def student(probability: float, freedom: float) -> float:
    """The quantile of Student's t; within 0.0001 for 10 degrees of freedom and more.

    Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 26.7.5.
    """
    z = NormalDist().inv_cdf(probability)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return float(sum(term / freedom**power for power, term in enumerate(terms)))


# ---------------------------------------------------------------- in words


@dataclass(frozen=True, slots=True)
class Verdict:
    """`sentences` are for the owner. The effects are None as long as there is not enough."""

    first: str
    second: str
    sessions: tuple[int, int]
    pickups: Effect | None
    phone: Effect | None
    sentences: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "ways": [self.first, self.second],
            "sessions": list(self.sessions),
            "pickups_ratio": None if self.pickups is None else asdict(self.pickups),
            "phone_ratio": None if self.phone is None else asdict(self.phone),
            "confidence": CONFIDENCE,
            "words": list(self.sentences),
        }


def verdict(found: Sequence[Outcome], config: ExperimentConfig) -> Verdict:
    """What is to be said of an experiment; nothing of an effect before it is over."""
    first, second = ways(config)
    # The first so many: those that come later were not planned.
    counted = [each for each in found if each.way in (first, second)][: config.sessions]
    by_way = [[each for each in counted if each.way == way] for way in (first, second)]
    sessions = (len(by_way[0]), len(by_way[1]))
    if len(counted) < config.sessions:
        sentence = (
            f"There is not enough yet: {len(counted)} of {config.sessions} sessions"
            f" ({sessions[0]} with {first}, {sessions[1]} with {second})."
            " The result is told when all of them are done."
        )
        return Verdict(first, second, sessions, None, None, (sentence,))
    pickups, phone = (
        effect(
            *(
                [(getattr(each, of), each.focus_s / 3600) for each in sessions]
                for sessions in by_way
            )
        )
        for of in ("pickups", "phone_s")
    )
    base = f"{sessions[0]} sessions with {first}, {sessions[1]} with {second}"
    if pickups is None or phone is None:
        counts = [sum(each.pickups > 0 for each in sessions) for sessions in by_way]
        sentence = (
            f"There is not enough to tell: of {base}, {counts[0]} and {counts[1]} had a pick-up at"
            f" all; {WITH_LEAST} of each would have to."
        )
        return Verdict(first, second, sessions, None, None, (sentence,))
    sentences = (
        f"With {second} the phone was picked up {_interval(pickups)} times as often per hour of"
        f" focus as with {first} ({base}).",
        f"The time with the phone was {_interval(phone)} times as long per hour of focus.",
        _meaning(pickups, first, second),
        "The interval is the one that holds the true ratio in 95 of 100 such experiments.",
    )
    return Verdict(first, second, sessions, pickups, phone, sentences)


def helped(store: Store, config: ExperimentConfig, *, now: datetime) -> Verdict | None:
    """The same of all its sessions in a history; None: there is no experiment."""
    since = store.experiment(config.name)
    if since is None:
        return verdict([], config) if config.enabled else None
    events = store.each(since=since, until=now + timedelta(days=1), types=TYPES)
    return verdict(outcomes(events, config.name), config)


def _interval(found: Effect) -> str:
    return f"{found.ratio:.2f} (between {found.low:.2f} and {found.high:.2f})"


def _meaning(found: Effect, first: str, second: str) -> str:
    if found.high < 1:
        less = f"{100 * (1 - found.high):.0f} to {100 * (1 - found.low):.0f} % fewer"
        return f"So {second} helps: {less} pick-ups than with {first}."
    if found.low > 1:
        more = f"{100 * (1 - 1 / found.low):.0f} to {100 * (1 - 1 / found.high):.0f} % fewer"
        return f"So {first} is the better one: {more} pick-ups than with {second}."
    return (
        "Both may be alike: what was found does not tell a difference from none. More sessions"
        " would tell a smaller one."
    )
