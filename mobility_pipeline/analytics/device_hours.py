"""Who was where in which local hour, each once: what presence, flows and portraits count."""

from datetime import date

import polars as pl

from mobility_pipeline.analytics.shaping import shape_as
from mobility_pipeline.schemas.derived import DEVICE_HOURS, POSITIONFIXES

# With the region: cells of one mast may be of two regions.
_FIX = [*POSITIONFIXES.key, "region_id"]


def make_device_hours(fixes: pl.DataFrame, local_date: date) -> pl.DataFrame:
    """Gather the positionfixes of a local day by hour, region and device.

    Args:
        fixes: rows of `POSITIONFIXES` in any order, of all UTC days that overlap the local
            day; a row that is there twice counts once.
        local_date: day in the city's time zone.

    Returns:
        Rows of `DEVICE_HOURS`, sorted by its key: one per local hour, region and device;
        `fixes_count` counts the device's fixes there. Fixes in no region are in no row;
        empty where nobody was in a region.
    """
    rows = fixes.filter(
        pl.col("local_date") == local_date, pl.col("region_id").is_not_null()
    )
    hours = rows.select("hour_at", "local_hour").unique("hour_at").sort("hour_at")
    regions, region = _rank(rows["region_id"])
    devices, device = _rank(rows["device_id"])
    # Sorting numbers takes a tenth of the time that sorting texts does.
    ranked = _each_once(rows.with_columns(device, region))
    # The key as one number: sorting it gathers the rows and puts them in order.
    hour = hours["hour_at"].search_sorted(ranked["hour_at"]).cast(pl.Int64)
    places = hour * len(regions) + ranked["region_id"]
    runs = (places * len(devices) + ranked["device_id"]).sort().rle().struct.unnest()
    place, device = runs["value"] // len(devices), runs["value"] % len(devices)
    gathered = hours[place // len(regions)].with_columns(
        region_id=regions.gather(place % len(regions)),
        device_id=devices.gather(device),
        fixes_count=runs["len"],
    )
    return shape_as(gathered, DEVICE_HOURS)


def _rank(texts: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Return the distinct texts in order, and of each text its place among them."""
    names = texts.unique().sort()
    return names, texts.cast(pl.Enum(names)).to_physical().cast(pl.Int64)


def _each_once(fixes: pl.DataFrame) -> pl.DataFrame:
    """Drop rows that are there before, by sorting: hashing all columns takes longer."""
    is_new = pl.any_horizontal(
        pl.col(name).ne_missing(pl.col(name).shift()) for name in _FIX
    )
    return fixes.select(*_FIX, "hour_at").sort(_FIX).filter(is_new)
