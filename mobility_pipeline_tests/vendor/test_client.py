"""Tests of `vendor.client`, over real HTTP."""

import json
import logging
import socket
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mobility_pipeline.errors import (
    AreasRefusedError,
    ConfigurationError,
    MobilityError,
    QuotaExceededError,
    UsageError,
    VendorAuthenticationError,
    VendorJobUnknownError,
    VendorPermanentError,
    VendorTransientError,
)
from mobility_pipeline.vendor.client import VerasetClient
from mobility_pipeline_tests.vendor.fake_vendor import (
    KEY,
    FakeVendor,
    Fault,
    quota_fault,
    refusal,
)
from mobility_pipeline_tests.vendor.world import Clock

PINGS = "movement/job/pings"
BODY: dict[str, Any] = {"geo_radius": [{"poi_id": "a"}]}


def test_submit_returns_the_job_id(vendor: FakeVendor, client: VerasetClient) -> None:
    """A bought job has the vendor's id, and the body arrived as it was sent."""
    assert client.submit(PINGS, BODY) == "job-0001"
    assert vendor.submits == [BODY]


def test_blanks_around_the_key_are_trimmed(vendor: FakeVendor, clock: Clock) -> None:
    """The vendor answers 401 to a key with blanks, so none are sent."""
    padded = VerasetClient(vendor.url, f"  {KEY}\n", sleep=clock.sleep)
    assert padded.submit(PINGS, BODY) == "job-0001"


@pytest.mark.parametrize("key", ["", "  ", "a key", "k\u00e9y", "key\r\nX: y"])
def test_key_that_cannot_be_is_refused(key: str, clock: Clock) -> None:
    """An unusable key is a configuration error that does not show it."""
    with pytest.raises(ConfigurationError, match="VERASET_API_KEY") as caught:
        VerasetClient("http://127.0.0.1:1", key, sleep=clock.sleep)
    assert not key.strip() or key not in str(caught.value)


@pytest.mark.parametrize(
    ("fault", "expected", "happened"),
    [
        (Fault(429, "slow down"), VendorTransientError, False),
        (Fault(500), VendorTransientError, True),
        (Fault(503), VendorTransientError, True),
        (Fault(408), VendorTransientError, True),
        (Fault(200, "<html>login</html>"), VendorTransientError, True),
        (Fault(200, "[1, 2]"), VendorTransientError, True),
        (Fault(200, '{"data": null}'), VendorTransientError, True),
        (Fault(200, '{"data": {"job_id": 7}}'), VendorTransientError, True),
        (Fault(drops=True), VendorTransientError, True),
        (Fault(hangs=True), VendorTransientError, True),
        (Fault(401, "no"), VendorAuthenticationError, None),
        (Fault(403, "no"), VendorAuthenticationError, None),
        (Fault(400, "no"), VendorPermanentError, None),
        (Fault(404, "no"), VendorPermanentError, None),
        (Fault(302, "", {"Location": "http://evil/"}), VendorPermanentError, None),
        (refusal(["body", "date_range"]), VendorPermanentError, None),
        (Fault(200, '{"error_code": "E7", "data": null}'), VendorPermanentError, None),
        (Fault(200, '{"error_code": 503}'), VendorTransientError, True),
        (Fault(200, '{"error_code": "403"}'), VendorAuthenticationError, None),
        (quota_fault(200), QuotaExceededError, None),
        (quota_fault(403), QuotaExceededError, None),
        (quota_fault(429), QuotaExceededError, None),
        (quota_fault(500), QuotaExceededError, None),
        (Fault(400, "Monthly Job Quota exceeded!"), QuotaExceededError, None),
    ],
)
def test_submit_failure_is_classified_after_one_attempt(
    vendor: FakeVendor,
    client: VerasetClient,
    fault: Fault,
    expected: type[MobilityError],
    happened: bool | None,
) -> None:
    """Each answer is transient or permanent, and a submit is never repeated."""
    vendor.submit_faults = [fault]
    with pytest.raises(expected) as caught:
        client.submit(PINGS, BODY)
    assert type(caught.value) is expected
    assert getattr(caught.value, "may_have_happened", None) is happened
    assert len(vendor.submits) == 1


