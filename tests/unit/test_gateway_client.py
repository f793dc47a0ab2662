import logging
import re
import time

import httpx
import pytest

from airflow_provider_flinksql.clients.gateway import LONGEST_PAUSE, Gateway, Session
from airflow_provider_flinksql.clients.http import run_sync
from airflow_provider_flinksql.errors import (
    DeadlineExceeded,
    Duplicate,
    InvalidQuery,
    Misconfigured,
    SessionGone,
    StatementFailed,
    TooLarge,
    Unreachable,
)
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.targets.planner import Planner
from airflow_provider_flinksql.targets.secrets import Secrets
from talking import Server

HANDLE = "00000000-0000-0000-0000-000000000001"
SESSION = f"/v2/sessions/{HANDLE}"
OPERATION = f"{SESSION}/operations/op"
POSTED = httpx.Response(200, json={"operationHandle": "op"})
NOT_READY = httpx.Response(200, json={"resultType": "NOT_READY", "nextResultUri": "/x"})
CLOSED = httpx.Response(200, json={"status": "CLOSED"})
OPENED = httpx.Response(200, json={"sessionHandle": HANDLE})

EXPLAIN = "EXPLAIN CHANGELOG_MODE, JSON_EXECUTION_PLAN\n"


def executing(statement="SELECT 1", config=None, redact=str, **options):
    return lambda io: Session(io, HANDLE, redact).execute(statement, config, **options)


def test_the_gateway_says_its_version(speak, recorded):
    assert speak(lambda io: Gateway(io).info(), Server(recorded["info"])) == recorded.version


def test_a_jobmanager_is_not_a_gateway(speak, recorded):
    with pytest.raises(Misconfigured, match="not as a Flink SQL gateway"):
        speak(lambda io: Gateway(io).info(), Server(recorded["unknown path"]))


def test_a_session_is_opened_with_its_properties_and_closed_even_after_an_error(speak, recorded):
    server = Server(OPENED, POSTED, recorded["unknown table/result"], CLOSED)

    async def flow(io):
        async with await Gateway(io).open_session({"a": "b"}) as session:
            await session.execute("INSERT INTO t SELECT 1")

    with pytest.raises(InvalidQuery):
        speak(flow, server)
    assert server.body(0) == {"properties": {"a": "b"}}
    assert server.lines == [
        "POST /v2/sessions",
        f"POST {SESSION}/statements",
        f"GET {OPERATION}/result/0",
        f"DELETE {SESSION}",
    ]


@pytest.mark.parametrize("name", ["close unknown session", "unknown path"])
def test_closing_never_fails(speak, recorded, name, caplog):
    caplog.set_level(logging.DEBUG)
    speak(lambda io: Session(io, HANDLE).close(), Server(recorded[name]))
    assert f"DELETE {SESSION}" in caplog.text


def test_closing_a_gateway_that_is_gone_does_not_fail(speak):
    speak(lambda io: Session(io, HANDLE).close(), Server(httpx.ConnectError("refused")))


def test_an_insert_is_answered_with_its_job_in_three_requests(speak, recorded):
    server = Server(POSTED, NOT_READY, recorded["insert/result"])
    result = speak(executing("INSERT INTO t SELECT 1", {"pipeline.name": "n"}), server)
    assert result.rows == ((result.job_id,),)
    assert len(result.job_id) == 32
    assert server.lines == [f"POST {SESSION}/statements", f"GET {OPERATION}/result/0", f"GET {OPERATION}/result/0"]
    assert server.body(0) == {"statement": "INSERT INTO t SELECT 1", "executionConfig": {"pipeline.name": "n"}}
    assert server.asked[1].url.params["rowFormat"] == "JSON"


def test_ddl_takes_two_requests(speak, recorded):
    server = Server(POSTED, recorded["ddl/result"])
    result = speak(executing("CREATE TABLE t"), server)
    assert (result.kind, result.rows, result.job_id) == ("SUCCESS", (("OK",),), None)
    assert len(server.asked) == 2


def test_a_select_is_read_page_by_page_to_its_end_however_many_are_empty(speak, recorded):
    pages = [recorded["select/result"]]
    while f"select/result/{len(pages)}" in recorded:
        pages.append(recorded[f"select/result/{len(pages)}"])
    server = Server(POSTED, *pages)
    result = speak(executing(), server)
    assert result.columns == ("n", "s")
    assert result.rows == ((1, "a"), (2, None))
    assert server.lines[1:] == [f"GET {OPERATION}/result/{n}" for n in range(len(server.asked) - 1)]


