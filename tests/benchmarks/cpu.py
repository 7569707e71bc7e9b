"""CPU time of a process and all that it has started. On shared cores rates swing with the neighbours; this does so far less."""

import os
from pathlib import Path

_PROC = Path("/proc")


def cpu_seconds(pid: int) -> float | None:
    """User and system time of the process and its descendants, ended ones included. None where there is no /proc.

    Counted by the kernel in steps of (mostly) 10 ms.
    """
    if not (_PROC / "self" / "stat").exists():
        return None
    return sum(_ticks(process) for process in _family(pid)) / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int) -> int:
    try:
        # The name in parentheses may hold spaces. After it: utime, stime, and both of the children that have ended.
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0  # it ended just now; its parent has its time
    return sum(int(field) for field in fields[11:15])


def _family(pid: int) -> list[int]:
    family = [pid]
    for member in family:  # grows while we walk it
        for children in (_PROC / str(member) / "task").glob("*/children"):
            try:
                family += map(int, children.read_text().split())
            except (FileNotFoundError, ProcessLookupError):
                continue
    return family
