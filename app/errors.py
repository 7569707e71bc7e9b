"""What can go wrong, as one small tree.

Every error that a caller may see is one of these: a code for programs, a name that says which, a message for people. No HTTP
words here: each door owns the table that maps codes to its own shapes (`app/graphql/errors.py`, `app/rest/errors.py`).

    MeterlineError
    ├── CallerError                     BAD_USER_INPUT: the call must change before it can work
    │   ├── InvalidInputError           a value breaks a rule; `field` names it
    │   ├── NotFoundError               an id that this tenant does not have
    │   │   ├── FeatureNotFoundError
    │   │   ├── PackageNotFoundError
    │   │   ├── UserNotFoundError
    │   │   ├── SubscriptionNotFoundError
    │   │   ├── UsageEventNotFoundError
    │   │   ├── ReservationNotFoundError
    │   │   ├── WebhookEndpointNotFoundError
    │   │   ├── WebhookDeliveryNotFoundError
    │   │   ├── BillingTemplateNotFoundError
    │   │   └── SubscriptionLinkNotFoundError
    │   └── ConflictError               the call is well formed, the state forbids it
    │       ├── AlreadyExistsError      an id that is taken
    │       ├── InUseError              something else still needs what should be deleted
    │       ├── PackageStatusError      a package is not in the status the call needs
    │       ├── SubscriptionError       the rules for base packages, add-ons and cancelled subscriptions
    │       ├── IdempotencyConflictError  the key was used before, for other content
    │       ├── RevertError             a usage event that nothing can be taken back of
    │       ├── ReservationError        a reservation that is settled already, or has expired
    │       ├── SubscriptionLinkError   no such billing template, one that is not on sale, Stripe refuses, or no URL yet
    │       ├── PortalLinkError         a user who is no customer of the payment provider's, or Stripe refuses
    │       └── WebhookError            one endpoint too many, or nothing that could be sent to it now
    ├── AuthenticationError             UNAUTHENTICATED: no, a bad or a wrong kind of credential
    └── OverloadedError                 OVERLOADED: busy or away; the same call may work in a moment

Anything else is a fault of ours. It is logged with the request id and answered as INTERNAL_SERVER_ERROR.
"""

from typing import ClassVar


class MeterlineError(Exception):
    """The root. `code` is for programs, `message` for people."""

    code: ClassVar[str] = "INTERNAL_SERVER_ERROR"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    @property
    def name(self) -> str:
        """The class's name: what `extensions.exception.name` says on the wire."""
        return type(self).__name__


class CallerError(MeterlineError):
    code = "BAD_USER_INPUT"


class InvalidInputError(CallerError, ValueError):
    """A value breaks a rule. `field` is the path of the value in the caller's words, such as `features[0].id`.

    A ValueError too, because of those alone msgspec tells at which place of a larger value they were raised.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class NotFoundError(CallerError):
    """An id that this tenant does not have; another tenant's id looks exactly the same."""

    kind: ClassVar[str] = "Object"

    def __init__(self) -> None:
        # The wording of Kana's one documented case ("Package Id not found for app"), for every kind.
        super().__init__(f"{self.kind} Id not found for app")


class FeatureNotFoundError(NotFoundError):
    kind = "Feature"


class PackageNotFoundError(NotFoundError):
    kind = "Package"


class UserNotFoundError(NotFoundError):
    kind = "User"


class SubscriptionNotFoundError(NotFoundError):
    kind = "Subscription"


class UsageEventNotFoundError(NotFoundError):
    kind = "Usage Event"


class ReservationNotFoundError(NotFoundError):
    kind = "Reservation"


class WebhookEndpointNotFoundError(NotFoundError):
    kind = "Webhook Endpoint"


class WebhookDeliveryNotFoundError(NotFoundError):
    kind = "Webhook Delivery"


class BillingTemplateNotFoundError(NotFoundError):
    kind = "Billing Template"


class SubscriptionLinkNotFoundError(NotFoundError):
    kind = "Subscription Link"


class ConflictError(CallerError):
    pass


class AlreadyExistsError(ConflictError):
    pass


class InUseError(ConflictError):
    pass


class PackageStatusError(ConflictError):
    pass


class SubscriptionError(ConflictError):
    pass


class IdempotencyConflictError(ConflictError):
    pass


class RevertError(ConflictError):
    pass


class ReservationError(ConflictError):
    pass


class SubscriptionLinkError(ConflictError):
    pass


class PortalLinkError(ConflictError):
    pass


class WebhookError(ConflictError):
    pass


class AuthenticationError(MeterlineError):
    """The message always starts with `Unauthenticated`: Kana's client recognises the error by that word."""

    code = "UNAUTHENTICATED"

    def __init__(self, problem: str) -> None:
        super().__init__(f"Unauthenticated: {problem}")


class OverloadedError(MeterlineError):
    """`nothing_done`: everything was rolled back for certain, so the server itself may try once more. `held_up`: other calls have
    what this one needs, such as a lock, so it pays to ask again soon.
    """

    code = "OVERLOADED"

    def __init__(self, message: str, *, nothing_done: bool = True, held_up: bool = False) -> None:
        super().__init__(message)
        self.nothing_done = nothing_done
        self.held_up = held_up
