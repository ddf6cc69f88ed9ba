"""Requests of real processes: at the same moment, and killed at every point."""

from collections import Counter

import pytest

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.vendor.ledger import Ledger
from mobility_pipeline.vendor.records import JobState
from mobility_pipeline_tests.vendor.fake_vendor import FakeVendor, Fault
from mobility_pipeline_tests.vendor.requester import start_requests
from mobility_pipeline_tests.vendor.world import days_of

pytestmark = pytest.mark.processes


def bought(vendor: FakeVendor, ledger: Ledger) -> Counter[CityDay]:
    """Return how many jobs of the vendor each pending city-day was bought with."""
    jobs = [job for job in ledger.jobs() if job.job_id in vendor.jobs]
    return Counter(day for job in jobs for day in ledger.pending(job.ref))


def test_same_wish_of_processes_at_once_is_one_job(
    ledger_url: str, ledger: Ledger, vendor: FakeVendor
) -> None:
    """Three processes that want the same at the same moment wait for one job."""
    vendor.submit_seconds = 0.3
    wishes = [["c0", "c1"]] * 3
    requesters = start_requests(ledger_url, vendor.url, *wishes)
    assert [requester.job_ids() for requester in requesters] == [["job-0001"]] * 3
    assert len(vendor.submits) == 1


def test_overlapping_wishes_at_once_buy_nothing_twice(
    ledger_url: str, ledger: Ledger, vendor: FakeVendor
) -> None:
    """The second process buys only what the first did not."""
    vendor.submit_seconds = 0.3
    wishes = [["c0", "c1"], ["c1", "c2"]]
    for requester in start_requests(ledger_url, vendor.url, *wishes):
        requester.job_ids()
    areas = Counter(
        area["poi_id"] for body in vendor.submits for area in body["geo_json"]
    )
    assert set(areas.values()) == {1}
    wanted = {day for city in ("c0", "c1", "c2") for day in days_of(city, 0, 1, 2)}
    assert bought(vendor, ledger) == Counter(wanted)


@pytest.mark.parametrize(
    "dies",
    ["before_submitting", "after_submitting", "before_submitted", "after_submitted"],
)
def test_killed_process_leaves_one_job(
    ledger_url: str, ledger: Ledger, vendor: FakeVendor, dies: str
) -> None:
    """Wherever it dies, the next run ends with exactly one job at the vendor."""
    (killed,) = start_requests(ledger_url, vendor.url, ["c0"], dies=dies)
    killed.process.join(30)
    assert killed.process.exitcode == -9
    (again,) = start_requests(ledger_url, vendor.url, ["c0"])
    assert again.job_ids() == ["job-0001"]
    assert len(vendor.submits) == 1
    assert list(vendor.jobs) == ["job-0001"]
    assert bought(vendor, ledger) == Counter(days_of("c0", 0, 1, 2))


@pytest.mark.parametrize("creates", [True, False])
def test_process_killed_during_the_submit_leaves_one_job(
    ledger_url: str, ledger: Ledger, vendor: FakeVendor, creates: bool
) -> None:
    """The request was on its way: the next run adopts its job, or sends it again."""
    vendor.submit_faults = [Fault(hangs=True, creates=creates)]
    (killed,) = start_requests(ledger_url, vendor.url, ["c0"])
    assert vendor.submitted.wait(30)
    assert [job.state for job in ledger.jobs()] == [JobState.SUBMITTING]
    killed.process.kill()
    killed.process.join(30)
    (again,) = start_requests(ledger_url, vendor.url, ["c0"])
    assert again.job_ids() == ["job-0001"]
    assert list(vendor.jobs) == ["job-0001"]
    assert bought(vendor, ledger) == Counter(days_of("c0", 0, 1, 2))
