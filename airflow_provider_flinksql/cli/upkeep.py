"""``flinksql restart``, ``savepoint``, ``rollback`` and ``adopt``: what people do with the state of a job on record."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from airflow_provider_flinksql.cli import BLOCKED, output
from airflow_provider_flinksql.cli.entry import done, done_line, refused
from airflow_provider_flinksql.cli.owner import policy_of
from airflow_provider_flinksql.cli.place import Place, find_cluster, find_store, opened
from airflow_provider_flinksql.cli.running import no_store
from airflow_provider_flinksql.clients.http import run_sync
from airflow_provider_flinksql.deploy.onrecord import on_record, restarting, streaming_spec
from airflow_provider_flinksql.deploy.reconcile import Deployed
from airflow_provider_flinksql.deploy.savepoint import TakeSavepoint
from airflow_provider_flinksql.errors import Blocked, Fault, FlinkSqlError, InvalidSpec
from airflow_provider_flinksql.jobfile.read import JobFile, read_job
from airflow_provider_flinksql.model.lifecycle.rollback import way_back
from airflow_provider_flinksql.model.manifest import Manifest
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.stores import Store, newest_first

Wish = tuple[Spec, JobFile | None, dict[str, Any]]
"""What should run, the file that says so, if not the record does, and what the policy of this one run asks for."""


def restart(arguments: argparse.Namespace) -> int:
    """Stop a job and start it again as it is on record."""

    def wish(store: Store, _: Place) -> Wish:
        spec = streaming_spec(on_record(store, arguments.name))
        return spec, None, restarting(arguments.restore_from)

    return _deploy(arguments, wish)


def rollback(arguments: argparse.Namespace) -> int:
    """Go back to what ran before, with its state."""

    def wish(store: Store, _: Place) -> Wish:
        manifest = on_record(store, arguments.name)
        streaming_spec(manifest)
        attempt, location = way_back(manifest, newest_first(store, arguments.name), arguments.to)
        return attempt.spec, None, {"restore_from": location, "rolls_back": True, "again": True}

    return _deploy(arguments, wish)


def adopt(arguments: argparse.Namespace) -> int:
    """Take over a job that others started, as it runs: with its file, or until a deploy brings that."""
    def wish(store: Store, place: Place) -> Wish:
        manifest = store.get(arguments.name).manifest
        asked = {"adopt_id": arguments.job_id, "adopt": arguments.job is not None}
        if arguments.job:
            file = _file_of(arguments, place)
            return file.spec, file, asked
        current = manifest.current if manifest else None
        known = current.spec if current and current.job_id == arguments.job_id else Spec(arguments.name, ())
        return known, None, asked

    return _deploy(arguments, wish)


def _file_of(arguments: argparse.Namespace, place: Place) -> JobFile:
    """The job file that says what runs."""
    job = read_job(
        arguments.job,
        parameters=dict(arguments.param),
        defaults=arguments.defaults,
        connection_properties=place.settings.properties,
    ).require_used()
    if job.spec.name != arguments.name:
        raise InvalidSpec(
            str(arguments.job), [Fault("name", f"{job.spec.name} is not the {arguments.name} that is to be adopted")]
        )
    if job.spec.mode == "batch":
        raise InvalidSpec(str(arguments.job), [Fault("mode", "only a streaming job can be adopted")])
    return job


def savepoint(arguments: argparse.Namespace) -> int:
    """Take a savepoint of a job that goes on."""
    try:
        store = find_store(arguments, lambda: find_cluster(arguments))
        manifest = on_record(store, arguments.name)
        with opened(find_cluster(arguments), store) as site:
            taking = TakeSavepoint(site.target, store, site.io, time.monotonic, site.progress.say)
            taken = run_sync(taking.run(arguments.name, policy_of(manifest)))
            if not arguments.json:
                size = "" if taken.size is None else f", {taken.size} bytes"
                seconds = "" if taken.seconds is None else f", written in {taken.seconds:.1f} s"
                site.progress.answer(f"{taken.name}: savepoint {taken.savepoint}{size}{seconds}")
    except FlinkSqlError as error:
        code = no_store(arguments, error, name=arguments.name)
        return BLOCKED if isinstance(error, Blocked) else code
    if arguments.json:
        output.document(**taken.to_json(), error=None)
    return 0


def _deploy(arguments: argparse.Namespace, wish: Callable[[Store, Place], Wish]) -> int:
    """One job is made to be as wished; its answer is that of ``deploy``."""
    manifest: Manifest | None = None
    try:
        store = find_store(arguments, lambda: find_cluster(arguments))
        manifest = store.get(arguments.name).manifest
        place = find_cluster(arguments)
        wanted, file, asked = wish(store, place)
        with opened(place, store) as site:
            flow = site.flow(wanted, file)
            finished = flow.run(policy_of(manifest, **asked))
            assert isinstance(finished, Deployed)  # no limit was set after which to wait elsewhere
            got = flow.result(finished)
            entry = done(str(file.path) if file else None, finished.begun, got)
            if not arguments.json:
                site.progress.answer(done_line(entry, finished.begun, got, finished.manifest))
    except FlinkSqlError as error:
        output.complain(error, arguments.name)
        entry = refused(None, arguments.name, error, None, manifest)
    if arguments.json:
        output.document(jobs=[entry.to_json()])
    return {"blocked": 3, "error": 1}.get(entry.action, 0)
