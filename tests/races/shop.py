"""What a race is about: features, packages and users of one tenant, made through the services of this process."""

import itertools
from typing import Any

from app.contract.actors import Actor
from app.contract.features import CreateFeature
from app.contract.packages import CreatePackage, EntitlementTerms, PackageFeatureTerms
from app.contract.subscriptions import Subscribe
from app.contract.users import CreateUser
from app.domain.entitlements import FeatureType
from app.domain.periods import ResetPeriod
from app.services import features, packages, subscriptions, users

FEATURE = "api-calls"
_YEAR = ResetPeriod.YEAR  # no period ends while a test runs


class Shop:
    """Makes what a test needs, and gives out the ids."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self._numbers = itertools.count(1)

    def feature(self, feature_id: str | None = None) -> str:
        """A consumable feature."""
        made = features.create_feature(
            self.actor, CreateFeature(id=feature_id or self._new("feature"), type=FeatureType.CONSUMABLE)
        )
        return made.id

    def draft(
        self,
        *feature_ids: str,
        limit: int | None = None,
        monthly: bool = False,
        is_addon: bool = False,
        bases: list[str] | None = None,
    ) -> str:
        terms = EntitlementTerms(limit=limit, reset_period=ResetPeriod.MONTH if monthly else _YEAR)
        command = CreatePackage(
            id=self._new("package"),
            is_addon=is_addon,
            features=[PackageFeatureTerms(id=feature_id, entitlement=terms) for feature_id in feature_ids],
            base_package_ids=bases,
        )
        return packages.create_package(self.actor, command).id

    def package(self, *feature_ids: str, **more: Any) -> str:
        """A published one; `more` as for `draft`."""
        return packages.publish_package(self.actor, self.draft(*feature_ids, **more)).id

    def user(self, *package_ids: str) -> str:
        """A user who has these packages."""
        user_id = users.create_user(self.actor, CreateUser(id=self._new("user"))).id
        if package_ids:
            self.subscribe(user_id, *package_ids)
        return user_id

    def subscribe(self, user_id: str, *package_ids: str) -> list[str]:
        """The ids of the subscriptions."""
        made = subscriptions.subscribe(self.actor, Subscribe(user_id=user_id, package_ids=list(package_ids)))
        return [subscription.id for subscription in made]

    def _new(self, kind: str) -> str:
        return f"{kind}-{next(self._numbers)}"