def test_no_jobs_are_an_empty_set(speak, recorded):
    def jobs(name):
        server = Server(POSTED, recorded[name], recorded["show jobs, none/result"])
        return speak(lambda io: Session(io, HANDLE).show_jobs(), server)

    assert jobs("show jobs, none/result") == set()
    assert recorded["insert/result"].json()["jobID"] in jobs("show jobs/result")


def test_pauses_grow_from_a_few_milliseconds_and_stay_short(speak, recorded):
    naps = []
    speak(executing(), Server(POSTED, *[NOT_READY] * 40, recorded["ddl/result"]), naps)
    assert naps[0] <= 0.01
    assert naps == sorted(naps)
    assert naps[-1] == LONGEST_PAUSE
    assert all(nap < sum(naps[:number]) / 3 for number, nap in enumerate(naps) if number > 6)


def reserved(word):
    return f"syntax error at `{word}`: a reserved word; as a name write `{word}` in back-ticks"


@pytest.mark.parametrize(
    ("name", "reason", "place"),
    [
        ("unknown table", "Object 'nope' not found", (1, 33)),
        ("unknown column", "Column 'zzz' not found in any table", (3, 2)),
        ("unknown function", "No match found for function signature FOO(<NUMERIC>)", (1, 26)),
        ("parse error", reserved("FOR"), (1, 15)),
        ("long parse error", reserved("FOR"), (1, 10)),
        ("reserved word", reserved("timestamp"), (1, 25)),
        ("reserved word and more", reserved("date"), (1, 11)),
        ("reserved word after a dot", reserved("date"), (1, 9)),
        ("one word too many", "syntax error at `n`", (1, 12)),
        ("bracket", "syntax error at `)`", (1, 9)),
        ("double quote", "syntax error at `\"`: names stand in back-ticks, text in single quotes", (1, 8)),
        ("odd letter", "syntax error at `#`", (1, 10)),
        ("open quote", "syntax error: a quote is never closed", (1, 19)),
        ("end", "syntax error at the end: more must follow", (1, 23)),
        (
            "no position",
            "syntax error: Flink knows no such statement, or no query stands where one must; a query begins with "
            "SELECT, WITH, VALUES or TABLE (Non-query expression encountered in illegal context)",
            None,
        ),
        ("not grouped", "Expression 'id' is not being grouped", (1, 11)),
        (
            "sink types",
            "Column types of query result and sink for 'default_catalog.default_database.bh' do not match. Cause: "
            "Incompatible types for sink column 'k' at position N. Query schema: [EXPR$0: CHAR(1) NOT NULL, EXPR$1: "
            "INT NOT NULL] Sink schema: [k: BIGINT, n: BIGINT]",
            None,
        ),
        (
            "missing class",
            "there is no class com.example.Foo of function default_catalog.default_database.foo. Put the jar that has "
            "it into lib/ of the cluster and of the SQL gateway and restart both, or name it under `jars:` of the job "
            "file.",
            None,
        ),
        ("two statements", "only single statement supported", None),
        ("no catalog", "A catalog with name [nosuch] does not exist.", None),
        ("overwrite", "Streaming mode not support overwrite.", None),
        ("mini batch", "MiniBatch Latency must be greater than 0 ms. [null]", None),
        ("unknown option", "Could not parse value 'many' for key 'parallelism.default'.", None),
        (
            "no format",
            "table default_catalog.default_database.av: this Flink has no format 'avro'. Put flink-sql-avro, made for "
            "this version of Flink, into lib/ of the cluster and of the SQL gateway and restart both, or name it under "
            "`jars:` of the job file.",
            None,
        ),
        (
            "no database",
            "A database with name [nowhere] does not exist in the catalog: [default_catalog].",
            None,
        ),
    ],
)
def test_sql_the_planner_refuses_says_why_and_where(speak, recorded, name, reason, place):
    with pytest.raises(InvalidQuery) as caught:
        speak(executing(), Server(POSTED, recorded[f"{name}/result"]))
    # the position of a column counts from 0 on Flink 1.20 and from 1 on 2.x
    assert re.sub(r"position \d", "position N", caught.value.reason) == reason
    assert (caught.value.line, caught.value.column) == (place or (None, None))
    where = f"line {place[0]}, column {place[1]}: " if place else ""
    assert str(caught.value) == where + caught.value.reason


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("duplicate", Duplicate, "look what became of it"),
        ("missing jar", Misconfigured, r"the jar /not/there\.jar is not found"),
        ("jobmanager down", Unreachable, "no answer from its JobManager: ConnectException: Connection refused"),
        ("submit, jobmanager down", Unreachable, "no answer from its JobManager"),
        ("jobmanager unknown host", Unreachable, "UnknownHostException: no.such.host"),
        (
            "unknown connector used",
            InvalidQuery,
            "^table default_catalog.default_database.ka: this Flink has no connector 'kafkaa', only blackhole, "
            "datagen, filesystem,.* print. Did you mean 'kafka'. Put the jar that brings it into lib/",
        ),
        ("enforced key", InvalidQuery, "the only supported mode is the NOT ENFORCED mode"),
        ("stop unknown job", StatementFailed, "Could not find Flink job"),
        ("bad job id", StatementFailed, 'Cannot parse JobID from "xyz"'),
        ("burn", StatementFailed, "FileNotFoundException: Cannot find checkpoint or savepoint"),
        ("other operators", StatementFailed, "IllegalStateException: Failed to rollback .*allowNonRestoredState"),
    ],
)
def test_errors_are_told_apart_by_their_text(speak, recorded, name, error, said):
    with pytest.raises(error, match=said) as caught:
        speak(executing(), Server(POSTED, recorded[f"{name}/result"]))
    assert "\n" not in str(caught.value)
    assert "\tat " not in str(caught.value)
    assert caught.value.__suppress_context__  # what the server said in full is not chained