def test_refused_connection_surely_did_nothing(clock: Clock) -> None:
    """A port nobody listens on took no request."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(VendorTransientError) as caught:
        VerasetClient(url, KEY, sleep=clock.sleep).submit(PINGS, BODY)
    assert caught.value.may_have_happened is False


def test_unusable_address_is_a_configuration_error(clock: Clock) -> None:
    """An URL that cannot be is not asked again."""
    with pytest.raises(ConfigurationError, match="VERASET_API_URL"):
        VerasetClient("http://", KEY, sleep=clock.sleep).submit(PINGS, BODY)


def test_vendors_words_are_kept(vendor: FakeVendor, client: VerasetClient) -> None:
    """A 422 says which part of the body was refused, and why."""
    vendor.submit_faults = [refusal(["body", "date_range", "to_date"])]
    with pytest.raises(
        VendorPermanentError, match=r"body\.date_range\.to_date: is refu"
    ):
        client.submit(PINGS, BODY)


def test_refused_areas_are_named(vendor: FakeVendor, client: VerasetClient) -> None:
    """A 422 that is only about areas says which."""
    vendor.submit_faults = [refusal(["body", "geo_json", 3, "geo_json"])]
    with pytest.raises(AreasRefusedError) as caught:
        client.submit(PINGS, BODY)
    assert caught.value.areas == {("geo_json", 3)}


@pytest.mark.parametrize(
    ("endpoint", "body", "words"),
    [
        ("movement/job/trips", BODY, "feed pings_trips"),
        ("work/job/cohort_by_device", BODY, "remove it"),
        ("nonsense", BODY, "nonsense does not exist"),
        (PINGS, {}, "whole world"),
        (PINGS, {"geo_json": [], "geo_radius": []}, "whole world"),
        ("movement/job/pings_by_device", {"device_ids": []}, "device_ids is empty"),
    ],
)
def test_request_that_must_not_be_sent_is_refused(
    vendor: FakeVendor,
    client: VerasetClient,
    endpoint: str,
    body: dict[str, Any],
    words: str,
) -> None:
    """Unknown endpoints and requests without an area never leave."""
    with pytest.raises(UsageError, match=words):
        client.submit(endpoint, body)
    assert vendor.requests == []


def test_read_is_repeated_with_growing_waits(
    vendor: FakeVendor, client: VerasetClient, clock: Clock
) -> None:
    """Passing errors of a poll are survived, waiting longer each time."""
    job_id = vendor.add_job()
    vendor.poll_faults = [Fault(500), Fault(429), Fault(200, "?"), Fault(drops=True)]
    assert client.job(job_id).status == "RUNNING"
    for place, slept_s in enumerate(clock.slept_s):
        assert 2**place / 2 <= slept_s <= 2**place
    assert len(clock.slept_s) == 4


def test_read_gives_up_after_its_attempts(
    vendor: FakeVendor, client: VerasetClient
) -> None:
    """The number of attempts is bounded."""
    vendor.poll_faults = [Fault(500)] * 9
    with pytest.raises(VendorTransientError):
        client.job("job-1")
    assert len(vendor.requests) == 5


def test_permanent_error_of_a_read_is_not_repeated(
    vendor: FakeVendor, client: VerasetClient
) -> None:
    """A refused key is tried once."""
    vendor.poll_faults = [Fault(401, "bad key")] * 2
    with pytest.raises(VendorAuthenticationError):
        client.job("job-1")
    assert len(vendor.requests) == 1


@pytest.mark.parametrize("ask", [VerasetClient.job, VerasetClient.cancel])
def test_job_the_vendor_does_not_know_is_its_own_error(
    client: VerasetClient, ask: Callable[[VerasetClient, str], object]
) -> None:
    """A job that is neither found nor listed will not finish."""
    with pytest.raises(VendorJobUnknownError, match="no such job"):
        ask(client, "job-1")


def test_listed_job_is_known(vendor: FakeVendor, client: VerasetClient) -> None:
    """A 404 about a job that the vendor lists may pass."""
    vendor.poll_faults = [Fault(404)]
    with pytest.raises(VendorTransientError, match="listed"):
        client.job(vendor.add_job())


def test_address_without_anything_makes_no_job_unknown(
    vendor: FakeVendor, client: VerasetClient
) -> None:
    """Where the list is not found either, the address is wrong and no job is lost."""
    vendor.list_faults = [Fault(404)]
    with pytest.raises(VendorPermanentError) as caught:
        client.job("job-1")
    assert type(caught.value) is VendorPermanentError


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "17"},
        {"Retry-After": "Wed, 21 Oct 2015 07:28:17 GMT", "Date": ""},
    ],
)
def test_retry_after_is_honoured(
    vendor: FakeVendor, client: VerasetClient, clock: Clock, headers: dict[str, str]
) -> None:
    """Seconds and dates are waited for; a date counts from the answer's own."""
    if "Date" in headers:
        until = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=17)
        headers = {"Retry-After": until.strftime("%a, %d %b %Y %H:%M:%S GMT")}
    vendor.poll_faults = [Fault(429, "", headers)]
    client.job(vendor.add_job())
    assert clock.slept_s == [pytest.approx(17, abs=1.5)]


