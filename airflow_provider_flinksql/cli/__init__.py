"""The command line, ``flinksql``: what an operator does in a DAG, from a shell.

Exit codes: 0 done or nothing to do, 1 error, 2 something to do (``plan``), 3 blocked, 4 not healthy (``status``),
64 wrong usage, 130 interrupted. Modules are imported when a command needs them: an unchanged plan takes half a second.
"""

from __future__ import annotations

ERROR, BLOCKED, USAGE, INTERRUPTED = 1, 3, 64, 130


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    from airflow_provider_flinksql.cli import output
    from airflow_provider_flinksql.cli.parser import make_parser
    from airflow_provider_flinksql.errors import Blocked, FlinkSqlError

    try:
        arguments = make_parser().parse_args(argv)
        return int(arguments.func(arguments))
    except SystemExit as stop:  # argparse has said what there is to say
        return int(stop.code or 0)
    except KeyboardInterrupt:
        output.note("")  # behind the ^C
        output.note(
            "Interrupted. What was asked of Flink goes on there, and the manifest says how far it got: the same "
            "command again goes on from there."
        )
        return INTERRUPTED
    except FlinkSqlError as error:
        output.complain(error)
        return BLOCKED if isinstance(error, Blocked) else ERROR
