"""`mobility cities history · diff · restore · backup · show · edit · retire --purge`."""

import json
from collections.abc import Callable
from datetime import date, timedelta

import pytest

from mobility_pipeline.sandbox.launch import LAKE_BUCKET, Sandbox
from mobility_pipeline_tests.conftest import CITIES, Workplace

VANCOUVER, NAIROBI = CITIES


@pytest.fixture
def place(make_workplace: Callable[[dict[str, str]], Workplace]) -> Workplace:
    """A user without any account."""
    return make_workplace({"MOBILITY_USER": "ada"})


def versions(place: Workplace, *more: str) -> list[str]:
    """Return the ids of all versions, newest first."""
    answer = place.run("cities", "history", *more, "--json")
    assert answer.code == 0
    return [version["version"] for version in answer.document["versions"]]


def test_each_change_is_listed_and_can_be_taken_back(place: Workplace) -> None:
    """Who, what and when; a restore is a version on top."""
    assert versions(place) == []
    edit = ("cities", "edit", NAIROBI, "--name", "Nairobi City", "--radius", "9000")
    edited = place.run(*edit, "--json", MOBILITY_USER="bo")
    assert (edited.code, edited.document["older_days"]) == (0, [])
    assert place.run("cities", "retire", VANCOUVER).code == 0
    document = place.run("cities", "history", "--json").document
    seen = [(v["by"], v["operation"], v["cities"]) for v in document["versions"]]
    assert seen == [("ada", "retire", [VANCOUVER]), ("bo", "edit", [NAIROBI])]
    (first,) = versions(place, NAIROBI)
    diff = place.run("cities", "diff", first, "--json").document
    assert diff["cities"][0]["fields"][0]["after"] == "Nairobi City"
    assert diff["cities"][0]["boundary"]["vertices_after"] == 1
    between = place.run("cities", "diff", versions(place)[0], first, "--json").document
    assert [city["key"] for city in between["cities"]] == [VANCOUVER]
    dry = place.run("cities", "restore", first, "--dry-run", "--json").document
    assert (dry["restored"], len(versions(place))) == (False, 2)
    restored = place.run("cities", "restore", first, "--json").document
    assert (restored["restored"], restored["cities"]) == (True, dry["cities"])
    listed = place.run("cities", "list", "--json").document["cities"]
    assert {city["status"] for city in listed} == {"active"}
    assert len(versions(place)) == 3
    again = place.run("cities", "restore", first, "--json").document
    assert (again["restored"], len(versions(place))) == (False, 3)


def test_tables_for_people(place: Workplace) -> None:
    """Each verb says what it found without `--json`."""
    place.run("cities", "edit", NAIROBI, "--radius", "9000")
    (version,) = versions(place)
    assert version in place.run("cities", "history").stdout
    assert "area, km²" in place.run("cities", "diff", version).stdout
    assert "0 cities changed back" in place.run("cities", "restore", version).stdout
    assert "area_km2" in place.run("cities", "show", NAIROBI).stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("history", "atlantis"), "unknown city 'atlantis'"),
        (("diff", "2001"), "no version '2001'"),
        (("diff", "2", "x"), "no version 'x'"),
        (("restore", "2001"), "no version '2001'"),
        (("restore", "2", "--city", "atlantis"), "no version changed a city 'atlantis'"),
        (("restore", "2", "--city", "../../x"), "no version changed a city"),
        (("backup",), "CITIES_BACKUP_BUCKET is not set"),
        (("show", "atlantis"), "unknown city"),
        (("edit", NAIROBI), "nothing to change"),
        (("edit", "atlantis", "--name", "x"), "unknown city"),
        (("edit", NAIROBI, "--name", " "), "city is blank"),
        (("edit", NAIROBI, "--first-date", "soon"), "not a day like"),
        (("edit", NAIROBI, "--center", "36"), "not a position like"),
        (("edit", NAIROBI, "--center", "nan,1"), "refused"),
        (("edit", NAIROBI, "--radius", "-1"), "refused"),
        (("edit", NAIROBI, "--radius", "x"), "not a valid float"),
        (("edit", VANCOUVER, "--radius", "500"), "is a polygon"),
        (("edit", NAIROBI, "--time-zone", "Nowhere"), "not an IANA time zone"),
        (("reactivate", "atlantis"), "unknown city"),
    ],
)  # fmt: skip
def test_wrong_use_is_one_line(
    place: Workplace, arguments: tuple[str, ...], words: str
) -> None:
    """Exit code 2, words a person understands, and nothing changes."""
    place.run("cities", "retire", VANCOUVER)
    answer = place.run("cities", *arguments)
    assert answer.code == 2
    assert words in " ".join(answer.stderr.split())
    assert "Traceback" not in answer.stderr
    assert len(versions(place)) == 1


