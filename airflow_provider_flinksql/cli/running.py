"""``flinksql status``, ``history`` and ``stop``: jobs on record, without their files."""

from __future__ import annotations

import argparse
from typing import Any

from airflow_provider_flinksql.cli import output
from airflow_provider_flinksql.cli.entry import Entry, done, done_line, latest, refused
from airflow_provider_flinksql.cli.looks import Looks
from airflow_provider_flinksql.cli.owner import policy_of
from airflow_provider_flinksql.cli.place import Site, find_cluster, find_store, opened
from airflow_provider_flinksql.deploy.onrecord import named, of_name, stopping, unknown_job
from airflow_provider_flinksql.deploy.reconcile import Deployed
from airflow_provider_flinksql.deploy.status import UNREADABLE, JobStatus, iso, needs_a_look, needs_history
from airflow_provider_flinksql.deploy.status import status as status_of
from airflow_provider_flinksql.errors import FlinkSqlError, Unreadable
from airflow_provider_flinksql.model.manifest import Attempt, Manifest
from airflow_provider_flinksql.model.seen import Seen
from airflow_provider_flinksql.stores import Store, Stored

NOT_HEALTHY = 4

SHOWN = 50
"""So many attempts of a history are shown where nobody asks for all."""

FEW = 20
"""So many jobs are asked for their last checkpoint though they are well, and nobody named them."""


def status(arguments: argparse.Namespace) -> int:
    """How the jobs are."""
    try:
        store = find_store(arguments, lambda: find_cluster(arguments))
        chosen, unknown = _chosen(store, arguments.names)
        found = _looked_at(arguments, store, chosen)
    except FlinkSqlError as error:
        return no_store(arguments, error, jobs=[])
    if arguments.json:
        missing = [{"name": name, "state": None, "healthy": False, "error": _said(why)} for name, why in unknown]
        output.document(jobs=[{**one.to_json(), "error": _error_of(one)} for one in found] + missing)
    elif found:
        rows = [(s.name, s.state, "yes" if s.healthy else "no", iso(s.since), s.job_id, s.reason) for s in found]
        output.table(("JOB", "STATE", "HEALTHY", "SINCE", "JOB ID", "WHY"), rows)
    elif not unknown:
        output.answer(f"No jobs on record in {store.name}.")
    for _, why in unknown:
        output.complain(why)
    codes = [1 if not one.answered else 0 if one.healthy else NOT_HEALTHY for one in found]
    return output.worst([*codes, *(1 for _ in unknown)])


def history(arguments: argparse.Namespace) -> int:
    """Every attempt of a job, or of all runs of a batch job."""
    try:
        store = find_store(arguments, lambda: find_cluster(arguments))
        found = named(store, arguments.name)
        attempts, older, unread = _attempts(store, found, None if arguments.all else SHOWN)
    except FlinkSqlError as error:
        return no_store(arguments, error, name=arguments.name, attempts=[])
    for why in unread:
        output.complain(why)
    if older:
        output.note(f"… and {older} older: flinksql history {arguments.name} --all")
    if arguments.json:
        output.document(name=arguments.name, attempts=attempts, older=older, error=_said(unread[0]) if unread else None)
    else:
        several = list(found) != [arguments.name]
        head = ("ATTEMPT", "STATE", "STARTED (UTC)", "ENDED", "JOB ID")
        output.paragraphs(head, [_paragraph(attempt, several) for attempt in attempts])
    return 1 if unread else 0


def _paragraph(attempt: dict[str, Any], several: bool) -> tuple[list[str], list[str]]:
    """An attempt in lines that fit 100 columns, but for locations: those are there to be copied."""
    started, ended = (str(attempt[key] or "-")[:19].replace("T", " ") for key in ("started", "ended"))
    below = [f"{attempt['name']}: by {attempt['by']}" if several else f"by {attempt['by']}"]
    below[0] += f": {attempt['reason']}" if attempt["reason"] else ""
    below += [f"restored from {attempt['restored_from']}"] if attempt["restored_from"] else []
    below += [f"savepoint {location}" for location in attempt["savepoints"]]
    return [str(attempt["number"]), attempt["state"], started, ended, attempt["job_id"]], below


def stop(arguments: argparse.Namespace) -> int:
    """End jobs; the recorded Spec says how, so no job file is needed."""
    entries: list[Entry] = []
    try:
        store = find_store(arguments, lambda: find_cluster(arguments))
        chosen, unknown = _chosen(store, arguments.names)
        for name, error in unknown:
            output.complain(error)
            entries.append(refused(None, name, error))
        if chosen:
            with opened(find_cluster(arguments), store) as site:
                entries += [_stop(arguments, name, stored, site) for name, stored in chosen.items()]
    except FlinkSqlError as error:
        output.complain(error)
        told = {entry.name for entry in entries}
        entries += [refused(None, name, error) for name in arguments.names if name not in told]
    if arguments.json:
        output.document(jobs=[entry.to_json() for entry in entries])
    return output.worst({"blocked": 3, "error": 1}.get(entry.action, 0) for entry in entries)


