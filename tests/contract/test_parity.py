"""The two doors are one contract: the SDL, the structs and the OpenAPI document say the same."""

import types
from enum import StrEnum
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    build_schema,
)
from msgspec import UnsetType

from app.contract import (
    billing,
    explanations,
    features,
    packages,
    reservations,
    shapes,
    subscriptions,
    usage,
    usage_history,
    users,
    webhooks,
)
from app.contract.sdl import admin_sdl
from app.domain.billing import BillingTemplateStatus, SubscriptionLinkStatus
from app.domain.entitlements import DecidingRule, FeatureType
from app.domain.explanations import SubscribingStep, SubscriptionStanding
from app.domain.metering import RecordUsageAction
from app.domain.periods import ResetPeriod
from app.domain.reservations import ReservationStatus
from app.domain.subscribing import PackageStatus, SubscriptionStatus
from app.domain.subscription_requests import RequestKind, RequestStatus
from app.domain.usage_history import SeriesInterval
from app.domain.webhooks import DeliveryStatus, EndpointStatus, WebhookEventType
from app.rest.openapi import openapi_document, operations

pytestmark = pytest.mark.usefixtures("product")

# Former names that only GraphQL's callers can hold.
_ONLY_GRAPHQL = {"plans", "createUsageEvent", "generateSubscriptionLinks"}

_VIEWS: dict[str, type[shapes.View]] = {
    "Feature": features.Feature,
    "Package": packages.Package,
    "PackageFeature": packages.PackageFeature,
    "PackagePrice": packages.PackagePrice,
    "User": users.User,
    "GeneratedUserToken": users.GeneratedUserToken,
    "PackageSubscription": subscriptions.Subscription,
    "PendingChange": subscriptions.PendingChange,
    "SubscriptionRequest": subscriptions.SubscriptionRequest,
    "Consumption": usage.Consumption,
    "RecordedUsages": usage.RecordedUsages,
    "UsageResult": usage.UsageResult,
    "UsageError": usage.UsageError,
    "Reservation": reservations.Reservation,
    "ReservedUsage": reservations.ReservedUsage,
    "RecordedUsage": usage.RecordedUsage,
    "Entitlement": usage.Entitlement,
    "CanUseFeatureData": usage.Entitlement,
    "ConsumptionInPeriod": usage.ConsumptionInPeriod,
    "ShowUsageData": usage.ShowUsage,
    "UsageEvent": usage_history.UsageEvent,
    "UsageSeries": usage_history.UsageSeries,
    "UsagePoint": usage_history.UsagePoint,
    "Explanation": explanations.Explanation,
    "DecidingSubscription": explanations.DecidingSubscription,
    "CandidateSubscription": explanations.CandidateSubscription,
    "PeriodArithmetic": explanations.PeriodArithmetic,
    "PeriodSums": explanations.PeriodSums,
    "PendingUsage": explanations.PendingUsage,
    "OpenReservation": explanations.OpenReservation,
    "WaysToAccess": explanations.WaysToAccess,
    "AccessLater": explanations.AccessLater,
    "PackageOffer": explanations.PackageOffer,
    "BillingTemplate": billing.BillingTemplate,
    "SubscriptionLink": billing.SubscriptionLink,
    "PortalLink": billing.PortalLink,
    "WebhookEndpoint": webhooks.WebhookEndpoint,
    "WebhookDelivery": webhooks.WebhookDelivery,
    "RedeliveredWebhooks": webhooks.RedeliveredWebhooks,
}
# Fields that GraphQL resolves by itself: what a REST caller asks for with a second call, and former names.
_RESOLVED = {
    ("Feature", "packages"),
    ("Feature", "entitlement"),
    ("PackageSubscription", "plan"),
    ("Entitlement", "package"),
    ("CanUseFeatureData", "package"),
    ("CanUseFeatureData", "data"),
}
# And what stands in a REST answer instead.
_INSTEAD = {("Entitlement", "packageId"), ("CanUseFeatureData", "packageId")}

