"""The SQL of a job file: cut into statements, checked, filled, and found again when the planner complains."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from airflow_provider_flinksql.errors import Fault, InvalidSpec
from airflow_provider_flinksql.jobfile.globs import matching
from airflow_provider_flinksql.jobfile.source import Scalar, Source, begins_in, read_text
from airflow_provider_flinksql.model.nearly import nearly
from airflow_provider_flinksql.model.settings import setting_of
from airflow_provider_flinksql.model.sql import (
    SqlFault,
    Statement,
    fill,
    fill_plain,
    has_line_comment,
    inserts,
    misplaced,
    offset_of,
    placeholders,
    plain_placeholders,
    position,
    split,
    unfilled,
    well_formed,
    without_comments,
)

_NOT_BEFORE_A_JOB = {
    "insert": "an INSERT starts a job of its own; put it into `sql`",
    "statement-set": "a statement set starts a job of its own; put it into `sql`",
    "query": "a query has no effect here",
    "create-table-as": "CREATE TABLE … AS starts a job of its own; create the table here and fill it in `sql`",
    "dml": "this starts a job of its own or changes data at each deploy",
    "other": (
        "`plan` runs what stands here, too, so it may act on no job and on no data. Known are CREATE, ALTER and DROP "
        "of a table, view, function, database, catalog or model, USE, LOAD and UNLOAD MODULE, ADD JAR, SET and RESET"
    ),
}


@dataclass(frozen=True)
class Place:
    """A spot in something the author wrote."""

    source: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        line = f", line {self.line}" if self.line else ""
        return f"{self.source}{line}{f', column {self.column}' if self.column else ''}"


@dataclass(frozen=True)
class Origin:
    """Where a statement of a Spec comes from: the value it was cut from, its own text there, the parameters put in."""

    path: str
    scalar: Scalar
    statement: Statement
    values: Mapping[str, str]

    @property
    def text(self) -> str:
        """The statement as Flink gets it, secrets aside."""
        return fill(self.statement.text, self.values)

    def place(self, line: int, column: int) -> Place:
        """Where a position in :attr:`text` was written."""
        raw = self.statement.text
        line, column = position(raw, unfilled(raw, self.values, offset_of(self.text, line, column)))
        return place_in(self.scalar, self.path, *self._in_scalar(line, column))

    def _in_scalar(self, line: int, column: int) -> tuple[int, int]:
        return self.statement.line + line - 1, column + (self.statement.column - 1 if line == 1 else 0)

    def place_of(self, offset: int) -> Place:
        """Where the character at that offset of the unfilled statement was written."""
        return place_in(self.scalar, self.path, *self._in_scalar(*position(self.statement.text, offset)))


@dataclass(frozen=True)
class Written:
    """A SET (``value``) or RESET (none; of all options where ``key`` is None, too) and where it stands."""

    key: str | None
    value: str | None
    origin: Origin

    @property
    def shared(self) -> bool:
        """Whether the defaults file says so."""
        return self.origin.scalar.source.shared

    @property
    def line(self) -> str:
        """File and line."""
        return str(replace(self.origin.place_of(0), column=None))


def place_in(scalar: Scalar, path: str, line: int, column: int) -> Place:
    """Where a position in the text of a value stands in its file; only the key's line where lines were folded."""
    if scalar.line is None:
        return Place(f"{scalar.source.name}, {path}", line, column)
    if not scalar.exact:
        return Place(scalar.source.name, scalar.line)
    begin_line, begin_column = scalar.first
    return Place(scalar.source.name, begin_line + line - 1, column + (begin_column - 1 if line == 1 else scalar.indent))


