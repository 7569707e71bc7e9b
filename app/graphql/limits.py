"""How large and how deep a GraphQL document may be, and how long its answer."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """One number for each way a document can cost more than it is worth. GraphiQL's introspection query passes all of
    them.

    All but `list_entries` bound what one document costs before any resolver runs: they count fields, not rows.
    """

    # The longest documents of real clients are introspection queries of 2 KB. The parser's AST takes 60-90 bytes for
    # one of text.
    document_bytes: int = 8_192
    # Several of the engine's validators are quadratic: 10 000 of anything is 10-20 s, 1 000 tokens are milliseconds.
    tokens: int = 1_000
    # Python reads no integer of more than 4,300 digits: as a JSON literal, a longer one would end in a fault of ours.
    number_characters: int = 4_000
    # The C parser's destructor recurses once for each level and overflows the stack: 7 000 levels end a process whose
    # thread has 256 KB. Its output grows with the square of the depth. The deepest introspection query nests 18.
    nesting: int = 24
    # Selection sets inside each other, fragments expanded. The deepest useful path is subscriptions → package →
    # features.
    depth: int = 12
    # `__schema` and `__type` have depths of their own: the type references of introspection queries nest 9 times
    # `ofType`.
    introspection_depth: int = 20
    # Lists of introspection inside each other (`fields { type { fields …`): each one multiplies the answer by the size
    # of the schema.
    introspection_lists: int = 2
    # Every selected field, fragments expanded: aliases and fragments that double otherwise ask for 10 000 with 700
    # bytes.
    fields: int = 250
    # Each root field may be a transaction.
    root_fields: int = 10
    definitions: int = 30
    # Entries of all lists in one answer. Lists in lists multiply: `features { packages { features { id } } }` over 100
    # features and 50 packages of 100 had half a million entries and kept the event loop, and every other caller, 10 s.
    list_entries: int = 25_000
    # What parsed documents may take in memory: number, and bytes of their text (the AST is 60-90 times that).
    cached_documents: int = 512
    cached_bytes: int = 262_144
