"""The manifest of a city-day: what it holds, and which vendor job it came from."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.errors import ManifestError

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]
Json = bytes
"""A manifest has a field `bytes`, which hides the type inside its class."""


def _to_utc(instant: datetime) -> datetime:
    return instant.astimezone(UTC)


Instant = Annotated[AwareDatetime, AfterValidator(_to_utc)]


class Frozen(BaseModel):
    """A part of a manifest."""

    model_config = ConfigDict(frozen=True)


class StoredManifest(Frozen):
    """A manifest as it is stored: equal content gives equal bytes."""

    COUNTS: ClassVar[str]
    """Field of counts by reason, whose order says nothing."""

    def to_json(self) -> Json:
        """Write it; no clock and no order of insertion shows in it."""
        fields = self.model_dump(mode="json")
        fields[self.COUNTS] = dict(sorted(fields[self.COUNTS].items()))
        return (json.dumps(fields, indent=2, ensure_ascii=False) + "\n").encode()

    @property
    def sha256(self) -> str:
        """Hex digest of its bytes: changes when its content does."""
        return hashlib.sha256(self.to_json()).hexdigest()


class ManifestFile(Frozen):
    """One part of a city-day."""

    name: str = Field(pattern=r"^[^/]+\.parquet$")
    rows: Count
    bytes: Count
    sha256: Sha256


class Source(Frozen):
    """What a city-day was made from."""

    job_id: str
    """The vendor's."""
    request_sha256: str
    area_id: str
    boundary_sha256: str


class Manifest(StoredManifest):
    """A city-day as it stands in the lake."""

    COUNTS: ClassVar[str] = "rejected"

    version: Literal[1] = 1
    feed: str
    city: str
    """The city's key."""
    date: date
    state: Literal["delivered", "empty"]
    """`empty`: the vendor delivered the date and it holds nothing for this city."""
    rows: Count
    devices: Count
    """Distinct non-null coalesce(ad_id, caid)."""
    bytes: Count
    first_ping_at: Instant | None
    """UTC; null where no ping has a time."""
    last_ping_at: Instant | None
    files: tuple[ManifestFile, ...]
    source: Source
    cast_failures: Count
    """Cells of this city-day that could not be cast and are null."""
    rejected: Mapping[str, Count]
    """Reason -> rows of the whole (job, date) that belong to no city."""

    @model_validator(mode="after")
    def _check_sums(self) -> Self:
        if self.rows != sum(file.rows for file in self.files):
            raise ValueError("rows is not the sum of the files' rows")
        if self.bytes != sum(file.bytes for file in self.files):
            raise ValueError("bytes is not the sum of the files' bytes")
        if (self.state == "empty") != (not self.files):
            raise ValueError("state is empty if, and only if, there are no files")
        return self

    @property
    def city_day(self) -> CityDay:
        """What it is the manifest of."""
        return CityDay(self.city, self.date)

    @classmethod
    def from_json(cls, data: Json, city_day: CityDay) -> "Manifest":
        """Read the manifest of a city-day.

        Raises:
            ManifestError: not a manifest, of another version, or of another city-day.
        """
        day = f"{city_day.city} {city_day.date}"
        try:
            manifest = cls.model_validate_json(data)
        except ValidationError as error:
            if error.errors()[0]["loc"] == ("version",):
                raise ManifestError(
                    f"the manifest of {day} is of another version than this project "
                    "reads: update the project, or ask for the day again with --refresh"
                ) from None
            raise ManifestError(
                f"the manifest of {day} is not readable: {_describe(error)}; "
                "request the day again with --refresh"
            ) from None
        if manifest.city_day != city_day:
            raise ManifestError(
                f"the manifest of {day} is that of {manifest.city} {manifest.date}; "
                "request the day again with --refresh"
            )
        return manifest


def _describe(error: ValidationError) -> str:
    problem = error.errors(include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    return f"{place}: {problem['msg']}" if place else problem["msg"]
