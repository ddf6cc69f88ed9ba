"""What may be said of counts: those of few devices are hidden, and what would tell them.

A hidden count is null and its row `suppressed`; a count that nobody knows is null alone. A
zero is hidden as any small count: that nobody of a kind was there tells of everybody who is.

Counts that sum up to a published one are hidden together or not at all. Hiding only the
smallest others would hide less, but who knows the rule and the sum could tell exact counts:
of 43 = 15 + (hidden) + (hidden) for k = 15 the hidden ones can only be 14 and 14.

References:
    L. Willenborg, T. de Waal (2001), Elements of Statistical Disclosure Control, ch. 6
    (secondary cells); L. H. Cox (1980), Suppression methodology and statistical disclosure
    control, JASA 75; R. C.-W. Wong et al. (2007), Minimality attack in privacy preserving
    data publishing, VLDB (who knows the rule).
"""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

from mobility_pipeline.schemas.derived import FLOWS, OD, PRESENCE, DerivedTable

Counts = npt.NDArray[np.int64]
Hidden = npt.NDArray[np.bool_]

_EVERYBODY = 0
_GENDERS = [1, 2, 6]
_BANDS = [3, 4, 5]
_PORTRAITS = 7
FLOW_COUNTS = ("inflow_count", "outflow_count", "stay_count")
_OD_PAIR = OD.key[1:]


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

    As |B| = |A| + inflow - outflow, one of the three and presence tell the others. Flows that
    nobody knows are hidden as well, unless k is 1: that a region has such a row at all tells
    that somebody was there.

    Args:
        rows: portraits 0…6 of each group, in order, with the three counts.
        k: counts of fewer distinct devices are hidden.
    """
    filled = rows.select(pl.col(FLOW_COUNTS).fill_null(0))
    inflow, outflow, stay = (
        filled[name].to_numpy().reshape(-1, _PORTRAITS).astype(np.int64)
        for name in FLOW_COUNTS
    )
    hidden = _hide_steps(inflow, outflow, stay, k)
    return _blank(rows, FLOW_COUNTS, hidden)


def hide_od(rows: pl.DataFrame, k: int) -> pl.DataFrame:
    """Hide pairs of regions that few devices went between, and others that would tell them.

    No sums of pairs are published, but presence may tell how many began in a region, or
    ended there: who knows one such sum cannot tell what is hidden of it.

    Args:
        rows: of `OD`; pairs that nobody went between are not there.
        k: counts of fewer distinct devices are hidden.
    """
    if k <= 1:
        return rows.with_columns(suppressed=pl.lit(value=False))
    regions = pl.concat(
        [rows.select("kind", pl.col(end).alias("id")) for end in _OD_PAIR]
    )
    numbers = regions.unique().group_by("kind").len("regions")
    counted = rows.join(numbers, on="kind", how="left", maintain_order="left")
    shown = [_leaves_enough(end, k) for end in _OD_PAIR]
    hidden = counted.select(hidden=~pl.all_horizontal(shown))["hidden"].to_numpy()
    return _blank(rows, ["devices_count", "trips_count"], hidden)


def _leaves_enough(end: str, k: int) -> pl.Expr:
    """Say which pairs may be shown to who knows the sum of those with the same end.

    Pairs are hidden from the smallest on, until what is hidden may be anything: of pairs
    below k alone it sums up to k at least, and to less than all of them can; with others it
    sums up to 2 k at least, and to no more than the smallest that is shown.
    """
    group, order = ["kind", end], ["devices_count", *_OD_PAIR]
    count = pl.col("devices_count").cast(pl.Int64)
    # Of consecutive regions, none is its own partner.
    partners = pl.col("regions") - (pl.col("kind") == "consecutive").cast(pl.Int64)
    few = partners - (count >= k).sum().over(group)
    of_few = count.filter(count < k).sum().over(group)
    rest = (count.cum_sum() - count).over(group, order_by=order)
    is_of_few = (rest == of_few) & (rest >= k) & (rest <= (few - 1) * (k - 1))
    is_of_more = (rest > of_few) & (rest >= 2 * k) & (rest <= count)
    is_enough = (count >= k) & ((few == 0) | is_of_few | is_of_more)
    return is_enough.cum_max().over(group, order_by=order)


def hide_portraits(counts: Counts, k: int, hidden: Hidden | None = None) -> Hidden:
    """Say which counts of groups of portraits are hidden.

    Everybody = male + female + unknown, and = the age bands + those in none: where one
    of a sum's parts is small, all of them are hidden; where everybody is, everything is.

    Args:
        counts: one row per group, its portraits 0…6.
        k: counts of fewer distinct devices are hidden, zero too; 1 = nothing is.
        hidden: what is to be hidden anyway.
    """
    if k <= 1:
        return np.zeros(counts.shape, np.bool_)
    small = (counts < k) if hidden is None else hidden | (counts < k)
    result = np.repeat(small[:, [_EVERYBODY]], _PORTRAITS, axis=1)
    in_none = _count_in_none(counts) < k
    result[:, _GENDERS] |= small[:, _GENDERS].any(axis=1, keepdims=True)
    result[:, _BANDS] |= small[:, _BANDS].any(axis=1, keepdims=True) | in_none
    return result


def hide_total(total: Counts, shown: pl.DataFrame, regions: int, k: int) -> Hidden:
    """Say which portraits of everybody in a city are hidden: they tell of its regions.

    Args:
        total: people of the portraits 0…6 in one hour, each counted once.
        shown: rows of `PRESENCE` of that hour, with what is hidden of the regions.
        regions: how many the city has; those without anybody have no rows.
        k: counts of fewer distinct devices are hidden.
    """
    hidden = _tells_hidden(shown, total, regions, k).reshape(1, -1)
    return hide_portraits(total.reshape(1, -1), k, hidden)[0]


def _tells_hidden(rows: pl.DataFrame, totals: Counts, regions: int, k: int) -> Hidden:
    """Say which totals would tell what the regions hide.

    They do where they leave less than k for the hidden ones (nobody: that all of them are
    empty), where only one is hidden, and where they leave so much that, each below k, none
    of the hidden ones can be nobody: of 28 in two regions, each has 14. What is left beyond
    that shows that some are not below k.

    Somebody in two regions within the hour counts in both: where the regions shown already
    sum up to more than the total, it tells nothing.
    """
    sums = (
        rows.group_by("portrait_id")
        .agg(
            pl.col("devices_count").sum(), (~pl.col("suppressed")).sum().alias("shown")
        )
        .sort("portrait_id")
    )
    rest = totals - sums["devices_count"].to_numpy()
    number = regions - sums["shown"].to_numpy().astype(np.int64)
    is_full = (rest > (number - 1) * (k - 1)) & (rest <= number * (k - 1))
    return (number == 1) | ((number > 1) & (rest >= 0) & ((rest < k) | is_full))


def _hide_steps(inflow: Counts, outflow: Counts, stay: Counts, k: int) -> Hidden:
    """Say which portraits' flows are hidden.

    Where presence is published by parts before and now, each part's stay is at most the
    smaller of the two: where all of them nearly are, the sum of them tells each. So
    everybody's flows are hidden where hidden parts fall short of that by fewer than k.
    """
    if k <= 1:
        return np.zeros(stay.shape, np.bool_)
    hidden = np.zeros(stay.shape, np.bool_)
    for counts in (inflow, outflow, stay):
        hidden |= hide_portraits(counts, k)
    unknown = hide_portraits(outflow + stay, k) | hide_portraits(inflow + stay, k)
    slack = np.minimum(inflow, outflow)
    slack_in_none = np.minimum(_count_in_none(inflow), _count_in_none(outflow))
    told = np.zeros(len(stay), np.bool_)
    for parts, more in ((_GENDERS, 0), (_BANDS, slack_in_none[:, 0])):
        is_tight = slack[:, parts].sum(axis=1) + more < k
        told |= hidden[:, parts[0]] & ~unknown[:, parts[0]] & is_tight
    return hidden | told[:, np.newaxis]


def _count_in_none(counts: Counts) -> Counts:
    """Count those in no age band, one column; never published, but the sum tells it."""
    return counts[:, [_EVERYBODY]] - counts[:, _BANDS].sum(axis=1, keepdims=True)


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
