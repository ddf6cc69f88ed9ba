"""Which boundaries of a city its stored days were bought for."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from mobility_pipeline.errors import RestoreRefusedError
from mobility_pipeline.vendor.ledger import Ledger


@dataclass(frozen=True)
class HeldArea:
    """A city's stored days of one feed that belong to one boundary."""

    feed: str
    area_id: str | None
    """Null where the ledger was rebuilt and does not know the days' vendor job."""
    days: int
    first: date
    last: date


def find_held_areas(ledger: Ledger, city: str) -> tuple[HeldArea, ...]:
    """Count a city's days in the lake by the boundary they were bought for.

    Args:
        ledger: only read.
        city: the city's key.

    Returns:
        By feed and first day; days known to be empty count.
    """
    areas: dict[tuple[str, str | None], HeldArea] = {}
    for feed, ref, days, first, last in ledger.held_by_job(city):
        bought = None if ref is None else ledger.job(ref).area_of(city)
        area_id = bought.area_id if bought else None
        seen = areas.get((feed, area_id), HeldArea(feed, area_id, 0, first, last))
        areas[feed, area_id] = HeldArea(
            feed,
            area_id,
            seen.days + days,
            min(seen.first, first),
            max(seen.last, last),
        )
    return tuple(sorted(areas.values(), key=lambda held: (held.feed, held.first)))


def describe_left(
    areas: Iterable[HeldArea],
    area_id: str,
    how_again: str = "`mobility request --refresh` does",
) -> list[str]:
    """Say in words which stored days a new boundary leaves with an older one.

    Args:
        areas: of older boundaries.
        area_id: of the new one.
        how_again: what asks for those days again.
    """
    return [
        f"{area.days} stored days of {area.feed}, {area.first} to {area.last}, belong to "
        f"{area.area_id or 'an unknown boundary'}: they stay, and are not asked for again "
        f"({how_again}); new days are asked for with {area_id}"
        for area in areas
    ]


def refuse_asked(ledger: Ledger, cities: Iterable[str]) -> None:
    """Refuse to remove cities from the registry of which days were asked for.

    Raises:
        RestoreRefusedError: naming them; retiring keeps a city and its days apart.
    """
    asked = sorted(set(cities) & ledger.asked_cities())
    if asked:
        raise RestoreRefusedError(
            f"{', '.join(asked)} would be removed, and days were asked for already: "
            "retire instead (`mobility cities retire KEY`), and restore the others one by "
            "one with --city"
        )
