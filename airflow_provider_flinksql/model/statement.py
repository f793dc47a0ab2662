"""What is sent to Flink for a Spec: the statements that prepare a session, then one that starts the job."""

from __future__ import annotations

from typing import Literal

from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.model.sql import created_table, offset_of, position, quote_identifier, quote_literal


def session_statements(spec: Spec) -> list[str]:
    """What runs first in a fresh session: jars (a missing one fails at once), tables, setup."""
    return [*(f"ADD JAR {quote_literal(jar)}" for jar in spec.jars), *spec.tables, *spec.setup]


def final_statement(spec: Spec, *, query_version: int, query_id: str, created: str) -> str:
    """The one statement that starts the job. ``created`` is ``YYYY-MM-DD hh:mm:ss``; it, version and id are used only
    where the Spec asks for query metadata."""
    return "".join(text for text, _ in _pieces(spec, query_version, query_id, created))


def locate(
    spec: Spec, line: int, column: int, *, query_version: int, query_id: str, created: str
) -> tuple[int, int, int] | None:
    """Where a planner's position in the final statement stands in the author's own text.

    Index in ``spec.statements``, then line and column in it; None where it points into text that we added.
    """
    pieces = _pieces(spec, query_version, query_id, created)
    offset = offset_of("".join(text for text, _ in pieces), line, column)
    for text, index in pieces:
        if offset < len(text):
            return None if index is None else (index, *position(text, offset))
        offset -= len(text)
    return None


def creation(spec: Spec, table: str) -> tuple[Literal["tables", "setup"], int] | None:
    """Which statement creates the table of that path; None unless exactly one creates a table of its name."""
    parts: tuple[Literal["tables", "setup"], ...] = ("tables", "setup")
    statements = [(part, index, text) for part in parts for index, text in enumerate(getattr(spec, part))]
    named = [(part, index, created_table(text)) for part, index, text in statements]
    found = [(part, index) for part, index, name in named if name and f".{table}".endswith(f".{name}")]
    return found[0] if len(found) == 1 else None


def _pieces(spec: Spec, query_version: int, query_id: str, created: str) -> list[tuple[str, int | None]]:
    """The final statement in parts, each with the index of the user's statement it is, or None."""
    if spec.target_table is not None:
        into = f"INSERT INTO {spec.target_table}\n"
        if not spec.query_metadata:
            return [(into, None), (spec.statements[0], 0)]
        columns = _metadata(spec, query_version, query_id, created)
        select = f"{into}SELECT {columns} FROM (\n"  # noqa: S608 - all values in it are quoted
        return [(select, None), (spec.statements[0], 0), ("\n)", None)]
    if len(spec.statements) == 1:
        return [(spec.statements[0], 0)]
    pieces: list[tuple[str, int | None]] = [("EXECUTE STATEMENT SET BEGIN\n", None)]
    for index, statement in enumerate(spec.statements):
        pieces += ((statement, index), (";\n", None))
    return [*pieces, ("END", None)]


def _metadata(spec: Spec, query_version: int, query_id: str, created: str) -> str:
    """All columns of the query and the ones that flink-sql-runner added to each row, in its order."""
    columns = {
        "__create_timestamp": "NOW()",
        "__query_name": f"CAST({quote_literal(spec.name)} AS STRING)",
        "__query_description": f"CAST({quote_literal(spec.description)} AS STRING)",
        "__query_id": f"CAST({quote_literal(query_id)} AS STRING)",
        "__query_version": f"CAST({query_version} AS INT)",
        "__query_create_timestamp": f"CAST({quote_literal(created)} AS TIMESTAMP)",
    }
    return ", ".join(["*", *(f"{value} AS {quote_identifier(name)}" for name, value in columns.items())])
