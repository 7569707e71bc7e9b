"""Users: who uses features and holds subscriptions."""

from email_validator import EmailNotValidError, validate_email
from msgspec import UNSET, UnsetType

from app.contract.shapes import Command, Metadata, View
from app.domain.values import check_id, check_metadata, check_optional_text
from app.errors import InvalidInputError


class CreateUser(Command):
    id: str
    billing_id: str | None = None
    name: str | None = None
    email: str | None = None
    metadata: Metadata = None

    def __post_init__(self) -> None:
        check_id("id", self.id)
        check_optional_text("billingId", self.billing_id)
        check_optional_text("name", self.name)
        check_email("email", self.email)
        check_metadata("metadata", self.metadata)


class UpdateUser(Command):
    """Absent fields stay as they are, null ones are cleared; `id` renames the user, whom everything follows."""

    id: str | UnsetType | None = UNSET
    billing_id: str | UnsetType | None = UNSET
    name: str | UnsetType | None = UNSET
    email: str | UnsetType | None = UNSET
    metadata: Metadata | UnsetType = UNSET

    def __post_init__(self) -> None:
        if isinstance(self.id, str):
            check_id("id", self.id)
        check_optional_text("billingId", self.billing_id)
        check_optional_text("name", self.name)
        check_email("email", self.email)
        if self.metadata is not UNSET:
            check_metadata("metadata", self.metadata)


def check_email(field: str, email: object) -> None:
    """An address that could receive mail, judged by its form alone; None and an absent value pass."""
    if not isinstance(email, str):
        return
    check_optional_text(field, email)
    try:
        # test_environment admits the reserved domains (`.test`) that people rightly use in tests.
        validate_email(email, check_deliverability=False, test_environment=True)
    except EmailNotValidError as problem:
        raise InvalidInputError(field, "must be an email address") from problem


class User(View):
    id: str
    billing_id: str | None
    name: str | None
    email: str | None
    metadata: Metadata


class GeneratedUserToken(View):
    """A token for the client API: a JWT that speaks for one user for 30 days."""

    token: str
