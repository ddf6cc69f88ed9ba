"""Show in runs and on assets what vendor jobs of the month took."""

import dagster as dg

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.schemas.feeds import Feed
from mobility_pipeline.vendor.quota import MonthlyUse


def warn_of_quota(context: dg.OpExecutionContext, feed: Feed, use: MonthlyUse) -> None:
    """Log what the month took so far; as a warning from 80 % on."""
    area_days = sum(
        days for (name, _), days in use.area_days.items() if name == feed.name
    )
    context.log.info(
        f"{use.month}: {use.jobs_used} vendor jobs used, "
        f"{'any number' if use.jobs_left is None else use.jobs_left} left; "
        f"{area_days} area-days of {feed.name}"
    )
    if use.warning:
        context.log.warning(use.warning)


def describe_month(
    use: MonthlyUse, feed: Feed
) -> dict[str, int | dg.MarkdownMetadataValue]:
    """Return metadata of a feed: what the month took, and area-days by city."""
    by_city = {
        city: days for (name, city), days in use.area_days.items() if name == feed.name
    }
    lines = [f"| {city} | {days} |" for city, days in by_city.items()]
    return {
        **_describe_jobs(use),
        "area_days_this_month": sum(by_city.values()),
        "area_days_by_city_this_month": dg.MetadataValue.md(
            "\n".join(["| city | area-days |", "|---|---|", *lines])
        ),
    }


def describe_quota(use: MonthlyUse, feed: Feed, city_day: CityDay) -> dict[str, int]:
    """Return metadata of a city-day: what its month took, in all and of its city."""
    of_city = use.area_days.get((feed.name, city_day.city), 0)
    return {**_describe_jobs(use), "area_days_of_city_this_month": of_city}


def _describe_jobs(use: MonthlyUse) -> dict[str, int]:
    metadata = {"vendor_jobs_used_this_month": use.jobs_used}
    if use.jobs_left is not None:
        metadata["vendor_jobs_left_this_month"] = use.jobs_left
    return metadata
