"""An attacker who knows the method, and tries every world that would be published alike."""

from itertools import product

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobility_pipeline.analytics.suppression import (
    FLOW_COUNTS,
    Counts,
    Hidden,
    hide_flows,
    hide_od,
    hide_portraits,
    hide_total,
)
from mobility_pipeline.schemas.derived import OD

_GENDERS = [1, 2, 6]
Published = dict[str, Counts]
"""What is published -> a value per world; -1 = hidden."""


def told_at_least(published: Published, exact: Counts, hidden: Hidden) -> int:
    """Return of how few values the attacker can be sure, over all hidden counts."""
    frame = pl.DataFrame(published).with_columns(
        exact=pl.Series(exact), hidden=pl.Series(hidden)
    )
    told = frame.group_by(published.keys()).agg(
        pl.col("exact").n_unique(), pl.col("hidden").all()
    )
    return told.filter("hidden")["exact"].min()  # pyright: ignore[reportReturnType]


def make_portraits(genders: Counts) -> Counts:
    """Make portraits 0…6 of male, female and unknown; nobody is in an age band."""
    counts = np.zeros((len(genders), 7), np.int64)
    counts[:, 0], counts[:, _GENDERS] = genders.sum(axis=1), genders
    return counts


def publish(name: str, counts: Counts, hidden: Hidden) -> Published:
    """Publish portraits."""
    shown = np.where(hidden, -1, counts)
    return {f"{name}{portrait}": shown[:, portrait] for portrait in range(7)}


@pytest.mark.parametrize("k", [2, 3, 4])
def test_hidden_portrait_has_k_values_at_least(k: int) -> None:
    """Everybody, genders, bands and those in none: all groups of up to 3 k - 1 people."""
    most = 3 * k - 1
    genders = [world for world in product(range(most + 1), repeat=3)]
    worlds = np.array([world for world in genders if sum(world) <= most])
    bands = worlds[np.newaxis].repeat(len(worlds), 0).reshape(-1, 3)
    counts = make_portraits(worlds.repeat(len(worlds), 0))
    counts[:, [3, 4, 5]] = bands
    counts = counts[bands.sum(axis=1) <= counts[:, 0]]
    hidden = hide_portraits(counts, k)
    assert (counts[~hidden] >= k).all()
    published = publish("", counts, hidden)
    for portrait in range(7):
        told = told_at_least(published, counts[:, portrait], hidden[:, portrait])
        assert told >= k


def every_step(k: int, most: int) -> tuple[Counts, Counts, Counts, Hidden]:
    """Make inflow, outflow and stay by gender of every world, and what of them is hidden.

    All worlds of up to `most` people before and after, and so all that an attacker who
    knows these sums has to think of.
    """
    parts = [world for world in product(range(most + 1), repeat=3)]
    by_sum = {
        total: np.array([world for world in parts if sum(world) <= total])
        for total in range(most + 1)
    }
    made: list[Counts] = []
    for stay in (world for world in parts if sum(world) <= most):
        moved = by_sum[most - sum(stay)]
        pairs = np.hstack(
            [moved.repeat(len(moved), 0), np.tile(moved, (len(moved), 1))]
        )
        made.append(np.hstack([pairs, np.tile(stay, (len(pairs), 1))]))
    steps = np.vstack(made)
    inflow, outflow, stay = (make_portraits(steps[:, n : n + 3]) for n in (0, 3, 6))
    rows = pl.DataFrame(
        {
            name: counts.ravel()
            for name, counts in zip(FLOW_COUNTS, (inflow, outflow, stay), strict=True)
        }
    ).with_columns(portrait_id=pl.Series(np.tile(range(7), len(steps))))
    hidden = hide_flows(rows, k)["suppressed"].to_numpy().reshape(-1, 7)
    return inflow, outflow, stay, hidden


