"""Values as they stand in a document or in SDL: printed, or as plain Python."""

import json
from collections.abc import Mapping
from typing import Any

from tartiflette.constants import UNDEFINED_VALUE
from tartiflette.language.ast import (
    BooleanValueNode,
    EnumValueNode,
    FloatValueNode,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    StringValueNode,
    VariableNode,
)


def printed(node: Any) -> str:
    """The value in GraphQL's own notation, object fields sorted: equal values print equally.

    Tartiflette's `str()` of a value leaves the quotes inside strings as they are, so `"` and `"", x: ""` cannot be told
    apart.
    """
    if isinstance(node, StringValueNode):
        return json.dumps(node.value, ensure_ascii=False)
    if isinstance(node, ListValueNode):
        return f"[{', '.join(printed(value) for value in node.values)}]"
    if isinstance(node, ObjectValueNode):
        fields = sorted((field.name.value, printed(field.value)) for field in node.fields)
        return "{" + ", ".join(f"{name}: {value}" for name, value in fields) + "}"
    if isinstance(node, VariableNode):
        return f"${node.name.value}"
    return str(node)


def plain(node: Any, variables: Mapping[str, Any]) -> Any:
    """The value as JSON would say it. A variable without a value is left out of an object and null in a list, as
    GraphQL has it.
    """
    if isinstance(node, NullValueNode):
        return None
    if isinstance(node, VariableNode):
        return variables.get(node.name.value, UNDEFINED_VALUE)
    if isinstance(node, ListValueNode):
        values = [plain(value, variables) for value in node.values]
        return [None if value is UNDEFINED_VALUE else value for value in values]
    if isinstance(node, ObjectValueNode):
        fields = {field.name.value: plain(field.value, variables) for field in node.fields}
        return {name: value for name, value in fields.items() if value is not UNDEFINED_VALUE}
    if isinstance(node, IntValueNode):
        return int(node.value)
    if isinstance(node, FloatValueNode):
        return float(node.value)
    if isinstance(node, StringValueNode | BooleanValueNode | EnumValueNode):
        return node.value
    return UNDEFINED_VALUE
