"""What we know of Flink's options: old and new names, the ones users may not set, durations.

The names were read from the option classes of Flink 1.20.3 and 2.3.0. Both know every present name below, save those
in ``_LATER``. The present name is always the one to send: where a cluster's own configuration holds the present name, a
job's old name would lose against it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from airflow_provider_flinksql.model.sql import plain_placeholders
from airflow_provider_flinksql.names import location

Effect = Literal["none", "planned", "ttl", "max-parallelism", "chaining", "backend", "unknown"]
"""``planned``: all that it does to state is seen in the planner's graph."""

_RENAMED = {
    "execution.allow-client-job-configurations": "execution.program-config.enabled",
    "execution.buffer-timeout": "execution.buffer-timeout.interval",
    "execution.checkpointing.alignment-timeout": "execution.checkpointing.aligned-checkpoint-timeout",
    "execution.checkpointing.approximate-local-recovery": "execution.state-recovery.approximate-local-recovery",
    "execution.checkpointing.checkpoints-after-tasks-finish.enabled": (
        "execution.checkpointing.checkpoints-after-tasks-finish"
    ),
    "execution.checkpointing.recover-without-channel-state.checkpoint-id": (
        "execution.state-recovery.without-channel-state.checkpoint-id"
    ),
    "execution.checkpointing.unaligned": "execution.checkpointing.unaligned.enabled",
    "execution.savepoint-restore-mode": "execution.state-recovery.claim-mode",
    "execution.savepoint.ignore-unclaimed-state": "execution.state-recovery.ignore-unclaimed-state",
    "execution.savepoint.path": "execution.state-recovery.path",
    "jobmanager.adaptive-batch-scheduler.avg-data-volume-per-task": (
        "execution.batch.adaptive.auto-parallelism.avg-data-volume-per-task"
    ),
    "jobmanager.adaptive-batch-scheduler.default-source-parallelism": (
        "execution.batch.adaptive.auto-parallelism.default-source-parallelism"
    ),
    "jobmanager.adaptive-batch-scheduler.max-parallelism": "execution.batch.adaptive.auto-parallelism.max-parallelism",
    "jobmanager.adaptive-batch-scheduler.min-parallelism": "execution.batch.adaptive.auto-parallelism.min-parallelism",
    "pipeline.operator-chaining": "pipeline.operator-chaining.enabled",
    "restart-strategy": "restart-strategy.type",
    "savepoints.state.backend.fs.dir": "execution.checkpointing.savepoint-dir",
    "state.backend": "state.backend.type",
    "state.backend.fs.checkpointdir": "execution.checkpointing.dir",
    "state.backend.fs.memory-threshold": "execution.checkpointing.data-inline-threshold",
    "state.backend.fs.write-buffer-size": "execution.checkpointing.write-buffer-size",
    "state.backend.incremental": "execution.checkpointing.incremental",
    "state.backend.rocksdb.checkpointdir": "state.backend.rocksdb.localdir",
    "state.checkpoint-storage": "execution.checkpointing.storage",
    "state.checkpoint.cleaner.parallel-mode": "execution.checkpointing.cleaner.parallel-mode",
    "state.checkpoints.create-subdir": "execution.checkpointing.create-subdir",
    "state.checkpoints.dir": "execution.checkpointing.dir",
    "state.checkpoints.num-retained": "execution.checkpointing.num-retained",
    "state.savepoints.dir": "execution.checkpointing.savepoint-dir",
    "state.storage.fs.memory-threshold": "execution.checkpointing.data-inline-threshold",
    "state.storage.fs.write-buffer-size": "execution.checkpointing.write-buffer-size",
    "table.exec.async-scalar.buffer-capacity": "table.exec.async-scalar.max-concurrent-operations",
    "table.exec.deduplicate.insert-and-updateafter-sensitive.enabled": (
        "table.exec.deduplicate.insert-update-after-sensitive-enabled"
    ),
    "table.exec.deduplicate.mini-batch.compact-changes.enabled": (
        "table.exec.deduplicate.mini-batch.compact-changes-enabled"
    ),
    "table.exec.topn-cache-size": "table.exec.rank.topn-cache-size",
    "table.optimizer.sql-to-rel.project.merge.enabled": "table.optimizer.sql2rel.project-merge.enabled",
    "task.cancellation-interval": "task.cancellation.interval",
    "taskmanager.state.local.root-dirs": "execution.checkpointing.local-backup.dirs",
    "timerservice.exceptional.shutdown.timeout": "task.cancellation.timers.timeout",
}  # state.backend.local-recovery is missing on purpose: it is the old name of two options at once

