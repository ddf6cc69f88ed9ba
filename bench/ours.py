"""Land one delivery, as a process of its own: what is measured as "ours".

Usage: `python -m bench.ours TRUTH`, with the settings of the pipeline in the environment.
`--baseline` only imports what landing imports, and prints the memory that takes.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

from bench.areas import make_cities
from bench.supervise import pss_bytes
from bench.truth import BUCKET, Truth, read_truth
from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.lake.land import land_job
from mobility_pipeline.resources.lakes import make_landing_site
from mobility_pipeline.schemas.feeds import FEEDS
from mobility_pipeline.settings import Settings, load_settings
from mobility_pipeline.vendor.ledger import Ledger, open_ledger
from mobility_pipeline.vendor.records import JobState, VendorJob
from mobility_pipeline.vendor.request import JobRequest

FEED = FEEDS["pings_full"]


def main() -> None:
    """Land the delivery of a truth file."""
    if sys.argv[1] == "--baseline":
        sys.stdout.write(str(pss_bytes(os.getpid())))
        return
    truth = read_truth(Path(sys.argv[1]))
    settings = load_settings()
    ledger = open_ledger(settings.ledger_url)
    job = record_job(ledger, truth)
    city_days = sum(1 for _ in land(job, truth.days, ledger, settings))
    ledger.close()
    sys.stdout.write(f"{city_days} city-days")


def land(
    job: VendorJob, days: Iterable[date], ledger: Ledger, settings: Settings
) -> Iterator[object]:
    """Call landing; nothing else here knows how that is done."""
    return land_job(
        job,
        frozenset(days),
        ledger=ledger,
        site=make_landing_site(settings, FEED),
        now=_now,
    )


def record_job(ledger: Ledger, truth: Truth) -> VendorJob:
    """Record the vendor job of a delivery as one that has just succeeded."""
    cities = make_cities(truth.areas)
    request = JobRequest(FEED, truth.days[0], truth.days[-1], cities)
    wanted = {CityDay(city.key, day) for city in cities for day in truth.days}
    ref = ledger.add_planned(request, wanted, _now()).ref
    ledger.mark_submitting(ref, _now())
    ledger.mark_submitted(ref, truth.job_id, _now())
    ledger.mark_status(
        ref, JobState.SUCCESS, _now(), bucket=BUCKET, folder_path=truth.folder_path
    )
    return ledger.job(ref)


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    main()
