"""``flinksql plan`` and ``flinksql deploy``: job files in, one entry per job out."""

from __future__ import annotations

import argparse
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from airflow_provider_flinksql.cli import output
from airflow_provider_flinksql.cli.entry import Entry, done, done_line, plan_lines, planned, refused
from airflow_provider_flinksql.cli.owner import policy_of
from airflow_provider_flinksql.cli.place import Site, find_cluster, find_store, opened
from airflow_provider_flinksql.deploy.flow import Flow, run_spec
from airflow_provider_flinksql.deploy.reconcile import Deployed
from airflow_provider_flinksql.errors import Blocked, Busy, Fault, FlinkSqlError, InvalidSpec, Unreachable, Unreadable
from airflow_provider_flinksql.jobfile.read import JobFile, job_files, read_job
from airflow_provider_flinksql.model.lifecycle.plan import Plan, require_approved
from airflow_provider_flinksql.model.manifest import Manifest
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.stores import Stored


@dataclass
class Job:
    """One job file on its way. ``entry`` is its answer, once there is one."""

    path: Path
    run_key: str | None = None
    file: JobFile | None = None
    stored: Stored | None = None
    made: Plan | None = None
    entry: Entry | None = None

    @property
    def known(self) -> JobFile:
        """The file, once it was read."""
        if self.file is None:
            raise AssertionError(f"unreachable: {self.path} was not read")
        return self.file

    @property
    def spec(self) -> Spec:
        """What should run, named for its run."""
        return run_spec(self.known.spec, self.run_key)

    @property
    def manifest(self) -> Manifest | None:
        """What was on record when the command began."""
        return self.stored.manifest if self.stored else None

    def refuse(self, error: FlinkSqlError) -> None:
        """Settle it with an error or a block."""
        spec = self.spec if self.file else None
        self.entry = refused(str(self.path), spec.name if spec else None, error, spec, self.manifest)
        output.complain(error, None if isinstance(error, InvalidSpec) or spec is None else spec.name)


def plan(arguments: argparse.Namespace) -> int:
    """Say what a deploy would do."""
    codes = {"none": 0, "blocked": 3, "error": 1}
    entries = _Command(arguments, deploying=False).run()
    return output.worst(codes.get(entry.action, 2) for entry in entries)


def deploy(arguments: argparse.Namespace) -> int:
    """Make the jobs be as their files say."""
    codes = {"blocked": 3, "error": 1}
    entries = _Command(arguments, deploying=True).run()
    return output.worst(codes.get(entry.action, 0) for entry in entries)


