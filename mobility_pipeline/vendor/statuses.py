"""What the vendor says about jobs: one job's state, and the list of all of them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from mobility_pipeline.vendor.answers import Json, member


@dataclass(frozen=True)
class JobStatus:
    """What the vendor says about one job."""

    job_id: str
    status: str
    """The vendor's word, upper case; words outside its API occur."""
    bucket: str | None
    folder_path: str | None
    """`output/…/<job id>/`: no leading slash, one trailing slash."""
    error_message: str | None


@dataclass(frozen=True)
class ListedJob:
    """One line of the vendor's list of jobs, which does not repeat the request."""

    id: str
    status: str
    created_at: datetime | None
    """UTC; null where the vendor's text is no time."""


def read_status(job_id: str, envelope: Json) -> JobStatus | None:
    """Return the state of a job; null where the envelope holds no status."""
    data = envelope.get("data")
    status = _text(member(data, "status"))
    if status is None:
        return None
    place = member(data, "s3_location")
    message = envelope.get("error_message") or member(data, "error_message")
    return JobStatus(
        job_id=job_id,
        status=status.upper(),
        bucket=_text(member(place, "bucket")),
        folder_path=_folder(_text(member(place, "folder_path"))),
        error_message=_text(message),
    )


def read_list(data: object) -> list[ListedJob] | None:
    """Return the listed jobs; null where it is no list, or a job in it has no id."""
    if not isinstance(data, list):
        return None
    jobs: list[ListedJob] = []
    for entry in cast("list[object]", data):
        job_id = _text(member(entry, "id"))
        if job_id is None:
            return None
        status = (_text(member(entry, "status")) or "").upper()
        created_at = _instant(_text(member(entry, "created_at")))
        jobs.append(ListedJob(job_id, status, created_at))
    return jobs


def _text(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _folder(path: str | None) -> str | None:
    return f"{path.strip('/')}/" if path else None


def _instant(text: str | None) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
