"""What is sold at a payment provider: the states of billing templates and of links to pay by."""

from enum import StrEnum
from typing import Final

INTERVALS: Final = ("day", "week", "month", "year")


class BillingTemplateStatus(StrEnum):
    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"
    FAILED = "FAILED"


class SubscriptionLinkStatus(StrEnum):
    """PAID, EXPIRED and FAILED are final. UNPAID is not: the buyer took a payment method that is settled days later."""

    PENDING = "PENDING"
    OPEN = "OPEN"
    UNPAID = "UNPAID"
    PAID = "PAID"
    EXPIRED = "EXPIRED"
    FAILED = "FAILED"
