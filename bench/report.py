"""The report: `RESULTS.md`, as tables a reader can check against each other."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.arena import Sample
from bench.contenders import FLOOR, OURS, S5CMD, SYNC, SYNC_START
from bench.programs import PROGRAMS
from bench.results import Results
from bench.shapes import GROWTH, SHAPES
from bench.targets import judge

_MIB = 2**20
_NAMES = {
    OURS: "**ours**",
    FLOOR: "floor: decode + encode",
    S5CMD: "one `s5cmd cp`",
    SYNC: "`aws s3 sync` of some dates",
    SYNC_START: "`aws s3 ls` of nothing",
}


@dataclass(frozen=True)
class Circumstances:
    """Under which the results were measured."""

    command: str
    date: str
    minutes: float
    scale: float
    machine: Mapping[str, str]


def write_report(results: Results, circumstances: Circumstances) -> str:
    """Write everything as Markdown."""
    parts = [
        "# What it costs",
        _introduce(results, circumstances),
        *(_describe_landing(results) if results.truths else ()),
        *_describe_programs(results),
        "## Machine",
        _table(("what", "which"), circumstances.machine.items()),
    ]
    return "\n\n".join(parts) + "\n"


def _describe_landing(results: Results) -> list[str]:
    return [
        "## Targets",
        _targets(results),
        "## Runs",
        _runs(results),
        *_explain_runs(results),
        "## Growth",
        _growth(results),
        "## Requests",
        _requests(results),
        "## Deliveries",
        _deliveries(results),
        "## How it was measured",
        _METHOD,
    ]


def _describe_programs(results: Results) -> Iterator[str]:
    for name, found in results.programs.items():
        yield f"## {PROGRAMS[name]} (`python -m bench.{name}`)"
        yield found.table
        yield f"**Missed: {found.missed}.**" if found.missed else "It holds."


_METHOD = """\
* The S3 server is `rclone serve s3` on a local folder of the same machine, and shares its
  cores. Each run gets a new server, empty buckets, and deliveries that lie in the page cache.
* *Ours* is one process from its start to its end: the interpreter, the ledger, listing,
  fetching, decoding, splitting, sorting, encoding, publishing with manifests. Afterwards,
  outside the time, every manifest is compared with what the generator counted.
* *Floor* decodes every file from memory and encodes the rows the lake holds (a row of k areas
  k times), one process per core, without S3, sorting or splitting. Only decoding and encoding
  count. A round takes every third file, the next round the others; CPU is scaled up by rows.
* CPU is user and system time of the whole process tree; the server's stands beside it.
* Memory is the largest sum of proportional set sizes (PSS) over the process tree, looked at
  every 50 ms or more; *over baseline* is less what a process takes that only imported.
