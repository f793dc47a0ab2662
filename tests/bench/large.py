"""What one very large job file costs to read: CPU and memory of a whole process. ``python -m tests.bench.large``."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from tests.bench.growth import Row, cost, table

READ = "import sys; from pathlib import Path; from airflow_provider_flinksql.jobfile.read import read_job;"
READ += "print(len(read_job(Path(sys.argv[1])).spec.digest))"


def ddl(name: str, columns: int) -> str:
    """A table of so many columns."""
    listed = ", ".join(f"c{number} BIGINT" for number in range(columns))
    return f"CREATE TABLE {name} ({listed}) WITH ('connector' = 'datagen')"


JOBS = {
    "5,000 INSERTs": (";\n".join(f"INSERT INTO o SELECT id + {n} FROM s WHERE id > {n}" for n in range(5000)), []),
    "a literal of 10 MB": (f"INSERT INTO o SELECT '{'x' * 10_000_000}' FROM s", []),
    "2,000 columns": ("INSERT INTO o SELECT " + ", ".join(f"c{n}" for n in range(2000)) + " FROM s", [ddl("s", 2000)]),
    "100 tables": (
        "INSERT INTO o SELECT 1 FROM " + ", ".join(f"t{n}" for n in range(100)),
        [ddl(f"t{n}", 20) for n in range(100)],
    ),
}


def rows() -> list[Row]:
    """A row for each job."""
    found: list[Row] = []
    for name, (sql, tables) in JOBS.items():
        with tempfile.TemporaryDirectory() as text:
            folder = Path(text)
            for number, statement in enumerate(tables):
                (folder / f"{number:03}.sql").write_text(statement)
            file = folder / "job.yaml"
            file.write_text(json.dumps({"name": "large", "sql": sql, "tables": ["*.sql"] if tables else []}))
            used = cost([sys.executable, "-c", READ, str(file)])
            assert used.out.strip().isdecimal(), used.out
            found.append((f"a file with {name}", f"{used.cpu:.2f} s CPU", f"{used.memory:.0f} MB"))
    return found


if __name__ == "__main__":
    table(rows())