_RENAMED_PREFIXES = {
    "dstl.dfs.": "state.changelog.dstl.dfs.",
    "jobmanager.adaptive-batch-scheduler.speculative.": "execution.batch.speculative.",
    "state.backend.changelog.": "state.changelog.",
    "state.backend.latency-track.": "state.latency-track.",
}

# Present names that only a later Flink understands, with the version and the name before it (kept as an alias since).
_LATER = {"table.exec.async-scalar.max-concurrent-operations": ((2, 3), "table.exec.async-scalar.buffer-capacity")}

_ADDRESS = "the cluster's address comes from the connection"
_RESTORE = "which state a job starts from is decided at each deploy: see `state:`, or --restore-from for one run"
_OWNED = {
    "$internal.": "a key for Flink's inner use",
    "rest.": _ADDRESS,
    "high-availability.": _ADDRESS,
    "high-availability": _ADDRESS,  # the name before high-availability.type
    "recovery.mode": _ADDRESS,  # and the one before that
    "jobmanager.rpc.address": _ADDRESS,  # read where rest.address is not given
    "web.port": _ADDRESS,  # the name before rest.port
    "execution.target": _ADDRESS,
    "execution.attached": "jobs are always submitted without waiting in Flink",
    "execution.runtime-mode": "set `mode: streaming` or `mode: batch` instead",
    "execution.state-recovery.": _RESTORE,
    "execution.savepoint.": _RESTORE,
    "execution.checkpointing.create-subdir": "restoring finds checkpoints by the folder of their job id",
    "pipeline.name": "the job is named by `name:`",
    "pipeline.jars": "list jars under `jars:`, where a missing one fails at once",
    "pipeline.global-job-parameters": "it carries the mark by which a job is recognised as ours",
    "table.dml-sync": "waiting for a job is decided by `wait_for` of the operator",
}

# Options of processes, not of jobs: where the cluster is there already, they reach no job (tried from public scripts).
_OF_PROCESSES = """
    akka. blob. classloader. client. cluster. daemon. env. fs. heartbeat. historyserver. io. jmx. jobmanager. jobstore.
    kubernetes. metrics. parallelism.max pekko. process. query. queryable-state. resourcemanager. s3. security. slot.
    slotmanager. sql-client. sql-gateway. taskmanager. web. yarn. zookeeper.
"""

# Options of a job that change how it works, and neither what its state means nor where Flink looks for it.
_HARMLESS = """
    restart-strategy. execution.checkpointing.interval execution.checkpointing.timeout execution.checkpointing.min-pause
    execution.checkpointing.tolerable-failed-checkpoints execution.checkpointing.num-retained
    execution.checkpointing.externalized-checkpoint-retention
"""

