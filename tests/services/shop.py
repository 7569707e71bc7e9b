"""A shop to tell stories about: one tenant, its catalogue and its customers, in as few words as the story needs."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlmodel import SQLModel

from app import clock
from app.contract.actors import Actor
from app.contract.features import CreateFeature, Feature
from app.contract.packages import CreatePackage, EntitlementTerms, Package, PackageFeatureTerms
from app.contract.shapes import PageRequest
from app.contract.subscriptions import CancelSubscription, ChangeSubscription, Subscribe, Subscription
from app.contract.usage import CheckAccess, Entitlement, RecordedUsage, RecordUsage, ShowUsage
from app.contract.users import CreateUser, User
from app.db import engine
from app.domain.entitlements import FeatureType
from app.domain.metering import RecordUsageAction
from app.domain.periods import ResetPeriod
from app.services import entitlements, features, packages, subscriptions, usage, users

ADD, SET = RecordUsageAction.ADD, RecordUsageAction.SET
DAY, MONTH, YEAR = ResetPeriod.DAY, ResetPeriod.MONTH, ResetPeriod.YEAR
EVERYTHING = PageRequest(limit=100)

NOWHERE = "no-such-id"


def counted(
    limit: int | None = None, per: ResetPeriod = MONTH, *, overage: bool = False, feature_id: str = "calls"
) -> PackageFeatureTerms:
    """So much of a consumable feature in each period."""
    terms = EntitlementTerms(limit=limit, reset_period=per, overage_enabled=overage)
    return PackageFeatureTerms(id=feature_id, entitlement=terms)


@dataclass(frozen=True)
class Shop:
    """Everything speaks of the feature `calls` and the user `ada`, unless it says otherwise."""

    actor: Actor

    def feature(self, feature_id: str = "calls", type_: FeatureType = FeatureType.CONSUMABLE) -> Feature:
        return features.create_feature(self.actor, CreateFeature(id=feature_id, type=type_))

    def draft(self, package_id: str, *terms: PackageFeatureTerms, **more: Any) -> Package:
        return packages.create_package(self.actor, CreatePackage(id=package_id, features=list(terms), **more))

    def package(self, package_id: str, *terms: PackageFeatureTerms, **more: Any) -> Package:
        """A published one."""
        self.draft(package_id, *terms, **more)
        return packages.publish_package(self.actor, package_id)

    def addon(self, package_id: str, *terms: PackageFeatureTerms, **more: Any) -> Package:
        return self.package(package_id, *terms, is_addon=True, **more)

    def user(self, user_id: str = "ada") -> User:
        return users.create_user(self.actor, CreateUser(id=user_id))

    def subscribe(self, *package_ids: str, user_id: str = "ada", trial_days: int | None = None) -> list[Subscription]:
        command = Subscribe(user_id=user_id, package_ids=list(package_ids), trial_days=trial_days)
        return subscriptions.subscribe(self.actor, command)

    def cancel(self, subscription_id: str, *, at_period_end: bool = False) -> Subscription:
        command = CancelSubscription(at_period_end=at_period_end)
        return subscriptions.cancel_subscription(self.actor, subscription_id, command)

    def change(self, subscription_id: str, package_id: str, *, at_period_end: bool = False) -> Subscription:
        command = ChangeSubscription(package_id=package_id, at_period_end=at_period_end)
        return subscriptions.change_subscription(self.actor, subscription_id, command)

    def subscription(self, subscription_id: str) -> Subscription:
        return subscriptions.get_subscription(self.actor, subscription_id)

    def subscriptions(self, user_id: str = "ada") -> list[Subscription]:
        """All that the user ever had, oldest first."""
        return subscriptions.list_subscriptions(self.actor, EVERYTHING, user_id).data

    def record(self, delta: int = 1, action: RecordUsageAction = ADD, **more: Any) -> RecordedUsage:
        command = {"user_id": "ada", "feature_id": "calls", "delta": delta, "action": action} | more
        return usage.record_usage(self.actor, RecordUsage(**command))

    def access(self, delta: int = 1, *, user_id: str = "ada", feature_id: str = "calls") -> Entitlement:
        return entitlements.check_access(self.actor, CheckAccess(user_id=user_id, feature_id=feature_id, delta=delta))

    @staticmethod
    def now_and(**more: float) -> datetime:
        """So much later than now, in the words of `timedelta`."""
        return clock.now() + timedelta(**more)

    def used(self) -> int | None:
        """What `check_access` says; None without a period."""
        consumption = self.access().consumption
        return consumption.used if consumption else None

    def usage(self, *, user_id: str = "ada", feature_id: str = "calls") -> ShowUsage:
        return entitlements.show_usage(self.actor, user_id, feature_id)

    def past(self) -> list[tuple[str, int]]:
        """(day on which the period began, what was used in it), newest first."""
        return [(period.period_start[:10], period.consumption.used) for period in self.usage().past]

    def ledger(self, *columns: str) -> list[tuple[Any, ...]]:
        """These columns of every usage event, refused ones too, in order of arrival."""
        statement = f"SELECT {', '.join(columns)} FROM usage_events WHERE tenant_id = :id ORDER BY usage_events.id"  # noqa: S608 — our own names
        with engine().connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement), {"id": self.actor.tenant_id})]

    def rows(self, *tables: str) -> dict[str, list[tuple[Any, ...]]]:
        """All that the database holds about this tenant, in these tables or in all: to say that nothing has changed."""
        chosen = tables or tuple(
            name for name, table in SQLModel.metadata.tables.items() if "tenant_id" in table.columns
        )
        with engine().connect() as connection:
            return {
                name: [
                    tuple(row)
                    for row in connection.execute(
                        text(f"SELECT * FROM {name} WHERE tenant_id = :id ORDER BY 1, 2, 3"),  # noqa: S608 — our own names
                        {"id": self.actor.tenant_id},
                    )
                ]
                for name in chosen
            }