def test_home_that_cannot_be_written_is_one_line(place: Workplace) -> None:
    """A change that could not be recorded is not made."""
    home = place.home / "file"
    home.touch()
    answer = place.run("cities", "retire", VANCOUVER, MOBILITY_HOME=str(home))
    assert answer.code in (1, 2)
    assert "history of the cities" in " ".join(answer.stderr.split())
    assert '"active"' in (place.cities / f"{VANCOUVER}.geojson").read_text()


def test_spoilt_version_is_named(place: Workplace) -> None:
    """The others are listed; the exit code says that something is missing."""
    place.run("cities", "retire", VANCOUVER)
    place.run("cities", "reactivate", VANCOUVER)
    newest, oldest = versions(place)
    (file,) = (place.home / "home").rglob(f"{newest}.json")
    file.write_text("{")
    answer = place.run("cities", "history", "--json")
    assert answer.code == 1
    assert [v["version"] for v in answer.document["versions"]] == [oldest]
    assert [v["version"] for v in answer.document["unreadable"]] == [newest]
    assert place.run("cities", "diff", newest).code == 1
    refused = place.run("cities", "restore", oldest)
    assert (refused.code, newest in refused.stderr) == (2, True)


def test_failed_backup_is_told_and_made_up_for(
    sandbox: Sandbox, workplace: Workplace
) -> None:
    """The city is retired, the exit code is 1, and `backup` stores what is pending."""
    bucket = {"CITIES_BACKUP_BUCKET": LAKE_BUCKET}
    sandbox.set_s3_faults(deny_bucket=LAKE_BUCKET)
    answer = workplace.run("cities", "retire", VANCOUVER, **bucket)
    assert answer.code == 1
    assert "every change is made" in " ".join(answer.stderr.split())
    assert '"retired"' in (workplace.cities / f"{VANCOUVER}.geojson").read_text()
    listed = workplace.run("cities", "history", "--json", **bucket)
    assert (listed.code, len(listed.document["versions"])) == (1, 1)
    assert "not allowed" in listed.document["backup_problem"]
    sandbox.set_s3_faults(deny_bucket=None)
    stored = workplace.run("cities", "backup", "--json", **bucket).document
    assert stored["backed_up"] == [listed.document["versions"][0]["version"]]
    assert workplace.run("cities", "history", **bucket).code == 0


def test_import_says_its_result_and_that_the_backup_failed(
    sandbox: Sandbox, workplace: Workplace
) -> None:
    """Both, and the exit code is 1."""
    file = workplace.home / "cities.json"
    record = {"country": "Chile", "state_province": "", "city": "Arica"}
    place = {"latitude": "-18.48", "longitude": "-70.33", "radius_meters": "9000"}
    file.write_text(json.dumps([record | place]))
    variables = {"CITIES_BACKUP_BUCKET": "no-such-bucket"}
    answer = workplace.run("cities", "import", str(file), "--json", **variables)
    assert (answer.code, answer.document["imported"]) == (1, ["chile/arica"])
    assert "backup failed" in " ".join(answer.stderr.split())


