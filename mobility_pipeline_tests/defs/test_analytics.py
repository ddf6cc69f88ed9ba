"""The assets of analytics: what is asked for when city-days change, and what a run makes."""

import base64
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.definitions.asset_daemon_cursor import AssetDaemonCursor
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    AUTOMATION_CONDITION_TAG,
)

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.definitions import build_defs
from mobility_pipeline.defs.failures import describe_failure
from mobility_pipeline.defs.partitions import to_city_day, to_partition
from mobility_pipeline.lake.derived import DerivedTables
from mobility_pipeline.resources.analytics import open_derived_tables
from mobility_pipeline.schemas.derived import (
    DAY_TABLES,
    DERIVED_TABLES,
    FLOWS,
    HOME_REGIONS,
    OD,
    POSITIONFIXES,
    PRESENCE,
    DerivedTable,
)
from mobility_pipeline.settings import read_settings
from mobility_pipeline_tests.conftest import Workplace
from mobility_pipeline_tests.fixtures.landed import NAIROBI, VANCOUVER, land

DAY = date(2025, 6, 10)
NEXT = DAY + timedelta(days=1)
PINGS = dg.AssetKey(["lake", "pings_full"])


@dataclass
class Automation:
    """The sensor of analytics, asked tick by tick."""

    instance: dg.DagsterInstance
    defs: dg.Definitions
    cursor: AssetDaemonCursor | None = None

    def tick(self) -> dict[str, set[date]]:
        """Return the dates asked for now, by table; all are Vancouver's."""
        answer = dg.evaluate_automation_conditions(
            self.defs,
            self.instance,
            dg.AssetSelection.groups("analytics"),
            evaluation_time=datetime(2025, 8, 1, tzinfo=UTC),
            cursor=self.cursor,
        )
        self.cursor = answer.cursor
        asked: dict[str, set[date]] = {}
        for result in answer.results:
            for key in result.true_subset.expensively_compute_asset_partitions():
                city_day = to_city_day(str(key.partition_key))
                assert city_day.city == VANCOUVER
                asked.setdefault(result.key.path[-1], set()).add(city_day.date)
        return asked

    def report(self, key: dg.AssetKey, *days: date) -> None:
        """Report days of Vancouver, as a run does."""
        for day in days:
            self.instance.report_runless_asset_event(
                dg.AssetMaterialization(key, partition=_partition(VANCOUVER, day))
            )


@dataclass
class Runs:
    """Runs of the assets, as the daemon starts them."""

    instance: dg.DagsterInstance
    tables: DerivedTables

    def derive(
        self, chosen: list[DerivedTable], *spans: tuple[str, date, date], **tags: str
    ) -> dg.ExecuteInProcessResult:
        """Derive tables of a city's days, both ends included, or of two cities'."""
        (first, start, _), (last, _, end) = spans[0], spans[-1]
        return (
            build_defs()
            .resolve_implicit_global_asset_job_def()
            .execute_in_process(
                instance=self.instance,
                asset_selection=[_key(table) for table in chosen],
                raise_on_error=False,
                tags={
                    ASSET_PARTITION_RANGE_START_TAG: _partition(first, start),
                    ASSET_PARTITION_RANGE_END_TAG: _partition(last, end),
                    **tags,
                },
            )
        )

    def stands(self, table: DerivedTable) -> set[str]:
        """Return the partitions Dagster calls materialized."""
        return self.instance.get_materialized_partitions(_key(table))


def _key(table: DerivedTable) -> dg.AssetKey:
    return dg.AssetKey(["analytics", table.name])


def _partition(city: str, day: date) -> str:
    return str(to_partition(CityDay(city, day)))


def _failures(result: dg.ExecuteInProcessResult) -> list[str]:
    return [
        describe_failure(event)[1]
        for event in result.all_events
        if event.is_step_failure
    ]


@pytest.fixture
def automation(instance: dg.DagsterInstance) -> Automation:
    """A sensor that has seen an empty lake."""
    made = Automation(instance, build_defs())
    assert made.tick() == {}
    return made


