"""Flink's options: names, ownership, durations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_flinksql.deploy.perform import patience
from airflow_provider_flinksql.model.lifecycle.text import warnings
from airflow_provider_flinksql.model.options import (
    canonical,
    duration,
    effect_on_state,
    owned,
    parse_duration,
    present_name,
    spelled_for,
    unfit,
)
from airflow_provider_flinksql.model.seen import Seen
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.model.verdict.judge import judge


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("state.checkpoints.dir", "execution.checkpointing.dir"),
        ("state.savepoints.dir", "execution.checkpointing.savepoint-dir"),
        ("state.checkpoints.num-retained", "execution.checkpointing.num-retained"),
        ("state.backend", "state.backend.type"),
        ("state.backend.incremental", "execution.checkpointing.incremental"),
        ("restart-strategy", "restart-strategy.type"),
        ("execution.checkpointing.unaligned", "execution.checkpointing.unaligned.enabled"),
        ("state.backend.changelog.enabled", "state.changelog.enabled"),
        ("dstl.dfs.base-path", "state.changelog.dstl.dfs.base-path"),
        ("execution.savepoint.path", "execution.state-recovery.path"),
    ],
)
def test_an_old_name_is_the_present_option(old, new):
    assert present_name(old) == new
    assert present_name(new) == new
    assert canonical({old: "x", "parallelism.default": "2"}) == {new: "x", "parallelism.default": "2"}


def test_a_name_that_stood_for_two_options_is_left_alone():
    assert present_name("state.backend.local-recovery") == "state.backend.local-recovery"


@pytest.mark.parametrize("turn", [1, -1])
def test_the_present_name_wins_as_in_flink(turn):
    both = [("state.checkpoints.dir", "old"), ("execution.checkpointing.dir", "new")]
    assert canonical(dict(both[::turn])) == {"execution.checkpointing.dir": "new"}


def test_a_clusters_own_configuration_has_no_clash():
    config = {"jobmanager.rpc.address": "a", "rest.address": "b", "rest.port": "8081", "high-availability.type": "NONE"}
    assert canonical(config) == config


@pytest.mark.parametrize(
    ("version", "name"),
    [
        ("1.20.3", "table.exec.async-scalar.buffer-capacity"),
        ("2.0.1", "table.exec.async-scalar.buffer-capacity"),
        ("2.3.0", "table.exec.async-scalar.max-concurrent-operations"),
        ("2.10-SNAPSHOT", "table.exec.async-scalar.max-concurrent-operations"),
    ],
)
def test_an_option_is_spelled_as_the_cluster_understands_it(version, name):
    properties = {"table.exec.async-scalar.max-concurrent-operations": "7", "execution.checkpointing.dir": "file:///a"}
    assert spelled_for(properties, version) == {name: "7", "execution.checkpointing.dir": "file:///a"}


@pytest.mark.parametrize(
    "key",
    [
        "$internal.pipeline.job-id",
        "rest.port",
        "rest.retry.delay",
        "web.port",
        "jobmanager.rpc.address",
        "execution.target",
        "execution.attached",
        "execution.runtime-mode",
        "execution.state-recovery.path",
        "execution.savepoint.path",
        "execution.savepoint-restore-mode",
        "pipeline.name",
        "pipeline.jars",
        "pipeline.global-job-parameters",
        "table.dml-sync",
        "high-availability",
        "high-availability.type",
        "execution.checkpointing.create-subdir",
        "state.checkpoints.create-subdir",
    ],
)
def test_what_we_own_has_a_reason(key):
    assert owned(key)


@pytest.mark.parametrize(
    "key", ["pipeline.name-x", "execution.checkpointing.dir", "pipeline.object-reuse", "restart-strategy", "table.x"]
)
def test_the_rest_is_the_users(key):
    assert owned(key) is None


@pytest.mark.parametrize(
    "key",
    [
        "restart-strategy",
        "restart-strategy.type",
        "restart-strategy.fixed-delay.attempts",
        "execution.checkpointing.interval",
        "execution.checkpointing.timeout",
        "execution.checkpointing.min-pause",
        "execution.checkpointing.tolerable-failed-checkpoints",
        "execution.checkpointing.externalized-checkpoint-retention",
        "execution.checkpointing.num-retained",
        "state.checkpoints.num-retained",
    ],
)
def test_a_harmless_option_is_known_under_all_its_names(key):
    assert effect_on_state(key) == "none"


@pytest.mark.parametrize(
    "key", ["state.backend", "parallelism.default", "execution.checkpointing.dir", "execution.checkpointing.mode"]
)
def test_any_other_option_is_not_harmless(key):
    assert effect_on_state(key) != "none"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10s", 10),
        ("5 min", 300),
        (" 5  m ", 300),
        ("1h", 3600),
        ("4 hour", 14400),
        ("2 Days", 172800),
        ("500 ms", 0.5),
        ("7 millis", 0.007),
        ("300", 0.3),
        ("0", 0),
        ("9 micros", 9e-6),
        ("10 µs", 1e-5),
        ("3 ns", 3e-9),
    ],
)
def test_a_duration_is_read_as_flink_reads_it(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "1.5h", "1h 30m", "-5s", "2w", "9 us", "1_0s", "٣s", "9" * 20 + "s"])
def test_what_flink_refuses_is_no_duration(text):
    with pytest.raises(ValueError, match="is not a duration; write a whole number and a unit"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("PT10S", 10), ("pt1m0.5s", 60.5), ("P1D", 86400), ("P1DT2H", 93600), ("PT0S", 0)]
)
def test_an_iso_duration_is_one_too_as_in_flink_2(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["P", "PT", "P1H", "PT1D", "1PT10S"])
def test_half_an_iso_duration_is_none(text):
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["${env.CK}", "10sekunden", ""])
def test_a_duration_that_only_flink_can_read_is_unknown_and_raises_nothing(text):
    assert duration({"x": text}, "x", "10 min") is None


def test_a_duration_that_is_not_given_is_its_default():
    assert (duration({}, "x", "10 min"), duration({"x": "1 s"}, "x", "10 min")) == (600, 1)


@pytest.mark.parametrize("key", ["execution.checkpointing.dir", "state.savepoints.dir", "state.checkpoints.dir"])
def test_a_folder_that_we_use_ourselves_cannot_be_late_bound(key):
    assert "${env.BUCKET} is known only to Flink" in unfit(key, "s3://${env.BUCKET}/x")
    assert unfit(key, "s3://bucket/x") is None


def test_a_timeout_may_be_late_bound():
    assert unfit("execution.checkpointing.timeout", "${env.CK}") is None


@pytest.mark.parametrize("key", ["table.exec.state.ttl", "pipeline.max-parallelism", "state.backend"])
def test_what_decides_about_the_state_cannot_be_late_bound(key):
    assert "when the value of ${var.x} changes is not seen here" in unfit(key, "${var.x}")
    assert unfit(key, "10 s") is None


@pytest.mark.parametrize("key", ["execution.checkpointing.timeout", "table.exec.state.ttl"])
def test_a_duration_that_we_read_ourselves_is_one(key):
    assert "'10sekunden' is not a duration" in unfit(key, "10sekunden")
    assert unfit("some.connectors.own.timeout", "10sekunden") is None


@pytest.mark.parametrize(("text", "seconds"), [("30 s", 90), ("${env.CK}", 660), ("10sekunden", 660), (None, 660)])
def test_a_stop_is_waited_for_whatever_a_recorded_timeout_says(text, seconds):
    assert patience(Spec("j", (), properties={"execution.checkpointing.timeout": text} if text else {})) == seconds


def test_a_late_bound_interval_is_not_called_none():
    spec = Spec("j", (), properties={"execution.checkpointing.interval": "${env.EVERY}"})
    assert not [said for said in warnings(spec, Seen("", "")) if "takes no checkpoints" in said]
    assert [said for said in warnings(Spec("j", ()), Seen("", "")) if "takes no checkpoints" in said]


READ_HERE = ["execution.checkpointing." + name for name in ("interval", "timeout", "dir", "savepoint-dir")]
READ_HERE += ["table.exec.state.ttl", "pipeline.max-parallelism", "parallelism.default", "state.backend.type"]


@given(*(st.dictionaries(st.sampled_from(READ_HERE), st.text(max_size=9)) for _ in range(2)))
def test_no_text_of_an_option_on_record_raises_anything(one, other):
    new, old = (Spec("j", ("INSERT INTO a SELECT 1",), properties=options) for options in (one, other))
    assert patience(old) >= 60
    assert warnings(new, Seen("", "", options=tuple(other.items()))) is not None
    assert judge(new, old).verdict in ("none", "carries", "unknown")
