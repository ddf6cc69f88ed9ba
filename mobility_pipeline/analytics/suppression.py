"""What may be said of counts: those of few devices are hidden, and what would tell them.

A hidden count is null and its row `suppressed`; a count that nobody knows is null alone.
"""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

from mobility_pipeline.schemas.derived import FLOWS, OD, PRESENCE, DerivedTable

Counts = npt.NDArray[np.int64]
Hidden = npt.NDArray[np.bool_]

_GENDERS = [1, 2, 6]
_BANDS = [3, 4, 5]
_PORTRAITS = 7
FLOW_COUNTS = ("inflow_count", "outflow_count", "stay_count")


def hide_small(rows: pl.DataFrame, table: DerivedTable, k: int) -> pl.DataFrame:
    """Hide the small counts of a table; of tables that are not published, nothing.

    Args:
        rows: of the table, all of a city-day.
        table: which one.
        k: counts of fewer distinct devices are hidden.

    Returns:
        The rows, and `suppressed`.
    """
    hide = _BY_TABLE.get(table.name)
    return rows if hide is None else hide(rows, k)


def hide_presence(rows: pl.DataFrame, k: int) -> pl.DataFrame:
    """Hide counts of presence; see `hide_portraits`."""
    counts = rows["devices_count"].to_numpy().reshape(-1, _PORTRAITS).astype(np.int64)
    return _blank(rows, ["devices_count"], hide_portraits(counts, k))


def hide_flows(rows: pl.DataFrame, k: int) -> pl.DataFrame:
    """Hide flows: of one portrait all three or none, since presence publishes their sums.

    Also those are hidden that would tell a count that presence hides.

    Args:
        rows: portraits 0…6 of each group, in order, with the three counts.
        k: counts of fewer distinct devices are hidden.
    """
    filled = rows.select(pl.col(FLOW_COUNTS).fill_null(0))
    inflow, outflow, stay = (
        filled[name].to_numpy().reshape(-1, _PORTRAITS).astype(np.int64)
        for name in FLOW_COUNTS
    )
    hidden = hide_portraits(inflow + stay, k) | hide_portraits(outflow + stay, k)
    for counts in (inflow, outflow, stay):
        hidden |= hide_portraits(counts, k)
    # Hiding for one count may leave a single hidden cell for another.
    for counts in (inflow, outflow, stay):
        hidden = hide_portraits(counts, k, hidden)
    hidden &= rows["inflow_count"].is_not_null().to_numpy().reshape(-1, _PORTRAITS)
    return _blank(rows, FLOW_COUNTS, hidden)


def hide_od(rows: pl.DataFrame, k: int) -> pl.DataFrame:
    """Hide pairs of regions that few devices went between; no sums of them are published."""
    hidden = rows["devices_count"].to_numpy() < (k if k > 1 else 0)
    return _blank(rows, ["devices_count", "trips_count"], hidden)


def hide_portraits(counts: Counts, k: int, hidden: Hidden | None = None) -> Hidden:
    """Say which counts of groups of portraits are hidden.

    Small ones are; and as everybody = male + female + unknown, and = the age bands + those
    in none, as many more as it takes that those hidden are two or more and k devices or more
    together: no difference of published counts tells fewer than k.

    Args:
        counts: one row per group, its portraits 0…6.
        k: counts of fewer distinct devices are hidden, zero too; 1 = nothing is.
        hidden: what is hidden already.
    """
    if k <= 1:
        return np.zeros(counts.shape, np.bool_)
    hidden = (counts < k) if hidden is None else hidden | (counts < k)
    in_none = counts[:, [0]] - counts[:, _BANDS].sum(axis=1, keepdims=True)
    for cells, rest in ((_GENDERS, None), (_BANDS, in_none)):
        parts = counts[:, cells]
        masked = hidden[:, cells]
        if rest is not None:
            parts = np.hstack([parts, rest])
            # Never published, so as good as hidden wherever that helps.
            is_any = masked.any(axis=1, keepdims=True)
            masked = np.hstack([masked, (rest < k) | is_any])
        hidden[:, cells] = _cover(parts, masked, k)[:, : len(cells)]
    return hidden


def _cover(parts: Counts, hidden: Hidden, k: int) -> Hidden:
    """Hide the smallest parts until the hidden ones can't be told apart."""
    order = np.argsort(np.where(hidden, -1, parts), axis=1, kind="stable")
    hidden = hidden.copy()
    rows = np.arange(len(parts))
    for place in order.T:
        known = (hidden * parts).sum(axis=1)
        number = hidden.sum(axis=1)
        is_open = (number > 0) & ((number < 2) | (known < k))
        hidden[rows, place] |= is_open
    return hidden


def _blank(
    rows: pl.DataFrame, counts: list[str] | tuple[str, ...], hidden: Hidden
) -> pl.DataFrame:
    marked = rows.with_columns(suppressed=pl.Series(hidden.reshape(-1)))
    return marked.with_columns(pl.when(~pl.col("suppressed")).then(pl.col(*counts)))


_BY_TABLE: Mapping[str, Callable[[pl.DataFrame, int], pl.DataFrame]] = {
    PRESENCE.name: hide_presence,
    FLOWS.name: hide_flows,
    OD.name: hide_od,
}
