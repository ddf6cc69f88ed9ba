"""What the numbers were measured on."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.tools import Tools

_PACKAGES = ("pyarrow", "numpy", "obstore", "polars", "boto3", "uvloop", "sqlalchemy")


def describe_machine(tools: Tools) -> dict[str, str]:
    """Return cores, memory, kernel and versions, as a reader needs them to compare."""
    described = {
        "CPU": f"{os.cpu_count()} cores, {_cpu_model()}",
        "memory": f"{_memory_gib():.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "packages": ", ".join(filter(None, map(_package, _PACKAGES))),
    }
    return described | tools.versions()


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _package(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return ""
