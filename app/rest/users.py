"""Users over REST, and the tokens that speak for them."""

from litestar import Controller, get, patch, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from app.contract.actors import Actor
from app.contract.billing import GeneratePortalLink, PortalLink
from app.contract.shapes import Page, PageRequest
from app.contract.users import CreateUser, GeneratedUserToken, UpdateUser, User
from app.edge.portal_links import generate_portal_link
from app.edge.threads import in_thread
from app.rest.parameters import UserId
from app.rest.problems import read_problems, write_problems
from app.services import tokens, users


class Users(Controller):
    path = "/users"
    tags = ("Users",)

    @post(operation_id="createUser", summary="Create a user", responses=write_problems(409))
    async def create(self, actor: NamedDependency[Actor], data: JSONBody[CreateUser]) -> User:
        """The id must be new; several users may share an email address."""
        return await in_thread(users.create_user, actor, data)

    @get(operation_id="users", summary="List users", responses=read_problems())
    async def list_page(self, actor: NamedDependency[Actor], page: NamedDependency[PageRequest]) -> Page[User]:
        """Oldest first, in pages."""
        return await in_thread(users.list_users, actor, page)

    @get("/{userId:str}", operation_id="user", summary="Get a user", responses=read_problems(404))
    async def read(self, actor: NamedDependency[Actor], user_id: UserId) -> User:
        """One user."""
        return await in_thread(users.get_user, actor, user_id)

    @patch("/{userId:str}", operation_id="updateUser", summary="Update a user", responses=write_problems(404, 409))
    async def update(self, actor: NamedDependency[Actor], user_id: UserId, data: JSONBody[UpdateUser]) -> User:
        """Absent fields stay as they are, null ones are cleared. `id` renames; subscriptions and usage follow."""
        return await in_thread(users.update_user, actor, user_id, data)

    @post(
        "/{userId:str}/token",
        operation_id="generateUserToken",
        summary="Generate a user token",
        responses=read_problems(404),
    )
    async def generate_token(self, actor: NamedDependency[Actor], user_id: UserId) -> GeneratedUserToken:
        """A token for the client API that speaks for this user for 30 days."""
        return await in_thread(tokens.generate_user_token, actor, user_id)

    @post(
        "/{userId:str}/portal-link",
        operation_id="generatePortalLink",
        summary="Generate a link to the customer portal",
        responses=write_problems(404, 409),
    )
    async def generate_portal_link(
        self, actor: NamedDependency[Actor], user_id: UserId, data: JSONBody[GeneratePortalLink]
    ) -> PortalLink:
        """A page of Stripe's on which the user looks after payment methods and subscriptions. It is for the next minutes."""
        return await generate_portal_link(actor, user_id, data)
