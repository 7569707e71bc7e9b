"""What each type and field means, for the OpenAPI document. The words are the SDL's: one text for both doors.

Only what REST alone has is described here. A test demands a description for every property of the document.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

from app.contract.sdl import admin_sdl

# A struct's twin in the SDL: a type, or a field whose arguments are the struct's fields.
_TWINS: Final[Mapping[str, str]] = {
    "CreateFeature": "CreateFeatureInput",
    "UpdateFeature": "UpdateFeatureInput",
    "CreatePackage": "CreatePackageInput",
    "UpdatePackage": "UpdatePackageInput",
    "PackageFeatureTerms": "CreatePackageFeatureInput",
    "EntitlementTerms": "EntitlementInput",
    "DuplicatePackage": "Mutation.duplicatePackage",
    "CreateUser": "CreateUserInput",
    "UpdateUser": "UpdateUserInput",
    "Subscribe": "Mutation.subscribe",
    "CancelSubscription": "Mutation.cancelSubscription",
    "ChangeSubscription": "Mutation.changeSubscription",
    "Subscription": "PackageSubscription",
    "RecordUsage": "CreateUsageEventInput",
    "ReserveUsage": "Mutation.reserveUsage",
    "CommitReservation": "Mutation.commitReservation",
    "ShowUsage": "ShowUsageData",
    "CreateWebhookEndpoint": "CreateWebhookEndpointInput",
    "UpdateWebhookEndpoint": "UpdateWebhookEndpointInput",
    "CreateBillingTemplate": "CreateBillingTemplateInput",
    "UpdateBillingTemplate": "UpdateBillingTemplateInput",
    "GenerateSubscriptionLink": "Mutation.generateSubscriptionLink",
    "GeneratePortalLink": "Mutation.generatePortalLink",
    "RequestKind": "SubscriptionRequestKind",
    "RequestStatus": "SubscriptionRequestStatus",
    "EndpointStatus": "WebhookEndpointStatus",
    "DeliveryStatus": "WebhookDeliveryStatus",
}
_REST_ALONE: Final[Mapping[str, str]] = {
    "FeaturePage": "One page of features.",
    "PackagePage": "One page of packages.",
    "UserPage": "One page of users.",
    "SubscriptionPage": "One page of subscriptions.",
    "UsageEventPage": "One page of usage events.",
    "UsageEventPage.data": "Newest first.",
    "BillingTemplatePage": "One page of billing templates.",
    "WebhookEndpointPage": "One page of webhook endpoints.",
    "WebhookDeliveryPage": "One page of webhook deliveries.",
    "WebhookDeliveryPage.data": "Newest first.",
    "WebhookEventType": "What endpoints can be told of.",
    "Subscribed": "What one call made.",
    "Subscribed.data": "In the order of `packageIds`.",
    "Entitlement.packageId": "The id of the package that decides.",
    "RecordUsages": "Many events in one call.",
    "RecordUsages.events": "What was used, in order; at most 1,000.",
    "RecordUsages.allOrNothing": "Record none of them unless all can be recorded.",
    "Problem": "Why a call did not work (RFC 9457).",
    "Problem.type": "Where this kind of problem is explained.",
    "Problem.title": "The kind of problem, always in the same words.",
    "Problem.status": "The HTTP status again.",
    "Problem.detail": "What is wrong with this call.",
    "Problem.code": "For programs, the same as in GraphQL: `BAD_USER_INPUT`, `UNAUTHENTICATED`, `OVERLOADED` or "
    "`INTERNAL_SERVER_ERROR`.",
    "Problem.name": "Which error it is, the same as in GraphQL.",
    "Problem.requestId": "To find this call in the server's log.",
    "Problem.field": "The path of the value that is wrong. Only when one is.",
}
_PAGE: Final[Mapping[str, str]] = {"data": "Oldest first.", "hasMore": "Whether another page follows."}

_TEXT = re.compile(r'^\s*"(?P<text>.*)"$')
_TYPE = re.compile(r"^(?P<extend>extend )?(?:type|input|enum|scalar) (?P<name>\w+)")
_FIELD = re.compile(r"^  (?P<name>\w+)")
_ARGUMENT = re.compile(r"^    (?P<name>\w+):")


def describe_type(name: str) -> str | None:
    """What a type of the document is for; None if nobody says."""
    return _REST_ALONE.get(name) or _sdl().get(_TWINS.get(name, name))


def describe_field(type_name: str, field: str) -> str | None:
    """What a field of it means; None if nobody says."""
    own = _REST_ALONE.get(f"{type_name}.{field}") or (_PAGE.get(field) if type_name.endswith("Page") else None)
    return own or _sdl().get(f"{_TWINS.get(type_name, type_name)}.{field}")


@cache
def _sdl() -> Mapping[str, str]:
    """Every description of the SDL by its path: `Feature`, `Feature.id`, `Mutation.subscribe.packageIds`."""
    return dict(_described(admin_sdl()))


def _described(sdl: str) -> Iterator[tuple[str, str]]:
    """Our SDL describes each thing in one line of its own, right above it, and indents by two spaces a level."""
    text, type_name, field = "", "", ""
    for line in sdl.splitlines():
        if found := _TEXT.match(line):
            text = found["text"]
            continue
        if found := _TYPE.match(line):
            type_name, path = found["name"], found["name"]
        elif found := _ARGUMENT.match(line):
            path = f"{type_name}.{field}.{found['name']}"
        elif found := _FIELD.match(line):
            field = found["name"]
            path = f"{type_name}.{field}"
        if text and found:
            yield path, text.replace('\\"', '"')
        text = ""
