"""Everything that the environment may say. The only module that reads it."""

import os
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.moved_clock import MovedClock

DEVELOPMENT_SECRET_KEY = "development-only-secret-key"  # noqa: S105 — refused outside development, see `_production_has_its_secrets`


# Of two endpoints, while one replaces the other for each.
_WEBHOOK_SECRETS = 4


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part for each in text.split(",") if (part := each.strip()))


def _period(seconds: float) -> Any:
    """How often beat sends the job of the field's name: seconds, or 0 for never."""
    return Field(float(seconds), ge=0, le=31 * 86_400, allow_inf_nan=False)


class Settings(BaseSettings):
    """One field for each environment variable; the README's table lists them all, and a test compares.

    What is secret, or may have a password in it, is not in its text, so that no log and no trace shows it.
    """

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    environment: Literal["development", "production"] = Field("production", validation_alias="METERLINE_ENV")
    home: Path = Field(
        Path(".meterline"),
        validation_alias="METERLINE_HOME",
        description="where `make dev` keeps its data and `dev.env`; production does not use it",
    )
    database_url: str = Field(
        "postgresql+psycopg://localhost/meterline",
        repr=False,
        description="Postgres, also in Heroku's `postgres://` form",
    )
    database_pool_size: int = Field(10, ge=1, le=200, description="connections per process, and threads that use them")
    redis_url: str = Field("redis://localhost:6379/0", repr=False, description="broker and results of the jobs")
    redis_verify_certificate: bool = Field(
        True, description="with `rediss://`, whether the server's certificate must be a known authority's"
    )
    secret_key: str = Field(DEVELOPMENT_SECRET_KEY, repr=False, description="signs user tokens; at least 32 characters")
    token_issuer: str = Field("meterline", description="`iss` of user tokens")
    port: int = Field(8000, ge=1, le=65535, description="where web listens")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    max_body_bytes: int = Field(1_000_000, ge=1_000, description="largest request body")
    api_key_cache_seconds: float = Field(
        5.0, ge=0, le=300, description="how long a process may go on accepting a key after it was revoked"
    )
    graphql_limit_as_string: bool = Field(
        False, description="`PackageFeature.limit` as a String, as Kana's printed examples have it"
    )
    usage_retention_days: int | None = Field(
        None, ge=400, description="how long the ledger keeps usage events; unset, for good"
    )
    webhook_retention_days: int = Field(30, ge=4, description="how long settled webhooks are kept")
    webhook_allow_private: bool = Field(
        False, description="whether webhooks may go to addresses of private networks and of this machine"
    )
    stripe_api_key: str | None = Field(
        None, repr=False, description="Stripe's secret or restricted key; unset, there is no billing"
    )
    stripe_api_base: str | None = Field(
        None, repr=False, description="where Stripe's API is, if not at Stripe: the double of `make dev`"
    )
    stripe_links_per_second: float = Field(
        20.0, ge=0.1, le=1_000, description="calls to Stripe for what somebody waits for, all processes together"
    )
    stripe_sweeps_per_second: float = Field(
        5.0, ge=0.1, le=1_000, description="calls to Stripe for looking through everything, all processes together"
    )
    stripe_webhook_secret: str | None = Field(
        None,
        repr=False,
        description="what Stripe signs its webhooks to us with; up to four, separated by commas: of two endpoints, new and old",
    )
    subscription_link_wait_seconds: float = Field(
        5.0, ge=0, le=25, allow_inf_nan=False, description="how long a caller waits for what a worker asks of Stripe"
    )
    subscription_link_retention_days: int = Field(
        90, ge=7, description="how long links are kept of which nothing can come any more"
    )
    trial_end: Literal["ACTIVE", "CANCELLED"] = Field("ACTIVE", description="what a trial becomes when it is over")
    past_due_grace_days: int = Field(
        0, ge=0, le=365, description="how long a subscription gives access after its renewal failed"
    )
    metrics_token: str | None = Field(
        None, min_length=16, repr=False, description="who may read /metrics; unset, nobody in production"
    )
    moved_clock: MovedClock | None = Field(
        None,
        validation_alias="METERLINE_CLOCK",
        description="development only: `FAKE@REAL*RATE`, the present is FAKE when it is REAL, and goes RATE times as fast",
    )
    schedule_maintenance_heartbeat: float = _period(30)
    schedule_usage_reset_due: float = _period(60)
    schedule_subscriptions_settle_due: float = _period(60)
    schedule_reservations_expire_due: float = _period(60)
    schedule_webhooks_deliver_due: float = _period(10)
    schedule_stripe_sweep_templates: float = _period(60)
    schedule_stripe_requeue_links: float = _period(60)
    schedule_stripe_sweep_links: float = _period(600)
    schedule_stripe_sweep_requests: float = _period(60)
    schedule_stripe_drop_portal_links: float = _period(60)
    schedule_stripe_requeue_inbox: float = _period(60)
    schedule_stripe_catch_up_events: float = _period(300)
    schedule_stripe_compare_subscriptions: float = _period(86_400)
    schedule_stripe_check_prices: float = _period(86_400)
    schedule_stripe_report_overage: float = _period(600)
    schedule_stripe_send_meter_reports: float = _period(60)
    schedule_stripe_compare_overage: float = _period(3_600)
    schedule_maintenance_make_partitions: float = _period(86_400)
    schedule_maintenance_prune: float = _period(86_400)
    schedule_maintenance_check_books: float = _period(86_400)

    @field_validator("database_url")
    @classmethod
    def _with_driver(cls, url: str) -> str:
        """Heroku says `postgres://`; SQLAlchemy wants the dialect and, to be sure of ours, the driver."""
        scheme, separator, rest = url.partition("://")
        if not separator or scheme not in {"postgres", "postgresql", "postgresql+psycopg"}:
            raise ValueError("must be a postgres:// or postgresql:// URL")
        return f"postgresql+psycopg://{rest}"

    @field_validator("stripe_api_base")
    @classmethod
    def _is_an_address(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("https://", "http://")):
            raise ValueError("must be an https:// or http:// URL")
        return url and url.rstrip("/")

    @field_validator("stripe_webhook_secret")
    @classmethod
    def _are_a_few(cls, secrets: str | None) -> str | None:
        if secrets is not None and not 1 <= len(_listed(secrets)) <= _WEBHOOK_SECRETS:
            raise ValueError("must be one secret, or up to four separated by commas")
        return secrets

    @property
    def stripe_webhook_secrets(self) -> tuple[str, ...]:
        """The secrets that a webhook of Stripe's may be signed with; none: webhooks are not taken."""
        return _listed(self.stripe_webhook_secret or "")

    @field_validator("moved_clock", mode="before")
    @classmethod
    def _as_moved_clock(cls, text: Any) -> Any:
        return MovedClock.parse(text) if isinstance(text, str) else text

    @model_validator(mode="after")
    def _production_keeps_time(self) -> "Settings":
        if self.environment == "production" and self.moved_clock:
            raise ValueError("METERLINE_CLOCK is for development and tests: production goes by the real clock")
        return self

    @model_validator(mode="after")
    def _production_has_its_secrets(self) -> "Settings":
        if self.environment == "production" and (
            self.secret_key == DEVELOPMENT_SECRET_KEY or len(self.secret_key) < 32
        ):
            raise ValueError(
                "SECRET_KEY must be set to at least 32 random characters in production, "
                "for example from `openssl rand -hex 32` (or set METERLINE_ENV=development)"
            )
        return self


class SettingsError(Exception):
    """The environment says something that cannot be; the message lists what, for the operator."""


@cache
def settings() -> Settings:
    """The settings of this process, read once. Raises SettingsError."""
    try:
        return Settings()
    except ValidationError as refused:
        problems = [
            f"{'.'.join(map(str, error['loc'])) or 'environment'}: {error['msg']}" for error in refused.errors()
        ]
        raise SettingsError("; ".join(problems)) from None  # the cause would print the values, secrets among them


def environment_with(**values: str) -> dict[str, str]:
    """The environment of this process with `values` on top: what a process that we start gets to see."""
    return {**os.environ, **values}
