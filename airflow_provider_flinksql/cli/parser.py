"""What can be said on the command line. Imports nothing that only some commands need."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from airflow_provider_flinksql import names
from airflow_provider_flinksql.cli import USAGE
from airflow_provider_flinksql.cli import local as local_commands
from airflow_provider_flinksql.errors import MOST_OF_A_MESSAGE, shown

Func = Callable[[argparse.Namespace], int]


def _as(reader: Callable[[str], str], *words: str) -> Callable[[str], str]:
    """For argparse: one of these words, or what the reader takes; what that says against it is a usage error."""

    def read(given: str) -> str:
        try:
            return given if given in words else reader(given)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read


_RECORDED = _as(names.recorded_name)


class Parser(argparse.ArgumentParser):
    """An argparse parser whose usage errors exit 64: 2 is what ``plan`` says when there is something to do."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """Say it and exit."""
        self.print_usage(_stderr())
        self.exit(USAGE, f"{self.prog}: {shown(message, MOST_OF_A_MESSAGE)}\n")


class _Version(argparse.Action):
    """The version is looked up only when it is asked for: that takes longer than the rest of the parser."""

    def __init__(self, **options: Any) -> None:
        super().__init__(nargs=0, **options)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        from importlib.metadata import version

        from airflow_provider_flinksql.cli import output

        output.answer(f"flinksql {version('airflow-provider-flinksql')}")
        parser.exit()


def _stderr() -> Any:
    import sys

    return sys.stderr


def make_parser() -> Parser:
    """The whole command line."""
    parser = Parser(prog="flinksql", description="Flink SQL as declared jobs: plan, deploy, look after.")
    parser.add_argument("--version", action=_Version, help="print the version of this package and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    _add_plan(commands)
    _add_deploy(commands)
    _add_running(commands)
    _add_upkeep(commands)
    _add_init(commands)
    local_commands.add_parser(commands)
    return parser


def _add_init(commands: Any) -> None:
    init = _command(
        commands, "init", "init", "write a small project that runs at once on the embedded Flink", place=False
    )
    init.add_argument("folder", type=Path, metavar="FOLDER", help="what is there already is left as it is, .env is not")


def _add_plan(commands: Any) -> None:
    plan = _command(
        commands, "plan", "jobs", "say what a deploy would do; exit 0 nothing, 2 something, 3 blocked, 1 error"
    )
    _add_paths(plan)
    _add_consents(plan)


def _add_deploy(commands: Any) -> None:
    deploy = _command(commands, "deploy", "jobs", "make jobs be as their files say; exit 0 done, 3 blocked, 1 error")
    _add_paths(deploy)
    _add_consents(deploy)
    deploy.add_argument(
        "--expect", metavar="DIGEST", help="only if the plan is still the one of this digest, as flinksql plan says it"
    )


def _add_running(commands: Any) -> None:
    status = _command(
        commands, "status", "running", "how the jobs are; exit 0 all well, 4 not, 1 unknown name or no answer"
    )
    every = "a job; all jobs of the store when none is named"
    status.add_argument("names", nargs="*", type=_RECORDED, metavar="NAME", help=every)
    status.add_argument(
        "--checkpoints", action="store_true", help="ask each job for its last checkpoint, however many they are"
    )
    history = _command(commands, "history", "running", "every attempt of a job, ended ones too")
    history.add_argument("name", type=_RECORDED, metavar="NAME")
    history.add_argument("--all", action="store_true", help="those too that are older than the newest fifty")
    export = _command(
        commands, "export", "export", "all that is stored of jobs, as it is: one JSON document, also of unreadable ones"
    )
    export.add_argument("names", nargs="+", type=_RECORDED, metavar="NAME")
    snapshots = _command(
        commands, "snapshots", "snapshots", "every state of a job that is known of, and what a restart would restore"
    )
    snapshots.add_argument("name", type=_RECORDED, metavar="NAME")
    snapshots.add_argument(
        "--all", action="store_true", help="those too of older attempts than the last twenty, and all checkpoints"
    )
    stop = _command(commands, "stop", "running", "end jobs with a savepoint; the next deploy restores it")
    stop.add_argument("names", nargs="+", type=_RECORDED, metavar="NAME")
    how = stop.add_mutually_exclusive_group()
    how.add_argument(
        "--drain",
        dest="stop",
        action="store_const",
        const="drain",
        help="fire all timers and end all windows first; a later start from that savepoint needs --restore-from",
    )
    how.add_argument(
        "--cancel",
        dest="stop",
        action="store_const",
        const="cancel",
        help="no savepoint: for jobs that cannot take one; a retained checkpoint is restored later, if there is one",
    )


def _add_upkeep(commands: Any) -> None:
    restart = _command(
        commands, "restart", "upkeep", "stop a job with a savepoint and start it from there, as it is on record"
    )
    restart.add_argument("name", type=_RECORDED, metavar="NAME")
    restart.add_argument(
        "--from",
        dest="restore_from",
        type=_as(names.location, "none", "latest-checkpoint"),
        metavar="LOCATION|latest-checkpoint|none",
        help="from this savepoint or checkpoint; latest-checkpoint: cancel it, and go on from its newest; none: empty",
    )
    rollback = _command(
        commands, "rollback", "upkeep", "go back to an earlier attempt's file and state; what runs now is refused then"
    )
    rollback.add_argument("name", type=_RECORDED, metavar="NAME")
    rollback.add_argument(
        "--to", type=int, metavar="N", help="that attempt of its history (default: the last one of another file)"
    )
    adopt = _command(
        commands, "adopt", "upkeep", "take over a job that others started, as it runs; exit 0 done, 3 blocked, 1 error"
    )
    adopt.add_argument("name", type=_as(names.job_name), metavar="NAME", help="what it is called from now on")
    adopt.add_argument("job_id", metavar="JOB_ID", type=_as(names.job_id), help="which job, whatever Flink calls it")
    adopt.add_argument(
        "--job", type=Path, metavar="PATH", help="the file that says what runs there; without it, a later deploy does"
    )
    _add_reading(adopt)
    savepoint = _command(commands, "savepoint", "upkeep", "take a savepoint of a running job, which goes on")
    savepoint.add_argument("name", type=_RECORDED, metavar="NAME")


def _command(commands: Any, name: str, module: str, purpose: str, *, place: bool = True) -> Parser:
    """A command whose code is ``name`` in ``cli.<module>``, imported when it runs."""

    def func(arguments: argparse.Namespace) -> int:
        code: int = getattr(import_module(f"airflow_provider_flinksql.cli.{module}"), name)(arguments)
        return code

    parser: Parser = commands.add_parser(name, help=purpose, description=f"{purpose[0].upper()}{purpose[1:]}.")
    parser.set_defaults(func=func, usage_error=parser.error)
    parser.add_argument("--json", action="store_true", help="print one JSON document on stdout")
    if place:
        _add_place(parser)
    return parser


def _add_place(parser: Parser) -> None:
    place = parser.add_argument_group("where (default: the embedded Flink, if it is up)")
    place.add_argument("--conn", metavar="ID", help="an Airflow connection; only this needs Airflow")
    place.add_argument("--gateway", metavar="URL", help="the SQL gateway (FLINKSQL_GATEWAY)")
    place.add_argument("--jobmanager", metavar="URL", help="the JobManager's REST address (FLINKSQL_JOBMANAGER)")
    place.add_argument(
        "--store",
        metavar="URL",
        help="where manifests are kept, e.g. sqlite:////abs/file.db (FLINKSQL_STORE; default: a SQLite file of yours)",
    )


def _add_paths(parser: Parser) -> None:
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a job file, or a folder of them")
    _add_reading(parser)
    which = "which run of a batch job (default: the file's digest)"
    parser.add_argument("--run", type=_as(names.text), metavar="KEY", help=which)


def _add_reading(parser: Parser) -> None:
    parser.add_argument(
        "--defaults", type=Path, metavar="FILE", help="the defaults file (default: job-template.yaml beside the job)"
    )
    parser.add_argument(
        "--param", type=_pair, action="append", default=[], metavar="K=V", help="fills ${param.K}; may be repeated"
    )


def _add_consents(parser: Parser) -> None:
    group = parser.add_argument_group("consents: for this one time, recorded")
    group.add_argument("--adopt", action="store_true", help="take over the live job of that name as it is")
    group.add_argument(
        "--restore-from",
        type=_as(names.location, "none"),
        metavar="LOCATION|none",
        help="start from this savepoint or checkpoint; none: start empty",
    )
    group.add_argument(
        "--accept",
        action="append",
        default=[],
        choices=["cluster-gone", "changes-meaning", "unknown", "allow-non-restored"],
        help="cluster-gone: let go of a job on a cluster that is gone for good; changes-meaning, unknown: restore a "
        "changed query all the same; allow-non-restored: also where some state loses its place",
    )
    group.add_argument("--again", action="store_true", help="try a file once more that was refused for good")


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form key=value")
    return key, _as(names.text)(value)
