"""The vendor's routes, over HTTP."""

from typing import Any

import pytest
import requests

from mobility_pipeline.sandbox.launch import API_KEY, Sandbox
from mobility_pipeline.sandbox.vendor_requests import AREA_ENDPOINTS
from mobility_pipeline_tests.sandbox.vendor_calls import (
    OUTER,
    PINGS,
    area_body,
    call,
    delivered_files,
    finish,
    submit,
)
from mobility_pipeline_tests.waiting import wait_until

DAY = "2024-03-01"
SQUARE = [[0, 0], [0.1, 0], [0.1, 0.1], [0, 0.1], [0, 0]]
POLYGON = {"type": "Polygon", "coordinates": [SQUARE]}
BOW_TIE = {
    "type": "Polygon",
    "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]],
}
DEVICES = {"date_range": {"from_date": DAY, "to_date": DAY}, "schema_type": "BASIC"}


@pytest.mark.parametrize("endpoint", AREA_ENDPOINTS)
def test_area_routes_accept_an_area_filter(sandbox: Sandbox, endpoint: str) -> None:
    """Each area route answers `request_id` and `data` only."""
    answer = call(sandbox, "POST", endpoint, area_body(DAY, DAY))
    assert answer.status_code == 200
    assert set(answer.json()) == {"request_id", "data"}
    assert answer.json()["data"]["status"] == "SCHEDULED"


def test_documented_routes_are_all_there() -> None:
    """The eleven area routes of the vendor's document exist."""
    kinds = ("home", "work")
    expected = {
        f"{k}/job/{w}" for k in kinds for w in ("devices", "aggregate", "cohort")
    }
    expected |= {
        f"movement/job/{w}" for w in ("pings", "devices", "aggregate", "cohort")
    }
    assert set(AREA_ENDPOINTS) == expected | {"visits/job/aggregate"}


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("visits/job/cohort", area_body(DAY, DAY, cohort_poi_filters=[{"brand": "x"}])),
        ("movement/job/pings_by_device", DEVICES | {"device_ids": ["synthetic"]}),
        ("movement/job/pings_by_ip", DEVICES | {"ip_addresses": ["203.0.113.9"]}),
    ],
)
def test_other_routes_accept_their_own_bodies(
    sandbox: Sandbox, endpoint: str, body: dict[str, Any]
) -> None:
    """Cohort of visits, devices and addresses each take what is theirs."""
    assert (
        finish(sandbox, submit(sandbox, body, endpoint))["data"]["status"] == "SUCCESS"
    )


@pytest.mark.parametrize("endpoint", ["visits/job/cohort", "movement/job/pings_by_ip"])
def test_routes_refuse_what_lacks_their_own_field(
    sandbox: Sandbox, endpoint: str
) -> None:
    """An area filter alone is not enough where more is required."""
    assert call(sandbox, "POST", endpoint, area_body(DAY, DAY)).status_code == 422


@pytest.mark.parametrize(
    "endpoint", ["movement/job/trips", "work/job/cohort_by_device", "user/info"]
)
def test_routes_of_old_configurations_do_not_exist(
    sandbox: Sandbox, endpoint: str
) -> None:
    """Routes that users name but the vendor never had answer 404."""
    assert call(sandbox, "POST", endpoint, area_body(DAY, DAY)).status_code == 404


@pytest.mark.parametrize("key", ["", "wrong", f"{API_KEY} ", API_KEY.upper()])
def test_any_other_key_is_unauthorized(sandbox: Sandbox, key: str) -> None:
    """A wrong, missing or blank-padded key gives 401 on every route."""
    for method, path in (("GET", "job"), ("POST", PINGS), ("GET", "job/x")):
        answer = call(sandbox, method, path, area_body(DAY, DAY), key=key)
        assert answer.status_code == 401
    assert sandbox.jobs() == []


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({}, "date_range"),
        (area_body("2024-3-1", DAY), "from_date"),
        (area_body("2024-03-02", DAY), "date_range"),
        (area_body("2024-01-01", "2024-02-01"), "date_range"),
        (area_body(DAY, DAY, schema_type="TINY"), "schema_type"),
        (area_body(DAY, DAY, OUTER | {"latitude": 91}), "latitude"),
        (area_body(DAY, DAY, OUTER | {"distance_in_meters": 0}), "distance_in_meters"),
        (area_body(DAY, DAY, OUTER | {"poi_id": "é"}), "poi_id"),
        (area_body(DAY, DAY, OUTER | {"poi_id": "x" * 33}), "poi_id"),
        (area_body(DAY, DAY, geo_json=[{"geo_json": BOW_TIE}]), "geo_json"),
        (area_body(DAY, DAY, geo_json=[{"geo_json": {"type": "Feature"}}]), "geo_json"),
        (area_body(DAY, DAY, geometry=[{"wkt": "POLYGON(("}]), "wkt"),
        (area_body(DAY, DAY, place_key=[{}]), "placekey"),
        (area_body(DAY, DAY, *[OUTER] * 201), "body"),
    ],
)
def test_invalid_requests_say_where(
    sandbox: Sandbox, body: dict[str, Any], place: str
) -> None:
    """A 422 lists location, message and type of each problem, and makes no job."""
    answer = call(sandbox, "POST", PINGS, body)
    assert answer.status_code == 422
    problems = answer.json()["detail"]
    assert all(set(problem) == {"loc", "msg", "type"} for problem in problems)
    assert any(place in problem["loc"] for problem in problems)
    assert sandbox.jobs() == []


