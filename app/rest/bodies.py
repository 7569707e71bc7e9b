"""Request bodies: JSON in, a command out, with the words for a bad value that both doors share."""

from collections.abc import Generator
from typing import Any, TypeVar

import msgspec
from litestar.dto import AbstractDTO
from litestar.dto.data_structures import DTOFieldDefinition
from litestar.openapi.spec import Reference, Schema
from litestar.typing import FieldDefinition

from app.contract.shapes import Command, build
from app.errors import InvalidInputError
from app.rest.errors import MalformedRequest, UnsupportedMediaType

C = TypeVar("C", bound=Command)


class JsonBody(AbstractDTO[Command]):
    """How the framework gets `data` of a handler: it hands over the bytes and takes the command.

    Its own way would turn "1" into 1 where an integer is due, and speak in its own words of what is wrong.
    """

    def decode_bytes(self, value: bytes) -> Command:
        """
        Raises:
            UnsupportedMediaType: the body is not declared as JSON.
            MalformedRequest: it is not JSON.
            InvalidInputError: it is not the command; names the field.
        """
        content_type = self.asgi_connection.headers.get("content-type", "")
        if not is_json(content_type):
            raise UnsupportedMediaType(f"Content-Type must be application/json, is {content_type or 'absent'}")
        command_type: type[Command] = self.asgi_connection.route_handler.parsed_data_field.annotation
        return read_command(command_type, value)

    @classmethod
    def create_for_field_definition(cls, *_: Any, **__: Any) -> None:
        """Nothing to prepare: the framework would generate a transfer model here."""

    @classmethod
    def create_openapi_schema(
        cls, field_definition: FieldDefinition, handler_id: str, schema_creator: Any
    ) -> Reference | Schema:
        schema: Reference | Schema = schema_creator.for_field_definition(
            FieldDefinition.from_annotation(field_definition.annotation)
        )
        return schema

    @classmethod
    def generate_field_definitions(cls, model_type: type[Any]) -> Generator[DTOFieldDefinition, None, None]:
        yield from ()

    @classmethod
    def detect_nested_field(cls, field_definition: FieldDefinition) -> bool:
        return False


def read_command(command_type: type[C], body: bytes) -> C:
    """The command that a body asks for.

    Raises:
        MalformedRequest: it is not JSON.
        InvalidInputError: it is not the command; names the field.
    """
    return build(command_type, _decode(body))


def is_json(content_type: str) -> bool:
    """Whether a `Content-Type` declares JSON."""
    essence = content_type.partition(";")[0].strip().lower()
    return essence == "application/json" or (essence.startswith("application/") and essence.endswith("+json"))


def _decode(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.ValidationError as refusal:
        # Well-formed, but a number that no float can hold. Where it stands is told as "$[...]", without names: of no use.
        raise InvalidInputError("body", str(refusal).partition(" - at ")[0]) from refusal
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:  # a string is decoded apart from the JSON around it
        raise MalformedRequest(f"body: {problem}") from problem
    except RecursionError as problem:
        raise MalformedRequest("body: is nested too deeply") from problem
