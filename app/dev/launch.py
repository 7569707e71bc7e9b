"""Become another program that the kernel ends together with the process that asked for it.

Run by path, with the standard library alone: `python -I -S launch.py PARENT_PID SIGNAL ACCOUNT PROGRAM ARGUMENT...`, where
ACCOUNT is `-` or `UID:GID`. A program of its own, and not `preexec_fn`, because Python code between fork and exec can deadlock
in a process that has threads.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def _drop_privileges(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def _end_with_parent(parent: int, death_signal: signal.Signals) -> None:
    """Only Linux can do this; elsewhere a killed parent leaves the program running."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
    # The parent may have died before the line above: then no signal will ever come.
    if os.getppid() != parent:
        raise SystemExit(f"the process {parent} that started this one is gone")


def launch(arguments: list[str]) -> None:
    """Replace this process; the death signal comes after the change of user, which would clear it."""
    parent, death_signal, account, *program = arguments
    if account != "-":
        uid, gid = account.split(":")
        _drop_privileges(int(uid), int(gid))
    _end_with_parent(int(parent), signal.Signals(int(death_signal)))
    # Python ignores these two; the program must start with the defaults.
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored, signal.SIG_DFL)
    try:
        os.execvp(program[0], program)  # noqa: S606 — becoming the program without a shell is the point
    except OSError as error:
        raise SystemExit(f"cannot run {program[0]}: {error.strerror}") from error


if __name__ == "__main__":
    launch(sys.argv[1:])
