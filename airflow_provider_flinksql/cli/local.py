"""``flinksql local``: the embedded Flink from the command line."""

from __future__ import annotations

import argparse
import re
from typing import Any

from airflow_provider_flinksql import local
from airflow_provider_flinksql.cli import output
from airflow_provider_flinksql.errors import Misconfigured

_NOT_UP = 4


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add ``local up | down | status``."""
    parser = subparsers.add_parser("local", help="the embedded Flink: JobManager, TaskManager and SQL gateway")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="up | down | status")
    for name, action, purpose in (
        ("up", _up, "start what does not run yet, and wait until it answers"),
        ("down", _down, "end all its processes; checkpoints and savepoints stay"),
        ("status", _status, "say what runs: exit 0 when all of it does, 4 when not"),
    ):
        verb = verbs.add_parser(name, help=purpose, description=f"{purpose[0].upper()}{purpose[1:]}.")
        verb.add_argument("--json", action="store_true", help="print one JSON document on stdout")
        verb.set_defaults(func=action)
        default = local.DEFAULT_FLINK if name == "up" else None
        which = "default: %(default)s" if name == "up" else "only if it is this Flink (default: whichever it is)"
        verb.add_argument("--flink", type=_version, default=default, metavar="VERSION", help=which)
        if name == "up":
            slots = f"what jobs can take at once (default: {local.SLOTS}, or those of the Flink that runs)"
            verb.add_argument("--slots", type=_slots, metavar="N", help=slots)


def _version(text: str) -> str:
    if not re.fullmatch(r"\d+\.\d+\.\d+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a Flink version; it looks like {local.DEFAULT_FLINK}")
    return text


def _slots(text: str) -> dict[str, str]:
    """The option of Flink that stands for so many slots."""
    if not re.fullmatch(r"[1-9]\d{0,2}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of slots: 1 to 999")
    return {"taskmanager.numberOfTaskSlots": text}


def _up(arguments: argparse.Namespace) -> int:
    _show(local.up(arguments.flink, properties=arguments.slots, progress=output.note), arguments.json)
    return 0


def _down(arguments: argparse.Namespace) -> int:
    _require_flink(arguments)
    local.down()
    _show(local.status(), arguments.json)
    return 0


def _status(arguments: argparse.Namespace) -> int:
    _require_flink(arguments)
    found = local.status()
    _show(found, arguments.json)
    return 0 if found.up else _NOT_UP


def _require_flink(arguments: argparse.Namespace) -> None:
    """One Flink lives in the folder; whoever names another one means another folder."""
    found = local.status()
    if arguments.flink and found.flink not in (None, arguments.flink):
        raise Misconfigured(f"What runs in {found.folder} is Flink {found.flink}, not {arguments.flink}.")


def _show(found: local.LocalStatus, as_json: bool) -> None:
    if as_json:
        output.bare_document(found.to_json())
        return
    if found.flink is None:
        output.answer(f"down (folder {found.folder})")
        return
    dead = [part for part, pid in found.pids.items() if pid is None]
    how = f"is up but for {' and '.join(dead)}: flinksql local up" if dead else "is up"
    parts = (("JobManager", found.jobmanager), ("SQL gateway", found.gateway), ("folder", found.folder))
    output.answer(f"Flink {found.flink} {how}", *(f"  {name:<12}{value or 'dead'}" for name, value in parts))