@pytest.fixture
def runs(workplace: Workplace, instance: dg.DagsterInstance) -> Runs:
    """Runs on an empty lake."""
    return Runs(instance, open_derived_tables(read_settings(workplace.environment)))


def test_new_city_day_asks_for_what_rests_on_it_once(automation: Automation) -> None:
    """Pings, fixes, the local days around, flows of a day more, homes of four weeks."""
    around = {DAY + timedelta(days=n) for n in (-1, 0, 1)}
    automation.report(PINGS, DAY)
    assert automation.tick() == {"positionfixes": {DAY}}
    assert automation.tick() == {}
    automation.report(_key(POSITIONFIXES), DAY)
    assert automation.tick() == {table.name: around for table in DAY_TABLES}
    assert automation.tick() == {}
    for table in DAY_TABLES:
        automation.report(_key(table), *around)
    first = min(around)
    asked = automation.tick()
    assert asked == {
        "flows": {first + timedelta(days=n) for n in range(4)},
        "home_regions": {first + timedelta(days=n) for n in range(30)},
    }
    # What is erased with the pings is what rests on them.
    for table in (FLOWS, HOME_REGIONS):
        before, after = (timedelta(days=days) for days in table.reach)
        days = asked[table.name]
        assert (min(days), max(days)) == (DAY - before, DAY + after)
    for table in (FLOWS, HOME_REGIONS):
        automation.report(_key(table), *around)
    assert automation.tick() == {}


def test_city_day_that_landed_again_is_asked_for_again(automation: Automation) -> None:
    """As when a refresh brings other pings."""
    for _ in range(2):
        automation.report(PINGS, DAY)
        assert automation.tick() == {"positionfixes": {DAY}}
        automation.report(_key(POSITIONFIXES), DAY)
        assert set(automation.tick()) == {table.name for table in DAY_TABLES}


def test_range_of_cities_and_days_is_one_run(workplace: Workplace, runs: Runs) -> None:
    """One materialization per city-day, with what an operator wants to know."""
    for city in (VANCOUVER, NAIROBI):
        for day in (DAY, NEXT):
            land(workplace, city, day, "a", "b")
    span = ((VANCOUVER, DAY, NEXT), (NAIROBI, DAY, NEXT))
    made = runs.derive([POSITIONFIXES], *span)
    assert made.success
    events = made.asset_materializations_for_node("derive_positionfixes")
    assert {str(event.partition) for event in events} == {
        _partition(city, day) for city in (VANCOUVER, NAIROBI) for day in (DAY, NEXT)
    }
    metadata = {name: value.value for name, value in events[0].metadata.items()}
    assert metadata == {
        "dagster/row_count": 48,
        "dagster/uri": f"s3://mobility-lake/analytics/positionfixes/{VANCOUVER}/"
        f"date={DAY}/",
        "changed": True,
        "coverage_ratio": 1,
        "observed_hours": 24,
        "inputs": 1,
        "region_layer": "h3",
        **dict.fromkeys(
            (
                "dropped_no_device",
                "dropped_no_time",
                "dropped_bad_coordinates",
                "dropped_inaccurate",
                "dropped_duplicate",
                "dropped_teleport",
            ),
            0,
        ),
    }


def test_city_day_without_pings_stays_missing_and_fails_the_run(
    workplace: Workplace, runs: Runs
) -> None:
    """The other one is kept; Dagster calls only that one materialized."""
    land(workplace, VANCOUVER, DAY, "a")
    made = runs.derive([POSITIONFIXES], (VANCOUVER, DAY, NEXT))
    assert not made.success
    (line,) = _failures(made)
    assert f"{VANCOUVER} {NEXT}" in line
    assert runs.stands(POSITIONFIXES) == {_partition(VANCOUVER, DAY)}


def test_day_that_nobody_asked_for_fails_no_run(
    workplace: Workplace, runs: Runs
) -> None:
    """Automation asks for the days around a change, be there pings or not."""
    land(workplace, VANCOUVER, DAY, "a")
    tags = {AUTOMATION_CONDITION_TAG: "true"}
    made = runs.derive([POSITIONFIXES], (VANCOUVER, DAY, NEXT), **tags)
    assert made.success
    assert runs.stands(POSITIONFIXES) == {_partition(VANCOUVER, DAY)}


