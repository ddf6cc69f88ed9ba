"""Each fault of the vendor, over HTTP."""

import io
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests

from mobility_pipeline.sandbox.delivery import UNKNOWN_POI_ID
from mobility_pipeline.sandbox.launch import Sandbox
from mobility_pipeline.sandbox.vendor_api import QUOTA_TEXT
from mobility_pipeline.sandbox.vendor_jobs import FAILURE_TEXT
from mobility_pipeline_tests.sandbox.vendor_calls import (
    INNER,
    OUTER,
    PINGS,
    area_body,
    call,
    deliver,
    delivered_files,
    finish,
    rows_of_area,
    submit,
)

DAY, NEXT_DAY = "2024-03-01", "2024-03-02"
BODY = area_body(DAY, DAY)
TWO_DAYS = area_body(DAY, NEXT_DAY)


@pytest.mark.parametrize(
    ("error", "status", "jobs"),
    [
        (500, 500, 0),
        ({"status": 429, "retry_after": 1}, 429, 0),
        ("error_after", 500, 1),
    ],
)
def test_submit_errors_answer_one_call(
    sandbox: Sandbox, error: object, status: int, jobs: int
) -> None:
    """A queued error answers one submit; only `…_after` makes the job all the same."""
    sandbox.set_vendor_faults(submit_errors=[error])
    answer = call(sandbox, "POST", PINGS, BODY)
    assert answer.status_code == status
    assert answer.headers.get("Retry-After") == ("1" if status == 429 else None)
    assert len(sandbox.jobs()) == jobs
    assert call(sandbox, "POST", PINGS, BODY).status_code == 200


@pytest.mark.parametrize(
    ("error", "jobs"), [("timeout_before", 0), ("timeout_after", 1)]
)
def test_submit_timeouts_hang_before_or_after(
    sandbox: Sandbox, error: str, jobs: int
) -> None:
    """The client times out; whether the job exists depends on the fault."""
    sandbox.set_vendor_faults(submit_errors=[error], hang_seconds=1)
    with pytest.raises(requests.Timeout):
        call(sandbox, "POST", PINGS, BODY, timeout_s=0.3)
    assert len(sandbox.jobs()) == jobs


@pytest.mark.parametrize(
    ("error", "jobs"), [("non_json", 0), ("non_json_before", 0), ("non_json_after", 1)]
)
def test_submit_may_answer_a_page(sandbox: Sandbox, error: str, jobs: int) -> None:
    """A 200 that is not JSON comes before or after the job was made."""
    sandbox.set_vendor_faults(submit_errors=[error])
    answer = call(sandbox, "POST", PINGS, BODY)
    assert answer.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        answer.json()
    assert len(sandbox.jobs()) == jobs


def test_poll_and_list_errors_have_their_own_queues(sandbox: Sandbox) -> None:
    """Errors of polls do not answer the list, and the other way round."""
    job_id = submit(sandbox, BODY)
    sandbox.set_vendor_faults(poll_errors=[500, "non_json"], list_errors=[503])
    assert call(sandbox, "GET", "job").status_code == 503
    assert call(sandbox, "GET", "job").status_code == 200
    assert call(sandbox, "GET", f"job/{job_id}").status_code == 500
    assert "html" in call(sandbox, "GET", f"job/{job_id}").text
    assert finish(sandbox, job_id)["data"]["status"] == "SUCCESS"


def test_a_hanging_call_blocks_nobody_else(sandbox: Sandbox) -> None:
    """While one call hangs, others are answered."""
    sandbox.set_vendor_faults(poll_errors=["timeout"], hang_seconds=3)
    job_id = submit(sandbox, BODY)
    with pytest.raises(requests.Timeout):
        call(sandbox, "GET", f"job/{job_id}", timeout_s=0.2)
    assert call(sandbox, "GET", f"job/{job_id}", timeout_s=2).status_code == 200


def test_failing_jobs_say_why_in_the_envelope(sandbox: Sandbox) -> None:
    """The next n jobs end FAILED, the one after them does not."""
    sandbox.set_vendor_faults(fail_jobs=1)
    first, second = submit(sandbox, BODY), submit(sandbox, BODY)
    failed = finish(sandbox, first)
    assert failed["data"]["status"] == "FAILED"
    assert failed["error_message"] == FAILURE_TEXT
    assert failed["data"]["s3_location"] is None
    assert finish(sandbox, second)["data"]["status"] == "SUCCESS"


def test_jobs_may_never_finish(sandbox: Sandbox) -> None:
    """Jobs run for as long as the fault is on."""
    sandbox.set_vendor_faults(never_finish=True)
    job_id = submit(sandbox, BODY)
    while call(sandbox, "GET", f"job/{job_id}").json()["data"]["status"] != "RUNNING":
        pass
    seen = {
        call(sandbox, "GET", f"job/{job_id}").json()["data"]["status"]
        for _ in range(50)
    }
    assert seen == {"RUNNING"}
    sandbox.set_vendor_faults(never_finish=False)
    assert finish(sandbox, job_id)["data"]["status"] == "SUCCESS"


def test_undocumented_status_words_come_first(sandbox: Sandbox) -> None:
    """The first polls of a job see the words given."""
    sandbox.set_vendor_faults(jobs_status_words=["QUEUED", "SUBMITTED"])
    job_id = submit(sandbox, BODY)
    seen = [
        call(sandbox, "GET", f"job/{job_id}").json()["data"]["status"] for _ in range(3)
    ]
    assert seen[:2] == ["QUEUED", "SUBMITTED"]
    assert seen[2] in ("SCHEDULED", "RUNNING", "SUCCESS")


