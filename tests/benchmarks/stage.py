"""Servers and data of one run, each made when the first scenario asks for it."""

from functools import cached_property

from tests.benchmarks.rivals import database as rival_database
from tests.benchmarks.servers import Servers, vacuum
from tests.benchmarks.shop import Shop, open_shop, use_once
from tests.races.web import Web

_HERE = "tests.benchmarks"


class Stage:
    def __init__(self, servers: Servers, users: int) -> None:
        self.servers = servers
        self.users = users

    @cached_property
    def shop(self) -> Shop:
        """Ours, with its users, in the database `meterline`."""
        url = self.servers.postgres.url
        with self.servers.product_at(url):
            shop = open_shop(self.users)
            vacuum(url)  # before the first use: its plans are kept with their connections
            use_once(shop)
        vacuum(url)
        return shop

    @cached_property
    def product(self) -> Web:
        assert self.shop
        return self.servers.web(self.servers.postgres.url)

    @cached_property
    def typed_echo(self) -> Web:
        return self.servers.other(f"{_HERE}.echoes:create_typed", "/schema/openapi.json")

    @cached_property
    def bare_echo(self) -> Web:
        return self.servers.other(f"{_HERE}.echoes:create_bare", "/")

    @cached_property
    def fastapi(self) -> Web:
        return self.servers.other(f"{_HERE}.rivals.fastapi_app:create_app", "/openapi.json", self._rival_url)

    @cached_property
    def strawberry(self) -> Web:
        return self.servers.other(f"{_HERE}.rivals.strawberry_app:create_app", "/openapi.json", self._rival_url)

    @cached_property
    def _rival_url(self) -> str:
        url = self.servers.postgres.create("rivals")
        rival_database.fill(url, self.users)
        vacuum(url)
        return url