def test_a_refused_table_is_named_and_none_of_its_options(speak, recorded):
    with pytest.raises(InvalidQuery) as caught:
        speak(executing(), Server(POSTED, recorded["no such option/result"]))
    assert caught.value.table == "default_catalog.default_database.uo"
    assert caught.value.reason.startswith(
        "table default_catalog.default_database.uo: Unsupported options found for 'datagen'. "
        "Unsupported options: password, rows-per-secon. Supported options: connector, "
    )
    assert "hunter2" not in str(caught.value)
    assert "'5'" not in str(caught.value)


@pytest.mark.parametrize(
    ("connector", "jar"),
    [
        ("kafka", "Put flink-sql-connector-kafka, made for this version of Flink, into lib/"),
        ("upsert-kafka", "Put flink-sql-connector-kafka, "),
        ("jdbc", "Put flink-connector-jdbc with the driver of the database, "),
        ("my-own", "Put the jar that brings it into lib/"),
    ],
)
def test_a_missing_connector_says_which_jar_to_put_where(speak, recorded, connector, jar):
    reply = recorded["unknown connector used/result"]
    reply = httpx.Response(reply.status_code, text=reply.text.replace("kafkaa", connector))
    with pytest.raises(InvalidQuery, match=re.escape(jar)):
        speak(executing(), Server(POSTED, reply))


@pytest.mark.parametrize("kind", ["java.net.SocketTimeoutException", "java.sql.SQLException"])
def test_a_catalog_that_does_not_answer_is_no_fault_of_the_statement(speak, recorded, kind):
    reply = recorded["no catalog/result"]
    trace = reply.text.replace("\\n\\nEnd of exception", f"\\nCaused by: {kind}: refused\\n\\nEnd of exception")
    assert trace != reply.text
    with pytest.raises(StatementFailed, match=rf"{kind.rpartition('.')[2]}: refused$"):
        speak(executing(), Server(POSTED, httpx.Response(reply.status_code, text=trace)))


def test_a_duplicate_is_not_retried_and_keeps_what_flink_said(speak, recorded):
    server = Server(POSTED, recorded["duplicate/result"])
    with pytest.raises(Duplicate) as caught:
        speak(executing(), server)
    assert not caught.value.retryable
    assert "has already been submitted" in caught.value.detail
    assert len(server.asked) == 2


@pytest.mark.parametrize("replies", [["unknown session"], ["POSTED", "unknown operation"]])
def test_a_session_that_is_gone_may_be_replaced(speak, recorded, replies):
    server = Server(*[POSTED if name == "POSTED" else recorded[name] for name in replies])
    with pytest.raises(SessionGone) as caught:
        speak(executing(), server)
    assert caught.value.retryable


def test_a_statement_is_posted_once_whatever_happens(speak):
    server = Server(httpx.ReadError("connection reset"))
    with pytest.raises(Unreachable):
        speak(executing(), server)
    assert server.lines == [f"POST {SESSION}/statements"]


