"""The same rows by pgbench: one transaction for each event, prepared, written in C. What Postgres does without group commit."""

import math
import re
import subprocess
import tempfile
from pathlib import Path

from tests.benchmarks.ledger_rows import event_values
from tests.benchmarks.samples import Sample, sample_of
from tests.benchmarks.servers import BenchmarkedPostgres
from tests.benchmarks.shop import Shop

_CONNECTIONS_PER_SECOND = 100  # on a busy machine; more time than it needs is load like the rest
_RATE = re.compile(r"tps = ([\d.]+)")


class PgbenchError(Exception):
    pass


class PgbenchLoad:
    """Locks the counter, inserts the event, updates the counter, commits: five round trips on a unix socket."""

    def __init__(self, postgres: BenchmarkedPostgres, database_url: str, shop: Shop, *, hot: bool) -> None:
        self._postgres = postgres
        self._database_url = database_url
        self._script = _script(shop, hot=hot)

    def run(self, clients: int, seconds: float) -> Sample:
        """pgbench counts in whole seconds, from before it connects: a round lasts one at least, and longer with many clients.

        Raises:
            PgbenchError: it failed.
        """
        with tempfile.TemporaryDirectory(prefix="meterline-pgbench-") as folder:
            script = Path(folder) / "event.sql"
            script.write_text(self._script)
            output = self._run(script, clients, math.ceil(seconds + clients / _CONNECTIONS_PER_SECOND))
            # One line a transaction; the third word is its microseconds.
            durations = [
                int(line.split()[2]) / 1e6 for log in Path(folder).glob("log.*") for line in log.open(encoding="ascii")
            ]
        rate = _RATE.search(output)
        if rate is None or not durations:
            raise PgbenchError(output)
        return sample_of(durations, len(durations) / float(rate[1]))

    def _run(self, script: Path, clients: int, seconds: int) -> str:
        options = ["-n", "-M", "prepared", "-c", str(clients), "-j", str(min(clients, 2)), "-T", str(seconds)]
        log = ["--log", f"--log-prefix={script.parent / 'log'}"]
        command = [str(self._postgres.pgbench), *options, *log, "-f", str(script), self._database_url]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode != 0:
            raise PgbenchError(ended.stderr)
        return ended.stdout


def _script(shop: Shop, *, hot: bool) -> str:
    feature_key = str(shop.feature_keys[0])
    values = event_values(tenant_id=str(shop.tenant_id), user_key=":user_key", feature_key=feature_key, at="now()")
    counter = f"tenant_id = {shop.tenant_id} AND user_key = :user_key AND feature_key = {feature_key}"
    last = shop.first_user_key + (0 if hot else shop.users - 1)
    return f"""\\set user_key random({shop.first_user_key}, {last})
BEGIN;
SELECT used, period_start, period_end FROM consumptions WHERE {counter} FOR NO KEY UPDATE;
INSERT INTO usage_events ({", ".join(values)}) VALUES ({", ".join(values.values())});
UPDATE consumptions SET used = used + 1 WHERE {counter};
COMMIT;
"""