def test_endless_retry_after_is_cut(
    vendor: FakeVendor, client: VerasetClient, clock: Clock
) -> None:
    """A day's wait is cut to five minutes."""
    vendor.poll_faults = [Fault(429, "", {"Retry-After": "86400"})]
    client.job(vendor.add_job())
    assert clock.slept_s == [300]


def test_job_says_where_the_delivery_is(
    vendor: FakeVendor, client: VerasetClient
) -> None:
    """A folder has no leading and one trailing slash, however it was written."""
    job_id = vendor.add_job(status="SUCCESS")
    status = client.job(job_id)
    assert (status.bucket, status.folder_path) == ("vendor-bucket", "output/Org/job/")


def test_failed_job_is_an_answer(vendor: FakeVendor, client: VerasetClient) -> None:
    """The text of a failed job comes in the envelope, and is not an error of ours."""
    answer = {
        "error_code": "JOB_FAILED",
        "error_message": "Monthly Job Quota exceeded",
        "data": {"status": "FAILED", "s3_location": None},
    }
    vendor.poll_faults = [Fault(200, json.dumps(answer))]
    status = client.job("job-1")
    assert status.status == "FAILED"
    assert status.error_message == "Monthly Job Quota exceeded"


def test_list_has_every_job(vendor: FakeVendor, client: VerasetClient) -> None:
    """Times are UTC, whatever their zone; what is no time is null."""
    vendor.jobs = {
        "a": {"status": "running", "created_at": "2024-05-01T10:00:00+02:00"},
        "b": {"status": "SUCCESS", "created_at": "2024-05-01T10:00:00"},
        "c": {"status": "FAILED", "created_at": "yesterday"},
    }
    eight, ten = (datetime(2024, 5, 1, hour, tzinfo=UTC) for hour in (8, 10))
    listed = [(job.id, job.status, job.created_at) for job in client.list_jobs()]
    assert listed == [
        ("a", "RUNNING", eight),
        ("b", "SUCCESS", ten),
        ("c", "FAILED", None),
    ]


def test_cancel_reaches_the_vendor(vendor: FakeVendor, client: VerasetClient) -> None:
    """A cancelled job is cancelled at the vendor."""
    job_id = vendor.add_job()
    client.cancel(job_id)
    assert client.job(job_id).status == "CANCELLED"


@pytest.mark.parametrize("job_id", ["", "..", "a/b", "a?b", "x y"])
def test_job_id_that_is_none_is_not_sent(
    vendor: FakeVendor, client: VerasetClient, job_id: str
) -> None:
    """What a user types cannot become another route."""
    with pytest.raises(UsageError):
        client.cancel(job_id)
    assert vendor.requests == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault(500, f"key {KEY} is bad"),
        Fault(401, f"key {KEY} is bad"),
        Fault(200, json.dumps({"error_code": KEY, "error_message": KEY})),
        Fault(drops=True),
    ],
)
def test_key_is_shown_nowhere(
    vendor: FakeVendor,
    client: VerasetClient,
    fault: Fault,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Not in a message, a chained exception, a repr or a log, even if the vendor says it."""
    vendor.submit_faults = [fault]
    with (
        caplog.at_level(logging.DEBUG),
        pytest.raises((VendorTransientError, VendorPermanentError)) as caught,
    ):
        client.submit(PINGS, BODY)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    shown = "".join(traceback.format_exception(caught.value))
    assert KEY not in shown + repr(client) + caplog.text


def test_redirect_is_not_followed(vendor: FakeVendor, client: VerasetClient) -> None:
    """The key goes to no other host."""
    with FakeVendor() as other:
        vendor.poll_faults = [Fault(307, "", {"Location": f"{other.url}/v1/job/x"})]
        with pytest.raises(VendorPermanentError, match="VERASET_API_URL"):
            client.job("job-1")
        assert other.requests == []
