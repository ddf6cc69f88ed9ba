"""The rounds: who runs when, so that a slow minute of the machine hits everybody."""

from collections.abc import Callable, Sequence

from bench import contenders
from bench.arena import Arena, Contender
from bench.contenders import CopyMode
from bench.deliveries import ensure_delivery
from bench.results import Results
from bench.shapes import GROWTH, SHAPES
from bench.truth import Truth

ROUNDS = {"mixed": 3, "one_city": 3, "huge": 1}
"""Deliveries that take part in fewer rounds: what takes minutes."""
GROWTH_ROUNDS = 1
SYNC_DATES = 3
_WORKERS = (16, 64, 256)
"""`--numworkers` to choose from; 256 is s5cmd's default."""
_TRIES = 2
"""The better one counts."""

Say = Callable[[str], None]


def prepare(
    arena: Arena, names: Sequence[str], scale: float, rounds: int, say: Say
) -> Results:
    """Generate what is missing, and find out how the peers are best called."""
    results = Results()
    for name in names:
        shares = {name: 1.0, **(GROWTH.get(name, {}) if rounds > 1 else {})}
        for label, share in shares.items():
            shape = SHAPES[name].scaled(scale * share)
            results.truths[label] = truth = ensure_delivery(shape, arena.home)
            say(f"{label}: {truth.files:,} files, {truth.rows:,} rows")
    results.baseline_bytes = contenders.measure_baseline(arena)
    if "many" in names:
        _tune_copy(arena, results, say)
    return results


def run_rounds(arena: Arena, results: Results, rounds: int, say: Say) -> None:
    """Run everybody, round by round; every second round in the opposite order."""
    for number in range(rounds):
        turns = [
            (label, contender)
            for label, truth in results.truths.items()
            for contender in _contenders(arena, results, label, truth, number)
        ]
        for label, contender in turns if number % 2 == 0 else reversed(turns):
            sample = arena.run(contender)
            results.add(label, contender.name, sample)
            say(
                f"round {number + 1}: {label}, {contender.name}: "
                f"{sample.measured.wall_s:.1f} s, CPU {sample.measured.cpu_s:.1f} s"
            )


def run_once(arena: Arena, results: Results, say: Say) -> None:
    """Run what needs no rounds: the other way to copy, and the counting of requests."""
    for label in _counted(results):
        say(f"counting requests: {label}")
        contender = contenders.ours(arena, results.truths[label])
        sample = arena.run(contender, count=True)
        results.requests[label, contender.name] = sample
    if "many" not in results.truths:
        return
    many = contenders.whole(results.truths["many"])
    contender = contenders.s5cmd(arena, many, results.copy_mode())
    say(f"counting requests: many, {contender.name}")
    results.requests["many", contender.name] = arena.run(contender, count=True)
    mode = _best_other(results)
    sample = arena.run(contenders.s5cmd(arena, many, mode))
    results.other_copy = mode, sample.measured.wall_s
    say(f"s5cmd {mode}: {sample.measured.wall_s:.1f} s")


def _contenders(
    arena: Arena, results: Results, label: str, truth: Truth, number: int
) -> list[Contender]:
    """Return who runs on a delivery in a round."""
    most = ROUNDS.get(label, number + 1) if label in SHAPES else GROWTH_ROUNDS
    if number >= most:
        return []
    turns = [contenders.ours(arena, truth)]
    if label == "many" and results.sync_folder is not None:
        many = contenders.whole(truth)
        turns.append(contenders.s5cmd(arena, many, results.copy_mode()))
        turns.append(contenders.sync(arena, results.sync_folder))
        turns.append(contenders.sync_start(arena))
    elif label in ("mixed", "one_city"):
        turns.append(contenders.floor(arena, truth, number))
    return turns


def _tune_copy(arena: Arena, results: Results, say: Say) -> None:
    """Try how s5cmd is fastest, on a few dates: folders are as full as in the whole."""
    truth = results.truths["many"]
    days = truth.days[:SYNC_DATES]
    results.sync_folder = contenders.link_dates(arena, truth, days)
    for target in ("bucket", "folder"):
        for workers in _WORKERS:
            mode = CopyMode(target, workers)
            contender = contenders.s5cmd(arena, results.sync_folder, mode)
            tries = [arena.run(contender) for _ in range(_TRIES)]
            wall_s = min(sample.measured.wall_s for sample in tries)
            results.copy_modes[mode] = wall_s
            say(f"s5cmd {mode}: {wall_s:.1f} s for {SYNC_DATES} dates")


def _best_other(results: Results) -> CopyMode:
    """Return the best way to the target that takes no part in the rounds: a folder."""
    target = results.copy_mode().target
    others = {m: s for m, s in results.copy_modes.items() if m.target != target}
    return min(others, key=lambda mode: others[mode])


def _counted(results: Results) -> list[str]:
    """Return the deliveries to count on: one of many files, one of large files."""
    return [label for label in ("many", "huge at 1/16") if label in results.truths]