@pytest.mark.parametrize(("k", "most"), [(2, 9), (3, 7)])
def test_presence_does_not_tell_hidden_flows_nor_they_presence(
    k: int, most: int
) -> None:
    """All is published together, by gender: two values fit each count that is hidden."""
    inflow, outflow, stay, hidden = every_step(k, most)
    before, now = outflow + stay, inflow + stay
    presence = (hide_portraits(before, k), hide_portraits(now, k))
    published = publish("before", before, presence[0]) | publish(
        "now", now, presence[1]
    )
    flows = (inflow, outflow, stay)
    for name, counts in zip(FLOW_COUNTS, flows, strict=True):
        published |= publish(name, counts, hidden)
    secrets = [(before, presence[0]), (now, presence[1]), *((c, hidden) for c in flows)]
    for counts, is_hidden in secrets:
        for portrait in (0, *_GENDERS):
            exact, mask = counts[:, portrait], is_hidden[:, portrait]
            assert told_at_least(published, exact, mask) >= 2


def test_flow_that_presence_by_gender_would_tell_is_hidden() -> None:
    """20 women came and 20 men left: everybody's stay would say that nobody else moved."""
    inflow, outflow, stay = [0, 20, 0], [20, 0, 0], [40, 40, 50]
    rows = pl.DataFrame(
        {
            name: make_portraits(np.array([genders]))[0]
            for name, genders in zip(FLOW_COUNTS, (inflow, outflow, stay), strict=True)
        }
    ).with_columns(portrait_id=pl.Series(range(7)))
    assert hide_flows(rows, 15)["suppressed"].all()


def test_what_is_hidden_anyway_is_not_told_by_its_parts() -> None:
    """A city's total that would tell a region stays hidden with everything it is made of."""
    counts = make_portraits(np.array([[20, 30, 40]]))
    assert not hide_portraits(counts, 15)[0, [0, *_GENDERS]].any()
    total = np.zeros((1, 7), np.bool_)
    total[0, 0] = True
    assert hide_portraits(counts, 15, total).all()


@given(st.lists(st.tuples(*[st.integers(0, 60)] * 3), min_size=1), st.integers(1, 20))
def test_shown_counts_and_their_differences_are_k_or_more(
    genders: list[tuple[int, int, int]], k: int
) -> None:
    """Everybody minus shown parts is what others are, or nothing where all parts are."""
    counts = make_portraits(np.array(genders))
    hidden = hide_portraits(counts, k)
    assert (counts[~hidden] >= k).all() or k == 1
    for mask in hidden:
        shown = [part for part in _GENDERS if not mask[part]]
        assert shown in ([], _GENDERS)
        assert not (mask[0] and shown)


def test_k_of_one_hides_nothing() -> None:
    """Exact numbers, zeros too."""
    counts = make_portraits(np.array([[0, 0, 0], [1, 0, 0]]))
    assert not hide_portraits(counts, 1).any()
    rows = pl.DataFrame({name: [0] * 7 for name in FLOW_COUNTS})
    assert not hide_flows(rows, 1)["suppressed"].any()


def make_od(pairs: dict[tuple[str, str], Counts]) -> pl.DataFrame:
    """Make the OD rows of many worlds, each a kind by itself; nobody went = no row."""
    made = [
        pl.DataFrame(
            {
                "kind": [f"{world:08}" for world in range(len(counts))],
                "origin_region_id": origin,
                "destination_region_id": destination,
                "devices_count": counts,
                "trips_count": counts,
            }
        )
        for (origin, destination), counts in pairs.items()
    ]
    return pl.concat(made).filter(pl.col("devices_count") > 0)


def show_od(pairs: dict[tuple[str, str], Counts], k: int) -> dict[str, Counts]:
    """Return what of each pair is published in each world; -1 = nothing."""
    number = len(next(iter(pairs.values())))
    shown = {"".join(pair): np.full(number, -1) for pair in pairs}
    hidden = hide_od(make_od(pairs), k)
    seen = hidden.drop_nulls("devices_count")
    for kind, origin, destination, count, *_ in seen.rows():
        shown[origin + destination][int(kind)] = count
    return shown


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("is_origin", [True, False])
def test_who_knows_a_region_s_sum_cannot_tell_its_hidden_pairs(
    k: int, is_origin: bool
) -> None:
    """Who knows how many began in A, or ended: k values fit each pair that is hidden."""
    worlds = np.array([*product(range(k + 3), repeat=5)])
    ends = {("A", end): worlds[:, n] for n, end in enumerate("ABCDE")}
    others = {
        (begin, end): np.full(len(worlds), k - 1)
        for begin, end in product("BCD", "ABCDE")
    }
    pairs = ends | others
    if not is_origin:
        pairs = {(end, begin): counts for (begin, end), counts in pairs.items()}
    shown = show_od(pairs, k)
    known = {"sum": worlds.sum(axis=1)}
    # Who knows a small sum knows of few; one near all that was tried, of worlds beyond.
    is_many = (known["sum"] >= 2 * k) & (known["sum"] <= 4 * k)
    assert any((counts[is_many] >= k).any() for counts in shown.values())
    for pair, counts in ends.items():
        mask = shown["".join(pair if is_origin else pair[::-1])] < 0
        told = told_at_least(
            {name: values[is_many] for name, values in (shown | known).items()},
            counts[is_many],
            mask[is_many],
        )
        assert told >= k