# What a change of an option does to state, by the longest name that fits. What is not listed is of an unknown effect.
_EFFECTS: dict[str, Effect] = {
    **dict.fromkeys(_OF_PROCESSES.split(), "none"),
    **dict.fromkeys(_HARMLESS.split(), "none"),
    "execution.batch.": "none",  # a batch job has no state
    "execution.batch-shuffle-mode": "none",
    "execution.checkpointing.": "planned",
    "execution.buffer-timeout.": "planned",
    "pipeline.auto-watermark-interval": "planned",
    "pipeline.object-reuse": "planned",
    "pipeline.vertex-description-mode": "none",
    "pipeline.vertex-name-include-index-prefix": "none",
    "pipeline.watermark-alignment.": "planned",
    "state.backend.rocksdb.": "planned",
    "state.backend.rocksdb.timer-service.factory": "unknown",  # timers have another form
    "state.latency-track.": "none",
    "table.display.": "none",
    "table.exec.async-lookup.": "planned",
    "table.exec.mini-batch.": "planned",
    "table.exec.rank.topn-cache-size": "none",
    "table.exec.resource.default-parallelism": "planned",
    "table.exec.simplify-operator-name-enabled": "none",
    "table.exec.sink.keyed-shuffle": "planned",
    "table.exec.sink.nested-constraint-enforcer": "planned",
    "table.exec.sink.not-null-enforcer": "planned",
    "table.exec.sink.rowtime-inserter": "planned",
    "table.exec.sink.type-length-enforcer": "planned",
    "table.exec.sink.upsert-materialize": "planned",
    "table.exec.source.cdc-events-duplicate": "planned",
    "table.exec.source.idle-timeout": "planned",
    "table.exec.state.ttl": "ttl",
    "table.generated-code.": "none",
    "table.optimizer.": "planned",
    "table.sql-dialect": "planned",
    "task.": "none",
    "parallelism.default": "planned",  # rescales; which operators then run in one task is seen in the graph
    "pipeline.max-parallelism": "max-parallelism",
    "pipeline.operator-chaining.enabled": "chaining",
    "state.backend.type": "backend",
}

# Flink's own values of options that no plan shows, in lower case; read where neither job nor gateway gives one.
_DEFAULTS = {
    "pipeline.force-avro": "false",
    "pipeline.force-kryo": "false",
    "pipeline.generic-types": "true",
    "pipeline.max-parallelism": "-1",
    "pipeline.operator-chaining.chain-operators-with-different-max-parallelism": "true",
    "pipeline.operator-chaining.enabled": "true",
    "state.backend.rocksdb.timer-service.factory": "rocksdb",
    "state.backend.type": "hashmap",
    "state.changelog.enabled": "false",
    "table.exec.deduplicate.insert-update-after-sensitive-enabled": "true",
    "table.exec.deduplicate.mini-batch.compact-changes-enabled": "false",
    "table.exec.interval-join.min-cleanup-interval": "0 ms",
    "table.exec.legacy-cast-behaviour": "disabled",
    "table.exec.state.ttl": "0 ms",
    "table.exec.uid.generation": "plan_only",
    "table.local-time-zone": "default",
    "table.plan.compile.catalog-objects": "all",
    "table.plan.force-recompile": "false",
    "table.plan.restore.catalog-objects": "all",
}

_FOLDERS = ("execution.checkpointing.dir", "execution.checkpointing.savepoint-dir")  # where we make and find state
_DECIDES = ("ttl", "max-parallelism", "chaining", "backend")  # a change of these is judged by their values
_DURATIONS = ("execution.checkpointing.interval", "execution.checkpointing.timeout", "table.exec.state.ttl")

