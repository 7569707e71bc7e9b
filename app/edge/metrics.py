"""`/metrics` for Prometheus: what the database and the broker say, so the same from each web process."""

import hmac
import platform
from collections.abc import Iterator, Mapping
from datetime import datetime
from importlib.metadata import version
from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from app.edge.health import KeptAnswer
from app.edge.threads import in_monitor_thread
from app.errors import AuthenticationError
from app.services.status import Records, Status, heartbeat_is_fresh, status
from app.settings import settings

_KEPT_SECONDS = 5


@get("/metrics", include_in_schema=False, media_type=CONTENT_TYPE_LATEST)
async def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    """With METRICS_TOKEN for whoever bears it; without, for everybody in development and nobody in production.

    Raises:
        AuthenticationError: not the token.
    """
    token = settings().metrics_token
    if token is None and settings().environment == "production":
        raise NotFoundException
    if token is not None and not _bears(request.headers.get("authorization", ""), token):
        raise AuthenticationError("the Authorization header must carry METRICS_TOKEN")
    return Response(await _exposition.get(), media_type=CONTENT_TYPE_LATEST)


def _bears(authorization: str, token: str) -> bool:
    # In constant time: how long it takes tells nothing about how much of the token was right.
    return hmac.compare_digest(authorization.encode("utf-8", "surrogateescape"), f"Bearer {token}".encode())


def exposition() -> bytes:
    """The page. Blocks for seconds when something is away."""
    registry = CollectorRegistry()
    registry.register(_Status(status(ping_workers=False)))
    return generate_latest(registry)


_exposition = KeptAnswer(exposition, seconds=_KEPT_SECONDS, run=in_monitor_thread)


class _Status(Collector):
    """One look at everything, as metrics. What is not known, because its source is away, is left out."""

    def __init__(self, seen: Status) -> None:
        self._seen = seen

    def collect(self) -> Iterator[Metric]:
        yield _build_info()
        yield _gauge("meterline_database_up", "1 if the database answers.", self._seen.records is not None)
        yield _gauge("meterline_broker_up", "1 if the broker answers.", self._seen.messages is not None)
        if self._seen.messages is not None:
            waiting = {str(queue): count for queue, count in self._seen.messages.waiting.items()}
            yield _labelled("meterline_queue_messages", "Messages that wait for a worker.", "queue", waiting)
            yield _gauge(
                "meterline_messages_in_hand", "Messages that workers are at work on.", self._seen.messages.in_hand
            )
        if self._seen.stripe is not None:
            yield _gauge(
                "meterline_stripe_up", "1 unless Stripe has not answered lately.", not self._seen.stripe.is_shut
            )
            yield _rate_limited(self._seen.stripe.rate_limited)
        if self._seen.records is not None:
            yield from _of_records(self._seen.records, self._seen.at)


def _of_records(records: Records, now: datetime) -> Iterator[GaugeMetricFamily]:
    late = {str(one.kind): (now - one.oldest_at).total_seconds() if one.oldest_at else 0 for one in records.backlogs}
    yield _labelled("meterline_oldest_unhandled_seconds", "Since when the oldest row is due.", "kind", late)
    yield from _of_stripe(records, now)
    jobs, checks = records.jobs, records.stripe_checks
    yield _labelled(
        "meterline_job_last_success_timestamp_seconds",
        "When the job was done last.",
        "job",
        {job.name: job.succeeded_at.timestamp() for job in jobs if job.succeeded_at},
    )
    yield _labelled(
        "meterline_job_last_failure_timestamp_seconds",
        "When the job failed last.",
        "job",
        {job.name: job.failed_at.timestamp() for job in jobs if job.failed_at},
    )
    yield _labelled(
        "meterline_job_last_duration_seconds",
        "How long the job took last.",
        "job",
        {job.name: job.seconds for job in jobs if job.started_at},
    )
    yield _labelled(
        "meterline_job_problem",
        "1 if the job is late, or failed last time.",
        "job",
        {job.name: job.problem is not None for job in jobs if job.started_at or job.period_seconds},
    )
    yield _gauge("meterline_rows_set_aside", "Rows that a job could not do.", records.rows_set_aside.count)
    yield _gauge("meterline_books_differences", "Found by the last checks of the books.", records.books_differences)
    for name, about, counts in (
        ("meterline_stripe_differences", "Found by the last comparison.", [one.differences for one in checks]),
        ("meterline_stripe_differences_left", "Of these, not repaired.", [one.left for one in checks]),
    ):
        yield _labelled(name, about, "check", dict(zip([one.name for one in checks], counts, strict=True)))
    yield _gauge("meterline_dead_webhooks", "Webhooks that were given up.", records.dead_webhooks.count)
    yield _gauge(
        "meterline_dead_meter_reports",
        "Hours whose overage Stripe's meters did not take.",
        records.dead_meter_reports.count,
    )
    if records.ledger_covered_until:
        until = records.ledger_covered_until.timestamp()
        yield _gauge("meterline_ledger_covered_until_timestamp_seconds", "Where the newest month ends.", until)
    if records.beat_sent_at:
        sent = records.beat_sent_at.timestamp()
        yield _gauge("meterline_beat_last_sent_timestamp_seconds", "When beat sent its last job.", sent)
    fresh = heartbeat_is_fresh(records)
    if fresh is not None:
        yield _gauge("meterline_workers", "1 if some worker did the last heartbeat in time, else 0.", fresh)


def _of_stripe(records: Records, now: datetime) -> Iterator[GaugeMetricFamily]:
    found = records.waiting_for_stripe
    counts = {str(kind): one.count for kind, one in found.items()}
    yield _labelled("meterline_stripe_waiting", "What waits for Stripe, or is with it.", "kind", counts)
    ages = {str(kind): (now - one.since).total_seconds() if one.since else 0 for kind, one in found.items()}
    yield _labelled("meterline_stripe_oldest_waiting_seconds", "Since when the oldest does.", "kind", ages)
    if records.last_webhook_at:
        heard = records.last_webhook_at.timestamp()
        yield _gauge("meterline_stripe_last_webhook_timestamp_seconds", "When Stripe told us something last.", heard)


def _gauge(name: str, about: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, about, value=float(value))


def _labelled(name: str, about: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, about, labels=(label,))
    for one, value in values.items():
        family.add_metric((one,), float(value))
    return family


def _rate_limited(counts: Mapping[str, int]) -> CounterMetricFamily:
    about = "Calls that were too many for Stripe, by which of its limits it was."
    family = CounterMetricFamily("meterline_stripe_rate_limited", about, labels=("reason",))
    for reason, count in counts.items():
        family.add_metric((reason,), float(count))
    return family


def _build_info() -> GaugeMetricFamily:
    family = GaugeMetricFamily("meterline_build_info", "What runs here.", labels=("version", "python"))
    family.add_metric((version("meterline"), platform.python_version()), 1)
    return family
