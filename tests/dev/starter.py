"""A process of its own that starts one server, says so on one line, and stops it at the end of its input.

python -m tests.dev.starter app.dev.postgres:EmbeddedPostgres HOME
"""

import sys
from importlib import import_module
from pathlib import Path

from app.dev.server import EmbeddedServer


def main(which: str, home: str) -> None:
    module, _, name = which.partition(":")
    server: EmbeddedServer = getattr(import_module(module), name)(Path(home))
    with server:
        sys.stdout.write(f"{server.url} {'owns' if server.is_owner else 'joined'}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
