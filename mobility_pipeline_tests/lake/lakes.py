"""Lakes that other processes can open; apart, since those import nothing else."""

from pathlib import Path

from mobility_pipeline.lake.publish import Lake
from mobility_pipeline.landing.storage import OpenBucket


def open_lake(open_bucket: OpenBucket, name: str, folder: Path) -> Lake:
    """Open a lake in a bucket."""
    return Lake(open_bucket(name), folder)
