"""Every job by name: what it is for, in which queue it waits, and the setting that says how often beat sends it.

`app` never imports `workers`: jobs go by these names, and a test proves that each is a registered task.
"""

from dataclasses import dataclass
from enum import StrEnum

from app.settings import settings


class Queue(StrEnum):
    """By kind, so that a backlog of one does not hold up the others: a worker takes from all of them in turn."""

    DEFAULT = "default"
    """What customers wait for: resets, subscriptions, webhooks."""
    STRIPE = "stripe"
    """What somebody waits for that Stripe has to do."""
    STRIPE_EVENTS = "stripe-events"
    """What Stripe told: thousands at once when many subscriptions are renewed."""
    STRIPE_SWEEPS = "stripe-sweeps"
    """What looks through everything at Stripe, for minutes."""
    MAINTENANCE = "maintenance"
    """What nobody waits for."""


@dataclass(frozen=True, slots=True)
class Job:
    """`about` is one line for operators. Only jobs with a `schedule`, which names a setting in seconds, are sent by beat."""

    name: str
    queue: Queue
    about: str
    schedule: str | None = None

    @property
    def period_seconds(self) -> float | None:
        """How often beat sends it; None: never, or switched off (its setting is 0)."""
        seconds: float | None = getattr(settings(), self.schedule) if self.schedule else None
        return seconds or None


def _scheduled(name: str, queue: Queue, about: str) -> Job:
    """`usage.reset_due` is set by SCHEDULE_USAGE_RESET_DUE."""
    return Job(name, queue, about, schedule=f"schedule_{name.replace('.', '_')}")


HEARTBEAT = _scheduled("maintenance.heartbeat", Queue.DEFAULT, "proves that beat, broker and a worker are alive")
RESET_DUE = _scheduled("usage.reset_due", Queue.DEFAULT, "closes periods that have ended and moves their counters on")
SETTLE_SUBSCRIPTIONS = _scheduled(
    "subscriptions.settle_due", Queue.DEFAULT, "ends subscriptions and trials, and makes changes whose time has come"
)
EXPIRE_RESERVATIONS = _scheduled(
    "reservations.expire_due", Queue.DEFAULT, "marks reservations that nobody settled in time"
)
DELIVER_WEBHOOKS = _scheduled(
    "webhooks.deliver_due", Queue.DEFAULT, "sends webhooks, new ones and those to be repeated"
)
MAKE_TEMPLATE = Job(
    "stripe.make_template", Queue.STRIPE, "makes the price of a billing template at Stripe, or looks it up"
)
SWEEP_TEMPLATES = _scheduled(
    "stripe.sweep_templates", Queue.STRIPE, "has billing templates made whose message was lost, or when Stripe was away"
)
MAKE_LINK = Job("stripe.make_link", Queue.STRIPE, "has Stripe make the page of a link to pay by")
REQUEUE_LINKS = _scheduled(
    "stripe.requeue_links", Queue.STRIPE, "has links to pay by made whose message was lost, or when Stripe was away"
)
LOOK_AT_LINK = Job(
    "stripe.look_at_link", Queue.STRIPE, "looks at the page of a link to pay by that was asked for again"
)
CLOSE_OTHER_LINKS = Job(
    "stripe.close_other_links",
    Queue.STRIPE,
    "closes a buyer's other pages for base packages, so that nobody pays twice",
)
SWEEP_LINKS = _scheduled(
    "stripe.sweep_links", Queue.STRIPE_SWEEPS, "looks at Stripe for what was paid by links, if no event told of it"
)
ACT_ON_REQUEST = Job("stripe.act_on_request", Queue.STRIPE, "has Stripe cancel or change a subscription that it bills")
SWEEP_REQUESTS = _scheduled(
    "stripe.sweep_requests",
    Queue.STRIPE,
    "has Stripe asked for cancellations and changes whose message was lost, or when it was away",
)
ADJUST_OVERAGE = Job(
    "stripe.adjust_overage",
    Queue.STRIPE,
    "has Stripe charge for the overage of the package that a subscription was changed to, by whomever",
)
MAKE_PORTAL_LINK = Job("stripe.make_portal_link", Queue.STRIPE, "has Stripe make a page of the customer portal")
DROP_PORTAL_LINKS = _scheduled("stripe.drop_portal_links", Queue.STRIPE, "forgets links to the customer portal")
HANDLE_STRIPE_EVENT = Job("stripe.handle_event", Queue.STRIPE_EVENTS, "does what an event of Stripe's is a hint of")
REQUEUE_STRIPE_INBOX = _scheduled(
    "stripe.requeue_inbox",
    Queue.STRIPE_EVENTS,
    "has events of Stripe's handled whose message was lost, or that wait to be repeated",
)
CATCH_UP_STRIPE_EVENTS = _scheduled(
    "stripe.catch_up_events", Queue.STRIPE_SWEEPS, "asks Stripe for events whose webhook did not come"
)
COMPARE_SUBSCRIPTIONS = _scheduled(
    "stripe.compare_subscriptions",
    Queue.STRIPE_SWEEPS,
    "compares all subscriptions with Stripe's, and copies what differs",
)
CHECK_PRICES = _scheduled(
    "stripe.check_prices",
    Queue.STRIPE_SWEEPS,
    "takes billing templates off sale whose price Stripe does not sell any more",
)
REPORT_OVERAGE = _scheduled(
    "stripe.report_overage", Queue.STRIPE_SWEEPS, "works out the overage of hours that are over, for Stripe's meters"
)
SEND_METER_REPORTS = _scheduled(
    "stripe.send_meter_reports",
    Queue.STRIPE_SWEEPS,
    "tells Stripe's meters of overage, and tries again what did not arrive",
)
COMPARE_OVERAGE = _scheduled(
    "stripe.compare_overage", Queue.STRIPE_SWEEPS, "compares what Stripe's meters have counted with what they were told"
)
MAKE_PARTITIONS = _scheduled("maintenance.make_partitions", Queue.MAINTENANCE, "makes the ledger's next months")
PRUNE = _scheduled("maintenance.prune", Queue.MAINTENANCE, "drops what is older than the retention settings keep")
CHECK_BOOKS = _scheduled("maintenance.check_books", Queue.MAINTENANCE, "proves that counters and ledger agree")
CHECK_BOOKS_OF = Job("maintenance.check_books_of", Queue.MAINTENANCE, "the same for one tenant")

JOBS = (
    HEARTBEAT,
    RESET_DUE,
    SETTLE_SUBSCRIPTIONS,
    EXPIRE_RESERVATIONS,
    DELIVER_WEBHOOKS,
    MAKE_TEMPLATE,
    SWEEP_TEMPLATES,
    MAKE_LINK,
    REQUEUE_LINKS,
    LOOK_AT_LINK,
    CLOSE_OTHER_LINKS,
    SWEEP_LINKS,
    ACT_ON_REQUEST,
    SWEEP_REQUESTS,
    ADJUST_OVERAGE,
    MAKE_PORTAL_LINK,
    DROP_PORTAL_LINKS,
    HANDLE_STRIPE_EVENT,
    REQUEUE_STRIPE_INBOX,
    CATCH_UP_STRIPE_EVENTS,
    COMPARE_SUBSCRIPTIONS,
    CHECK_PRICES,
    REPORT_OVERAGE,
    SEND_METER_REPORTS,
    COMPARE_OVERAGE,
    MAKE_PARTITIONS,
    PRUNE,
    CHECK_BOOKS,
    CHECK_BOOKS_OF,
)
