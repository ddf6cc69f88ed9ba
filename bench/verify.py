"""Check that a run did its work; a wrong result ends the benchmark."""

import hashlib
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from bench.areas import make_cities
from bench.truth import Truth


class WrongResultError(Exception):
    """A run left something else than it had to."""


def check_lake(bucket: Path, truth: Truth) -> None:
    """Compare a lake with what was generated: every manifest, and the parts it names.

    The parts' row counts are read from the files themselves, and one city-day is read
    whole: only its own rows, in order, as the bytes the manifest tells of.
    """
    manifests = {
        f"{manifest['city']} {manifest['date']}": (path.parent, manifest)
        for path in sorted(bucket.glob("data/**/_manifest.json"))
        for manifest in [json.loads(path.read_text())]
    }
    _expect("city-days", set(truth.rows_by_city_day), set(manifests))
    for name, (folder, manifest) in manifests.items():
        rows = sum(
            _count_rows(folder / file["name"], file) for file in manifest["files"]
        )
        _expect(f"{name}: rows", truth.rows_by_city_day[name], manifest["rows"])
        _expect(f"{name}: rows in files", manifest["rows"], rows)
        _expect(
            f"{name}: rejected",
            truth.rejected[manifest["date"]],
            sum(manifest["rejected"].values()),
        )
        _expect(f"{name}: cast failures", 0, manifest["cast_failures"])
        parts = {path.name for path in folder.glob("*.parquet")}
        _expect(f"{name}: parts", {file["name"] for file in manifest["files"]}, parts)
    _check_content(*_smallest(manifests), truth)


def check_copy(folder: Path, files: int, size: int) -> None:
    """Compare a copied delivery with the one it was made from.

    Args:
        folder: below it lies the copy.
        files: how many parquet files there must be.
        size: bytes of all of them.
    """
    sizes = [path.stat().st_size for path in folder.rglob("*.parquet")]
    _expect("copied files", files, len(sizes))
    _expect("copied bytes", size, sum(sizes))


def _count_rows(path: Path, file: dict[str, Any]) -> int:
    _expect(f"{path}: bytes", file["bytes"], path.stat().st_size)
    return pq.read_metadata(path).num_rows


def _smallest(
    manifests: dict[str, tuple[Path, dict[str, Any]]],
) -> tuple[Path, dict[str, Any]]:
    filled = [entry for entry in manifests.values() if entry[1]["files"]]
    return min(filled, key=lambda entry: (entry[1]["rows"], entry[1]["city"]))


def _check_content(folder: Path, manifest: dict[str, Any], truth: Truth) -> None:
    name = f"{manifest['city']} {manifest['date']}"
    area_of = {city.key: city.area_id for city in make_cities(truth.areas)}
    rows: list[tuple[Any, ...]] = []
    for file in manifest["files"]:
        path = folder / file["name"]
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        _expect(f"{path}: sha256", file["sha256"], digest)
        table = pq.read_table(
            path, columns=["ad_id", "utc_timestamp", "poi_ids"], partitioning=None
        )
        rows += zip(*(column.to_pylist() for column in table.columns), strict=True)
    strange = [ids for _, _, ids in rows if area_of[manifest["city"]] not in ids]
    _expect(f"{name}: rows of other areas", [], strange)
    keys = [(ad_id is None, ad_id or "", at) for ad_id, at, _ in rows]
    _expect(f"{name}: sorted", True, all(a <= b for a, b in pairwise(keys)))


def _expect(what: str, expected: object, found: object) -> None:
    if expected != found:
        raise WrongResultError(
            f"{what}: {str(found)[:500]} instead of {str(expected)[:500]}"
        )
