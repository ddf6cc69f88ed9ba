"""The benchmark's own numbers: what it generates, fits and judges."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from bench.areas import make_cities
from bench.arena import Sample
from bench.contenders import OURS, S5CMD
from bench.deliveries import ensure_delivery
from bench.measure import Measurement
from bench.results import Results, fit_exponent
from bench.shapes import SHAPES
from bench.targets import judge
from bench.truth import Truth, delivery_path

SMALL = replace(SHAPES["many"], areas=4, dates=2, files=12, rows=300)


@pytest.mark.parametrize(
    "shape", [SMALL, replace(SMALL, name="mixed", has_small_files=False)]
)
def test_truth_is_what_the_files_hold(shape: object, tmp_path: Path) -> None:
    """Counted again with pyarrow, file by file."""
    assert isinstance(shape, type(SMALL))
    truth = ensure_delivery(shape, tmp_path)
    keys = {city.area_id: city.key for city in make_cities(shape.areas)}
    places = [city.key for city in make_cities(shape.areas)]
    files = sorted(delivery_path(truth.job_id, tmp_path).glob("date=*/*.parquet"))
    rows: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    total = 0
    for path in files:
        day = path.parent.name.removeprefix("date=")
        for ids in pq.ParquetFile(path).read().column("poi_ids").to_pylist():
            total += 1
            found = {keys.get(i) or places[int(i.split("_")[-1])] for i in ids or []}
            rejected[day] += not found
            rows.update(f"{key} {day}" for key in found)
    assert (truth.files, truth.bytes) == (
        len(files),
        sum(path.stat().st_size for path in files),
    )
    assert (truth.rows, truth.rows_written) == (total, rows.total())
    assert truth.rejected == dict(rejected)
    assert Counter(truth.rows_by_city_day) == rows


def test_generating_again_gives_the_same_bytes(tmp_path: Path) -> None:
    """A cached delivery and a new one are the same benchmark."""
    contents: list[list[bytes]] = []
    for home in (tmp_path / "a", tmp_path / "b"):
        truth = ensure_delivery(SMALL, home)
        paths = sorted(delivery_path(truth.job_id, home).rglob("*.parquet"))
        contents.append([path.read_bytes() for path in paths])
    assert contents[0] == contents[1]


def test_fits_the_exponent_of_a_power_law() -> None:
    """The values are the law itself."""
    sizes = [1.0, 4.0, 16.0]
    assert fit_exponent(sizes, [7 * size**1.5 for size in sizes]) == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("ours_s", "measured", "holds"), [(1.0, "0.50", True), (2.4, "1.20", False)]
)
def test_judges_the_wall_time_against_a_copy(
    ours_s: float, measured: str, holds: bool
) -> None:
    """2 s for the copy; at most 1.15 times that may be ours."""
    truth = Truth("many-0", 1, 1, 1, 1, {"2024-05-01": 0}, {"a 2024-05-01": 1}, 0.0)
    results = Results(truths={"many": truth})
    results.add("many", OURS, _sample(ours_s))
    results.add("many", S5CMD, _sample(2.0))
    target = next(target for target in judge(results) if "s5cmd" in target.what)
    assert (target.measured, target.holds) == (measured, holds)


def _sample(wall_s: float) -> Sample:
    return Sample(Measurement(wall_s, 1.0, 0.0, 1, ""), 0.0, Counter())
