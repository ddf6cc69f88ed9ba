"""What we measure ourselves against: each target, what was measured, and whether it holds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.contenders import FLOOR, S5CMD, SYNC
from bench.results import Results, fit_exponent
from bench.shapes import GROWTH

GIB = 2**30
MEMORY_EXPONENT = 0.15
"""`Memory does not grow` as a number: 16 times the delivery, at most 1.5 times the memory."""


@dataclass(frozen=True)
class Target:
    """One line of the table."""

    delivery: str
    what: str
    wanted: str
    measured: str
    holds: bool


def judge(results: Results) -> list[Target]:
    """Judge every target whose runs were measured."""
    judges: tuple[Callable[[Results], Iterator[Target]], ...] = (
        _judge_many,
        _judge_floors,
        _judge_memory,
        _judge_huge,
        _judge_growth,
    )
    return [target for each in judges for target in each(results)]


def _judge_many(results: Results) -> Iterator[Target]:
    if results.has("many", S5CMD):
        ratio = results.wall_s("many") / results.copy_s()
        goal = ", goal ≤ 0.8" + (" reached" if ratio <= 0.8 else " not reached")
        yield _at_most("many", "wall ÷ one `s5cmd cp`", ratio, 1.15, more=goal)
    if results.has("many", SYNC):
        ratio = results.old_way_s() / results.wall_s("many")
        cities = results.truths["many"].areas
        yield Target(
            "many",
            f"{cities} × `aws s3 sync` ÷ wall",
            "≥ 100",
            f"{ratio:,.0f}",
            ratio >= 100,
        )


def _judge_floors(results: Results) -> Iterator[Target]:
    for delivery, most in (("mixed", 1.3), ("one_city", 1.2)):
        if results.has(delivery, FLOOR):
            ratio = results.cpu_s(delivery) / results.cpu_s(delivery, FLOOR)
            yield _at_most(delivery, "CPU ÷ (decode + encode)", ratio, most)


def _judge_memory(results: Results) -> Iterator[Target]:
    for delivery in ("many", "mixed", "huge", "one_city"):
        if delivery in results.truths:
            gib = results.over_baseline_bytes(delivery) / GIB
            yield _at_most(delivery, "memory over baseline, GiB", gib, 1.0)


def _judge_huge(results: Results) -> Iterator[Target]:
    if {"mixed", "huge"} <= results.truths.keys():
        per_row = {
            name: results.wall_s(name) / results.truths[name].rows
            for name in ("mixed", "huge")
        }
        ratio = per_row["huge"] / per_row["mixed"]
        yield _at_most("huge", "wall per row ÷ that of mixed", ratio, 1.15)


def _judge_growth(results: Results) -> Iterator[Target]:
    for delivery, points in GROWTH.items():
        names = [*points, delivery]
        if not set(names) <= results.truths.keys():
            continue
        truths = [results.truths[name] for name in names]
        unit, sizes = (
            ("files", [truth.files for truth in truths])
            if delivery == "many"
            else ("rows", [truth.rows for truth in truths])
        )
        if len(set(sizes)) < len(sizes):
            continue
        wall = fit_exponent(sizes, [results.wall_s(name) for name in names])
        memory = fit_exponent(sizes, [results.peak_bytes(name) for name in names])
        yield _at_most(delivery, f"wall grows as {unit} to the power", wall, 1.05)
        yield _at_most(
            delivery, f"memory grows as {unit} to the power", memory, MEMORY_EXPONENT
        )


def _at_most(
    delivery: str, what: str, value: float, most: float, more: str = ""
) -> Target:
    return Target(
        delivery, what, f"≤ {most:g}{more}", f"{value:.2f}", round(value, 2) <= most
    )
