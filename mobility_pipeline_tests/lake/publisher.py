"""City-days to publish, and real processes that publish them."""

import hashlib
import io
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq
from obstore.store import S3Store

from mobility_pipeline.lake.manifest import Manifest, ManifestFile
from mobility_pipeline.lake.paths import MANIFEST_NAME, part_name
from mobility_pipeline.lake.replace import replace_city_day
from mobility_pipeline.lake.store import CityDayStore
from mobility_pipeline.landing.storage import Bucket
from mobility_pipeline.s3 import make_s3_store
from mobility_pipeline_tests.lake.tables import DAY, FEED, SCHEMA, SOURCE, make_pings
from mobility_pipeline_tests.processes import PROCESSES


@dataclass(frozen=True)
class Content:
    """A city-day as it is to stand in the lake."""

    manifest: Manifest
    payloads: dict[str, bytes] = field(repr=False)

    @property
    def objects(self) -> dict[str, bytes]:
        """What the folder holds when nothing disturbs: written here by hand."""
        return {**self.payloads, MANIFEST_NAME: self.manifest.to_json()}

    @cached_property
    def table(self) -> pa.Table:
        """Its rows in order."""
        tables = [
            pq.read_table(pa.BufferReader(data)) for data in self.payloads.values()
        ]
        return pa.concat_tables([SCHEMA.empty_table(), *tables])


def make_content(*parts: Sequence[str], job_id: str = "job-1") -> Content:
    """Make a city-day of one ping per device, in parts of these devices."""
    devices = [device for part in parts for device in part]
    encoded = [_encode(make_pings(*part)) for part in parts]
    files: list[ManifestFile] = []
    for number, (part, data) in enumerate(zip(parts, encoded, strict=True)):
        sha256 = hashlib.sha256(data).hexdigest()
        name = part_name(number, sha256)
        files.append(
            ManifestFile(name=name, rows=len(part), bytes=len(data), sha256=sha256)
        )
    manifest = Manifest(
        feed=FEED,
        city=DAY.city,
        date=DAY.date,
        state="delivered" if files else "empty",
        rows=len(devices),
        devices=len(set(devices)),
        bytes=sum(file.bytes for file in files),
        first_ping_at=None,
        last_ping_at=None,
        files=tuple(files),
        source=SOURCE.model_copy(update={"job_id": job_id}),
        cast_failures=0,
        rejected={},
    )
    names = [file.name for file in files]
    return Content(manifest, dict(zip(names, encoded, strict=True)))


def open_bucket(url: str) -> Bucket:
    """Address the lake of a server that checks no secrets; one try per request."""
    store = make_s3_store(
        "lake",
        endpoint_url=url,
        region="us-east-1",
        credentials=_give_credentials,
        max_attempts=1,
    )

    def connect(expired: S3Store | None) -> S3Store:
        del expired
        return store

    return Bucket("lake", connect)


def publish(bucket: Bucket, content: Content, files: Path | None = None) -> bool:
    """Publish a city-day, and say whether its parts are other ones; see `replace_city_day`.

    Args:
        bucket: the lake's.
        content: the city-day.
        files: a folder to stream the parts from; None = they are in memory.
    """
    store = CityDayStore(bucket, DAY)
    if files is None:
        old = replace_city_day(store, content.manifest, content.payloads)
        return old is None or old.files != content.manifest.files
    with ExitStack() as opened:
        streams: dict[str, IO[bytes]] = {}
        for name, data in content.payloads.items():
            (files / name).write_bytes(data)
            streams[name] = opened.enter_context((files / name).open("rb"))
        old = replace_city_day(store, content.manifest, streams)
        return old is None or old.files != content.manifest.files


def start_publisher(
    url: str, content: Content, files: Path | None = None
) -> ForkServerProcess:
    """Publish a city-day in a process of its own."""
    process = PROCESSES.Process(target=_publish, args=(url, content, files))
    process.start()
    return process


def _encode(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="snappy")
    return buffer.getvalue()


def _publish(url: str, content: Content, files: Path | None) -> None:
    publish(open_bucket(url), content, files)


def _give_credentials() -> dict[str, object]:
    return {
        "access_key_id": "testing",
        "secret_access_key": "testing",
        "token": None,
        "expires_at": None,
    }
