"""The fields of the records that the API serves, with the types that JSON Schema has for them.

A module of its own, since every job that declares fields runs in another environment.
"""

FIELDS = {
    "id": "integer",
    "updated_at": "datetime",
    "name": "string",
    "email": "string",
    "amount": "number",
    "tags": "array",
    "address": "object",
    "active": "boolean",
    "note": "string",
    "score": "integer",
}