class SqlReader:
    """Reads the SQL of one job with its parameters (``param.x`` -> value); what is wrong goes to ``faults``.

    ``settings`` are the SET and RESET statements in their order, ``used`` the names of all placeholders.
    """

    def __init__(self, values: Mapping[str, str], faults: list[Fault]) -> None:
        self.values = values
        self.faults = faults
        self.settings: list[Written] = []
        self.used: set[str] = set()

    def job(self, scalar: Scalar, *, target_table: bool, streaming: bool) -> list[Origin]:
        """The statements of ``sql:``: the INSERTs of the job, or the one query for its target table."""
        found = [origin for origin in self._cut(scalar, "sql") if self._fills(origin)]
        kinds = {origin.statement.kind for origin in found}
        if len(found) == 1 and kinds == {"query"}:
            if not target_table:
                self.fault(found[0], "a query needs a `target-table` for its rows; or write an INSERT")
            return found
        if len(found) == 1 and kinds == {"create-table-as"}:
            if streaming:
                problem = "CREATE TABLE … AS fails at the second deploy, when the table exists"
                self.fault(found[0], f"{problem}; create it under `tables` or `setup` and write an INSERT")
            return found
        if target_table and len(found) == 1 and kinds == {"other"}:
            problem = f"this is no query ({_begin(found[0])}): one begins with SELECT, WITH, VALUES or TABLE"
            self.fault(found[0], problem)
            return []
        if target_table and kinds and kinds <= {"insert", "statement-set"}:
            self.fault(found[0], "an INSERT names its own table; delete `target-table`, or leave only the query")
        return [insert for number, origin in enumerate(found, 1) for insert in self._inserts(origin, number)]

    def _inserts(self, origin: Origin, number: int) -> list[Origin]:
        """The INSERTs that a statement of a script is made of."""
        if origin.statement.kind not in ("insert", "statement-set"):
            advice = {
                "query": "a query stands alone, with a `target-table`",
                "set": "put options under `flinkProperties`",
                "ddl": "put it under `tables` or `setup`",
                "create-table-as": "create the table under `tables` or `setup` and fill it by an INSERT",
            }.get(origin.statement.kind, "only INSERTs and statement sets can stand here")
            self.fault(origin, f"statement {number} of `sql` is not an INSERT ({_begin(origin)}): {advice}")
            return []
        parts = [Origin(origin.path, origin.scalar, part, self.values) for part in inserts(origin.statement)]
        if not parts:
            self.fault(origin, f"statement {number} of `sql` is an empty statement set")
        for part in parts:
            if part.statement.kind != "insert":
                self.fault(part, f"a statement set holds INSERTs only, not {_begin(part)}")
        return parts

    def before(self, scalar: Scalar, path: str) -> list[Origin]:
        """What a ``setup:`` entry or a file of ``tables:`` runs before the job.

        Settings are kept apart; what only shows something has no effect here.
        """
        found = []
        for origin in self._cut(scalar, path):
            kind = origin.statement.kind
            if kind == "set":
                self._setting(origin)
            elif kind in _NOT_BEFORE_A_JOB:
                self.fault(origin, f"{_begin(origin)}: {_NOT_BEFORE_A_JOB[kind]}")
            elif kind == "show":
                self.used.update(placeholders(origin.statement.text))
            elif self._fills(origin):
                found.append(origin)
        return found

    def _setting(self, origin: Origin) -> None:
        try:
            setting = setting_of(origin.statement.text)
        except SqlFault as error:
            self.fault(origin, error.message)
            return
        if setting:
            line = origin.place_of(0).line
            key, value = (
                text and self._plain(text, origin.scalar, origin.path, line) for text in (setting.key, setting.value)
            )
            self.settings.append(Written(key, value, origin))

    def tables(self, patterns: Iterable[Scalar]) -> list[Origin]:
        """The statements of all files that the patterns of ``tables:`` name, each file once."""
        files: dict[Path, Scalar] = {}
        for number, pattern in enumerate(patterns):
            for file in self._files(pattern, f"tables[{number}]"):
                files.setdefault(file, pattern)
        found: list[Origin] = []
        for file, pattern in files.items():
            try:
                text = read_text(file, begins_in(Path(pattern.text), pattern.source.folder))
            except InvalidSpec as error:
                fault = error.faults[0]
                line = f", line {fault.line}" if fault.line else ""
                self._fault_at(pattern, "tables", f"{file}{line}: {fault.message}")
                continue
            source = Source(str(file), file.parent, pattern.source.shared, pattern)
            found += self.before(Scalar(source, 1, text), "tables")
        return found

    def _files(self, pattern: Scalar, path: str) -> list[Path]:
        name = self.plain(pattern, path)
        late = plain_placeholders(name)
        if late:
            self._fault_at(pattern, path, f"${{{min(late)}}} has no value while files are read; use ${{param.x}}")
            return []
        folder = pattern.source.folder
        if not glob.has_magic(name):
            return [folder / name]
        try:
            files = matching(folder, name)
        except (OSError, ValueError) as error:  # ValueError: no file can have such a name
            self._fault_at(pattern, path, f"{name}: {getattr(error, 'strerror', None) or error}")
            return []
        if not files:
            self._fault_at(pattern, path, f"no file matches {name}{begins_in(Path(name), folder)}")
        return files

    def plain(self, scalar: Scalar, path: str) -> str:
        """A text that is not SQL, filled."""
        return self._plain(scalar.text, scalar, path, scalar.line)

    def _plain(self, text: str, scalar: Scalar, path: str, line: int | None) -> str:
        for name in sorted(plain_placeholders(text)):
            self._check(name, scalar, path, line)
        for _, problem in nearly(text):
            self._fault_at(scalar, path, problem, line)
        return fill_plain(text, self.values)

    def fragment(self, scalar: Scalar, path: str) -> str:
        """A piece of SQL, filled."""
        self._check_all(scalar.text, scalar, path, lambda _: scalar.line)
        try:
            return fill(scalar.text, self.values)
        except SqlFault as error:
            self._fault_at(scalar, path, error.message)
            return scalar.text

    def _cut(self, scalar: Scalar, path: str) -> list[Origin]:
        if scalar.folded and has_line_comment(scalar.text):
            problem = (
                "a line comment in a text that YAML folds into one line hides what follows; write `|` for the text"
            )
            self._fault_at(scalar, path, problem)
            return []
        try:
            statements = split(scalar.text)
        except SqlFault as error:
            place = place_in(scalar, path, error.line, error.column)
            self._fault_at(scalar, path, error.message, place.line)
            return []
        if not statements and path == "sql":
            self._fault_at(scalar, path, "there is no statement in it")
        return [Origin(path, scalar, statement, self.values) for statement in statements]

    def _fills(self, origin: Origin) -> bool:
        before = len(self.faults)
        self._check_all(
            origin.statement.text, origin.scalar, origin.path, lambda offset: origin.place_of(offset).line
        )
        try:
            _ = origin.text
        except SqlFault as error:
            offset = offset_of(origin.statement.text, error.line, error.column)
            self._fault_at(origin.scalar, origin.path, error.message, origin.place_of(offset).line)
        return len(self.faults) == before

    def _check_all(self, sql: str, scalar: Scalar, path: str, line: Callable[[int], int | None]) -> None:
        """All that may be wrong with the placeholders of a piece of SQL; ``line`` says where an offset was written."""
        for name, offset in placeholders(sql).items():
            self._check(name, scalar, path, line(offset))
        for name, offset in misplaced(sql).items():
            problem = f"${{{name}}} is known only when this is sent, so it can stand only in a string; use ${{param.x}}"
            self._fault_at(scalar, path, problem, line(offset))
        for offset, problem in nearly(without_comments(sql)):
            self._fault_at(scalar, path, problem, line(offset))

    def _check(self, name: str, scalar: Scalar, path: str, line: int | None) -> None:
        self.used.add(name)
        if not well_formed(name):
            forms = "${param.name}, ${conn.id.field}, ${var.name} or ${env.NAME}"
            self._fault_at(scalar, path, f"${{{name}}} is not a placeholder; write {forms}", line)
        elif name.startswith("param.") and name not in self.values:
            self._fault_at(scalar, path, f"${{{name}}} has no value; give it under `parameters`", line)

    def fault(self, origin: Origin, message: str) -> None:
        """A fault of that statement."""
        place = origin.place_of(0)
        self._fault_at(origin.scalar, origin.path, message, place.line)

    def _fault_at(self, scalar: Scalar, path: str, message: str, line: int | None = None) -> None:
        self.faults.append(scalar.source.fault(path, message, line or scalar.line))


def _begin(origin: Origin) -> str:
    """The first words of a statement, to recognise it by. Its parameters stay placeholders."""
    words = origin.statement.text.split()
    return " ".join(words[:4]) + (" …" if len(words) > 4 else "")
