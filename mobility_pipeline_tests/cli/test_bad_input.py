"""Bad input: one clear error or a recorded finding each, and no gap hidden by one."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.lake.paths import MANIFEST_NAME, city_day_prefix
from mobility_pipeline.resources.lakes import make_lake
from mobility_pipeline.sandbox.launch import LAKE_BUCKET, Sandbox
from mobility_pipeline.sandbox.s3_client import connect_internally
from mobility_pipeline.schemas.feeds import FEEDS
from mobility_pipeline.settings import read_settings
from mobility_pipeline_tests.conftest import CITIES, Answer, Workplace
from mobility_pipeline_tests.lake.tables import SOURCE, make_pings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DAY = date(2025, 1, 2)
SPAN = ("--from", DAY.isoformat(), "--to", DAY.isoformat())
FULL = ("--feed", "pings_full")
VANCOUVER, NAIROBI = (CityDay(city, DAY) for city in CITIES)
_TOMORROW = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()

VERBS = {
    "plan": ("plan", *FULL),
    "request": ("request", *FULL),
    "gaps": ("gaps",),
    "derive": ("derive",),
    "recover": ("recover",),
    "recover --dry-run": ("recover", "--dry-run"),
    "coverage picture": ("coverage", "picture", "calendar.html"),
    "coverage erase": ("coverage", "erase", "--yes", "--city", CITIES[0]),
}


def _assert_refused(answer: Answer, says: str) -> None:
    assert answer.code == 2, answer.stdout
    assert answer.document.keys() == {"error"}
    message = answer.document["error"]["message"]
    assert says in message
    assert "\n" not in message
    assert "Traceback" not in answer.stderr


@pytest.fixture
def place(make_workplace: Callable[[dict[str, str]], Workplace]) -> Workplace:
    """A user with a bucket's name and nothing behind it: nothing may be sent."""
    return make_workplace(
        {"S3_BUCKET": "lake", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    )


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
@pytest.mark.parametrize(
    ("start", "end", "says"),
    [
        ("2025-02-01", "2025-01-01", "reversed dates"),
        ("2025-02-30", "2025-03-01", "from: '2025-02-30' is not a day"),
        ("2025-1-1", "2025-01-31", "from: '2025-1-1' is not a day"),
        ("2025-01-01", "20250131", "to: '20250131' is not a day"),
        ("2025-01-01", "2025-01-31T00:00", "is not a day"),
        ("yesterday", "2025-01-31", "is not a day"),
        ("", "2025-01-31", "is not a day"),
        ("0000-00-00", "2025-01-31", "is not a day"),
        ("2025-01-01", _TOMORROW, "not yet"),
        ("2025-01-01", "9999-12-31", "not yet"),
    ],
)
def test_impossible_dates_are_refused(
    place: Workplace, verb: tuple[str, ...], start: str, end: str, says: str
) -> None:
    """Exit code 2 and one JSON document that says which day is wrong."""
    answer = place.run(*verb, "--from", start, "--to", end, "--json")
    _assert_refused(answer, says)


@pytest.mark.parametrize("verb", ["plan", "request", "coverage erase"])
def test_unknown_city_is_refused_by_name(place: Workplace, verb: str) -> None:
    """A key that is not in the registry is no city without data."""
    _assert_refused(
        place.run(*VERBS[verb], *SPAN, "--city", "atlantis", "--json"), "atlantis"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("gaps", *SPAN),
        ("recover", *SPAN),
        ("coverage", "rebuild"),
        ("coverage", "check"),
        ("coverage", "picture", *SPAN, "calendar.svg"),
        ("coverage", "erase", *SPAN, "--city", CITIES[0], "--yes"),
        ("plan", *SPAN),
        ("jobs", "list"),
    ],
)
def test_unknown_feed_is_refused_by_name(
    place: Workplace, arguments: tuple[str, ...]
) -> None:
    """And the ones there are named."""
    answer = place.run(*arguments, "--feed", "pings_none", "--json")
    _assert_refused(answer, "unknown feed 'pings_none': choose one of")


@dataclass(frozen=True)
class Kept:
    """A user with one day of two cities in lake and ledger, from no vendor job."""

    place: Workplace
    s3: "S3Client"
    """Not ours: to break things."""

    def gaps(self) -> dict[str, str]:
        """Return city -> reason of what is missing."""
        found = self.place.run("gaps", *SPAN, "--json").document["gaps"]
        return {gap["city"]: gap["reason"] for gap in found}

    def change_manifest(self, city_day: CityDay, change: Any) -> None:
        """Replace a manifest by bytes, or by itself with other fields."""
        where = {
            "Bucket": LAKE_BUCKET,
            "Key": city_day_prefix(city_day) + MANIFEST_NAME,
        }
        if isinstance(change, dict):
            stored = self.s3.get_object(**where)["Body"].read()
            change = json.dumps(json.loads(stored) | change).encode()
        self.s3.put_object(**where, Body=change)


@pytest.fixture
def kept(sandbox: Sandbox, workplace: Workplace) -> Kept:
    """Publish both cities' day, and let the ledger find it."""
    lake = make_lake(read_settings(workplace.environment), FEEDS["pings_full"])
    for city_day in (VANCOUVER, NAIROBI):
        lake.publish("pings_full", city_day, [make_pings("a", "b")], SOURCE)
    assert workplace.run("coverage", "rebuild").code == 0
    return Kept(workplace, connect_internally(sandbox.s3_url))


