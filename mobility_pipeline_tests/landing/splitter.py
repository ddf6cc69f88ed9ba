"""Split one date in a process of its own, and say what memory that took.

Usage: `python -m mobility_pipeline_tests.landing.splitter DELIVERY SCRATCH MEMORY_BYTES`,
where DELIVERY is the folder that holds `date=…/…`.
"""

import json
import sys
from pathlib import Path

from obstore.store import LocalStore

from mobility_pipeline.lake.parts import PartsEncoder
from mobility_pipeline.landing import read, split
from mobility_pipeline.landing.delivery import list_delivery
from mobility_pipeline.landing.memory import keep_freed_memory
from mobility_pipeline.landing.split import Means, SplitDate, split_date
from mobility_pipeline.landing.storage import Bucket
from mobility_pipeline_tests.landing.deliveries import DAY, FEED, name_paths
from mobility_pipeline_tests.landing.store import AREAS, CITIES


def main(delivered: Path, scratch: Path, memory_bytes: int) -> None:
    """Print bytes above the baseline, rows, and where rows waited."""
    keep_freed_memory()  # as the processes that land dates do
    # In proportion to the date, which is a hundredth of a large one.
    read.LARGE_FILE_BYTES = 1
    read.WINDOW_ROWS = split.CHUNK_ROWS = 20_000
    store = LocalStore(delivered.parent)
    bucket = Bucket("vendor", lambda _: store)
    delivery = list_delivery(bucket, delivered.name)
    means = Means(memory_bytes, 1, scratch)
    before = _read_bytes("VmRSS")
    result = split_date(bucket, delivery, DAY, FEED, AREAS, CITIES, means)
    rows = sum(_encode(result, scratch).values())
    taken = _read_bytes("VmHWM") - before
    paths = sorted(name_paths(result))
    sys.stdout.write(json.dumps({"taken_bytes": taken, "rows": rows, "paths": paths}))
    result.close()


def _encode(result: SplitDate, scratch: Path) -> dict[str, int]:
    """Encode all cities; return the rows of each."""
    rows: dict[str, int] = {}
    for group in result.groups:
        for city, chunks in result.read(group):
            with PartsEncoder(result.schema, scratch) as encoder:
                rows[city] = sum(part.file.rows for part in encoder.encode(chunks))
    return rows


def _read_bytes(name: str) -> int:
    """Read a size of this process; its `ru_maxrss` would begin with its parent's."""
    status = Path("/proc/self/status").read_text().splitlines()
    (line,) = [line for line in status if line.startswith(f"{name}:")]
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
