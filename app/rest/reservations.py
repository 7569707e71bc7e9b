"""Reservations over REST."""

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from app.contract.actors import Actor
from app.contract.reservations import CommitReservation, Reservation, ReservedUsage, ReserveUsage
from app.contract.usage import RecordedUsage
from app.edge.threads import in_thread
from app.rest.idempotency import KeyHeader, with_key
from app.rest.parameters import ReservationId
from app.rest.problems import read_problems, write_problems
from app.services import reservations


class Reservations(Controller):
    path = "/reservations"
    tags = ("Usage",)

    @post(operation_id="reserveUsage", summary="Reserve usage", responses=write_problems(404, 409), status_code=200)
    async def reserve(
        self, actor: NamedDependency[Actor], data: JSONBody[ReserveUsage], idempotency_key: KeyHeader = None
    ) -> ReservedUsage:
        """Holds an amount of the allowance at once. A refusal is an answer, not an error: `reserved` false with a reason."""
        return await in_thread(reservations.reserve_usage, actor, with_key(data, idempotency_key))

    @get("/{reservationId:str}", operation_id="reservation", summary="Get a reservation", responses=read_problems(404))
    async def read(self, actor: NamedDependency[Actor], reservation_id: ReservationId) -> Reservation:
        """One reservation, whatever its status."""
        return await in_thread(reservations.get_reservation, actor, reservation_id)

    @post(
        "/{reservationId:str}/commit",
        operation_id="commitReservation",
        summary="Commit a reservation",
        responses=write_problems(404, 409),
        status_code=200,
    )
    async def commit(
        self,
        actor: NamedDependency[Actor],
        reservation_id: ReservationId,
        data: JSONBody[CommitReservation | None] = None,
    ) -> RecordedUsage:
        """Settles it with what was really used; without a body, with the whole amount held. The rest is free again."""
        command = data or CommitReservation()
        return await in_thread(reservations.commit_reservation, actor, reservation_id, command)

    @post(
        "/{reservationId:str}/release",
        operation_id="releaseReservation",
        summary="Release a reservation",
        responses=read_problems(404, 409),
        status_code=200,
    )
    async def release(self, actor: NamedDependency[Actor], reservation_id: ReservationId) -> Reservation:
        """Frees what it holds."""
        return await in_thread(reservations.release_reservation, actor, reservation_id)
