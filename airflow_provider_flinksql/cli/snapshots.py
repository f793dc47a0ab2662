"""``flinksql snapshots``: every state of a job that is known of, and which of them a restart now would restore."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from typing import Any

from airflow_provider_flinksql.cli import output
from airflow_provider_flinksql.cli.place import find_cluster, find_store
from airflow_provider_flinksql.cli.running import no_store
from airflow_provider_flinksql.clients.http import run_sync
from airflow_provider_flinksql.clients.statefiles import StateFiles
from airflow_provider_flinksql.deploy.onrecord import named
from airflow_provider_flinksql.deploy.status import iso
from airflow_provider_flinksql.errors import FlinkSqlError, Misconfigured, Unreachable
from airflow_provider_flinksql.model.lifecycle.candidates import Candidate, explain, recorded
from airflow_provider_flinksql.model.manifest import Attempt, Manifest
from airflow_provider_flinksql.model.seen import Seen
from airflow_provider_flinksql.model.snapshot import Snapshot, plain
from airflow_provider_flinksql.targets.connect import connect
from airflow_provider_flinksql.targets.look import search

COLUMNS = ("chosen", "kind", "attempt", "checkpoint_id", "time", "source", "location", "why")

MOST = 20
"""So many ended attempts are looked at, and so many checkpoints of each are shown from its folder."""


def snapshots(arguments: argparse.Namespace) -> int:
    """Say what there is, from record, JobManager, archives and folders."""
    try:
        store = find_store(arguments, lambda: find_cluster(arguments))
        found: list[Candidate] = []
        notes: list[str] = []
        for manifest in [stored.manifest for stored in named(store, arguments.name).values() if stored.manifest]:
            if all(attempt.spec.mode == "batch" for attempt in manifest.heads):
                continue  # a batch run keeps no state
            most = None if arguments.all else MOST
            found, notes = _found(arguments, manifest, store.history(manifest.name, most), most)
    except FlinkSqlError as error:
        return no_store(arguments, error, name=arguments.name, snapshots=[], notes=[])
    rows = [_row(one) for one in found]
    if arguments.json:
        output.document(name=arguments.name, snapshots=rows, notes=notes)
        return 0
    for note in notes:
        output.note(note)
    if rows:
        shown = [[("*" if row["chosen"] else " "), *(row[column] for column in COLUMNS[1:])] for row in rows]
        output.table(["", *(column.replace("_", " ").upper() for column in COLUMNS[1:])], shown)
    else:
        output.answer(f"No state of {arguments.name} is known.")
    return 0


def _found(
    arguments: argparse.Namespace, manifest: Manifest, ended: list[Attempt], most: int | None
) -> tuple[list[Candidate], list[str]]:
    """All candidates, and what keeps them from being complete."""
    notes: list[str] = []
    if most and ended and ended[0].number > 1:
        notes.append(f"Attempts before {ended[0].number} are not looked at; --all shows what they left.")
    attempts = [*ended, *reversed(manifest.heads)]
    files, seen = StateFiles(), Seen("", "")
    try:
        place = find_cluster(arguments)
        files = StateFiles(place.settings.storage)
        with connect(place.settings, place.resolve) as (target, _):
            seen = run_sync(target.look(manifest.name, manifest, closely=True))
    except (Unreachable, Misconfigured) as error:
        notes.append(f"No cluster tells of it, so this is what the record and the folders say. {error}")
    live = {job.job_id for job in seen.jobs if job.live}
    lying = _lying(files, [attempt for attempt in attempts if attempt.job_id not in live], notes, most)
    seen = replace(seen, now=time.time(), snapshots=(*seen.snapshots, *lying))
    return explain(manifest, ended, seen, _gone(files, attempts, seen)), notes


def _lying(files: StateFiles, attempts: list[Attempt], notes: list[str], most: int | None) -> list[Snapshot]:
    """What lies in the folders of these attempts; what is not shown of it is noted."""
    lying: list[Snapshot] = []
    unseen = False
    for attempt in attempts:
        found, looked = search(files, attempt, most and most + 1)
        unseen = unseen or not looked
        checkpoints = [one for one in found if one.kind == "checkpoint"]
        if most and len(checkpoints) > most:
            where = attempt.checkpoint_folder
            notes.append(f"The newest {most} checkpoints in {where} are shown; --all shows the older ones there, too.")
            found.remove(checkpoints[-1])
        lying += found
    if unseen:
        notes.append("Some folders cannot be looked into from here; what lies there is not listed.")
    return lying


def _gone(files: StateFiles, attempts: list[Attempt], seen: Seen) -> set[str]:
    """Locations that only the record names, and where nothing is any more."""
    there = {plain(snapshot.location) for snapshot in seen.snapshots}
    named = {s.location for attempt in attempts for s in recorded(attempt)}
    return {place for place in named if plain(place) not in there and files.look_for(place) == "missing"}


def _row(one: Candidate) -> dict[str, Any]:
    known: Snapshot = one.snapshot
    return {**known.to_json(), "time": iso(known.time), "chosen": one.chosen, "why": one.why}
