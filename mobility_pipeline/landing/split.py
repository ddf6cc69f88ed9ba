"""Split one delivered date into one sorted table per city, losing no row on the way."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from mobility_pipeline.errors import ConservationError, UnknownCityError
from mobility_pipeline.landing.attribution import Attribution, resolve_areas
from mobility_pipeline.landing.conform import conform_tables
from mobility_pipeline.landing.ordering import total_order
from mobility_pipeline.landing.read import read_tables
from mobility_pipeline.schemas.pings import PING_SCHEMAS

if TYPE_CHECKING:
    import numpy.typing as npt
    from mypy_boto3_s3 import S3Client

    from mobility_pipeline.landing.delivery import Delivery
    from mobility_pipeline.vendor.request import Area

    Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SplitDate:
    """One date of one delivery, by city."""

    date: date
    tables: Mapping[str, pa.Table]
    """City key -> its rows in total order; every city asked for, empty or not."""
    rows_in: int
    """Rows of all files of the date."""
    rejected: Mapping[str, int]
    """Reason -> rows of the whole (job, date) that belong to no city."""
    cast_failures: Mapping[str, int]
    """City key -> cells of its rows that could not be cast and are null."""


def split_date(
    s3: "S3Client",
    delivery: "Delivery",
    day: date,
    feed_name: str,
    areas: "Sequence[Area]",
    cities: Collection[str],
) -> SplitDate:
    """Read one date of a delivery and split it.

    Args:
        s3: a client that may read the vendor's bucket.
        delivery: as listed.
        day: a UTC date of the delivery.
        feed_name: a key of `PING_SCHEMAS`.
        areas: all areas of the vendor job as sent, also of cities not asked for here.
        cities: the cities to return.

    Raises:
        DeliveryRejectedError: the date can't be trusted (a corrupt file, an unknown
            area, rows lost); nothing of it may be published.
        StorageError: S3 failed after its own retries.
        StorageForbiddenError: the role may not read the delivery.
    """
    tables = read_tables(s3, delivery, day)
    return split_tables(tables, day, feed_name, areas, cities)


def split_tables(
    tables: Sequence[pa.Table],
    day: date,
    feed_name: str,
    areas: "Sequence[Area]",
    cities: Collection[str],
) -> SplitDate:
    """Split the rows of one date by city; order of files and rows does not matter.

    Args:
        tables: one per delivered file, with the vendor's types.
        day: as for `split_date`, and so are the rest.
        feed_name: a key of `PING_SCHEMAS`.
        areas: all areas of the vendor job as sent.
        cities: the cities to return.

    Raises:
        UnknownAreaError: a row names an area the job did not ask for.
        ConservationError: rows were lost or made up.
        UnknownCityError: a city to return is none of the job's.
    """
    conformed = conform_tables(tables, PING_SCHEMAS[feed_name])
    table = conformed.table
    ids = table.column("poi_ids").combine_chunks()
    attribution = resolve_areas(ids, areas, day)
    rows_by_city = _pick_cities(attribution.rows_by_city, cities)
    split = SplitDate(
        date=day,
        tables=_take_sorted(_set_poi_ids(table, attribution.poi_ids), rows_by_city),
        rows_in=sum(part.num_rows for part in tables),
        rejected=attribution.rejected,
        cast_failures={
            city: int(conformed.cast_failures[rows].sum())
            for city, rows in rows_by_city.items()
        },
    )
    check_conservation(split, attribution)
    return split


def check_conservation(split: SplitDate, attribution: Attribution) -> None:
    """Compare what went in with what came out.

    Raises:
        ConservationError: rows in are not rows attributed plus rejected, or a city has
            other rows than were attributed to it.
    """
    rejected = sum(split.rejected.values())
    if split.rows_in != attribution.attributed + rejected:
        raise ConservationError(
            f"{split.date}: {split.rows_in} rows in, {attribution.attributed} "
            f"attributed and {rejected} rejected do not add up; nothing is published, "
            "report this"
        )
    for city, table in split.tables.items():
        attributed = len(attribution.rows_by_city[city])
        if table.num_rows != attributed:
            raise ConservationError(
                f"{city} {split.date}: {attributed} rows attributed, {table.num_rows} "
                "split; nothing is published, report this"
            )


def _pick_cities(
    rows_by_city: "Mapping[str, Rows]", cities: Collection[str]
) -> "dict[str, Rows]":
    strange = sorted(set(cities) - rows_by_city.keys())
    if strange:
        raise UnknownCityError(
            f"the vendor job did not ask for {', '.join(strange)}; request them first"
        )
    return {city: rows_by_city[city] for city in sorted(set(cities))}


def _set_poi_ids(table: pa.Table, poi_ids: pa.Array) -> pa.Table:
    index = table.schema.get_field_index("poi_ids")
    return table.set_column(index, table.schema.field(index), poi_ids)


def _take_sorted(
    table: pa.Table, rows_by_city: "Mapping[str, Rows]"
) -> dict[str, pa.Table]:
    """Sort the rows that any city wants once, then take each city's in that order."""
    wanted = np.zeros(table.num_rows, dtype=bool)
    for rows in rows_by_city.values():
        wanted[rows] = True
    numbers = np.flatnonzero(wanted)
    order = numbers[total_order(table.take(numbers))]
    position = np.zeros(table.num_rows, dtype=np.int64)
    position[order] = np.arange(len(order))
    return {
        city: table.take(rows[np.argsort(position[rows])]).combine_chunks()
        for city, rows in rows_by_city.items()
    }
