"""One look for the sake of many jobs: one list of them all, and what must be asked of single ones side by side."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from airflow_provider_flinksql.cli.place import Place
from airflow_provider_flinksql.clients.http import run_sync
from airflow_provider_flinksql.errors import FlinkSqlError, NotFound
from airflow_provider_flinksql.model.manifest import Manifest
from airflow_provider_flinksql.model.seen import Seen
from airflow_provider_flinksql.targets.connect import connect
from airflow_provider_flinksql.targets.session import SessionTarget

AT_ONCE = 8
"""So many questions about single jobs are open at one time."""


class Looks:
    """What there is to see of these jobs, or what keeps it from being seen; ``closely`` asks also those that are well.

    One thread has one connection. One whose question gets no answer asks no more: a server that is gone is waited for
    once by each, not once for each job.
    """

    def __init__(self, place: Place, manifests: Sequence[Manifest], *, closely: bool) -> None:
        self._place = place
        self._closely = closely
        self._left = list(reversed(manifests))
        self._found: dict[str, Seen | FlinkSqlError] = {}
        self._resolving = threading.Lock()
        self._over = threading.Event()
        self._broken: list[BaseException] = []

    def taken(self) -> dict[str, Seen | FlinkSqlError]:
        """By the name of the job; raises FlinkSqlError where the cluster tells of none."""
        with connect(self._place.settings, self._resolve) as (target, _):
            survey = run_sync(target.survey())

            def beside() -> None:
                try:
                    with connect(self._place.settings, self._resolve, self._over, survey=survey) as (other, _):
                        self._look(other)
                except BaseException as error:  # raised again where it is noticed
                    self._broken.append(error)

            others = [threading.Thread(target=beside, daemon=True) for _ in self._left[1:AT_ONCE]]
            try:
                for thread in others:
                    thread.start()
                self._look(target)
                for thread in others:
                    thread.join()
            finally:
                self._over.set()
        for error in self._broken:
            raise error
        silent = next(filter(_silent, self._found.values()), None)
        return self._found | ({one.name: silent for one in self._left} if silent else {})

    def _look(self, target: SessionTarget) -> None:
        while self._left:
            try:
                manifest = self._left.pop()
            except IndexError:
                return  # another was quicker
            try:
                seen = run_sync(target.look(manifest.name, manifest, reuse=True, closely=self._closely))
                self._found[manifest.name] = seen
            except FlinkSqlError as error:
                self._found[manifest.name] = error
                if _silent(error):
                    return

    def _resolve(self, name: str) -> str:
        with self._resolving:
            return self._place.resolve(name)


def _silent(found: Seen | FlinkSqlError) -> bool:
    """Whether the server would give no answer about another job either: not where it has just forgotten this one."""
    return isinstance(found, FlinkSqlError) and found.retryable and not isinstance(found.__cause__, NotFound)
