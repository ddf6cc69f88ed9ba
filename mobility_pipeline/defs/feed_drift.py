"""Where a feed's lake and ledger contradict each other, told on the partitions."""

from collections import Counter, defaultdict
from collections.abc import Iterable

import dagster as dg

from mobility_pipeline.checks import objects
from mobility_pipeline.checks.finding import failed
from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.defs.evaluations import log_findings
from mobility_pipeline.lake.drift import Drift
from mobility_pipeline.schemas.feeds import Feed

_NAMED = 10
"""Objects in no folder that are named one by one; any number may lie there."""


def log_drift(
    context: dg.OpExecutionContext, feed: Feed, drift: Iterable[Drift]
) -> None:
    """Record a failed evaluation on each city-day that drifts, and the totals in the log.

    A city-day that is whole passes when it lands: here is nothing to say of it.

    Args:
        context: of the op that compared.
        feed: whose lake it is.
        drift: all of it; none is said, too.
    """
    by_day: dict[CityDay, list[Drift]] = defaultdict(list)
    unplaced: list[Drift] = []
    kinds: Counter[str] = Counter()
    for found in drift:
        kinds[found.kind] += 1
        if found.city_day is None:
            unplaced.append(found)
        else:
            by_day[found.city_day].append(found)
    for city_day, several in sorted(by_day.items()):
        message = "; ".join(found.message for found in several)
        numbers = {"kinds": tuple(found.kind for found in several)}
        log_findings(context, feed, city_day, [failed(objects.NAME, message, numbers)])
    for found in unplaced[:_NAMED]:
        context.log.warning(f"{feed.name}: {found.message}")
    _log_totals(context, feed, len(by_day), kinds)


def _log_totals(
    context: dg.OpExecutionContext, feed: Feed, days: int, kinds: Counter[str]
) -> None:
    if not kinds:
        context.log.info(f"{feed.name}: manifests, objects and ledger agree")
        return
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    context.log.warning(
        f"{feed.name}: {days} city-days drift: {counts}; `mobility coverage check` lists all"
    )