def test_the_quota_counts_accepted_jobs(sandbox: Sandbox) -> None:
    """A refused request costs nothing; after the last job the vendor says so."""
    sandbox.set_vendor_faults(quota=1)
    assert call(sandbox, "POST", PINGS, {}).status_code == 422
    assert call(sandbox, "POST", PINGS, BODY).status_code == 200
    refused = call(sandbox, "POST", PINGS, BODY)
    assert refused.status_code == 403
    assert QUOTA_TEXT in refused.text


def test_the_quota_may_be_refused_in_an_envelope(sandbox: Sandbox) -> None:
    """With `quota_status` 200 the error is inside the envelope."""
    sandbox.set_vendor_faults(quota=0, quota_status=200)
    answer = call(sandbox, "POST", PINGS, BODY)
    assert answer.status_code == 200
    assert answer.json()["error_code"]
    assert answer.json()["error_message"] == QUOTA_TEXT
    assert sandbox.jobs() == []


def test_undelivered_dates_leave_no_folder(sandbox: Sandbox) -> None:
    """A date that was not delivered is not there at all."""
    sandbox.set_vendor_faults(undelivered_dates=[NEXT_DAY])
    assert _dates(deliver(sandbox, TWO_DAYS)) == {DAY}


def test_days_that_are_too_new_are_accepted_and_not_delivered(sandbox: Sandbox) -> None:
    """A job may ask for the future; it succeeds without those dates."""
    assert deliver(sandbox, area_body("2999-01-01", "2999-01-02")) == {}


def test_marker_only_dates_hold_no_parquet(sandbox: Sandbox) -> None:
    """Such a date's folder holds `_SUCCESS` and nothing else."""
    sandbox.set_vendor_faults(marker_only_dates=[DAY])
    job_id = submit(sandbox, BODY)
    finish(sandbox, job_id)
    assert set(delivered_files(sandbox, job_id)) == {"_SUCCESS", f"date={DAY}/_SUCCESS"}


@pytest.mark.parametrize("fault", ["corrupt_dates", "truncated_dates"])
def test_damaged_dates_have_one_unreadable_file(sandbox: Sandbox, fault: str) -> None:
    """Exactly one file of the date cannot be read; other dates are whole."""
    sandbox.set_vendor_faults(**{fault: [DAY]})
    job_id = submit(sandbox, TWO_DAYS)
    finish(sandbox, job_id)
    broken = [
        name
        for name, body in delivered_files(sandbox, job_id).items()
        if _bad(name, body)
    ]
    assert len(broken) == 1
    assert DAY in broken[0]


def test_unknown_ids_are_on_their_date_only(sandbox: Sandbox) -> None:
    """Rows name an id that was never sent."""
    sandbox.set_vendor_faults(unknown_poi_dates=[DAY])
    delivery = deliver(sandbox, TWO_DAYS)
    found = rows_of_area(delivery, UNKNOWN_POI_ID, UNKNOWN_POI_ID)
    assert {row[0] for row in found} == {DAY}


def test_an_area_can_be_emptied_on_a_date(sandbox: Sandbox) -> None:
    """The area has no row that date; its neighbour has all of its own."""
    body = area_body(DAY, NEXT_DAY, OUTER, INNER)
    before = deliver(sandbox, body)
    sandbox.set_vendor_faults(empty=[["inner", DAY]])
    after = deliver(sandbox, body)
    outer, inner = (
        ("outer-00000001", "geo_radius_0"),
        ("inner-00000002", "geo_radius_1"),
    )
    assert {row[0] for row in rows_of_area(after, *inner)} == {NEXT_DAY}
    assert rows_of_area(after, *outer) == rows_of_area(before, *outer)


def test_restated_dates_differ_and_others_do_not(sandbox: Sandbox) -> None:
    """A restated date has other pings than before."""
    area = ("outer-00000001", "geo_radius_0")
    before = rows_of_area(deliver(sandbox, TWO_DAYS), *area)
    sandbox.set_vendor_faults(restate_dates=[DAY])
    after = rows_of_area(deliver(sandbox, TWO_DAYS), *area)
    assert [r for r in before if r[0] == DAY] != [r for r in after if r[0] == DAY]
    assert [r for r in before if r[0] != DAY] == [r for r in after if r[0] != DAY]


def test_trips_may_come_with_caid(sandbox: Sandbox) -> None:
    """TRIPS deliveries then hold 64-hex hashes instead of ad_id."""
    sandbox.set_vendor_faults(caid=True)
    table = _first(deliver(sandbox, BODY | {"schema_type": "TRIPS"}))
    assert "ad_id" not in table.column_names
    ids = {value for value in table["caid"].to_pylist() if value}
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in ids)


def test_reset_forgets_jobs_faults_and_counts(sandbox: Sandbox) -> None:
    """After a reset the vendor is as new."""
    submit(sandbox, BODY)
    sandbox.set_vendor_faults(quota=0)
    sandbox.reset()
    assert (sandbox.jobs(), sandbox.submits()) == ([], 0)
    assert call(sandbox, "POST", PINGS, BODY).status_code == 200


def _dates(delivery: dict[str, pa.Table]) -> set[str]:
    return {name.split("/")[0].removeprefix("date=") for name in delivery}


def _first(delivery: dict[str, pa.Table]) -> pa.Table:
    return next(iter(delivery.values()))


def _bad(name: str, body: bytes) -> bool:
    if not name.endswith(".parquet"):
        return False
    try:
        pq.read_table(io.BytesIO(body))
    except pa.ArrowInvalid:
        return True
    return False
