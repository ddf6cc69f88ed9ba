import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mobility_pipeline.settings import PROJECT
from mobility_pipeline_tests.landing.deliveries import DAY
from mobility_pipeline_tests.landing.store import to_parquet

ROWS = 600_000
FILES = 3
BUDGET_BYTES = 16 * 2**20
ALLOWED_BYTES = 180 * 2**20
"""Seen: 105 MB, also with twice or three times as many rows; of these, 55 MB for a date
of hardly any."""


@dataclass(frozen=True)
class Taken:
    """What a split took."""

    taken_bytes: int
    """At its peak, above what the process had before."""
    rows: int
    paths: list[str]


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a date of devices with a ping each, in files that compress well enough."""
    folder = tmp_path_factory.mktemp("delivery") / "job"
    day = folder / f"date={DAY}"
    day.mkdir(parents=True)
    for number in range(FILES):
        pings = _make_pings(ROWS // FILES, seed=number)
        (day / f"part-{number:05d}.parquet").write_bytes(to_parquet(pings))
    return folder


def _make_pings(count: int, seed: int) -> pa.Table:
    source = np.random.default_rng(seed)
    ids = pa.array(source.integers(10**17, 10**18, count)).cast(pa.string())
    areas = pa.array(["geo_radius_0", "geo_json_0"]).dictionary_encode()
    named = areas.take(pa.array(source.integers(0, 2, count)))
    return pa.table(
        {
            "ad_id": pc.utf8_rpad(ids, 36, padding="0"),
            "utc_timestamp": pa.array(source.integers(0, 10**9, count)),
            "latitude": source.random(count),
            "longitude": source.random(count),
            "poi_ids": pa.ListArray.from_arrays(
                pa.array(np.arange(count + 1), pa.int32()), named
            ),
        }
    )


def _split(delivered: Path, scratch: Path, memory_bytes: int) -> Taken:
    command = [sys.executable, "-m", "mobility_pipeline_tests.landing.splitter"]
    ended = subprocess.run(
        [*command, str(delivered), str(scratch), str(memory_bytes)],
        cwd=PROJECT,
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return Taken(**json.loads(ended.stdout))


@pytest.mark.processes
def test_memory_is_bounded_by_the_budget(delivered: Path, tmp_path: Path) -> None:
    """A date many times its budget takes little more than that; all of it is there."""
    taken = _split(delivered, tmp_path, BUDGET_BYTES)
    assert taken.rows == ROWS
    assert "spilled" in taken.paths
    assert "held" not in taken.paths
    assert taken.taken_bytes < ALLOWED_BYTES


@pytest.mark.processes
def test_memory_of_a_date_that_is_held(delivered: Path, tmp_path: Path) -> None:
    """The same date within a large budget takes far more: the test above can tell."""
    taken = _split(delivered, tmp_path, 2**30)
    assert (taken.rows, taken.paths) == (ROWS, ["held"])
    assert taken.taken_bytes > 1.5 * ALLOWED_BYTES