_INPUTS: dict[str, type[shapes.Command]] = {
    "CreateFeatureInput": features.CreateFeature,
    "UpdateFeatureInput": features.UpdateFeature,
    "CreatePackageInput": packages.CreatePackage,
    "CreatePackageFeatureInput": packages.PackageFeatureTerms,
    "EntitlementInput": packages.EntitlementTerms,
    "UpdatePackageInput": packages.UpdatePackage,
    "CreateUserInput": users.CreateUser,
    "UpdateUserInput": users.UpdateUser,
    "CreateUsageEventInput": usage.RecordUsage,
    "CreateBillingTemplateInput": billing.CreateBillingTemplate,
    "UpdateBillingTemplateInput": billing.UpdateBillingTemplate,
    "CreateWebhookEndpointInput": webhooks.CreateWebhookEndpoint,
    "UpdateWebhookEndpointInput": webhooks.UpdateWebhookEndpoint,
}
# The id of what is updated: in REST it is in the path.
_IN_PATH = {("UpdateFeatureInput", "id"), ("UpdatePackageInput", "id")}

_ENUMS: dict[str, type[StrEnum]] = {
    "FeatureType": FeatureType,
    "PackageStatus": PackageStatus,
    "ResetPeriod": ResetPeriod,
    "SubscriptionStatus": SubscriptionStatus,
    "SubscriptionRequestKind": RequestKind,
    "SubscriptionRequestStatus": RequestStatus,
    "ReservationStatus": ReservationStatus,
    "RecordUsageAction": RecordUsageAction,
    "SeriesInterval": SeriesInterval,
    "DecidingRule": DecidingRule,
    "SubscriptionStanding": SubscriptionStanding,
    "SubscribingStep": SubscribingStep,
    "BillingTemplateStatus": BillingTemplateStatus,
    "SubscriptionLinkStatus": SubscriptionLinkStatus,
    "WebhookEndpointStatus": EndpointStatus,
    "WebhookDeliveryStatus": DeliveryStatus,
}
# The types of webhooks have dots in their names, which no GraphQL enum can have.
_NAMES = {str: "String", int: "Int", bool: "Boolean", Any: "JSON", WebhookEventType: "String"}
# Nullable in the schema because Kana's tables have it so; we always answer.
_MORE_NULLABLE = {("GeneratedUserToken", "token"), ("ShowUsageData", "past")}
# And never null, as Kana's tables have it: what REST shows as null until it is there is an error until then.
_LESS_NULLABLE = {("SubscriptionLink", "url")}


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema(admin_sdl())


def test_every_query_and_mutation_has_a_rest_operation_of_its_name_and_the_other_way_round(
    schema: GraphQLSchema,
) -> None:
    assert schema.query_type is not None
    assert schema.mutation_type is not None
    fields = {*schema.query_type.fields, *schema.mutation_type.fields} - _ONLY_GRAPHQL

    assert fields == {operation["operationId"] for operation in operations(openapi_document())}


def test_every_object_type_has_a_view(schema: GraphQLSchema) -> None:
    roots = {schema.query_type, schema.mutation_type}
    objects = {
        name
        for name, type_ in schema.type_map.items()
        if isinstance(type_, GraphQLObjectType) and type_ not in roots and not name.startswith("__")
    }

    assert objects == set(_VIEWS)


@pytest.mark.parametrize("name", sorted(_VIEWS))
def test_the_fields_of_an_object_type_are_those_of_its_view(schema: GraphQLSchema, name: str) -> None:
    type_ = schema.type_map[name]
    assert isinstance(type_, GraphQLObjectType)
    in_sdl = {
        field: _as_text(definition.type) for field, definition in type_.fields.items() if (name, field) not in _RESOLVED
    }
    in_view = {field: text for field, text in _fields(_VIEWS[name]).items() if (name, field) not in _INSTEAD}
    for type_name, field in _MORE_NULLABLE:
        if type_name == name:
            in_view[field] = in_view[field].removesuffix("!")
    for type_name, field in _LESS_NULLABLE:
        if type_name == name:
            in_view[field] += "!"

    assert in_sdl == in_view


