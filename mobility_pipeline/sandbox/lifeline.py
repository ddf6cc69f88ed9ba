"""Tie a sandbox process to the one that started it.

The starter holds the write end of the child's standard input. When the starter ends in
any way, `kill -9` included, the kernel closes it and the child reads end-of-file.
"""

import argparse
import os
import sys
import threading


def add_process_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what every sandbox process takes."""
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 = any free port")
    parser.add_argument(
        "--follow-stdin", action="store_true", help="end when standard input ends"
    )


def announce(host: str, port: int) -> None:
    """Say on standard output, in one line, where the server listens."""
    sys.stdout.write(f"http://{host}:{port}\n")
    sys.stdout.flush()


def follow_stdin() -> None:
    """End this process as soon as its standard input does."""
    threading.Thread(target=_wait_for_end, name="lifeline", daemon=True).start()


def _wait_for_end() -> None:
    while os.read(0, 1024):
        pass
    # Not sys.exit: this is not the main thread, and nothing here is worth saving.
    os._exit(0)