def late_after_two_answers(monkeypatch, server):
    """The deadline, 5, passes once the statement is posted and was asked for once."""
    monkeypatch.setattr(time, "monotonic", lambda: 10.0 if len(server.asked) >= 2 else 0.0)


def test_a_late_statement_is_cancelled_so_that_it_blocks_nobody(speak, monkeypatch):
    server = Server(POSTED, NOT_READY, httpx.Response(200, json={"status": "CANCELED"}))
    late_after_two_answers(monkeypatch, server)
    with pytest.raises(DeadlineExceeded, match="the INSERT statement did not end within 10 s; it was cancelled"):
        speak(executing("-- note\nINSERT INTO s3cret", deadline=5.0), server)
    assert server.lines[-1] == f"POST {OPERATION}/cancel"


def test_a_select_that_cannot_be_cancelled_is_closed(speak, recorded, monkeypatch):
    refused = httpx.Response(500, json={"errors": ["x.y.SqlGatewayException: Failed to convert the Operation Status"]})
    server = Server(POSTED, NOT_READY, refused, CLOSED)
    late_after_two_answers(monkeypatch, server)
    with pytest.raises(DeadlineExceeded, match="it was cancelled"):
        speak(executing(deadline=5.0), server)
    assert server.lines[-2:] == [f"POST {OPERATION}/cancel", f"DELETE {OPERATION}/close"]


def test_no_second_statement_is_posted_while_the_first_may_still_run(speak):
    server = Server(POSTED, httpx.ConnectError("refused"))

    async def flow(io):
        session = Session(io, HANDLE)
        with pytest.raises(Unreachable):
            await session.execute("INSERT INTO t SELECT 1")
        with pytest.raises(SessionGone, match="has not ended") as busy:
            await session.execute("SELECT 1")
        assert busy.value.retryable  # in another session

    speak(flow, server)
    assert server.lines.count(f"POST {SESSION}/statements") == 1


def test_after_a_refused_statement_the_session_goes_on(speak, recorded):
    server = Server(POSTED, recorded["unknown table/result"], POSTED, recorded["ddl/result"])

    async def flow(io):
        session = Session(io, HANDLE)
        with pytest.raises(InvalidQuery):
            await session.execute("INSERT INTO t SELECT 1")
        return await session.execute("CREATE TABLE t")

    assert speak(flow, server).rows == (("OK",),)


def test_explain_gives_the_planners_text(speak, recorded):
    server = Server(POSTED, recorded["explain/result"], httpx.Response(200, json=_eos()))
    text = speak(lambda io: Session(io, HANDLE).explain("INSERT INTO t SELECT 1", {"a": "b"}), server)
    assert text.startswith("== Abstract Syntax Tree ==")
    assert "== Optimized Execution Plan ==" in text
    assert server.body(0) == {"statement": f"{EXPLAIN}INSERT INTO t SELECT 1", "executionConfig": {"a": "b"}}


def test_explain_counts_positions_from_the_statement_and_not_from_its_own_words(speak, recorded):
    with pytest.raises(InvalidQuery, match=r"^line 2, column 2: Column 'zzz' not found in any table$"):
        speak(lambda io: Session(io, HANDLE).explain("x"), Server(POSTED, recorded["unknown column/result"]))


@pytest.mark.parametrize("before", ["", "-- all\n", "/* EXECUTE */ "])
def test_a_statement_set_is_explained_without_execute_which_old_flink_does_not_know(speak, recorded, before):
    server = Server(POSTED, recorded["explain/result"], httpx.Response(200, json=_eos()))
    speak(
        lambda io: Session(io, HANDLE).explain(f"{before}execute STATEMENT SET BEGIN INSERT INTO t SELECT 1; END"),
        server,
    )
    assert server.body(0)["statement"] == f"{EXPLAIN}{before}STATEMENT SET BEGIN INSERT INTO t SELECT 1; END"


def test_no_secret_reaches_messages_or_logs(speak, caplog):
    caplog.set_level(logging.DEBUG)
    trace = "org.apache.flink.table.api.ValidationException: Option 'key' = 'hunter2' is odd\n\tat A.b(A.java:1)"
    server = Server(POSTED, httpx.Response(500, json={"errors": ["Internal server error.", trace]}))
    statement = "CREATE TABLE t (a INT) WITH ('key' = 'hunter2')"
    with pytest.raises(InvalidQuery, match=r"'\*\*\*' is odd"):
        speak(executing(statement, redact=lambda text: text.replace("hunter2", "***")), server)
    assert "hunter2" not in caplog.text
    assert "A.java" in caplog.text


