"""Keeping the house."""

import structlog
from celery import shared_task

from app import jobs

log = structlog.get_logger(__name__)


@shared_task(name=jobs.HEARTBEAT)
def heartbeat(nonce: str | None = None) -> str | None:
    """Give back what was sent: proves the way from web or beat through the broker to a worker and back."""
    log.info("maintenance.heartbeat")
    return nonce
