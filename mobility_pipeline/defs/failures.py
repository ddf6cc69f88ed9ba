"""The one place where our errors become Dagster failures, and failures become a line."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from mobility_pipeline.errors import (
    MobilityError,
    TransientError,
    VendorJobStillOpenError,
)

OUTAGE_RETRIES = dg.RetryPolicy(
    max_retries=3, delay=20, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
)
"""For steps that talk to vendor and ledger: 20, 60 and 140 s bridge a short outage, on top
of the retries of each call. Permanent errors, and a wait that took too long, opt out."""

ERROR_TYPE = "error_type"
"""Name of the failure metadata that holds the error's class."""


@contextmanager
def as_failures() -> Iterator[None]:
    """Turn a deliberate error into a failure that Dagster retries only if it is transient."""
    try:
        yield
    except MobilityError as error:
        raise dg.Failure(
            description=str(error),
            metadata={ERROR_TYPE: type(error).__name__},
            allow_retries=isinstance(error, TransientError)
            and not isinstance(error, VendorJobStillOpenError),
        ) from error


def describe_failure(event: dg.DagsterEvent) -> tuple[str, str]:
    """Return the error's class name and its message of a step that failed."""
    data = event.step_failure_data
    if data.user_failure_data is not None:
        kind = data.user_failure_data.metadata.get(ERROR_TYPE)
        name = str(kind.value) if kind else "Failure"
        return name, data.user_failure_data.description or name
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    if error is None:
        return "Failure", event.message or ""
    return error.cls_name or "Failure", error.message.strip()


@dg.run_failure_sensor(
    name="report_failed_city_days_sensor",
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="One clear line for each failed run: which city-days lack, and why.",
)
def report_failed_city_days_sensor(context: dg.RunFailureSensorContext) -> None:
    """Log what a failed run did not get."""
    lines = [
        f"{describe_failure(event)[1]} (step {event.step_key})"
        for event in context.get_step_failure_events()
    ]
    what = " · ".join(lines) or context.failure_event.message
    context.log.error(f"run {context.dagster_run.run_id} failed: {what}")
