"""What a JobManager writes down of an ended job (``jobmanager.archive.fs.dir``): its last answers, by their paths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_flinksql.clients.shapes import ArchivedJob, Errors
from airflow_provider_flinksql.clients.statefiles import StateFiles
from airflow_provider_flinksql.errors import Unseen

if TYPE_CHECKING:
    import httpx

ARCHIVES = "jobmanager.archive.fs.dir"
CLUSTER_ID = "cluster.id"


class Archive:
    """The :class:`.http.IO` of a JobManager that speaks of this one ended job: the same requests, the same answers."""

    timeout = 30.0
    secrets: tuple[str, ...] = ()

    def __init__(self, answers: Mapping[str, str]) -> None:
        self._answers = answers

    async def send(self, method: str, path: str, **_: Any) -> httpx.Response:
        """The answer of then; what was an error then is one now."""
        import httpx

        text = self._answers.get(path, '{"errors": ["it is not in the archive"]}')
        return httpx.Response(404 if _refuses(text) else 200, text=text, request=httpx.Request(method, f"http://archive{path}"))

    async def sleep(self, seconds: float) -> None:
        """An archive has all the time there is."""


def _refuses(answer: str) -> bool:
    try:
        return bool(msgspec.json.decode(answer, type=Errors))
    except (msgspec.MsgspecError, RecursionError):
        return False


def _whole(answer: str) -> str:
    msgspec.json.decode(answer)
    return answer


def find_archive(files: StateFiles, config: Mapping[str, str], job_id: str) -> Archive | None:
    """The archive of a job, if this JobManager or one with the same folder wrote one that can be read from here.

    Flink 1 writes it under the job's id; Flink 2.3 in the folder of its cluster and application, whose id is the job's
    where a job is all that there is to it (measured), and as Flink 1 does if the job failed before it began.
    """
    folder = config.get(ARCHIVES, "").rstrip("/")
    if not folder:
        return None
    cluster = config.get(CLUSTER_ID) or "0" * 32
    for place in (f"{folder}/{cluster}/applications/{job_id}/jobs/{job_id}", f"{folder}/{job_id}"):
        try:
            content = files.read(place)
        except Unseen:
            return None
        try:
            if content:
                told = msgspec.json.decode(content, type=ArchivedJob).archive
                return Archive({answer.path: _whole(answer.json) for answer in told})
        except (msgspec.MsgspecError, RecursionError):
            pass  # its JobManager died over it: half an archive tells nothing
    return None
