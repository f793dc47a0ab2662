"""State folders in an object store: what is found there, and what it costs."""

import struct
from collections.abc import Iterator

import obstore
import pytest
from obstore.store import from_url

import services
from airflow_provider_flinksql.clients.statefiles import StateFiles


@pytest.fixture(scope="module")
def s3() -> Iterator[services.ObjectStore]:
    with services.object_store() as running:
        yield running


@pytest.fixture(scope="module")
def files(s3: services.ObjectStore) -> StateFiles:
    return StateFiles(s3.options)


@pytest.fixture
def put(s3: services.ObjectStore):
    bucket = from_url(f"s3://{s3.bucket}", config=s3.options, client_options={"allow_http": True})

    def put(path: str, checkpoint_id: int = 1) -> None:
        obstore.put(bucket, path, struct.pack(">iiq", 0x4960672D, 6, checkpoint_id))

    return put


@pytest.mark.parametrize("scheme", ["s3", "s3a", "s3p"])
def test_only_complete_checkpoints_are_found_newest_first(files, put, scheme):
    for number in (9, 10):
        put(f"complete/job/chk-{number}/_metadata", number)
    for left in ("chk-11/data", "shared/x", "taskowned/x"):
        put(f"complete/job/{left}")
    folder = f"{scheme}://flink/complete/job"
    found = files.completed_checkpoints(folder)
    assert [(kept.location, kept.checkpoint_id) for kept in found] == [(f"{folder}/chk-{n}", n) for n in (10, 9)]


def test_the_beginning_of_a_name_is_not_the_name(files, put):
    put("prefix/orders_v2/1/job/chk-1/_metadata")
    put("prefix/orders/10/job/chk-1/_metadata")
    put("prefix/orders/1/job/chk-10/_metadata", 10)
    put("prefix/orders/1/stop-2/savepoint-a/_metadata")
    for folder in ("orders/1", "orders_v", "orders/1/jo", "orders/1/stop-"):
        assert files.completed_checkpoints(f"s3://flink/prefix/{folder}") == []
        assert files.find_savepoint(f"s3://flink/prefix/{folder}") is None
    assert files.find("s3://flink/prefix/orders/1/job/chk-1") is None
    assert [kept.checkpoint_id for kept in files.completed_checkpoints("s3://flink/prefix/orders/1/job")] == [10]


def test_a_savepoint_tells_its_checkpoint_id_and_time(files, put):
    put("saved/stop/savepoint-a/_metadata", 41)
    found = files.find_savepoint("s3://flink/saved/stop")
    assert found.checkpoint_id == 41
    assert found.time > 1_700_000_000
    assert files.find("s3://flink/saved/stop/savepoint-a/_metadata") == found


def test_the_number_of_shared_files_costs_no_request(s3, files, put):
    def requests() -> int:
        before = len(s3.requests())
        assert len(files.completed_checkpoints("s3://flink/shared/job")) == 1
        return len(s3.requests()) - before

    put("shared/job/chk-1/_metadata")
    put("shared/job/shared/0")
    few = requests()
    for number in range(1100):  # a page of a list holds 1000
        put(f"shared/job/shared/{number}")
    assert requests() == few
    assert few <= 3


def test_the_newest_of_many_checkpoints_takes_a_list_a_thousand_and_one_look(s3, files, put):
    for number in range(1, 1151):
        put(f"many/job/chk-{number}/_metadata", number)
    put("many/job/chk-1151/data")
    before = len(s3.requests())
    [found] = files.completed_checkpoints("s3://flink/many/job", 1)
    asked = [line.partition(" ")[0] for line in s3.requests()[before:]]
    assert found.checkpoint_id == 1150
    assert sorted(asked) == ["GET"] * 3 + ["HEAD"] * 2  # two pages of a list and the head of one file


def test_whether_a_folder_is_seen_takes_one_request_whatever_lies_there(s3, files):
    before = len(s3.requests())
    assert files.sees("s3://flink/many/job")
    assert len(s3.requests()) - before == 1
