"""The command line, ``flinksql``: what an operator does in a DAG, from a shell.

Exit codes: 0 done or nothing to do, 1 error, 2 something to do (``plan``), 3 blocked, 4 not healthy (``status``),
64 wrong usage, 130 interrupted, 143 terminated. They tell what became of the jobs, whatever becomes of the output.
Modules are imported when a command needs them: an unchanged plan takes half a second.
"""

from __future__ import annotations

ERROR, BLOCKED, USAGE = 1, 3, 64


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit code. Without ``argv`` that is what this process is there for."""
    try:
        from airflow_provider_flinksql.cli import signals

        if argv is None:
            signals.heed()
        code = _run(argv)
    except KeyboardInterrupt as stop:
        from airflow_provider_flinksql.cli import signals  # what was interrupted may have been its import

        code = signals.say_interrupted(stop)
    if argv is None:
        signals.ignore()
    return code


def _run(argv: list[str] | None) -> int:
    from airflow_provider_flinksql.cli import output
    from airflow_provider_flinksql.cli.parser import make_parser
    from airflow_provider_flinksql.errors import Blocked, FlinkSqlError

    with output.tolerant_streams():
        try:
            arguments = make_parser().parse_args(argv)
            return int(arguments.func(arguments))
        except SystemExit as stop:  # argparse has said what there is to say
            return int(stop.code or 0)
        except FlinkSqlError as error:
            output.complain(error)
            return BLOCKED if isinstance(error, Blocked) else ERROR
