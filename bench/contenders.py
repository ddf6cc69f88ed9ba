"""Ours and the peers, as commands on one delivery."""

import json
import os
import sys
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Literal

from bench.arena import COPY, LAKE, Arena, Contender
from bench.floor import Floor
from bench.truth import BUCKET, Truth, delivery_path, truth_path
from bench.verify import check_copy, check_lake

OURS, FLOOR, S5CMD = "ours", "floor", "one s5cmd cp"
SYNC, SYNC_START = "aws s3 sync", "aws s3 ls"
FLOOR_PARTS = 3
"""The floor takes a third of the files in each round, and another third in the next."""
_PYTHON = (sys.executable, "-m")
_AWS = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
    "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
}


@dataclass(frozen=True)
class CopyMode:
    """How s5cmd is called."""

    target: Literal["bucket", "folder"]
    workers: int
    """`--numworkers`."""

    def __str__(self) -> str:
        """Name it as the report does."""
        to = "to another bucket" if self.target == "bucket" else "to a local folder"
        return f"{to}, {self.workers} workers"


@dataclass(frozen=True)
class Folder:
    """Delivered files below one prefix: a whole delivery, or some of its dates."""

    key: str
    files: int
    bytes: int


def ours(arena: Arena, truth: Truth) -> Contender:
    """Land a delivery into the lake's bucket."""
    return Contender(
        name=OURS,
        command=(*_PYTHON, "bench.ours", str(truth_path(truth.job_id, arena.home))),
        check=partial(check_lake, arena.lake, truth),
        environment={
            **_AWS,
            "S3_BUCKET": LAKE,
            "MOBILITY_HOME": "{scratch}",
            "MOBILITY_ENV_FILE": os.devnull,
        },
        reads=delivery_path(truth.job_id, arena.home),
    )


def floor(arena: Arena, truth: Truth, number: int) -> Contender:
    """Decode and encode the same bytes, on all cores; one part of them per round."""
    words = (
        truth_path(truth.job_id, arena.home),
        delivery_path(truth.job_id, arena.home),
        os.cpu_count(),
        number % FLOOR_PARTS,
        FLOOR_PARTS,
    )
    return Contender(
        name=FLOOR,
        command=(*_PYTHON, "bench.floor", *map(str, words)),
        check=_no_check,
    )


def read_floor(output: str) -> Floor:
    """Return what the floor printed."""
    return Floor(**json.loads(output))


def s5cmd(arena: Arena, folder: Folder, mode: CopyMode) -> Contender:
    """Copy files once."""
    is_bucket = mode.target == "bucket"
    return Contender(
        name=S5CMD,
        command=(
            str(arena.tools.s5cmd),
            *("--endpoint-url", "{url}", "--log", "error"),
            *("--numworkers", str(mode.workers), "cp"),
            f"s3://{BUCKET}/output/Bench/{folder.key}/*",
            f"s3://{COPY}/" if is_bucket else f"{arena.out.absolute()}/",
        ),
        check=partial(
            check_copy,
            arena.copy if is_bucket else arena.out,
            folder.files,
            folder.bytes,
        ),
        environment=_AWS,
        reads=delivery_path(folder.key, arena.home),
    )


def sync(arena: Arena, folder: Folder) -> Contender:
    """Copy files once, as users did for every city."""
    source, target = f"s3://{BUCKET}/output/Bench/{folder.key}/", f"s3://{COPY}/"
    return Contender(
        name=SYNC,
        command=_aws(arena, "sync", source, target, "--only-show-errors"),
        check=partial(check_copy, arena.copy, folder.files, folder.bytes),
        environment=_AWS,
        reads=delivery_path(folder.key, arena.home),
    )


def sync_start(arena: Arena) -> Contender:
    """Do what any `aws s3` does before its first file."""
    return Contender(
        name=SYNC_START,
        command=_aws(arena, "ls", f"s3://{COPY}/"),
        check=_no_check,
        environment=_AWS,
    )


def whole(truth: Truth) -> Folder:
    """Return a delivery's files."""
    return Folder(truth.job_id, truth.files, truth.bytes)


def link_dates(arena: Arena, truth: Truth, days: tuple[date, ...]) -> Folder:
    """Put some dates of a delivery under a prefix of their own, as hard links."""
    key = f"{truth.job_id}-{len(days)}-dates"
    target = delivery_path(key, arena.home)
    for day in days:
        (target / f"date={day}").mkdir(parents=True, exist_ok=True)
        for path in (delivery_path(truth.job_id, arena.home) / f"date={day}").iterdir():
            link = target / f"date={day}" / path.name
            if not link.exists():
                link.hardlink_to(path)
    sizes = [path.stat().st_size for path in target.rglob("*.parquet")]
    return Folder(key, len(sizes), sum(sizes))


def measure_baseline(arena: Arena) -> int:
    """Return the memory of a process that only imported what ours imports."""
    contender = Contender(
        name=OURS, command=(*_PYTHON, "bench.ours", "--baseline"), check=_no_check
    )
    return int(arena.run(contender).measured.output)


def _aws(arena: Arena, verb: str, *arguments: str) -> tuple[str, ...]:
    program = Path(arena.tools.aws)
    return (str(program), "--endpoint-url", "{url}", "s3", verb, *arguments)


def _no_check() -> None:
    """Accept any result: there is nothing it leaves."""