def od_of(*rows: tuple[str, str, int], kind: str = "first_last") -> pl.DataFrame:
    """Make rows of OD."""
    return pl.DataFrame(
        [(kind, *row, row[2] * 2) for row in rows],
        list(OD.schema.names),
        orient="row",
    )


def test_pair_that_presence_would_tell_is_hidden() -> None:
    """43 began in RA: 20 stayed and 20 went to RB, so 3 went to RC."""
    rows = od_of(("RA", "RA", 20), ("RA", "RB", 20), ("RA", "RC", 3))
    assert hide_od(rows, 15)["suppressed"].all()
    assert not hide_od(rows, 1)["suppressed"].any()


@pytest.mark.parametrize("kind", ["first_last", "consecutive"])
def test_pairs_are_shown_where_none_is_of_few(kind: str) -> None:
    """Of consecutive regions, none is its own partner. Nobody went = a pair of few."""
    rows = [("RA", "RB", 15), ("RB", "RA", 40)]
    if kind == "first_last":
        rows += [("RA", "RA", 15), ("RB", "RB", 16)]
    assert not hide_od(od_of(*rows, kind=kind), 15)["suppressed"].any()
    hidden = hide_od(od_of(*rows[1:], kind=kind), 15)
    assert hidden.drop_nulls().rows() == [(kind, "RB", "RA", 40, 80, False)]
    assert hidden.filter("suppressed")["trips_count"].null_count() == len(rows) - 2


def test_pairs_of_few_hide_no_others_where_they_are_many() -> None:
    """20 from RA to RB; from RA to ten others, and from ten others to RB, 3 each."""
    few = [row for n in range(10) for row in (("RA", f"R{n}", 3), (f"R{n}", "RB", 3))]
    hidden = hide_od(od_of(("RA", "RB", 20), *few), 15)
    assert hidden.filter(~pl.col("suppressed")).rows() == [
        ("first_last", "RA", "RB", 20, 40, False)
    ]


@pytest.mark.parametrize(
    ("hidden", "is_hidden"),
    [
        ([14, 14], True),  # 28 of two below 15: 14 each
        ([14, 14, 14], True),
        ([14, 14, 1], True),  # 29 of three: none can be nobody
        ([14, 13, 1], False),  # 28 of three: any one may be nobody
        ([5, 5, 4], True),  # fewer than k are left
        ([5, 5, 5], False),
        ([14], True),
        ([0, 0], True),  # nobody is left: the hidden ones are empty
        ([14, 1, 0], False),
        ([15, 16], False),  # all are shown
    ],
)
def test_total_of_a_city_is_hidden_where_it_tells_of_a_region(
    hidden: list[int], is_hidden: bool
) -> None:
    """Beside a region of 40 people that is shown; k is 15."""
    k, regions = 15, 1 + len(hidden)
    counts = [40, *filter(None, hidden)]  # a region without anybody has no rows
    rows = pl.DataFrame(
        {
            "portrait_id": [portrait for portrait in range(7) for _ in counts],
            "devices_count": [
                count if portrait == 0 and count >= k else None
                for portrait in range(7)
                for count in counts
            ],
            "suppressed": [
                portrait != 0 or count < k for portrait in range(7) for count in counts
            ],
        }
    )
    total = np.array([sum(counts), 0, 0, 0, 0, 0, sum(counts)])
    assert bool(hide_total(total, rows, regions, k)[0]) is is_hidden