@pytest.mark.parametrize(
    "geo_json",
    [
        POLYGON,
        {"type": "Feature", "properties": {}, "geometry": POLYGON},
        {
            "type": "FeatureCollection",
            "features": [{"type": "Feature", "properties": {}, "geometry": POLYGON}],
        },
    ],
)
def test_polygons_come_in_three_wrappings(
    sandbox: Sandbox, geo_json: dict[str, Any]
) -> None:
    """A bare geometry, a Feature and a FeatureCollection are all accepted."""
    body = area_body(DAY, DAY, geo_radius=[], geo_json=[{"geo_json": geo_json}])
    assert submit(sandbox, body)


def test_limits_include_their_last_value(sandbox: Sandbox) -> None:
    """200 areas and 31 days are within the contract."""
    areas = [OUTER | {"poi_id": f"a-{i}"} for i in range(200)]
    sandbox.set_vendor_faults(
        undelivered_dates=[f"2024-03-{d:02}" for d in range(1, 32)]
    )
    assert submit(sandbox, area_body(DAY, "2024-03-31", *areas))


def test_no_area_buys_the_world(sandbox: Sandbox) -> None:
    """The vendor accepts a request without any area, and it is seen in the admin list."""
    job_id = submit(sandbox, area_body(DAY, DAY, geo_radius=[]))
    finish(sandbox, job_id)
    assert [job["bought_the_world"] for job in sandbox.jobs()] == [True]
    assert all(name.endswith("_SUCCESS") for name in delivered_files(sandbox, job_id))


def test_a_job_goes_through_its_statuses(sandbox: Sandbox) -> None:
    """SCHEDULED, RUNNING and SUCCESS follow each other, with a location at the end."""

    def look(job_id: str) -> Any:
        return call(sandbox, "GET", f"job/{job_id}").json()["data"]

    def see_running() -> Any:
        seen = look(job_id)
        return seen if seen["status"] == "RUNNING" else None

    sandbox.set_vendor_faults(hold_seconds=3600)
    scheduled = look(submit(sandbox, area_body(DAY, DAY)))
    assert (scheduled["status"], scheduled["s3_location"]) == ("SCHEDULED", None)
    sandbox.set_vendor_faults(hold_seconds=0, never_finish=True)
    job_id = submit(sandbox, area_body(DAY, DAY))
    assert wait_until(see_running)["s3_location"] is None
    sandbox.set_vendor_faults(never_finish=False)
    answer = finish(sandbox, job_id)
    assert answer["data"]["status"] == "SUCCESS"
    assert answer["data"]["s3_location"] == {
        "bucket": "veraset-prd-platform-us-west-2",
        "folder_path": f"output/Sandbox/{job_id}/",
    }
    assert set(answer) == {"request_id", "error_code", "error_message", "data"}


def test_the_list_has_no_echo_of_requests(sandbox: Sandbox) -> None:
    """GET job lists ids, statuses and times in UTC, nothing of what was asked."""
    job_id = submit(sandbox, area_body(DAY, DAY))
    (listed,) = call(sandbox, "GET", "job").json()["data"]
    assert listed["id"] == job_id
    assert set(listed) == {"id", "request_id", "status", "created_at", "updated_at"}
    assert listed["created_at"].endswith("Z")


def test_cancelling_ends_a_job(sandbox: Sandbox) -> None:
    """A cancelled job stays CANCELLED; a finished one cannot be cancelled."""
    sandbox.set_vendor_faults(hold_seconds=60)
    held = submit(sandbox, area_body(DAY, DAY))
    assert call(sandbox, "DELETE", f"job/{held}").status_code == 200
    assert finish(sandbox, held)["data"]["status"] == "CANCELLED"
    sandbox.set_vendor_faults(hold_seconds=0)
    done = submit(sandbox, area_body(DAY, DAY))
    finish(sandbox, done)
    call(sandbox, "DELETE", f"job/{done}")
    assert finish(sandbox, done)["data"]["status"] == "SUCCESS"


def test_a_preview_counts_what_was_delivered(sandbox: Sandbox) -> None:
    """The preview has data once the job has."""
    job_id = submit(sandbox, area_body(DAY, DAY))
    finish(sandbox, job_id)
    preview = call(sandbox, "GET", f"job/{job_id}/preview").json()["data"]
    assert preview["dates"] == 1
    assert preview["rows"] > 0


def test_an_unknown_job_is_not_found(sandbox: Sandbox) -> None:
    """Polling, cancelling and previewing a job nobody made gives 404."""
    for method, path in (
        ("GET", "job/x"),
        ("DELETE", "job/x"),
        ("GET", "job/x/preview"),
    ):
        assert call(sandbox, method, path).status_code == 404


def test_the_admin_list_shows_requests_as_sent(sandbox: Sandbox) -> None:
    """Tests see each job's request body and endpoint, and count submits."""
    body = area_body(DAY, DAY)
    submit(sandbox, body)
    (job,) = sandbox.jobs()
    assert (job["request"], job["endpoint"]) == (body, PINGS)
    assert sandbox.submits() == 1


def test_an_unknown_fault_is_refused(sandbox: Sandbox) -> None:
    """A misspelt fault fails loudly instead of testing nothing."""
    answer = requests.post(
        f"{sandbox.vendor_url}/_sandbox/faults", json={"sumbit_errors": []}, timeout=5
    )
    assert answer.status_code == 422