@pytest.mark.parametrize("name", sorted(_INPUTS))
def test_the_fields_of_an_input_are_those_of_its_command(schema: GraphQLSchema, name: str) -> None:
    type_ = schema.type_map[name]
    assert isinstance(type_, GraphQLInputObjectType)
    in_sdl = {field for field in type_.fields if (name, field) not in _IN_PATH}
    required_in_sdl = {field for field in in_sdl if _as_text(type_.fields[field].type).endswith("!")}
    in_command = {field.encode_name: field for field in msgspec.structs.fields(_INPUTS[name])}

    assert in_sdl == set(in_command)
    assert required_in_sdl == {field for field, definition in in_command.items() if definition.required}


@pytest.mark.parametrize("name", sorted(_INPUTS))
def test_the_defaults_of_an_input_are_those_of_its_command(schema: GraphQLSchema, name: str) -> None:
    type_ = schema.type_map[name]
    assert isinstance(type_, GraphQLInputObjectType)
    in_sdl = {
        field: definition.default.literal.to_dict()["value"] if definition.default else None
        for field, definition in type_.fields.items()
        if definition.default
    }
    in_command = {
        field.encode_name: field.default
        for field in msgspec.structs.fields(_INPUTS[name])
        if field.default not in (msgspec.NODEFAULT, None, msgspec.UNSET)
    }

    assert {field: str(value) for field, value in in_sdl.items()} == {
        field: str(value) for field, value in in_command.items()
    }


@pytest.mark.parametrize("name", sorted(_ENUMS))
def test_an_enum_has_the_same_values_everywhere(schema: GraphQLSchema, name: str) -> None:
    type_ = schema.type_map[name]
    assert isinstance(type_, GraphQLEnumType)
    # ALL is only an argument of `packages`, never the status of one.
    in_sdl = set(type_.values) - ({"ALL"} if name == "PackageStatus" else set())

    assert in_sdl == {member.value for member in _ENUMS[name]}


@pytest.mark.parametrize("struct", sorted({*_VIEWS.values(), *_INPUTS.values()}, key=lambda struct: struct.__name__))
def test_an_openapi_schema_has_the_fields_of_its_struct(struct: type[msgspec.Struct]) -> None:
    component = openapi_document()["components"]["schemas"][struct.__name__]

    assert set(component["properties"]) == {field.encode_name for field in msgspec.structs.fields(struct)}


def test_everything_in_the_schema_is_described(schema: GraphQLSchema) -> None:
    silent = []
    for name, type_ in schema.type_map.items():
        if name.startswith("__") or name in {"String", "Int", "Boolean", "Float", "ID"}:
            continue
        if not type_.description:
            silent.append(name)
        for field, definition in getattr(type_, "fields", {}).items():
            if not definition.description:
                silent.append(f"{name}.{field}")
            arguments = getattr(definition, "args", {})
            silent += [f"{name}.{field}({argument})" for argument, is_ in arguments.items() if not is_.description]
        for value, definition in getattr(type_, "values", {}).items():
            if not definition.description:
                silent.append(f"{name}.{value}")

    assert silent == []


def _fields(view: type[shapes.View]) -> dict[str, str]:
    return {field.encode_name: _sdl_type(field.type, field.encode_name) for field in msgspec.structs.fields(view)}


def _sdl_type(annotation: Any, field: str, *, nullable: bool = False) -> str:
    """How the SDL writes a struct's field: `str | None` is `String`, `list[str]` is `[String!]!`."""
    if get_origin(annotation) is Annotated:
        inner, meta = get_args(annotation)[:2]
        is_moment = (meta.extra_json_schema or {}).get("format") == "date-time"
        # Metadata may be anything, null included.
        return _end("DateTime" if is_moment else _NAMES[inner], nullable or inner is Any)
    if get_origin(annotation) in (Union, types.UnionType):
        (inner,) = [member for member in get_args(annotation) if member not in (types.NoneType, UnsetType)]
        return _sdl_type(inner, field, nullable=True)
    if get_origin(annotation) is list:
        return _end(f"[{_sdl_type(get_args(annotation)[0], field)}]", nullable)
    if annotation in _NAMES:
        return _end(_NAMES[annotation], nullable)
    known = _VIEWS | _ENUMS
    name = next((name for name, type_ in known.items() if type_ is annotation), annotation.__name__)
    return _end(name, nullable)


def _end(name: str, nullable: bool) -> str:
    return name if nullable else f"{name}!"


def _as_text(type_: GraphQLInputType | GraphQLOutputType) -> str:
    return str(type_)
