"""Run the benchmark and write its results: `make bench`, or `python -m bench --help`."""

import argparse
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from bench.arena import Arena
from bench.contenders import S5CMD, SYNC
from bench.machine import describe_machine
from bench.picture import draw_picture
from bench.programs import PROGRAMS, run_program
from bench.report import Circumstances, write_report
from bench.rounds import prepare, run_once, run_rounds
from bench.shapes import SHAPES
from bench.tools import find_tools
from bench.truth import HOME

_RESULTS, _PICTURE = Path("bench/RESULTS.md"), Path("docs/landing.svg")


def main() -> None:
    """Run what was asked for; results of a part do not replace those of the whole."""
    arguments = _parse()
    started = time.monotonic()
    names = arguments.only.split(",") if arguments.only else [*SHAPES, *PROGRAMS]
    is_whole = names == [*SHAPES, *PROGRAMS] and arguments.scale == 1
    folder = Path() if is_whole else HOME / "partial"
    tools = find_tools(arguments.tools.absolute())
    arena = Arena(HOME, tools)

    def say(line: str) -> None:
        seconds = time.monotonic() - started
        print(f"{seconds:7.1f} s  {line}", file=sys.stderr, flush=True)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with arena.reserve():
        deliveries = [name for name in names if name in SHAPES]
        results = prepare(arena, deliveries, arguments.scale, arguments.rounds, say)
        run_rounds(arena, results, arguments.rounds, say)
        run_once(arena, results, say)
        for name in [name for name in names if name in PROGRAMS]:
            say(f"{name}: by itself")
            results.programs[name] = run_program(name)
    circumstances = Circumstances(
        command="make bench"
        if is_whole
        else f"python -m bench {' '.join(sys.argv[1:])}",
        date=datetime.now(UTC).date().isoformat(),
        minutes=(time.monotonic() - started) / 60,
        scale=arguments.scale,
        machine=describe_machine(tools),
    )
    report = write_report(results, circumstances)
    print(report)
    _write(folder / _RESULTS, report)
    if results.has("many", S5CMD) and results.has("many", SYNC):
        _write(folder / _PICTURE, draw_picture(results))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--only", default="", help=f"by commas, of {','.join([*SHAPES, *PROGRAMS])}"
    )
    parser.add_argument("--rounds", type=int, default=5, help="of everybody")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="share of the deliveries' rows"
    )
    parser.add_argument(
        "--tools", type=Path, default=Path(".venv-bench"), help="the peers' environment"
    )
    arguments = parser.parse_args()
    known = {*SHAPES, *PROGRAMS}
    strange = set(filter(None, arguments.only.split(","))) - known
    if strange:
        parser.error(f"nothing of that name: {', '.join(sorted(strange))}")
    if arguments.rounds < 1 or not 0 < arguments.scale <= 1:
        parser.error("at least one round, and a scale above 0 and up to 1")
    return arguments


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    print(f"wrote {path}", file=sys.stderr)


if __name__ == "__main__":
    main()