def test_stored_days_stay_with_the_older_boundary_and_say_so(
    sandbox: Sandbox, workplace: Workplace, newest: date
) -> None:
    """The edit tells how many there are; `show` lists days by boundary."""
    workplace.request(newest - timedelta(days=1), newest)
    edit = ("cities", "edit", NAIROBI, "--radius", "7000")
    edited = workplace.run(*edit, "--json")
    (older,) = edited.document["older_days"]
    assert (edited.code, older["days"], older["is_current"]) == (0, 2, False)
    assert "2 stored days of pings_full" in " ".join(edited.stderr.split())
    assert older["area_id"] != edited.document["area_id"]
    shown = workplace.run("cities", "show", NAIROBI, "--json").document
    assert shown["days"] == edited.document["older_days"]
    renamed = workplace.run("cities", "edit", NAIROBI, "--name", "N")
    assert (renamed.code, "stored days" in renamed.stderr) == (0, False)


def test_city_with_days_is_not_restored_away(
    sandbox: Sandbox, workplace: Workplace, newest: date
) -> None:
    """It was added after the version, and days were bought: it is to be retired."""
    workplace.run("cities", "retire", VANCOUVER)
    (first,) = versions(workplace)
    feature = json.loads((workplace.cities / f"{NAIROBI}.geojson").read_text())
    (workplace.cities / f"{NAIROBI}.geojson").unlink()
    file = workplace.home / "again.geojson"
    file.write_text(json.dumps(feature))
    assert workplace.run("cities", "add", str(file)).code == 0
    workplace.request(newest, newest)
    refused = workplace.run("cities", "restore", first)
    assert (refused.code, "retire instead" in " ".join(refused.stderr.split())) == (
        2,
        True,
    )
    assert workplace.run("cities", "list", "--json").code == 0


def test_purge_lists_asks_and_erases(
    sandbox: Sandbox, workplace: Workplace, newest: date
) -> None:
    """Without a yes nothing happens; then days are gone, recorded, never asked again."""
    start = newest - timedelta(days=2)
    workplace.request(start, newest)
    purge = ("cities", "retire", NAIROBI, "--purge")
    unsure = workplace.run(*purge)
    assert unsure.code == 2
    words = " ".join(unsure.stderr.split())
    assert "pings_full" in words
    assert "say --yes" in words
    assert versions(workplace) == []
    done = workplace.run(*purge, "--yes", "--json")
    (purged,) = done.document["purged"]
    assert (done.code, purged["days"], done.document["left"]) == (0, 3, [])
    assert purged["files"] >= 3
    history = workplace.run("cities", "history", NAIROBI, "--json").document
    operations = [version["operation"] for version in history["versions"]]
    assert operations == ["purge", "retire"]
    assert "3 days of pings_full" in history["versions"][0]["note"]
    assert workplace.run("coverage", "check", "--deep", "--json").document == {
        "drift": []
    }
    shown = workplace.run("cities", "show", NAIROBI, "--json").document
    assert (shown["status"], shown["days"]) == ("retired", [])
    again = workplace.run(*purge, "--yes", "--json").document["purged"]
    assert again[0]["days"] == 0
    workplace.run("cities", "reactivate", NAIROBI)
    jobs = len(sandbox.jobs())
    refused = workplace.request(start, newest, "--refresh", "--city", NAIROBI)
    reasons = {
        missing["reason"].split(":")[0] for missing in refused.document["missing"]
    }
    assert (reasons, len(sandbox.jobs())) == ({"erased"}, jobs)


def test_purge_of_what_cannot_be_listed_changes_nothing(
    sandbox: Sandbox, workplace: Workplace
) -> None:
    """An unknown city, and a bucket that refuses."""
    unknown = workplace.run("cities", "retire", "atlantis", "--purge", "--yes")
    assert (unknown.code, "unknown city" in unknown.stderr) == (2, True)
    sandbox.set_s3_faults(deny_bucket=LAKE_BUCKET)
    denied = workplace.run("cities", "retire", NAIROBI, "--purge", "--yes")
    assert (denied.code, "S3 refused" in denied.stderr) == (2, True)
    assert versions(workplace) == []
