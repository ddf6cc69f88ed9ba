"""The laws of the simulated world, without a server."""

import json
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from mobility_pipeline.sandbox.areas import RequestedArea
from mobility_pipeline.sandbox.boundaries import circle
from mobility_pipeline.sandbox.rows import EMPTY_LIST, LIST_OF_NULL, NULL_LIST
from mobility_pipeline.sandbox.simulator import Simulator

DAY = date(2024, 3, 1)
OUTER = RequestedArea("outer", "geo_radius_0", circle(48.2, 11.5, 9000))
INNER = RequestedArea("inner", "geo_radius_1", circle(48.2, 11.5, 4000))
ABROAD = RequestedArea("abroad", "geo_radius_2", circle(-33.4, -70.6, 5000))


def make_simulator(**changes: object) -> Simulator:
    """A world without empty days."""
    options = {"seed": 7, "people": 40, "pings_per_person": 20, "empty_day_ratio": 0.0}
    return Simulator(**(options | changes))  # type: ignore[arg-type]


def test_the_same_arguments_give_the_same_rows() -> None:
    """Two worlds of one seed are equal, of another seed not."""
    rows = _content(_rows(make_simulator(), OUTER), 0)
    assert rows == _content(_rows(make_simulator(), OUTER), 0)
    assert rows != _content(_rows(make_simulator(seed=8), OUTER), 0)


def test_days_differ() -> None:
    """Another date has other pings of mostly the same people."""
    simulator = make_simulator()
    first, second = (
        simulator.rows_of([OUTER], day) for day in (DAY, DAY + timedelta(days=1))
    )
    assert first is not None
    assert second is not None
    assert not first["latitude"].equals(second["latitude"])
    ids = [set(t["ad_id"].drop_null().to_pylist()) for t in (first, second)]
    assert len(ids[0] & ids[1]) > 0.6 * len(ids[0])


def test_a_distant_area_changes_nothing() -> None:
    """An area's pings do not depend on what else is in the job."""
    simulator = make_simulator()
    alone, together = _rows(simulator, OUTER), _rows(simulator, ABROAD, OUTER)
    assert _content(alone, 0) == _content(together, 1)


def test_known_places_make_overlapping_areas_independent_too(tmp_path: Path) -> None:
    """With both cities known, the inner one has the same pings alone and with the outer."""
    for area in (OUTER, INNER):
        assert area.geometry is not None
        feature = {
            "type": "Feature",
            "properties": {"iso_country_code": "DE"},
            "geometry": json.loads(shapely.to_geojson(area.geometry)),
        }
        (tmp_path / f"{area.poi_id}.geojson").write_text(json.dumps(feature))
    simulator = make_simulator(known_places=tmp_path)
    alone, together = _rows(simulator, INNER), _rows(simulator, OUTER, INNER)
    assert _content(alone, 0) == _content(together, 1)
    assert set(alone["iso_country_code"].to_pylist()) == {"DE"}


def test_pings_inside_several_areas_name_all_of_them() -> None:
    """A ping is tagged with an area when, and apart from day tags only when, inside it."""
    rows = _rows(make_simulator(), OUTER, INNER)
    extra = 0
    for row in _plain(rows):
        point = shapely.Point(row["longitude"], row["latitude"])
        inside = {i for i, a in enumerate((OUTER, INNER)) if a.geometry.contains(point)}
        assert inside <= set(row["area_codes"])
        extra += inside < set(row["area_codes"])
    assert {tuple(codes) for codes in rows["area_codes"].to_pylist()} >= {(0,), (0, 1)}
    assert 0 < extra < 0.2 * rows.num_rows


