"""Keys, scopes and limits."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from mobility_pipeline.errors import ConfigurationError, UsageError
from mobility_pipeline.lake.derived import DerivedTables
from mobility_pipeline.serving.api.keys import ApiKeys
from mobility_pipeline_tests.serving.api.world import Client, make_answers, serve

NOW = datetime(2025, 6, 13, tzinfo=UTC)
HERE = "region_id=RA&produce_hour=2025061110"
RANGE = "city=china/shanghai&from=2025-06-11&to=2025-06-11"
ROUTES = (
    f"/v1/userCountByRegionAndTime?{HERE}",
    "/v1/regionPortrait?region_id=RA",
    "/v1/regionInflowOutflow?region_id=RA&start_time=2025061110&end_time=2025061111",
    "/v1/allRegionsHeatMap?city=china/shanghai",
    "/v1/cities",
    f"/v1/coverage?{RANGE}",
    f"/v1/presence?{RANGE}",
    f"/v1/flows?{RANGE}",
    f"/v1/od?{RANGE}",
)
LIST = f"/v1/userListByRegionAndTime?{HERE}"


@pytest.mark.parametrize("route", [*ROUTES, LIST])
@pytest.mark.parametrize("key", [None, "wrong", "mobility_é"])
def test_nobody_without_a_key(exact: Client, route: str, key: str | None) -> None:
    """No key and a wrong one are 401, in the one shape."""
    answer = exact.get(route, key=key)
    assert answer.status_code == 401
    document = answer.json()
    assert (document["code"], document["data"]) == (401, None)
    assert answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("key", ["reader", "operator"])
@pytest.mark.parametrize("route", ROUTES)
def test_counts_are_for_every_key(exact: Client, route: str, key: str) -> None:
    """Both scopes read counts."""
    assert exact.get(route, key=key).status_code == 200


def test_lists_need_scope_and_setting(exact: Client, private: Client) -> None:
    """Of the four cases, one is allowed."""
    statuses = [
        client.get(LIST, key=key).status_code
        for client in (exact, private)
        for key in ("reader", "operator")
    ]
    assert statuses == [403, 200, 403, 403]


def test_lists_are_kept_by_nobody(exact: Client) -> None:
    """Neither by us nor by what is in between."""
    answer = exact.get(LIST, key="operator")
    assert answer.headers["Cache-Control"] == "no-store"


def test_too_many_requests(derived: DerivedTables, tmp_path: Path) -> None:
    """Each key has its own limit, and is told how long to wait."""
    with serve(make_answers(derived, 1), tmp_path, limit="2/hour") as client:
        codes = [client.get("/v1/cities").status_code for _ in range(3)]
        refused = client.get("/v1/cities")
        other = client.get("/v1/cities", key="operator")
    assert codes == [200, 200, 429]
    assert refused.json()["code"] == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 2 * 3600
    assert other.status_code == 200


def test_only_hashes_are_kept(tmp_path: Path) -> None:
    """The file has no key in it, and is its owner's."""
    path = tmp_path / "keys.json"
    key = ApiKeys(path).create("desk", "read", NOW)
    assert key not in path.read_text()
    assert key.removeprefix("mobility_") not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0


def test_a_revoked_key_is_refused_at_once(tmp_path: Path) -> None:
    """Also by a server that runs already."""
    path = tmp_path / "keys.json"
    server = ApiKeys(path)
    key = server.create("desk", "read", NOW)
    found = server.find(key)
    assert found is not None
    assert found.name == "desk"
    ApiKeys(path).revoke("desk")
    assert server.find(key) is None


def test_keys_that_cannot_be(tmp_path: Path) -> None:
    """A taken name, an unprintable one, one that is not there."""
    keys = ApiKeys(tmp_path / "keys.json")
    keys.create("desk", "read", NOW)
    for name in ("desk", "", " x", "a\nb", "x" * 101):
        with pytest.raises(UsageError):
            keys.create(name, "read", NOW)
    with pytest.raises(UsageError, match="no key"):
        keys.revoke("desk 2")


def test_a_broken_file_says_so(tmp_path: Path) -> None:
    """In words, not as a traceback."""
    path = tmp_path / "keys.json"
    path.write_text("{")
    with pytest.raises(ConfigurationError, match="not a file of API keys"):
        ApiKeys(path).list_all()