* Rounds alternate their order; what takes minutes runs in fewer of them (see the table).
  Times are medians, memory is the maximum."""


def _introduce(results: Results, circumstances: Circumstances) -> str:
    lines = [
        f"Written by `{circumstances.command}` on {circumstances.date}, in "
        f"{circumstances.minutes:.0f} minutes. Do not edit."
    ]
    if circumstances.scale != 1:
        lines.append(
            f"\n**Deliveries were scaled to {circumstances.scale:g}: these numbers say "
            "whether the benchmark works, not how fast landing is.**"
        )
    if results.has("many", S5CMD) and results.has("many", SYNC):
        cities = results.truths["many"].areas
        lines.append(
            f"\n{results.truths['many'].files:,} small files of {cities} cities landed in "
            f"**{results.wall_s('many'):.1f} s**. Copying them once with `s5cmd` takes "
            f"{results.copy_s():.1f} s; the old way, {cities} × `aws s3 sync`, "
            f"{results.old_way_s() / 60:,.0f} minutes."
        )
    return "\n".join(lines)


def _targets(results: Results) -> str:
    rows = [
        (
            target.delivery,
            target.what,
            target.wanted,
            target.measured,
            "yes" if target.holds else "**no**",
        )
        for target in judge(results)
    ]
    return _table(("delivery", "what", "target", "measured", "holds"), rows)


def _runs(results: Results) -> str:
    rows = [
        (
            label,
            _NAMES[contender],
            *_walls(results, label, contender),
            f"{results.cpu_s(label, contender):.1f}",
            ""
            if contender == FLOOR
            else f"{results.server_cpu_s(label, contender):.1f}",
            f"{results.peak_bytes(label, contender) / _MIB:,.0f}",
            str(len(samples)),
        )
        for (label, contender), samples in results.samples.items()
        if label in SHAPES
    ]
    head = (
        *("delivery", "who", "wall, s: min–max", "median"),
        *("CPU s", "server's CPU s", "memory, MiB", "rounds"),
    )
    return _table(head, sorted(rows, key=lambda row: [*SHAPES].index(row[0])))


def _walls(results: Results, label: str, contender: str) -> tuple[str, str]:
    if contender == FLOOR:
        return "", ""  # of a part of the files
    walls_s = results.walls_s(label, contender)
    return f"{min(walls_s):.1f}–{max(walls_s):.1f}", f"{median(walls_s):.1f}"


def _explain_runs(results: Results) -> list[str]:
    lines = [
        f"Baseline of memory: {results.baseline_bytes / _MIB:,.0f} MiB.",
    ]
    for label in SHAPES:
        if results.has(label, FLOOR):
            decode_s, encode_s = results.floor_parts_s(label)
            lines.append(
                f"Floor of {label}: {decode_s:.1f} CPU s to decode, {encode_s:.1f} to encode."
            )
    if results.has("many", S5CMD):
        tried = "; ".join(
            f"{mode}: {wall_s:.1f} s" for mode, wall_s in results.copy_modes.items()
        )
        lines.append(
            f"`s5cmd` runs {results.copy_mode()}: the fastest of what was tried on some "
            f"dates ({tried})."
        )
    if results.other_copy is not None:
        mode, wall_s = results.other_copy
        lines.append(f"All of many {mode}: {wall_s:.1f} s, once.")
    if results.sync_folder is not None and results.has("many", SYNC):
        lines.append(
            f"`aws s3 sync` copies {results.sync_folder.files:,} of the "
            f"{results.truths['many'].files:,} files, whole dates; by files, less the start, "
            f"all of them would take {results.one_sync_s():,.0f} s."
        )
    return ["\n".join(f"* {line}" for line in lines)]


def _growth(results: Results) -> str:
    rows = [
        (
            label,
            f"{results.truths[label].files:,}",
            f"{results.truths[label].rows:,}",
            f"{results.wall_s(label):.1f}",
            f"{results.cpu_s(label):.1f}",
            f"{results.peak_bytes(label) / _MIB:,.0f}",
        )
        for name, points in GROWTH.items()
        for label in (*points, name)
        if results.has(label, OURS)
    ]
    head = ("delivery", "files", "rows", "wall, s", "CPU s", "memory, MiB")
    return _table(head, rows)


def _requests(results: Results) -> str:
    rows = [
        (label, _NAMES[contender], _describe_requests(sample))
        for (label, contender), sample in results.requests.items()
    ]
    return _table(("delivery", "who", "requests at the server"), rows)


def _describe_requests(sample: Sample) -> str:
    return ", ".join(
        f"{count:,} {verb}" for verb, count in sorted(sample.requests.items())
    )


def _deliveries(results: Results) -> str:
    rows = [
        (
            label,
            f"{truth.areas} × {len(truth.days)}",
            f"{truth.files:,}",
            f"{truth.bytes / truth.files:,.0f}",
            f"{truth.rows:,}",
            f"{truth.bytes / truth.rows:.0f}",
            f"{truth.rows_written:,}",
            f"{truth.generated_s:.0f}",
        )
        for label, truth in results.truths.items()
    ]
    head = (
        *("delivery", "areas × dates", "files", "bytes a file", "rows", "bytes a row"),
        *("rows in the lake", "s to generate"),
    )
    return _table(head, rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
