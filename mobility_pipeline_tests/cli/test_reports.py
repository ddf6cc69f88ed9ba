"""`mobility gaps`, `jobs` and `doctor`."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta

from mobility_pipeline.sandbox.launch import Sandbox
from mobility_pipeline_tests.cli.grid import add_cities
from mobility_pipeline_tests.conftest import CITIES, Workplace


def _span(start: date, end: date) -> tuple[str, ...]:
    return ("--from", start.isoformat(), "--to", end.isoformat())


def test_gaps_are_ranges_with_reasons(
    sandbox: Sandbox, workplace: Workplace, newest: date
) -> None:
    """Of four days one lands, one is not delivered, two were never asked for."""
    days = [newest - timedelta(days=offset) for offset in (3, 2, 1, 0)]
    sandbox.set_vendor_faults(undelivered_dates=[days[3].isoformat()])
    workplace.request(days[2], days[3], "--city", CITIES[0])
    report = workplace.home / "gaps.csv"
    options = (*_span(days[0], days[3]), "--csv", str(report), "--json")
    answer = workplace.run("gaps", *options)
    assert answer.code == 0
    found = [
        (gap["city"], gap["from"], gap["to"], gap["days"], gap["reason"])
        for gap in answer.document["gaps"]
    ]
    first, third, last = (days[index].isoformat() for index in (0, 1, 3))
    assert found == [
        (CITIES[0], first, third, 2, "not_requested"),
        (CITIES[0], last, last, 1, "not_delivered"),
        (CITIES[1], first, last, 4, "not_requested"),
    ]
    assert answer.document["complete"] == []
    rows = list(csv.DictReader(report.read_text().splitlines()))
    assert [(row["prefix"], row["missing_count"], row["reason"]) for row in rows] == [
        (CITIES[0], "1", "not_delivered"),
        (CITIES[0], "2", "not_requested"),
        (CITIES[1], "4", "not_requested"),
    ]
    assert json.loads(rows[1]["missing_ranges"]) == [[first, third]]
    assert json.loads(rows[1]["missing_dates"]) == [first, third]
    assert workplace.run("gaps", *options, "--fail").code == 1


def test_a_long_table_of_gaps_says_where_the_others_are(
    make_workplace: Callable[[dict[str, str]], Workplace],
) -> None:
    """Of 1,002 cities that lack a day, 1,000 are shown."""
    place = make_workplace({})
    add_cities(place, 1000)
    answer = place.run("gaps", "--from", "2025-01-01", "--to", "2025-01-01")
    assert "1002 gaps; the first 1000, --csv has all" in answer.stdout
    assert answer.stdout.count("not_requested") == 1000


def test_gaps_without_any_account_reports_everything_as_not_requested(
    make_workplace: Callable[[dict[str, str]], Workplace],
) -> None:
    """A new user sees what lacks before anything is bought."""
    place = make_workplace({})
    answer = place.run("gaps", "--from", "2025-01-01", "--to", "2025-01-31", "--json")
    assert [gap["days"] for gap in answer.document["gaps"]] == [31, 31]
    human = place.run("gaps", "--from", "2025-01-01", "--to", "2025-01-31")
    assert "not_requested" in human.stdout


def test_jobs_are_listed_shown_and_cancelled(
    sandbox: Sandbox, workplace: Workplace, newest: date
) -> None:
    """An open job is cancelled at the vendor and in the ledger; then it is closed."""
    sandbox.set_vendor_faults(never_finish=True)
    workplace.request(newest, newest, VERASET_POLL_TIMEOUT_MINUTES="0.001")
    (job,) = workplace.run("jobs", "list", "--json").document["jobs"]
    assert job["state"] in ("SCHEDULED", "RUNNING")
    shown = workplace.run("jobs", "show", job["job_id"], "--json").document
    assert [area["city"] for area in shown["areas"]] == sorted(CITIES)
    cancelled = workplace.run("jobs", "cancel", job["job_id"], "--json")
    assert cancelled.document["state"] == "CANCELLED"
    assert [known["status"] for known in sandbox.jobs()] == ["CANCELLED"]
    again = workplace.run("jobs", "cancel", job["job_id"], "--json")
    assert (again.code, "not open" in again.document["error"]["message"]) == (2, True)
    gaps = workplace.run("gaps", *_span(newest, newest), "--json").document["gaps"]
    assert {gap["reason"] for gap in gaps} == {"job_failed"}
    assert workplace.run("jobs", "show", "nothing", "--json").code == 2


def test_job_that_succeeded_cannot_be_cancelled_any_more(
    sandbox: Sandbox, workplace: Workplace, newest: date
) -> None:
    """Its delivery is paid for: the ledger keeps it, and the answer says so."""
    sandbox.set_vendor_faults(never_finish=True)
    workplace.request(newest, newest, VERASET_POLL_TIMEOUT_MINUTES="0.001")
    sandbox.set_vendor_faults(never_finish=False)
    (job,) = sandbox.jobs()
    while job["status"] != "SUCCESS":
        (job,) = sandbox.jobs()
    answer = workplace.run("jobs", "cancel", job["id"], "--json").document
    assert answer["state"] == "SUCCESS"
    assert "not cancelled" in answer["note"]


def test_job_the_vendor_forgot_is_closed_by_cancelling(
    sandbox: Sandbox, workplace: Workplace, newest: date
) -> None:
    """The vendor has nothing to cancel, but the city-days are free again."""
    sandbox.set_vendor_faults(never_finish=True)
    workplace.request(newest, newest, VERASET_POLL_TIMEOUT_MINUTES="0.001")
    (job,) = sandbox.jobs()
    sandbox.reset()
    answer = workplace.run("jobs", "cancel", job["id"], "--json").document
    assert answer["state"] == "FAILED"
    assert "no longer knows" in answer["note"]


def test_doctor_is_content_with_the_sandbox(
    sandbox: Sandbox, workplace: Workplace
) -> None:
    """Every check is fine, and none changes anything."""
    answer = workplace.run("doctor", "--json")
    assert answer.code == 0, answer.document
    assert all(check["ok"] for check in answer.document["checks"])
    assert sandbox.jobs() == []


def test_doctor_names_each_thing_that_is_broken(
    sandbox: Sandbox, workplace: Workplace
) -> None:
    """Wrong key, refused role and missing bucket are three findings, without traceback."""
    sandbox.set_s3_faults(deny_assume_role=True)
    answer = workplace.run(
        "doctor", "--json", VERASET_API_KEY="wrong", S3_BUCKET="no-such-bucket"
    )
    assert answer.code == 1
    broken = {
        check["subject"] for check in answer.document["checks"] if not check["ok"]
    }
    assert broken == {"vendor API key", "vendor role", "bucket of pings_full"}
    assert "Traceback" not in answer.stderr
    assert "sandbox-key" not in answer.stdout


def test_file_that_cannot_be_written_is_one_line(
    make_workplace: Callable[[dict[str, str]], Workplace],
) -> None:
    """A path that does not exist is the user's mistake, not a traceback."""
    place = make_workplace({})
    path = str(place.home / "nowhere" / "gaps.csv")
    span = ("--from", "2025-01-01", "--to", "2025-01-31")
    answer = place.run("gaps", *span, "--csv", path, "--json")
    assert answer.code == 2
    assert path in answer.document["error"]["message"]


def test_commands_start_without_what_takes_seconds_to_load() -> None:
    """A gap report needs no Dagster, nothing that lands, and no AWS client."""
    program = "import sys, mobility_pipeline.cli; print(*sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert {"dagster", "pandas", "boto3"}.isdisjoint(found.stdout.split())


def test_cities_are_read_without_the_second_that_numba_takes() -> None:
    """The map of time zones does without it, and whoever needs it later has it."""
    program = (
        "import sys; from mobility_pipeline.cities.time_zones import find_time_zone; "
        "print(find_time_zone(-123.1, 49.25), 'numba' in sys.modules); import numba"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == ["America/Vancouver", "False"]