_DURATION = re.compile(r"([0-9]+)\s*([a-zµ]*)")
_ISO_DURATION = re.compile(r"p(?=.*[0-9])(?:([0-9]+)d)?(?:t(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+(?:\.[0-9]+)?)s)?)?")
_UNITS = {
    **dict.fromkeys(("d", "day", "days"), 86400.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("", "ms", "milli", "millis", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("µs", "micro", "micros", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("ns", "nano", "nanos", "nanosecond", "nanoseconds"), 1e-9),
}
_LONGEST = 2**63 - 1


def present_name(key: str) -> str:
    """The name under which Flink documents this option today."""
    for old, new in _RENAMED_PREFIXES.items():
        if key.startswith(old):
            return new + key.removeprefix(old)
    return _RENAMED.get(key, key)


def canonical(properties: Mapping[str, str]) -> dict[str, str]:
    """The same options under their present names, which win over old ones as they do in Flink."""
    result: dict[str, str] = {}
    for key in sorted(properties, key=lambda key: key != present_name(key)):
        result.setdefault(present_name(key), properties[key])
    return result


def spelled_for(properties: Mapping[str, str], flink_version: str) -> dict[str, str]:
    """The options under the names that this Flink (``1.20.3``) understands; they come in under their present names."""
    version = tuple(int(number) for number in re.findall(r"\d+", flink_version)[:2])
    result = {}
    for key, value in properties.items():
        since, before = _LATER.get(key, ((0, 0), key))
        result[before if version < since else key] = value
    return result


def owned(key: str) -> str | None:
    """Why the user may not set this option, or None if they may."""
    for name in (key, present_name(key)):
        for mine, reason in _OWNED.items():
            if name == mine or (mine.endswith(".") and name.startswith(mine)):
                return reason
    return None


def effect_on_state(key: str) -> Effect:
    """What a change of this option alone does to state."""
    name = present_name(key)
    fitting = [one for one in _EFFECTS if name == one or (one.endswith(".") and name.startswith(one))]
    return _EFFECTS[max(fitting, key=len)] if fitting else "unknown"


def hidden_defaults(configuration: Mapping[str, str]) -> dict[str, str]:
    """Of a gateway's configuration the options that decide, unseen in a plan, what state means: by present names."""
    return {key: value for key, value in sorted(canonical(configuration).items()) if key in _DEFAULTS}


def effective(key: str, properties: Mapping[str, str], configuration: Mapping[str, str]) -> str | None:
    """The value that holds for a job, in lower case: its own, else the gateway's, else Flink's; None if not known."""
    value = properties.get(key) or configuration.get(key) or _DEFAULTS.get(key)
    return value and value.strip().lower()


def unfit(key: str, value: str) -> str | None:
    """Why an option cannot have this value, for what we make of it ourselves; None if it can.

    Values that Flink alone reads it judges itself, when the query is planned.
    """
    name, late = present_name(key), plain_placeholders(value)
    if name in _FOLDERS and late:
        return f"${{{min(late)}}} is known only to Flink, and the folder is needed here, too; use ${{param.x}}"
    if name in _FOLDERS:
        try:
            location(value)
        except ValueError as error:
            return str(error)
    if late and effect_on_state(name) in _DECIDES:
        return f"what the state becomes when the value of ${{{min(late)}}} changes is not seen here; use ${{param.x}}"
    if name in _DURATIONS and not late:
        try:
            parse_duration(value)
        except ValueError as error:
            return str(error)
    return None


def duration(options: Mapping[str, str], key: str, default: str) -> float | None:
    """Seconds that an option says, or its default where it is not given.

    None where only Flink can tell: the value is late-bound, or written in a way that we do not know.
    """
    try:
        return parse_duration(options.get(key, default))
    except ValueError:
        return None


def parse_duration(text: str) -> float:
    """Seconds of a duration as Flink writes it (``10s``, ``5 min``, ``PT10S``); like there, a bare number is ms."""
    iso = _ISO_DURATION.fullmatch(text.strip().lower())
    if iso:
        days, hours, minutes, seconds = (float(number or 0) for number in iso.groups())
        return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    match = _DURATION.fullmatch(text.strip().lower())
    if not match or match[2] not in _UNITS or int(match[1]) > _LONGEST:
        raise ValueError(f"'{text}' is not a duration; write a whole number and a unit: 10s, 5min, 2h, 7d, 500ms")
    return int(match[1]) * _UNITS[match[2]]


def span(seconds: float) -> str:
    """A duration for people, in the largest unit that it fills: ``26 h``, ``3 d``."""
    for unit, length in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"
