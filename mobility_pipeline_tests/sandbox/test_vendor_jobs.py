"""The job book without a server."""

from mobility_pipeline.sandbox.delivery import Delivered, Order
from mobility_pipeline.sandbox.vendor_faults import FaultBoard, VendorFaults
from mobility_pipeline.sandbox.vendor_jobs import JobBook


def make_order(job_id: str) -> Order:
    """An order for nothing."""
    return Order(job_id, (), (), "FULL", VendorFaults())


def make_book(monthly_jobs: int | None = None, *, fails: bool = False) -> JobBook:
    """A book whose deliveries take no time."""

    def deliver(order: Order, is_cancelled: object) -> Delivered:
        if fails:
            raise OSError(f"no bucket for {order.job_id}")
        return Delivered(0, 0, 0)

    return JobBook(FaultBoard(), deliver, 0.0, monthly_jobs)


def test_the_monthly_quota_counts_jobs_made() -> None:
    """With two jobs a month the third is refused, and a reset starts anew."""
    book = make_book(monthly_jobs=2)
    for job_id in ("a", "b"):
        assert book.take_quota()
        book.create("movement/job/pings", {}, make_order(job_id))
    assert not book.take_quota()
    book.reset()
    assert book.take_quota()


def test_a_delivery_that_breaks_fails_its_job() -> None:
    """An error while delivering is told as the job's failure, not hidden."""
    book = make_book(fails=True)
    job = book.create("movement/job/pings", {}, make_order("a"))
    assert job.delivery is not None
    job.delivery.exception(timeout=5)
    seen = book.find("a")
    assert seen is not None
    assert (seen.status, seen.error_message) == (
        "FAILED",
        "delivery failed: no bucket for a",
    )
