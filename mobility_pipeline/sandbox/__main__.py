"""Run the sandbox in the foreground and print the environment that points to it.

python -m mobility_pipeline.sandbox --home .mobility/sandbox
"""

import argparse
import signal
import sys
from contextlib import suppress
from pathlib import Path

from mobility_pipeline.sandbox.launch import Sandbox


def main() -> None:
    """Serve until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path(".mobility/sandbox"))
    parser.add_argument("--s3-port", type=int, default=0)
    parser.add_argument("--vendor-port", type=int, default=0)
    parser.add_argument("--osm-port", type=int, default=0)
    arguments = parser.parse_args()
    ports = (arguments.s3_port, arguments.vendor_port, arguments.osm_port)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with (
        suppress(KeyboardInterrupt),
        Sandbox.start(arguments.home, ports=ports) as sandbox,
    ):
        for name, value in sandbox.environment.items():
            sys.stdout.write(f"export {name}={value}\n")
        # Its jobs take seconds, the vendor's an hour.
        sys.stdout.write("export VERASET_POLL_SECONDS=0.5\n")
        sys.stdout.flush()
        signal.pause()


if __name__ == "__main__":
    main()