@pytest.mark.parametrize(
    ("faults", "variables", "kind"),
    [
        ({"deny_bucket": LAKE_BUCKET}, {}, "StorageForbiddenError"),
        (
            {"deny_assume_role": True},
            # Another role than those whose sessions this process may still hold.
            {"LAKE_ROLE_ARN": "arn:aws:iam::123456789012:role/refused"},
            "StorageForbiddenError",
        ),
        ({}, {"S3_BUCKET": "no-such-bucket"}, "StorageForbiddenError"),
        ({}, {"S3_BUCKET": ""}, "ConfigurationError"),
        (
            {},
            {"MOBILITY_LEDGER_URL": "sqlite:////dev/null/ledger.sqlite"},
            "ConfigurationError",
        ),
    ],
    ids=["forbidden bucket", "refused role", "no bucket", "unset bucket", "no ledger"],
)
def test_lake_that_cannot_be_read_is_an_error_and_no_gap(
    sandbox: Sandbox,
    kept: Kept,
    faults: dict[str, Any],
    variables: dict[str, str],
    kind: str,
) -> None:
    """Every verb that needs it says so; nothing is bought, erased or called missing."""
    sandbox.set_s3_faults(**faults)
    for verb in (
        ("coverage", "rebuild"),
        ("coverage", "check"),
        ("coverage", "erase", *SPAN, "--city", CITIES[0], "--yes"),
        ("request", *FULL, *SPAN, "--refresh"),
        ("recover", "--from", "2025-01-01", "--to", DAY.isoformat()),
    ):
        answer = kept.place.run(*verb, "--json", **variables)
        assert answer.document.keys() == {"error"}, (verb, answer.stdout)
        said = (answer.code, answer.document["error"]["type"])
        assert said == (2, kind), (verb, answer.document)
        assert "Traceback" not in answer.stderr
    sandbox.set_s3_faults(deny_bucket=None, deny_assume_role=False)
    assert sandbox.jobs() == []
    assert kept.gaps() == {}
    assert kept.place.run("coverage", "check").code == 0


@pytest.mark.parametrize("verb", ["rebuild", "check"])
def test_listing_that_breaks_off_is_not_nothing_there(
    sandbox: Sandbox, kept: Kept, verb: str
) -> None:
    """S3 that answers 503 to everything: exit 1, and the ledger is what it was."""
    sandbox.set_s3_faults(slow_down_every=1)
    answer = kept.place.run("coverage", verb, "--json", AWS_MAX_ATTEMPTS="1")
    sandbox.set_s3_faults(slow_down_every=None)
    assert (answer.code, answer.document["error"]["type"]) == (1, "StorageError")
    assert kept.gaps() == {}


MANIFESTS: dict[str, tuple[Any, str]] = {
    "not JSON": (b'{"version": 1', "manifest_not_readable"),
    "no byte": (b"", "manifest_not_readable"),
    "no text": (b"\xff\xfe\x00", "manifest_not_readable"),
    "a list": (b"[]", "manifest_not_readable"),
    "wrong sums": ({"rows": 99}, "manifest_not_readable"),
    "another version": ({"version": 2}, "manifest_of_another_version"),
    "another city": ({"city": CITIES[1]}, "manifest_of_another_city_day"),
    "another date": ({"date": "2025-01-03"}, "manifest_of_another_city_day"),
    "another feed": ({"feed": "pings_trips"}, "manifest_of_another_feed"),
}


@pytest.mark.parametrize(("change", "kind"), MANIFESTS.values(), ids=MANIFESTS)
def test_manifest_that_says_nothing_is_a_finding_and_its_day_is_missing(
    sandbox: Sandbox, kept: Kept, change: Any, kind: str
) -> None:
    """The check names it, a rebuild no longer counts it, and the other city stands.

    One of another version is left as it was: newer code may have written it, and asking
    for its day again would pay twice.
    """
    kept.change_manifest(VANCOUVER, change)
    check = kept.place.run("coverage", "check", "--json")
    found = [(drift["city"], drift["kind"]) for drift in check.document["drift"]]
    assert (check.code, found) == (1, [(VANCOUVER.city, kind)])
    rebuilt = kept.place.run("coverage", "rebuild", "--json")
    (unreadable,) = rebuilt.document["unreadable"]
    assert rebuilt.code == 1
    assert (unreadable["city"], unreadable["date"]) == (VANCOUVER.city, DAY.isoformat())
    is_kept = kind == "manifest_of_another_version"
    assert kept.gaps() == ({} if is_kept else {VANCOUVER.city: "rejected"})
    wanted = kept.place.run("plan", *FULL, *SPAN, "--json").document
    assert wanted["wanted_city_days"] == (0 if is_kept else 1)


@pytest.mark.parametrize("change", [b"{", {"city": CITIES[1]}])
def test_day_with_a_bad_manifest_is_recovered(
    sandbox: Sandbox, kept: Kept, change: Any
) -> None:
    """What the rebuild called missing is asked for, and replaces what stood there."""
    kept.change_manifest(VANCOUVER, change)
    kept.place.run("coverage", "rebuild")
    answer = kept.place.run("recover", *SPAN, "--json")
    assert (answer.code, answer.document["landed"]) == (0, 1), answer.stderr
    assert kept.place.run("coverage", "check", "--deep", "--json").document == {
        "drift": []
    }


def test_emptied_bucket_hides_no_gap_once_it_is_accepted(
    sandbox: Sandbox, kept: Kept
) -> None:
    """Until a person says that it is meant, the ledger stands; then all is missing."""
    sandbox.empty_lake()
    assert kept.place.run("coverage", "rebuild", "--json").code == 2
    assert kept.gaps() == {}
    assert kept.place.run("coverage", "rebuild", "--accept-empty").code == 0
    assert kept.gaps() == dict.fromkeys(CITIES, "not_requested")
