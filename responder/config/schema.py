"""The JSON Schema of ``config.toml``: an editor completes and explains keys by it.

The shipped file is made from the types by ``python -m responder.config.schema``; a test keeps it equal to them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema

from responder.config.tables import File

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core.core_schema import NullableSchema, WithDefaultSchema


class _Schema(GenerateJsonSchema):
    """Pydantic's schema without what TOML cannot say (null) and nobody needs to read (titles made of names)."""

    def nullable_schema(self, schema: NullableSchema) -> JsonSchemaValue:
        """Return the schema of the value itself."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        """Return the schema with its default, if there is one to write."""
        if schema.get("default", "") is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - the library's signature
        """Return False: no title says more than the key."""
        return False


SHIPPED = Path(__file__).with_name("responder.schema.json")


def build() -> dict[str, Any]:
    """Return the schema of the whole file."""
    schema = File.model_json_schema(by_alias=True, schema_generator=_Schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "responder: config.toml"}


def text() -> str:
    """Return the schema as the shipped file holds it."""
    return json.dumps(build(), ensure_ascii=False, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    SHIPPED.write_text(text(), encoding="utf-8")
