"""Give the rows of a method the columns, types and order of their table."""

import polars as pl

from mobility_pipeline.lake.derived import empty_rows
from mobility_pipeline.schemas.derived import DerivedTable


def shape_as(rows: pl.DataFrame, table: DerivedTable) -> pl.DataFrame:
    """Return the rows with exactly the table's columns and types, sorted by its key."""
    empty = empty_rows(table)
    return rows.select(empty.columns).cast(empty.schema).sort(table.key)
