"""What a reader of the table has to know: the date, the machine, the versions of both sides."""

from __future__ import annotations

import os
import platform
from datetime import date
from pathlib import Path

from benchmarks.bench import Bench

LOAD = "load before the start"
FLAGS = ("avx2", "avx512f", "amx_tile", "asimd", "sve")  # what kernels are chosen by


def facts(bench: Bench) -> dict[str, str]:
    """Return the facts, each with its name."""
    with bench.workers() as (ours, peers):
        our_versions, peer_versions = ours.ask("versions"), peers.ask("versions")
    return {
        "date": date.today().isoformat(),
        "CPU": _cpu(),
        "cores, threads of both sides": f"{os.cpu_count()}, {bench.threads}",
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 1e9:.0f} GB",
        "system": _system(),
        LOAD: f"{os.getloadavg()[0]:.2f}",
        "ours": ", ".join(f"{name} {version}" for name, version in our_versions.items()),
        "peers": ", ".join(f"{name} {version}" for name, version in peer_versions.items()),
    }


def _cpu() -> str:
    """Return the model, and which vector instructions it has."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    lines = [line.partition(":") for line in text.splitlines()]
    entries = {name.strip(): value.strip() for name, _, value in lines}
    flags = set(entries.get("flags", entries.get("Features", "")).split())
    vectors = " ".join(flag for flag in FLAGS if flag in flags)
    return f"{entries.get('model name', platform.machine())} ({vectors})"


def _system() -> str:
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        name = platform.system()
    return f"{name}, {platform.system()} {platform.release()}"
