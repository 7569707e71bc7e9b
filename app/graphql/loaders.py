"""What resolvers of one request load together: one question to the services for all the keys of a list, not one each."""

from aiodataloader import DataLoader

from app.contract.actors import Actor
from app.contract.packages import Package
from app.edge.threads import in_thread
from app.services.packages import packages_by_id, packages_holding


class Loaders:
    """One set per request: a loader remembers what it has read, and no request may see what another read."""

    def __init__(self, actor: Actor) -> None:
        async def load_packages(ids: list[str]) -> list[Package | None]:
            found = await in_thread(packages_by_id, actor, ids)
            return [found.get(id_) for id_ in ids]

        async def load_packages_holding(feature_ids: list[str]) -> list[list[Package]]:
            found = await in_thread(packages_holding, actor, feature_ids)
            return [found[feature_id] for feature_id in feature_ids]

        self._packages: DataLoader[str, Package | None] = DataLoader(load_packages)
        self._packages_holding: DataLoader[str, list[Package]] = DataLoader(load_packages_holding)

    async def package(self, package_id: str) -> Package | None:
        return await self._packages.load(package_id)

    async def packages_holding(self, feature_id: str) -> list[Package]:
        """The packages that hold the feature, oldest first."""
        return await self._packages_holding.load(feature_id)
