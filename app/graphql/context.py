"""What every resolver of one request shares."""

from dataclasses import dataclass
from typing import Generic, TypeVar

ActorT = TypeVar("ActorT")
LoadersT = TypeVar("LoadersT")


@dataclass(frozen=True, slots=True)
class Context(Generic[ActorT, LoadersT]):
    """Tartiflette hands it to resolvers as their third argument. Made anew for each request, and gone with it."""

    actor: ActorT
    loaders: LoadersT
    request_id: str