def test_most_people_sleep_at_home_and_move_by_day() -> None:
    """Few pings come from the local night; some are on the way."""
    rows = _rows(make_simulator(), OUTER)
    hours = Counter(int(s // 3600 + 11.5 / 15) % 24 for s in _seconds(rows))
    assert sum(hours[h] for h in range(5)) < 0.15 * rows.num_rows
    on_trip = rows.num_rows - rows["trip_number"].null_count
    assert 0.1 < on_trip / rows.num_rows < 0.5


def test_many_devices_are_seen_on_one_day_with_few_pings() -> None:
    """Over a month 31-75 % of ids appear on one day only; some with 1-3 pings."""
    simulator, days, pings = make_simulator(), Counter(), Counter()
    for i in range(31):
        rows = simulator.rows_of([OUTER], DAY + timedelta(days=i))
        assert rows is not None
        seen = Counter(filter(None, rows["ad_id"].to_pylist()))
        days.update(seen.keys())
        pings.update(seen)
    passing = [device for device, n in days.items() if n == 1 and pings[device] <= 3]
    assert 0.31 < len(passing) / len(days) < 0.75


def test_row_quirks_are_there_and_rare() -> None:
    """Null and blank ids, NaN and impossible coordinates, three kinds of no area."""
    rows = _rows(make_simulator(people=500), OUTER)
    forms = Counter(rows["poi_form"].to_pylist())
    quirks = [
        rows["ad_id"].null_count,
        pc.sum(pc.equal(rows["ad_id"], "")).as_py(),
        pc.sum(pc.is_nan(rows["latitude"])).as_py(),
        pc.sum(pc.greater(rows["latitude"], 90)).as_py(),
        forms[NULL_LIST],
        forms[EMPTY_LIST],
        forms[LIST_OF_NULL],
    ]
    assert rows["latitude"].null_count == 0
    assert all(0 < count < 0.02 * rows.num_rows for count in quirks)


def test_some_days_are_empty() -> None:
    """A ratio of 1 empties every day, 0 none."""
    assert _rows(make_simulator(empty_day_ratio=1.0), OUTER).num_rows == 0
    assert _rows(make_simulator(), OUTER).num_rows > 0


def test_areas_nobody_can_place_hold_nothing() -> None:
    """Without any geometry there are no rows at all."""
    key = RequestedArea("key", "place_key_0", None)
    assert make_simulator().rows_of([key], DAY) is None


@settings(max_examples=25, deadline=None)
@given(
    latitude=st.floats(-60, 60),
    longitude=st.floats(-179, 179),
    radius_m=st.floats(1, 50_000),
    day=st.dates(date(2000, 1, 1), date(2100, 1, 1)),
)
def test_any_circle_has_pings_of_its_own_day(
    latitude: float, longitude: float, radius_m: float, day: date
) -> None:
    """Wherever and however small the area: pings, all within the UTC date."""
    area = RequestedArea("any", "geo_radius_0", circle(latitude, longitude, radius_m))
    rows = make_simulator(people=20).rows_of([area], day)
    assert rows is not None
    assert set(_days(rows)) <= {day}


def _rows(simulator: Simulator, *areas: RequestedArea) -> pa.Table:
    rows = simulator.rows_of(areas, DAY)
    assert rows is not None
    return rows


def _content(rows: pa.Table, code: int) -> Counter:
    """Rows tagged with an area, as a multiset, without the numbers of areas."""
    kept = rows.drop_columns(["area_codes"]).to_pylist()
    codes = rows["area_codes"].to_pylist()
    return Counter(
        str(row) for row, tags in zip(kept, codes, strict=True) if code in tags
    )


def _plain(rows: pa.Table) -> list[dict]:
    broken = pc.or_(pc.is_nan(rows["latitude"]), pc.greater(rows["latitude"], 90))
    tagged = pc.equal(rows["poi_form"], 0)
    return rows.filter(pc.and_(pc.invert(broken), tagged)).to_pylist()


def _seconds(rows: pa.Table) -> list[int]:
    return [second % 86_400 for second in rows["utc_s"].to_pylist()]


def _days(rows: pa.Table) -> list[date]:
    return rows["utc_s"].cast(pa.timestamp("s")).cast(pa.date32()).to_pylist()
