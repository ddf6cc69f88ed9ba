"""The one place where our errors become Dagster failures, and failures become a line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg

from mobility_pipeline.errors import (
    MobilityError,
    TransientError,
    VendorJobStillOpenError,
)

_RETRIES = 3
"""Of a step whose error is transient: after 1, 2 and 4 times its wait, on top of the
retries of each call. A `RetryPolicy` would also retry after Ctrl-C."""

INTERRUPTED = "DagsterExecutionInterruptedError"
"""The error's class of a step that somebody stopped."""

ERROR_TYPE = "error_type"
"""Name of the failure metadata that holds the error's class."""


@contextmanager
def as_failures(
    context: dg.OpExecutionContext, retry_s: float, sleep: Callable[[float], None]
) -> Iterator[None]:
    """Retry the step on a transient error; turn every other deliberate one into a failure.

    A wait for a vendor job that took too long is not repeated: the next run waits on.
    """
    try:
        yield
    except MobilityError as error:
        is_worth_it = isinstance(error, TransientError) and not isinstance(
            error, VendorJobStillOpenError
        )
        if is_worth_it and context.retry_number < _RETRIES:
            context.log.warning(f"will be tried again: {error}")
            # Waited for here, since Dagster's own wait would not end at Ctrl-C.
            sleep(retry_s * 2**context.retry_number)
            raise dg.RetryRequested(_RETRIES, 0) from error
        raise dg.Failure(
            description=str(error),
            metadata={ERROR_TYPE: type(error).__name__},
            allow_retries=False,
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
