import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mobility_pipeline.cities.versions import (
    CityChange,
    Version,
    VersionLog,
    dump_version,
    parse_version,
    state_after,
)
from mobility_pipeline.errors import UnknownVersionError, VersionUnreadableError
from mobility_pipeline_tests.cities.examples import KEY, make_city
from mobility_pipeline_tests.cities.registries import START

OLD, NEW = make_city(), make_city(city="Van")
ADDED = Version(START, "ada", "add", (CityChange(KEY, None, OLD),))
EDITED = Version(
    START + timedelta(minutes=1), "bo", "edit", (CityChange(KEY, OLD, NEW),), "why"
)
LOG = VersionLog((ADDED, EDITED), {})


@pytest.mark.parametrize("version", [ADDED, EDITED])
def test_version_is_read_as_written(version: Version) -> None:
    """Also what was not there before; its id is its time in UTC."""
    assert parse_version(dump_version(version), version.id) == version
    assert ADDED.id == "2025-03-01T12-00-00.000000Z"


def spoil(**fields: object) -> bytes:
    """Write a version with other fields."""
    return json.dumps({**json.loads(dump_version(EDITED)), **fields}).encode()


BROKEN: dict[str, Any] = {
    "empty": b"",
    "cut": dump_version(EDITED)[:99],
    "no object": b"[]",
    "not text": b"\xff",
    "deep": b"[" * 100_000,
    "another format": spoil(version=2),
    "unknown operation": spoil(operation="explode"),
    "no time": spoil(at="yesterday"),
    "another version": spoil(at="2025-03-02T00:00:00+00:00"),
    "nobody": spoil(by=None),
    "no changes": spoil(changes=None),
    "no city": spoil(changes=[{"key": KEY, "before": None, "after": {}}]),
    "half a change": spoil(changes=[{"key": KEY}]),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_broken_version_is_one_line(data: bytes) -> None:
    """Whatever is wrong with what was kept, the message names the version."""
    with pytest.raises(VersionUnreadableError, match=EDITED.id) as caught:
        parse_version(data, EDITED.id)
    assert "\n" not in str(caught.value)


def test_version_is_found_by_the_beginning_of_its_id() -> None:
    """As long as no other begins like it."""
    assert LOG.find(ADDED.id) == ADDED
    assert LOG.find("2025-03-01T12-01") == EDITED


@pytest.mark.parametrize("text", ["", "2024", "x", "../../etc", "2025-03-01T12-00-00."])
def test_unknown_version_is_named(text: str) -> None:
    """Nothing, a time nothing happened at, and what is no version."""
    log = replace(LOG, versions=(EDITED,))
    with pytest.raises(UnknownVersionError, match="cities history"):
        log.find(text)


def test_beginning_of_several_versions_is_not_one() -> None:
    """Nobody guesses which is meant."""
    with pytest.raises(UnknownVersionError, match="2 versions begin"):
        LOG.find("2025")


def test_unread_backup_is_said() -> None:
    """A version that is not known may be in a backup that could not be read."""
    log = replace(LOG, backup_problem="S3 refused")
    with pytest.raises(UnknownVersionError, match="S3 refused"):
        log.find("2024")


def test_state_after_each_version() -> None:
    """What a later version says was there before is known, too."""
    assert state_after(LOG.versions, ADDED) == {KEY: OLD}
    assert state_after(LOG.versions, EDITED) == {KEY: NEW}
    assert state_after([EDITED], replace(EDITED, at=START)) == {KEY: OLD}
    assert LOG.changes_between(ADDED, EDITED) == [CityChange(KEY, OLD, NEW)]
    assert LOG.changes_between(EDITED, ADDED) == [CityChange(KEY, NEW, OLD)]
