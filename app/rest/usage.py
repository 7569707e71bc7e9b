"""Usage and access over REST: count it, and ask whether it may be used."""

from typing import Annotated

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import HeaderParameter, JSONBody

from app.contract.actors import Actor
from app.contract.usage import (
    CheckAccess,
    Entitlement,
    RecordedUsage,
    RecordedUsages,
    RecordUsage,
    RecordUsages,
    ShowUsage,
)
from app.edge import coalesce
from app.edge.threads import in_thread
from app.errors import InvalidInputError
from app.rest.idempotency import KeyHeader, with_key
from app.rest.parameters import KEY_HEADER, Delta, EventId, FeatureId, UserId
from app.rest.problems import read_problems, write_problems
from app.services import batches, entitlements, reverts


class Usage(Controller):
    path = "/usage"
    tags = ("Usage",)

    @post(
        operation_id="recordUsage",
        summary="Record usage",
        responses=write_problems(404, 409),
        status_code=200,
    )
    async def record(
        self, actor: NamedDependency[Actor], data: JSONBody[RecordUsage], idempotency_key: KeyHeader = None
    ) -> RecordedUsage:
        """Counts usage, exactly once. A refusal is an answer, not an error: `recorded` false with a reason.

        With an idempotency key the same call can be sent again: it counts once, and a repeat gets the first answer.
        """
        return await coalesce.record_usage(actor, with_key(data, idempotency_key))

    @post(
        "/batch",
        operation_id="recordUsages",
        summary="Record many events",
        responses=write_problems(409),
        status_code=200,
    )
    async def record_batch(
        self,
        actor: NamedDependency[Actor],
        data: JSONBody[RecordUsages],
        idempotency_key: Annotated[
            str | None, HeaderParameter(name=KEY_HEADER, description="Not here: give each event an `idempotencyKey`.")
        ] = None,
    ) -> RecordedUsages:
        """Up to 1,000 events in one transaction, each decided after those before it; the results come in their order.

        With `allOrNothing` none is recorded unless all are.
        """
        if idempotency_key is not None:
            # Ignored in silence, it would let a repeat count everything twice.
            raise InvalidInputError(KEY_HEADER, "is not for a batch; give each event an idempotencyKey")
        return await in_thread(batches.record_batch, actor, data)

    @post(
        "/events/{eventId:str}/revert",
        operation_id="revertUsage",
        summary="Revert an event",
        responses=read_problems(404, 409),
        status_code=200,
    )
    async def revert(self, actor: NamedDependency[Actor], event_id: EventId) -> RecordedUsage:
        """Takes back exactly what a recorded event applied, in the period it was counted in, however old it is. Once."""
        return await in_thread(reverts.revert_usage, actor, event_id)


class Access(Controller):
    path = "/users/{userId:str}/features/{featureId:str}"
    tags = ("Usage",)

    @get("/access", operation_id="canUseFeature", summary="May a user use a feature?", responses=read_problems(404))
    async def check(
        self,
        actor: NamedDependency[Actor],
        user_id: UserId,
        feature_id: FeatureId,
        delta: Delta = 1,
    ) -> Entitlement:
        """A question only: it counts nothing."""
        command = CheckAccess(user_id=user_id, feature_id=feature_id, delta=delta)
        return await coalesce.check_access(actor, command)

    @get("/usage", operation_id="showUsage", summary="Show what a user has used", responses=read_problems(404))
    async def show(self, actor: NamedDependency[Actor], user_id: UserId, feature_id: FeatureId) -> ShowUsage:
        """In the current period and in those before it."""
        return await in_thread(entitlements.show_usage, actor, user_id, feature_id)
