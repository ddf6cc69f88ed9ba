"""What was generated, and so what the lake has to hold after landing."""

import json
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

HOME = Path(".mobility/bench")
BUCKET = "vendor"


@dataclass(frozen=True)
class Truth:
    """A delivery as its generator knows it."""

    job_id: str
    files: int
    bytes: int
    """Of all files."""
    rows: int
    rows_written: int
    """Rows of all city-days: a row of two areas counts twice."""
    rejected: dict[str, int]
    """Date -> rows of no area; every date."""
    rows_by_city_day: dict[str, int]
    """`<city key> <date>` -> rows; every city-day, also the empty."""
    generated_s: float
    """Wall time of generating."""

    @property
    def folder_path(self) -> str:
        """Where in the bucket; with a slash at the end, none at the start."""
        return f"output/Bench/{self.job_id}/"

    @property
    def days(self) -> tuple[date, ...]:
        """Its dates, ascending."""
        return tuple(sorted(map(date.fromisoformat, self.rejected)))

    @property
    def areas(self) -> int:
        """How many areas the vendor job asked for."""
        return len(self.rows_by_city_day) // len(self.rejected)


def truth_path(key: str, home: Path = HOME) -> Path:
    """Return where the truth of a delivery is kept: outside what the S3 server serves."""
    return home / "truth" / f"{key}.json"


def store_path(home: Path = HOME) -> Path:
    """Return the folder whose subfolders are the buckets of the S3 server."""
    return home / "s3"


def delivery_path(key: str, home: Path = HOME) -> Path:
    """Return a delivery's folder in the vendor's bucket."""
    return store_path(home) / BUCKET / "output" / "Bench" / key


def read_truth(path: Path) -> Truth:
    """Read what was generated."""
    return Truth(**json.loads(path.read_text()))


def write_truth(truth: Truth, path: Path) -> None:
    """Keep what was generated."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(truth)))
