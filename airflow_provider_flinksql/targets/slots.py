"""Whether a cluster has the slots that a job needs, asked before anything is stopped for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from airflow_provider_flinksql.clients.flink import JobManager
from airflow_provider_flinksql.clients.http import IO
from airflow_provider_flinksql.clients.shapes import ClusterOverview
from airflow_provider_flinksql.errors import Blocked, NoFreeSlots, NotFound, Unreachable
from airflow_provider_flinksql.model.seen import ENDED
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.model.verdict.graph import read

RETURNING_SECONDS, PAUSE = 4.0, 0.5
"""So long the slots of a job that has just ended may take to come back, and how often that is looked at."""

WHERE_IT_IS_SET = "parallelism.default, table.exec.resource.default-parallelism, or scan.parallelism of a table"
MOST_NAMED = 5


class Slots:
    """The slots of one cluster, of which ``config`` is the JobManager's configuration."""

    def __init__(self, jobmanager: JobManager, io: IO, cluster: str, config: Mapping[str, str]) -> None:
        self._jobmanager = jobmanager
        self._io = io
        self._cluster = cluster
        self._config = config

    async def require(self, spec: Spec, graph: str, own: Collection[str], *, waits: bool = False) -> None:
        """Nothing, where the job can have its slots now: the free ones and those that ``own`` jobs will give back.

        A look and no reservation: another job may take them between it and the submit. ``waits``: something is down
        for this job, so it is better submitted, to wait in Flink, than refused. So is a batch job, whose stages run one
        after another in what there is. Slots that come and go as jobs need them are not counted.

        :param graph: what the planner said (see :mod:`.graph`)
        :raises Blocked: the cluster has not that many
        :raises NoFreeSlots: others hold them
        """
        if _elastic(self._config):
            return
        cluster = await self._jobmanager.cluster()
        if not cluster.taskmanagers:
            raise Unreachable(f"The cluster {self._cluster} has no TaskManager at the moment; nothing was stopped.")
        operators = read(graph).operators
        if spec.mode == "batch" or not operators:
            return
        widest = max(operators, key=lambda operator: operator.parallelism)
        wanted = widest.parallelism
        if wanted > cluster.slots_total:
            raise Blocked(
                f"Job {spec.name} wants {wanted} slots, for its {widest.kind} runs with parallelism {wanted}; the "
                f"cluster {self._cluster} has {cluster.slots_total}. Add TaskManagers or lower {WHERE_IT_IS_SET}; "
                "nothing was stopped."
            )
        if not waits:
            await self._require_free(spec, wanted, own, cluster)

    async def _require_free(self, spec: Spec, wanted: int, own: Collection[str], cluster: ClusterOverview) -> None:
        given_back, waited = 0, 0.0
        while wanted > cluster.slots_available + given_back:
            held = await self._held()
            given_back = sum(slots for job_id, _, slots in held if job_id in own)
            if wanted <= cluster.slots_available + given_back:
                return
            if waited >= RETURNING_SECONDS:
                raise NoFreeSlots(
                    f"Job {spec.name} wants {wanted} slots; of the {cluster.slots_total} of the cluster "
                    f"{self._cluster} {_free(cluster.slots_available, given_back)}. {_holders(held)} Nothing was "
                    f"stopped or started. Stop a job, add TaskManagers, lower {WHERE_IT_IS_SET}, or try again later."
                )
            await self._io.sleep(PAUSE)
            waited += PAUSE
            cluster = await self._jobmanager.cluster()

    async def _held(self) -> list[tuple[str, str, int]]:
        """Id, name and slots of each job that has not ended, the widest first."""
        held = []
        for job in await self._jobmanager.overview():
            if job.state not in (*ENDED, "INITIALIZING"):  # of the latter, nothing can be asked yet
                held.append((job.id, job.name, await self._width(job.id)))
        return sorted(held, key=lambda one: (-one[2], one[1]))

    async def _width(self, job_id: str) -> int:
        """Flink puts one subtask of each operator into a slot, so the widest operator tells."""
        try:
            vertices = (await self._jobmanager.job(job_id)).vertices
        except NotFound:
            return 0  # ended and forgotten meanwhile
        return max((vertex.parallelism for vertex in vertices), default=0)


def _elastic(config: Mapping[str, str]) -> bool:
    """Whether slots are brought as jobs need them, or jobs take what there is."""
    adaptive = config.get("jobmanager.scheduler", "").lower() == "adaptive"
    reactive = config.get("scheduler-mode", "").lower() == "reactive"
    return adaptive or reactive or any(key.startswith(("yarn.", "kubernetes.cluster-id")) for key in config)


def _free(free: int, given_back: int) -> str:
    own = f", and its own stop gives back {given_back}" if given_back else ""
    return f"{free or 'none'} {'is' if free <= 1 else 'are'} free{own}"


def _holders(held: list[tuple[str, str, int]]) -> str:
    named = ", ".join(f"{name} holds {slots}" for _, name, slots in held[:MOST_NAMED])
    more = len(held) - MOST_NAMED
    return f"{named}{f', and {more} jobs more hold some' if more > 0 else ''}." if named else "No job holds the others."
