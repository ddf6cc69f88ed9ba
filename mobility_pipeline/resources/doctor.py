"""Try everything the pipeline depends on, and say what to do about what fails."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mobility_pipeline.errors import ConfigurationError, MobilityError
from mobility_pipeline.resources.alerting import (
    MAIL,
    SNS,
    WEBHOOK,
    find_remote_channels,
)
from mobility_pipeline.resources.clients import make_vendor_client, open_registry
from mobility_pipeline.resources.identity import Identity
from mobility_pipeline.resources.lakes import make_lake
from mobility_pipeline.schemas.feeds import Feed, resolve_feeds
from mobility_pipeline.settings import Settings
from mobility_pipeline.vendor.ledger import open_ledger


@dataclass(frozen=True)
class Diagnosis:
    """One thing tried."""

    subject: str
    is_ok: bool | None
    """Null: set up, but not tried, as that would reach people."""
    message: str
    """What was found, or what failed and what to do."""


def examine(settings: Settings) -> list[Diagnosis]:
    """Try vendor, roles, buckets, ledger and cities, each on its own."""
    feeds = resolve_feeds(
        settings.daily_sync_endpoints, settings.daily_sync_endpoint_configs
    )
    trials: list[tuple[str, Callable[[], str]]] = [
        ("cities", lambda: _try_cities(settings)),
        ("ledger", lambda: _try_ledger(settings)),
        ("buckets of feeds", lambda: _try_buckets_apart(settings, feeds)),
        ("vendor API key", lambda: _try_vendor(settings)),
        ("vendor role", lambda: _try_role(settings, settings.veraset_role_arn)),
    ]
    trials += [
        (f"bucket of {feed.name}", lambda feed=feed: _try_bucket(settings, feed))
        for feed in feeds
    ]
    return [_run(*trial) for trial in trials] + [
        _open_channels(settings, kind) for kind in (MAIL, SNS, WEBHOOK)
    ]


def _run(subject: str, trial: Callable[[], str]) -> Diagnosis:
    try:
        return Diagnosis(subject, True, trial())
    except MobilityError as error:
        return Diagnosis(subject, False, str(error))


def _try_cities(settings: Settings) -> str:
    known = open_registry(settings).load()
    if known.refused:
        named = "; ".join(f"{c.name}: {', '.join(c.problems)}" for c in known.refused)
        raise ConfigurationError(f"{len(known.refused)} cities are refused: {named}")
    if not known.active:
        raise ConfigurationError(
            "no active city: add one by `mobility cities add FILE`"
        )
    return f"{len(known.active)} active cities"


def _try_buckets_apart(settings: Settings, feeds: Sequence[Feed]) -> str:
    settings.check_buckets([feed.bucket_words for feed in feeds])
    return f"{len(feeds)} feeds, each with its own"


def _try_ledger(settings: Settings) -> str:
    since = datetime.now(UTC) - timedelta(days=90)
    return f"{len(open_ledger(settings.ledger_url).jobs(since=since))} jobs in 90 days"


def _try_vendor(settings: Settings) -> str:
    return (
        f"accepted; {len(make_vendor_client(settings).list_jobs())} jobs at the vendor"
    )


def _try_role(settings: Settings, role_arn: str | None) -> str:
    Identity(settings, role_arn).credentials()
    return "assumed" if role_arn else "none set: the ambient identity is used"


def _try_bucket(settings: Settings, feed: Feed) -> str:
    make_lake(settings, feed).require_access()
    return f"{settings.bucket_of(feed.bucket_words)} can be listed"


def _open_channels(settings: Settings, kind: str) -> Diagnosis:
    """Open the channels of a kind; nothing is sent."""
    subject = f"alerts by {kind}"
    try:
        opened = [
            open_channel().target
            for name, open_channel in find_remote_channels(settings).items()
            if name.split(" ")[0] == kind
        ]
    except MobilityError as error:
        return Diagnosis(subject, False, str(error))
    if not opened:
        return Diagnosis(subject, True, "not configured")
    said = f"{'; '.join(opened)}: `mobility alerts test` tries it"
    return Diagnosis(subject, None, said)