class _Command:
    """Plan and deploy alike: read all files, one read of the store, one look; then job by job what that leaves."""

    def __init__(self, arguments: argparse.Namespace, *, deploying: bool) -> None:
        self._arguments = arguments
        self._deploying = deploying
        self._silent: Unreachable | None = None

    def run(self) -> list[Entry]:
        jobs = [Job(path, self._arguments.run) for path in _paths(self._arguments)]
        empty = [_no_job_in(path) for path in self._arguments.paths if not job_files([path], self._arguments.defaults)]
        if not jobs:
            return self._answered(empty)
        if self._arguments.restore_from not in (None, "none") and len(jobs) > 1:
            self._arguments.usage_error("--restore-from LOCATION is the state of one job: name one job file")
        if self._deploying and self._arguments.expect and len(jobs) > 1:
            self._arguments.usage_error("--expect is the plan of one job: name one job file")
        try:
            place = find_cluster(self._arguments)
            _read(jobs, self._arguments, place.settings.properties)
            with opened(place, find_store(self._arguments, lambda: place)) as site:
                self._settle(jobs, site)
        except FlinkSqlError as error:  # where to work, not what to do there: it concerns every job alike
            _read([job for job in _open(jobs) if job.file is None], self._arguments, {})
            for job in _open(jobs):
                job.refuse(error)
        return self._answered([*jobs, *empty])

    def _answered(self, jobs: Sequence[Job]) -> list[Entry]:
        entries = [job.entry for job in jobs if job.entry]
        if self._arguments.json:
            output.document(jobs=[entry.to_json() for entry in entries])
        return entries

    def _settle(self, jobs: Sequence[Job], site: Site) -> None:
        recorded = site.store.heads([job.spec.name for job in _open(jobs)])
        for job in _open(jobs):
            found = recorded.get(job.spec.name) or Stored(None, 0, time.time())
            if isinstance(found.record, Unreadable):
                job.refuse(found.record)
            else:
                job.stored = found
        for settle in (self._look, self._finish):
            for job in _open(jobs):
                prefix = f"{job.spec.name}: " if len(jobs) > 1 else ""
                flow = site.flow(job.known.spec, job.known, self._arguments.run, prefix)
                site.progress.expect(f"{'Deploying' if self._deploying else 'Planning'} {job.spec.name}")
                try:
                    if self._silent:
                        raise self._silent
                    settle(job, flow, site)
                except FlinkSqlError as error:
                    if isinstance(error, Unreachable):  # it would keep silent for the next job, too
                        cause = error.__cause__  # which tells nothing of what was asked for this job
                        self._silent = cause if isinstance(cause, Unreachable) else error
                    job.refuse(error)

    def _look(self, job: Job, flow: Flow, site: Site) -> None:
        """Plan from what is seen already; settles what needs nothing else."""
        try:
            job.made = flow.plan(self._policy(job), job.stored, reuse=True, check=False)
            if self._deploying:
                require_approved(job.made, job.manifest, self._policy(job))
        except (Busy, Blocked):
            return  # wait for the other one later; judge a changed query by what the planner says
        if job.made.action != "none":
            return
        if not self._deploying:
            self._planned(job, job.made, site)
        elif not job.made.steps:
            self._done(job, Deployed(job.manifest, job.made), flow, site)

    def _finish(self, job: Job, flow: Flow, site: Site) -> None:
        """What a look was not enough for: the check of a plan, or the deploy."""
        if self._deploying:
            finished = flow.run(self._policy(job))
            assert isinstance(finished, Deployed)  # no limit was set after which to wait elsewhere
            self._done(job, finished, flow, site)
        else:
            job.made = flow.plan(self._policy(job), job.stored, reuse=True)
            self._planned(job, job.made, site)

    def _planned(self, job: Job, made: Plan, site: Site) -> None:
        job.entry = planned(str(job.path), job.spec.name, made, job.manifest)
        if not self._arguments.json:
            site.progress.answer(*plan_lines(job.entry, made, job.manifest))

    def _done(self, job: Job, finished: Deployed, flow: Flow, site: Site) -> None:
        got = flow.result(finished)
        job.entry = done(str(job.path), finished.begun, got)
        if not self._arguments.json:
            site.progress.answer(done_line(job.entry, finished.begun, got, finished.manifest))

    def _policy(self, job: Job) -> Policy:
        return policy_of(
            job.manifest,
            adopt=self._arguments.adopt,
            restore_from=self._arguments.restore_from,
            accept=frozenset(self._arguments.accept),
            again=self._arguments.again,
            expect=self._arguments.expect if self._deploying else None,
            wait_for="finished" if job.spec.mode == "batch" else "running",
        )


def _open(jobs: Sequence[Job]) -> Iterator[Job]:
    return (job for job in jobs if job.entry is None)


def _paths(arguments: argparse.Namespace) -> list[Path]:
    found: dict[str, Path] = {}
    for path in job_files(arguments.paths, arguments.defaults):
        found.setdefault(os.path.realpath(path), path)
    return list(found.values())


def _no_job_in(folder: Path) -> Job:
    job = Job(folder)
    job.refuse(InvalidSpec(str(folder), [Fault("", "no job file (*.yaml, *.yml) is there")]))
    return job


def _read(jobs: Sequence[Job], arguments: argparse.Namespace, properties: Mapping[str, str]) -> None:
    """Read the files; a bad one is an error of its own, and so are two of one name."""
    by_name: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        try:
            job.file = read_job(
                job.path,
                parameters=dict(arguments.param),
                defaults=arguments.defaults,
                connection_properties=properties,
            )
            by_name[job.file.spec.name].append(job)
        except FlinkSqlError as error:
            job.refuse(error)
    unused = [job.file.unused if job.file else frozenset() for job in jobs]
    for name in sorted(frozenset.intersection(*unused)) if unused else ():
        arguments.usage_error(f"--param {name}: no job has a placeholder ${{param.{name}}}")
    for name, same in by_name.items():
        for job in same if len(same) > 1 else ():
            others = " and ".join(str(other.path) for other in same if other is not job)
            job.refuse(InvalidSpec(str(job.path), [Fault("name", f"{name} is the name of {others}, too")]))