def test_broken_city_takes_no_other_down(workplace: Workplace, runs: Runs) -> None:
    """A city whose file is gone is named, whoever asked; the others are derived."""
    for city in (VANCOUVER, NAIROBI):
        land(workplace, city, DAY, "a")
    (workplace.cities / f"{VANCOUVER}.geojson").unlink()
    tags = {AUTOMATION_CONDITION_TAG: "true"}
    span = ((VANCOUVER, DAY, DAY), (NAIROBI, DAY, DAY))
    made = runs.derive([POSITIONFIXES], *span, **tags)
    (line,) = _failures(made)
    assert f"unknown city '{VANCOUVER}'" in line
    assert runs.stands(POSITIONFIXES) == {_partition(NAIROBI, DAY)}


def test_local_day_is_made_anew_when_its_other_utc_day_arrives(
    workplace: Workplace, runs: Runs
) -> None:
    """Vancouver's day is 07:00–07:00 UTC in summer: 17 hours of one day, 7 of the next."""
    city_day = CityDay(VANCOUVER, DAY)
    seen: list[tuple[bool, int, int]] = []
    for day in (DAY, NEXT, NEXT):
        land(workplace, VANCOUVER, day, "a", "b")
        for chosen in ([POSITIONFIXES], [PRESENCE]):
            when = day if chosen == [POSITIONFIXES] else DAY
            made = runs.derive(chosen, (VANCOUVER, when, when))
            assert made.success, _failures(made)
        manifest = runs.tables.read_manifest(PRESENCE, city_day)
        assert manifest is not None
        rows = runs.tables.read(PRESENCE, city_day)
        everybody = rows.filter(portrait_id=0)["devices_count"].to_list()
        assert set(everybody) == {2}
        (event,) = made.asset_materializations_for_node("derive_day_tables")
        changed = bool(event.metadata["changed"].value)
        seen.append((changed, len(manifest.observed_hours), len(everybody)))
    assert seen == [(True, 17, 17), (True, 24, 24), (False, 24, 24)]


def test_every_table_of_a_day_is_derived_in_one_run(
    workplace: Workplace, runs: Runs
) -> None:
    """From a fresh lake, in the order of what they rest on."""
    for day in (DAY, NEXT):
        land(workplace, VANCOUVER, day, "a", "b")
    for chosen in ([POSITIONFIXES], [*DAY_TABLES], [FLOWS, HOME_REGIONS]):
        made = runs.derive(chosen, (VANCOUVER, DAY, NEXT))
        assert made.success, _failures(made)
    for table in DERIVED_TABLES.values():
        assert runs.stands(table) == {_partition(VANCOUVER, day) for day in (DAY, NEXT)}


def test_few_city_days_are_drawn(
    workplace: Workplace, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Presence has a map and OD its flows, as PNGs; a run of many has neither."""
    monkeypatch.setenv("ANALYTICS_MIN_DEVICES", "2")
    for day in (DAY, NEXT):
        land(workplace, VANCOUVER, day, "a", "b")
    runs.derive([POSITIONFIXES], (VANCOUVER, DAY, NEXT))
    tags = {AUTOMATION_CONDITION_TAG: "true"}
    days = [(DAY, DAY), (DAY, DAY + timedelta(days=10))]
    few, many = (
        {
            event.asset_key.path[-1]: event.metadata.get("picture")
            for event in runs.derive(
                [PRESENCE, OD], (VANCOUVER, *span), **tags
            ).asset_materializations_for_node("derive_day_tables")
        }
        for span in days
    )
    assert many == {"presence": None, "od": None}
    for picture in few.values():
        assert isinstance(picture, dg.MarkdownMetadataValue)
        assert picture.md_str is not None
        head, data = picture.md_str.removesuffix(")").split(",")
        assert head.endswith("(data:image/png;base64")
        assert base64.b64decode(data).startswith(b"\x89PNG")