def _stop(arguments: argparse.Namespace, name: str, stored: Stored, site: Site) -> Entry:
    if isinstance(stored.record, Unreadable):
        output.complain(stored.record)
        return refused(None, name, stored.record)
    manifest = stored.manifest
    recorded = latest(manifest)
    if manifest is None or recorded is None:
        if not arguments.json:
            site.progress.answer(f"{name}: nothing to do: it does not run")
        return Entry(None, name, "none", "none", "it does not run")
    flow = site.flow(recorded.spec)
    try:
        finished = flow.run(policy_of(manifest, stop=stopping(recorded.spec, arguments.stop)))
    except FlinkSqlError as error:
        output.complain(error, manifest.name)
        return refused(None, manifest.name, error, recorded.spec, manifest)
    assert isinstance(finished, Deployed)  # no limit was set after which to wait elsewhere
    got = flow.result(finished)
    entry = done(None, finished.begun, got)
    if not arguments.json:
        site.progress.answer(done_line(entry, finished.begun, got, finished.manifest))
    return entry


def _chosen(store: Store, names: list[str]) -> tuple[dict[str, Stored], list[tuple[str, FlinkSqlError]]]:
    """What is on record under these names, batch runs under the name of their job, too; and the names without any."""
    heads = store.heads()
    if not names:
        return dict(sorted(heads.items())), []
    chosen: dict[str, Stored] = {}
    missing: list[tuple[str, FlinkSqlError]] = []
    for name in names:
        found = of_name(heads, name)
        chosen |= found
        if not found:
            missing.append((name, unknown_job(store, name)))
    return chosen, missing


def _looked_at(arguments: argparse.Namespace, store: Store, chosen: dict[str, Stored]) -> list[JobStatus]:
    """One look at the cluster for all, and a closer one for each that may run."""
    readable = {n: s.manifest for n, s in chosen.items() if not isinstance(s.record, Unreadable) and s.manifest}
    found = {one.name: one for one in _told_of(arguments, store, list(readable.values()))}
    return [found[name] if name in found else _unreadable(name, stored.record) for name, stored in chosen.items()]


def _told_of(arguments: argparse.Namespace, store: Store, manifests: list[Manifest]) -> list[JobStatus]:
    uncertain = [manifest for manifest in manifests if needs_a_look(manifest)]
    closely = bool(arguments.names or arguments.checkpoints or len(uncertain) <= FEW)
    found: dict[str, Seen | FlinkSqlError] = {}
    if uncertain:
        try:
            found = Looks(find_cluster(arguments), uncertain, closely=closely).taken()
        except FlinkSqlError as error:
            found = dict.fromkeys([manifest.name for manifest in uncertain], error)
    for why in {str(one): one for one in found.values() if isinstance(one, FlinkSqlError)}.values():
        output.complain(why)
    told = [_told(store, manifest, found.get(manifest.name)) for manifest in manifests]
    if arguments.json and (unasked := sum(not one.asked for one in told)):
        output.note(
            f"{unasked} jobs that are well were not asked for their last checkpoint: name them, or say --checkpoints."
        )
    return told


def _unreadable(name: str, why: object) -> JobStatus:
    return JobStatus(name, UNREADABLE, False, str(why))


def _error_of(one: JobStatus) -> dict[str, str] | None:
    return {"type": "Unreadable", "message": one.reason} if one.state == UNREADABLE else None


def _told(store: Store, manifest: Manifest, seen: Seen | FlinkSqlError | None) -> JobStatus:
    try:
        ended = store.history(manifest.name, 1) if needs_history(manifest) else ()
    except Unreadable as error:
        return _unreadable(manifest.name, error)
    if isinstance(seen, FlinkSqlError):
        return status_of(manifest, None, str(seen), history=ended)
    return status_of(manifest, seen, history=ended)


def _attempts(
    store: Store, found: dict[str, Stored], most: int | None
) -> tuple[list[dict[str, Any]], int, list[Unreadable]]:
    """The newest attempts on record under these names, how many older ones there are, and why some cannot be read.

    Of many runs of a batch job those are read that were begun last.
    """
    rows: list[dict[str, Any]] = []
    older = 0
    unread = [stored.record for stored in found.values() if isinstance(stored.record, Unreadable)]
    readable = [stored.record for stored in found.values() if isinstance(stored.record, Manifest)]
    for manifest in sorted(readable, key=_begun, reverse=True):
        left = None if most is None else most - len(rows)
        if left is not None and left <= 0:
            older += manifest.last_number
            continue
        try:
            ended = store.history(manifest.name, left)
            numbered = {attempt.number: attempt for attempt in (*ended, *manifest.heads)}
        except Unreadable as error:
            unread.append(error)
            continue
        numbers = sorted(numbered)[-left:] if left else sorted(numbered)
        older += numbers[0] - 1 if numbers else 0
        rows = [*(_attempt(manifest.name, numbered[number]) for number in numbers), *rows]
    return rows, older, unread


def _begun(manifest: Manifest) -> tuple[float, str]:
    return max((attempt.claimed_at for attempt in manifest.heads), default=0.0), manifest.name


def _attempt(name: str, attempt: Attempt) -> dict[str, Any]:
    started, ended = attempt.times
    return {
        "name": name,
        "number": attempt.number,
        "job_id": attempt.job_id,
        "state": attempt.state,
        "started": iso(started),
        "ended": iso(ended),
        "reason": attempt.reason,
        "restored_from": attempt.pinned.location if attempt.pinned else None,
        "by": attempt.by or attempt.owner,
        "savepoints": [one.location for one in attempt.savepoints if one.location],
    }


def no_store(arguments: argparse.Namespace, error: FlinkSqlError, **content: Any) -> int:
    """Say the error, in the document too."""
    output.complain(error)
    if arguments.json:
        output.document(**content, error=_said(error))
    return 1


def _said(error: FlinkSqlError) -> dict[str, str]:
    return {"type": type(error).__name__, "message": str(error)}
