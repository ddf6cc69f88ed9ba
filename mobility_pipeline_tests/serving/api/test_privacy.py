"""What k = 15 hides: small counts, and whatever would tell them."""

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from mobility_pipeline.analytics.suppression import (
    FLOW_COUNTS,
    hide_flows,
    hide_portraits,
)
from mobility_pipeline.schemas.derived import FLOWS
from mobility_pipeline_tests.serving.api.world import VANCOUVER, Client

K = 15
PEOPLE = st.lists(
    st.tuples(
        st.sampled_from(["male", "female", None]),
        st.sampled_from([5, 15, 30, 50, None]),
        st.booleans(),
        st.booleans(),
    ),
    max_size=120,
)
_GENDERS = {1: "male", 2: "female", 6: None}
_BANDS = {3: (10, 20), 4: (20, 40), 5: (40, 200)}
Person = tuple[str | None, int | None, bool, bool]


def count(people: list[Person]) -> list[int]:
    """Count by portrait, by hand."""
    counts = [len(people), *[0] * 6]
    for portrait, gender in _GENDERS.items():
        counts[portrait] = sum(person[0] == gender for person in people)
    for portrait, (low, high) in _BANDS.items():
        counts[portrait] = sum(
            person[1] is not None and low <= person[1] < high for person in people
        )
    return counts


@given(PEOPLE)
def test_no_difference_tells_few(people: list[Person]) -> None:
    """Everybody minus what is shown of genders, or of bands, is nothing or k and more."""
    counts = np.array([count(people)])
    (hidden,) = hide_portraits(counts, K)
    (exact,) = counts
    assert all(exact[~hidden] >= K)
    for parts in (list(_GENDERS), list(_BANDS)):
        unseen = [part for part in parts if hidden[part]]
        rest = exact[0] - exact[[part for part in parts if not hidden[part]]].sum()
        if not hidden[0] and unseen:
            assert rest >= K or len(unseen) == 3
            assert len(unseen) > 1 or parts == list(_BANDS)


@given(PEOPLE)
def test_flows_and_presence_tell_nothing_together(people: list[Person]) -> None:
    """Where a flow is shown, all three are, and the presence they sum up to is shown too."""
    groups = [
        [person for person in people if (person[2], person[3]) == step]
        for step in ((False, True), (True, False), (True, True))
    ]
    inflow, outflow, stay = (count(group) for group in groups)
    rows = pl.DataFrame(
        {
            "portrait_id": range(7),
            **dict(zip(FLOW_COUNTS, (inflow, outflow, stay), strict=True)),
        }
    )
    shown = hide_flows(rows, K)
    now = np.array([inflow]) + np.array([stay])
    before = np.array([outflow]) + np.array([stay])
    is_presence_hidden = hide_portraits(now, K)[0] | hide_portraits(before, K)[0]
    for row, is_hidden in zip(
        shown.iter_rows(named=True), is_presence_hidden, strict=True
    ):
        nulls = [row[name] is None for name in FLOW_COUNTS]
        assert nulls in ([True] * 3, [False] * 3)
        assert all(nulls) == row["suppressed"]
        if not all(nulls):
            assert not is_hidden
            assert min(row[name] for name in FLOW_COUNTS) >= K


def test_unknown_flows_are_hidden_with_their_region() -> None:
    """A region without anybody has no such row: it would tell that somebody was there."""
    rows = pl.DataFrame(
        {
            "portrait_id": range(7),
            **{name: pl.Series([None] * 7, dtype=pl.Int32) for name in FLOW_COUNTS},
        }
    )
    assert hide_flows(rows, K)["suppressed"].all()
    assert not hide_flows(rows, 1)["suppressed"].any()
    assert FLOWS.schema.field("stay_count").nullable


def test_small_counts_are_null_over_http(private: Client) -> None:
    """14 of 41 devices were in V1 at noon; nobody was there at four: both are null."""
    for hour in ("2025061112", "2025061116"):
        data = private.data(
            "/v1/userCountByRegionAndTime", region_id="V1", produce_hour=hour
        )
        assert data == {"cnt": None, "suppressed": True}
    data = private.data(
        "/v1/userCountByRegionAndTime",
        region_id="V2",
        city=VANCOUVER,
        produce_hour="2025061112",
    )
    assert data == {"cnt": 16, "suppressed": False}


def test_no_route_tells_what_another_hides(private: Client) -> None:
    """The city's total would tell V1, which is hidden: so it is hidden too."""
    data = private.data(
        "/v1/allRegionsHeatMap", city=VANCOUVER, produce_hour="2025061112"
    )
    heat = {item["regionId"]: item["pepCnt"] for item in data["heatDataList"]}
    assert heat == {"V1": None, "V2": 16}
    assert data["statis"]["pepCnt"] is None


def test_no_device_id_leaves(exact: Client) -> None:
    """Not in lists either."""
    asked = {"region_id": "RA", "produce_hour": "2025061110", "key": "operator"}
    answer = exact.get("/v1/userListByRegionAndTime", **asked)
    assert not any(f'"U{number}"' in answer.text for number in range(1, 7))
