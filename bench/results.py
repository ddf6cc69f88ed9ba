"""What was measured, and the numbers that are made of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from bench.arena import Sample
from bench.contenders import (
    FLOOR,
    OURS,
    S5CMD,
    SYNC,
    SYNC_START,
    CopyMode,
    Folder,
    read_floor,
)
from bench.programs import Program
from bench.truth import Truth


@dataclass
class Results:
    """Everything measured so far; grows while the benchmark runs."""

    truths: dict[str, Truth] = field(default_factory=dict)
    """Delivery -> what was generated. `many at 1/4` is a delivery of its own."""
    samples: dict[tuple[str, str], list[Sample]] = field(default_factory=dict)
    """(delivery, contender) -> one sample per round."""
    requests: dict[tuple[str, str], Sample] = field(default_factory=dict)
    """(delivery, contender) -> a run of which only the requests count."""
    baseline_bytes: int = 0
    """Memory of a process that only imported what ours imports."""
    copy_modes: dict[CopyMode, float] = field(default_factory=dict)
    """How s5cmd may be called -> wall seconds for `sync_folder`, once."""
    other_copy: tuple[CopyMode, float] | None = None
    """The best way to a folder, and its wall seconds for the whole of `many`."""
    programs: dict[str, Program] = field(default_factory=dict)
    """Name -> what it found."""
    sync_folder: Folder | None = None
    """What `aws s3 sync` copies: some dates of `many`."""

    def add(self, delivery: str, contender: str, sample: Sample) -> None:
        """Keep one round's sample."""
        self.samples.setdefault((delivery, contender), []).append(sample)

    def has(self, delivery: str, contender: str) -> bool:
        """Whether it was measured."""
        return (delivery, contender) in self.samples

    def walls_s(self, delivery: str, contender: str = OURS) -> list[float]:
        """Return wall seconds, one per round."""
        return [sample.measured.wall_s for sample in self.samples[delivery, contender]]

    def wall_s(self, delivery: str, contender: str = OURS) -> float:
        """Return the median wall seconds."""
        return median(self.walls_s(delivery, contender))

    def cpu_s(self, delivery: str, contender: str = OURS) -> float:
        """Return the median CPU seconds; of the floor only decoding and encoding."""
        samples = self.samples[delivery, contender]
        if contender == FLOOR:
            return median(read_floor(s.measured.output).cpu_s for s in samples)
        return median(sample.measured.cpu_s for sample in samples)

    def server_cpu_s(self, delivery: str, contender: str = OURS) -> float:
        """Return the median CPU seconds of the S3 server."""
        samples = self.samples[delivery, contender]
        return median(sample.server_cpu_s for sample in samples)

    def peak_bytes(self, delivery: str, contender: str = OURS) -> int:
        """Return the largest memory of all rounds."""
        samples = self.samples[delivery, contender]
        return max(sample.measured.peak_bytes for sample in samples)

    def over_baseline_bytes(self, delivery: str) -> int:
        """Return our largest memory, less that of a process that only imported."""
        return self.peak_bytes(delivery) - self.baseline_bytes

    def floor_parts_s(self, delivery: str) -> tuple[float, float]:
        """Return the median CPU seconds of decoding and of encoding."""
        parts = [read_floor(s.measured.output) for s in self.samples[delivery, FLOOR]]
        return median(p.decode_s for p in parts), median(p.encode_s for p in parts)

    def one_sync_s(self) -> float:
        """Return the wall seconds of one `aws s3 sync` of all of `many`, by files."""
        if self.sync_folder is None:
            raise ValueError("aws s3 sync was not measured")
        start_s = self.wall_s("many", SYNC_START)
        copying_s = self.wall_s("many", SYNC) - start_s
        return start_s + copying_s * self.truths["many"].files / self.sync_folder.files

    def old_way_s(self) -> float:
        """Return what users had: one `aws s3 sync` of all of `many` per city."""
        return self.truths["many"].areas * self.one_sync_s()

    def copy_mode(self) -> CopyMode:
        """Return the fastest way to copy to a bucket: where ours leaves its result, too."""
        modes = [mode for mode in self.copy_modes if mode.target == "bucket"]
        return min(modes, key=lambda mode: self.copy_modes[mode])

    def copy_s(self) -> float:
        """Return the wall seconds of a copy of all of `many` to another bucket."""
        return self.wall_s("many", S5CMD)


def fit_exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Fit `value ~ size ** exponent` by least squares on the logarithms."""
    x = [math.log(size) for size in sizes]
    y = [math.log(value) for value in values]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    spread = sum((a - mean_x) ** 2 for a in x)
    together = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return together / spread