def _eos():
    return {
        "resultType": "EOS",
        "isQueryResult": False,
        "resultKind": "SUCCESS_WITH_CONTENT",
        "results": {"columns": [{"name": "result"}], "rowFormat": "JSON", "data": []},
    }


@pytest.mark.parametrize(
    ("key", "cause", "said"),
    [
        ("execution.checkpointing.timeout", "Time interval unit label 'sekunden' does not match any of the units", ""),
        ("a.b", "Could not parse value for enum class x.Y. Expected one of: [[A, B]]", " Expected one of: [[A, B]]"),
    ],
)
def test_an_option_that_flink_cannot_read_is_named_without_its_value(speak, key, cause, said):
    wrapped = f"java.lang.IllegalArgumentException: Could not parse value '10sekunden' for key '{key}'."
    lines = ["x.SqlExecutionException: Failed.", wrapped, f"java.lang.IllegalArgumentException: {cause}"]
    trace = "<Exception on server side:\n" + "\nCaused by: ".join(lines) + "\n\tat a.B.c(B.java:1)\nEnd of exception>"
    with pytest.raises(InvalidQuery) as caught:
        speak(executing(), Server(POSTED, httpx.Response(500, json={"errors": ["Internal server error.", trace]})))
    assert str(caught.value) == f"Flink cannot read the value of the option '{key}'.{said}"


@pytest.mark.parametrize("kind", ["StackOverflowError", "OutOfMemoryError: Java heap space"])
def test_a_gateway_that_runs_out_of_stack_or_memory_says_so_of_the_whole_job(speak, kind):
    lines = ["x.SqlExecutionException: Failed to execute the operation.", f"java.lang.{kind}"]
    trace = "<Exception on server side:\n" + "\nCaused by: ".join(lines) + "\n\tat a.B.c(B.java:1)\nEnd of exception>"
    answer = httpx.Response(500, json={"errors": ["Internal server error.", trace]})
    with pytest.raises(TooLarge, match=rf"ran out of .* \({kind.partition(':')[0]}\). Divide the job"):
        speak(executing(), Server(POSTED, answer))


def test_of_a_job_that_is_too_large_no_single_statement_is_asked_for():
    asked: list[str] = []

    class Session:
        async def execute(self, *_: object, **__: object) -> None: ...

        async def explain(self, statement: str, *_: object, **__: object) -> str:
            asked.append(statement)
            raise TooLarge("it ran out of stack")

    class Gateway:
        async def open_session(self, **_: object) -> Session:
            return Session()

    job = Spec("j", ("INSERT INTO t SELECT 1", "INSERT INTO t SELECT 2"))
    with pytest.raises(TooLarge):
        run_sync(Planner(Gateway(), Secrets()).explain(job, "2.3.0"))  # type: ignore[arg-type]
    assert len(asked) == 1


LONG = f"INSERT INTO t SELECT '{'x' * 10_100_000}'"


def test_that_a_statement_is_long_is_said_where_the_gateway_falls_silent_over_it(speak):
    said = "did not finish its answer within 300 s. .* The statement is 10.1 MB long."
    with pytest.raises(Unreachable, match=said) as caught:
        speak(executing(LONG), Server(httpx.ReadTimeout("timed out")), timeout=300.0)
    assert "xxx" not in str(caught.value)


def test_that_a_statement_is_long_is_said_where_it_did_not_end_in_time(speak, monkeypatch):
    server = Server(POSTED, NOT_READY, httpx.Response(200, json={"status": "CANCELED"}))
    late_after_two_answers(monkeypatch, server)
    with pytest.raises(DeadlineExceeded, match=r"it was cancelled\. The statement is 10\.1 MB long\. Check"):
        speak(executing(LONG, deadline=5.0), server)


def test_a_result_without_end_is_none(speak, recorded):
    page = {**recorded["select/result"].json(), "resultType": "PAYLOAD"}
    page["results"]["data"] = [{"kind": "INSERT", "fields": ["x"]}]
    with pytest.raises(Misconfigured, match="the result of the SELECT statement is too long, or has no end"):
        speak(executing(), Server(POSTED, httpx.Response(200, json=page)))
