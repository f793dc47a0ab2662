"""What the three processes are started with. Pure: values in, text and command lines out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_FLINK = "2.3.0"

PARTS = ("jobmanager", "taskmanager", "gateway")

_MAIN = {
    "jobmanager": "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint",
    "taskmanager": "org.apache.flink.runtime.taskexecutor.TaskManagerRunner",
    "gateway": "org.apache.flink.table.gateway.SqlGateway",
}

_HEAP = {"jobmanager": "-Xmx512m", "taskmanager": "-Xmx384m", "gateway": "-Xmx384m"}

_OPENED = (
    *("java.lang", "java.lang.reflect", "java.net", "java.io", "java.nio", "java.text", "java.time", "java.util"),
    *("java.util.concurrent", "java.util.concurrent.atomic", "java.util.concurrent.locks"),
    *("sun.nio.ch", "sun.net.util"),
)

# Flink 2 renamed them; each line speaks its own name, as most clusters of that line do.
_CHECKPOINTS = {"1": "state.checkpoints.dir", "2": "execution.checkpointing.dir"}
_SAVEPOINTS = {"1": "state.savepoints.dir", "2": "execution.checkpointing.savepoint-dir"}

SLOTS = 32
"""A slot costs nothing until a job takes it, and a folder of jobs takes some."""

# Without Flink's scripts nothing works out the TaskManager's memory, so every part of it is named.
_TASKMANAGER = {
    "taskmanager.numberOfTaskSlots": str(SLOTS),
    "taskmanager.cpu.cores": "8",
    "taskmanager.memory.framework.heap.size": "128m",
    "taskmanager.memory.framework.off-heap.size": "128m",
    "taskmanager.memory.task.heap.size": "256m",
    "taskmanager.memory.task.off-heap.size": "0m",
    "taskmanager.memory.managed.size": "256m",
    "taskmanager.memory.network.min": "64m",
    "taskmanager.memory.network.max": "64m",
    "taskmanager.memory.jvm-metaspace.size": "256m",
    "taskmanager.memory.jvm-overhead.min": "64m",
    "taskmanager.memory.jvm-overhead.max": "64m",
}


@dataclass(frozen=True)
class Ports:
    """Where the JobManager (REST and RPC) and the gateway listen, on 127.0.0.1; all other ports are Flink's choice."""

    rest: int
    rpc: int
    gateway: int


def flink_config(flink: str, folder: Path, ports: Ports, properties: Mapping[str, str]) -> dict[str, str]:
    """All of ``config.yaml`` as flat keys; ``properties`` win."""
    line = "1" if flink.startswith("1.") else "2"
    defaults = {
        "jobmanager.rpc.address": "127.0.0.1",
        "jobmanager.rpc.port": str(ports.rpc),
        "jobmanager.bind-host": "127.0.0.1",
        "jobmanager.memory.process.size": "1024m",
        "rest.address": "127.0.0.1",
        "rest.bind-address": "127.0.0.1",
        "rest.port": str(ports.rest),
        "taskmanager.host": "127.0.0.1",
        "taskmanager.bind-host": "127.0.0.1",
        **_TASKMANAGER,
        "sql-gateway.endpoint.rest.address": "127.0.0.1",
        "sql-gateway.endpoint.rest.bind-address": "127.0.0.1",
        "sql-gateway.endpoint.rest.port": str(ports.gateway),
        # A TaskManager that starts before its JobManager would otherwise sleep 10 s before it asks again.
        "cluster.registration.error-delay": "500",
        # A killed neighbour is missed after two unanswered heartbeats; the time-out for slow ones stays 50 s.
        "heartbeat.interval": "1000",
        # How old a job's state may be when REST is asked; the default of 3 s is for many watchers of one cluster.
        "web.refresh-interval": "200",
        "io.tmp.dirs": str(folder / "tmp"),
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
    }
    # Flink's Path does not decode %20, so this is not Path.as_uri().
    for names, place in ((_CHECKPOINTS, "checkpoints"), (_SAVEPOINTS, "savepoints")):
        if properties.keys().isdisjoint(names.values()):
            defaults[names[line]] = f"file://{folder}/{place}"
    return {**defaults, **properties}


LOG4J = """\
rootLogger.level = INFO
rootLogger.appenderRef.file.ref = File
appender.file.name = File
appender.file.type = RollingFile
appender.file.fileName = ${sys:log.file}
appender.file.filePattern = ${sys:log.file}.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{yyyy-MM-dd HH:mm:ss,SSS} %-5p %c [] - %m%n
appender.file.policies.type = Policies
appender.file.policies.start.type = OnStartupTriggeringPolicy
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 20MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 5
logger.pekko.name = org.apache.pekko
logger.pekko.level = WARN
logger.akka.name = akka
logger.akka.level = WARN
logger.netty.name = org.jboss.netty.channel.DefaultChannelPipeline
logger.netty.level = OFF
"""


def java_command(
    part: str, java: Path, jars: Iterable[Path], folder: Path, taskmanager: str, options: Iterable[str] = ()
) -> list[str]:
    """The command line of one part; ``taskmanager`` is the id under which this TaskManager is to register."""
    opened = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED]
    arguments = [] if part == "gateway" else ["--configDir", f"{folder}/conf"]
    if part == "taskmanager":
        arguments.append(f"-Dtaskmanager.resource-id={taskmanager}")
    return [
        str(java),
        _HEAP[part],
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",  # up and at the first job in two thirds of the time, with 90 MB less; small jobs
        "-XX:-UsePerfData",
        *options,
        f"-Djava.io.tmpdir={folder / 'tmp'}",
        f"-Dlog.file={log_file(folder, part)}",
        f"-Dlog4j.configurationFile={(folder / 'conf' / 'log4j.properties').as_uri()}",
        *opened,
        "-cp",
        ":".join(map(str, jars)),
        _MAIN[part],
        *arguments,
    ]


def log_file(folder: Path, part: str) -> Path:
    """Where ``part`` logs; what its Java prints stands beside it in ``.out``."""
    return folder / "logs" / f"{part}.log"


def root_cause(log: str) -> str:
    """The one line of a dead process's log that says why: its last cause, else its last error, else its last line."""
    stripped = (line.strip() for line in log.splitlines())
    lines = [line for line in stripped if line and not line.startswith(("at ", "... "))]
    for telling in ("Caused by:", "Exception:", "Error:", " ERROR ", " FATAL "):
        if found := [line for line in lines if telling in line]:
            # An ending JVM misses classes its threads still ask for: an effect, unless there is nothing else.
            told = [line for line in found if "ClassNotFoundException" not in line and "NoClassDef" not in line]
            return (told or found)[-1].removeprefix("Caused by:").strip()
    return lines[-1] if lines else "its log is empty"
