"""Every deliberate error of the project: transient (ask again) or permanent (do not).

Messages name what was being done, for which city and date, and what to do next. They
never hold a secret or a device id.
"""

from collections.abc import Collection, Mapping, Sequence


class MobilityError(Exception):
    """Base of every deliberate error; never raised itself."""

    is_users_mistake = False
    """Whether the command line answers it as wrong usage or configuration."""

    @property
    def error_type(self) -> str:
        """The error's type, as the command line answers it."""
        return type(self).__name__


class TransientError(MobilityError):
    """The same call may succeed later."""


class PermanentError(MobilityError):
    """Asking again cannot help; somebody has to change something."""


class UsageError(PermanentError):
    """The user asked for something that cannot be: exit code 2, one line, no traceback."""

    is_users_mistake = True


class ConfigurationError(UsageError):
    """A setting is missing or wrong; the message names the variable."""


class CityRefusedError(UsageError):
    """A city is invalid; holds every problem of it.

    Attributes:
        name: the city's key, or its name where no key could be made.
        problems: one sentence each.
    """

    def __init__(self, name: str, problems: Sequence[str]) -> None:
        self.name = name
        self.problems = tuple(problems)
        super().__init__(f"city {name} is refused: " + "; ".join(self.problems))


class UploadRefusedError(UsageError):
    """An uploaded file, or the layer chosen from it, cannot be used; says what to do."""


class ProfilesRefusedError(UsageError):
    """A file of profiles can't be used; holds every kind of problem it has.

    Attributes:
        problems: one each, with the numbers of some rows, which count from 1.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            f"the profiles of ANALYTICS_PROFILES are refused: {'; '.join(self.problems)}"
        )


class UnknownCityError(UsageError):
    """No city of that key is in the registry."""


class UnknownRegionLayerError(UsageError):
    """A city has no such region layer, or its file is broken."""


class MapServerError(TransientError):
    """Overpass or Nominatim is busy, timed out, or sent something that is no answer.

    Attributes:
        retry_after_s: seconds the server asked us to wait, where it said so.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class MapServerRefusedError(PermanentError):
    """Overpass or Nominatim refused the request: wrong address, blocked, too much."""

    is_users_mistake = True


class BoundaryRefusedError(UsageError):
    """A boundary of OpenStreetMap is not there, or no area of interest can be made of it."""


class CityChangedError(TransientError):
    """Somebody else changed the city between reading and writing it."""


class UnknownVersionError(UsageError):
    """No version of the registry has that id, or several begin like it."""


class VersionUnreadableError(PermanentError):
    """What was kept of a version of the registry is not readable."""


class RestoreRefusedError(UsageError):
    """A version can't be restored without losing or guessing something."""


class BackupFailedError(TransientError):
    """A change of the registry is made, and its backup is not.

    Attributes:
        outcome: what the call would have returned.
    """

    outcome: object = None


class VendorTransientError(TransientError):
    """The vendor answered 429 or 5xx, timed out, or sent something that is not JSON.

    Attributes:
        retry_after_s: seconds the vendor asked us to wait, where it said so.
        may_have_happened: false only where the vendor surely did nothing (429, refused
            connection); a submit that may have happened is looked up before it is repeated.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float | None = None,
        may_have_happened: bool = True,
    ) -> None:
        self.retry_after_s = retry_after_s
        self.may_have_happened = may_have_happened
        super().__init__(message)


class VendorJobStillOpenError(TransientError):
    """The poll time-out passed; the job stays open and the next run picks it up."""


class VendorPermanentError(PermanentError):
    """The vendor refused the request: 400, 401, 403, 404 or 422."""


class VendorAuthenticationError(VendorPermanentError):
    """The API key is missing, wrong or not allowed to do this (401, 403)."""

    is_users_mistake = True


class VendorJobUnknownError(VendorPermanentError):
    """The vendor does not know a vendor job (404): it will never finish."""


class AreasRefusedError(VendorPermanentError):
    """The vendor refused a request for some of its areas only; the others may go on.

    Attributes:
        areas: (array of the body, index in it) of each area it refused.
    """

    def __init__(self, message: str, areas: Collection[tuple[str, int]]) -> None:
        self.areas = frozenset(areas)
        super().__init__(message)


class QuotaExceededError(VendorPermanentError):
    """The monthly number of vendor jobs is used up, by our count or by the vendor's."""


class AlertUndeliveredError(TransientError):
    """A channel did not take a notification; it is sent again at the next evaluation."""


class LedgerError(TransientError):
    """The ledger's database is locked or gone, or another process changed the rows."""


class DeliveryRejectedError(PermanentError):
    """One date of a delivery cannot be trusted, so nothing of it is published."""


class CorruptFileError(DeliveryRejectedError):
    """A delivered file is not readable parquet, or is cut short."""


class UnknownAreaError(DeliveryRejectedError):
    """A row names an area that the job did not ask for."""


class ConservationError(DeliveryRejectedError):
    """Rows in are not rows attributed plus rows rejected."""


class StorageError(TransientError):
    """S3 failed after its own retries; what was published stays, the rest can be repeated."""


class LandingInterruptedError(TransientError):
    """A process that landed a date was killed; what was published stays."""


class StorageForbiddenError(PermanentError):
    """S3 or STS refused: no such bucket, or the role may not read or write it."""

    is_users_mistake = True


class EmptyLakeError(PermanentError):
    """A bucket lists nothing at all, and the ledger says that it holds city-days."""

    is_users_mistake = True


class SchemaError(PermanentError):
    """Rows do not have the columns, types or key of their table."""


class ManifestError(PermanentError):
    """A manifest in the lake is not readable, or is another city-day's."""


class CityDaysMissingError(PermanentError):
    """A run ended without everything it was asked for; what succeeded is kept.

    Attributes:
        reasons: number of city-days by reason.
    """

    def __init__(self, message: str, reasons: Mapping[str, int]) -> None:
        self.reasons = dict(reasons)
        super().__init__(message)


class QuestionRefusedError(UsageError):
    """The HTTP API can't answer a question as it is asked; the message says what to change.

    Attributes:
        detail: what a program may go by: names and values, never a secret.
    """

    def __init__(self, message: str, **detail: object) -> None:
        self.detail = detail
        super().__init__(message)


class UnknownPlaceError(QuestionRefusedError):
    """No city, or no region of a city, has that id."""


class NoDataError(QuestionRefusedError):
    """There is no answer for that time; `detail` holds the reasons by date."""


class UnauthenticatedError(QuestionRefusedError):
    """A request has no API key, or one that is unknown or revoked."""


class NotAllowedError(QuestionRefusedError):
    """An API key's scope, or a setting, does not allow this."""


class FormatRefusedError(QuestionRefusedError):
    """Nothing that the request accepts can be made of the answer."""


class TooManyRequestsError(TransientError):
    """An API key asked more often than its limit.

    Attributes:
        retry_after_s: whole seconds until it may ask again.
    """

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)
