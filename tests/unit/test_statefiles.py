import os

import pytest

from airflow_provider_flinksql.clients.statefiles import completed_checkpoints, exists, find_savepoint, same_location
from airflow_provider_flinksql.errors import Misconfigured, UnsupportedScheme


def complete(folder):
    folder.mkdir(parents=True)
    (folder / "_metadata").write_bytes(b"\x49\x60\x67\x2d")
    return folder


@pytest.mark.parametrize("spelling", ["{}", "{}/", "file:{}", "file://{}", "file://localhost{}"])
def test_completed_checkpoints_come_newest_first_in_the_callers_spelling(tmp_path, spelling):
    for number in (9, 10, 2):
        complete(tmp_path / f"chk-{number}")
    for other in ("chk-11", "shared", "taskowned", "chk-x"):
        (tmp_path / other).mkdir()
    complete(tmp_path / "other-12")
    folder = spelling.format(tmp_path)
    assert completed_checkpoints(folder) == [(n, f"{folder.rstrip('/')}/chk-{n}") for n in (10, 9, 2)]


def test_an_empty_metadata_file_is_no_checkpoint(tmp_path):
    (complete(tmp_path / "chk-1") / "_metadata").write_bytes(b"")
    assert completed_checkpoints(str(tmp_path)) == []


def test_a_folder_that_is_not_there_holds_nothing(tmp_path):
    nowhere = f"file://{tmp_path}/nowhere"
    assert completed_checkpoints(nowhere) == []
    assert find_savepoint(nowhere) is None
    assert not exists(nowhere)


def test_a_savepoint_is_found_once_it_is_complete(tmp_path):
    (tmp_path / "savepoint-abc-1").mkdir()
    assert find_savepoint(f"file:{tmp_path}") is None
    complete(tmp_path / "savepoint-abc-2")
    assert find_savepoint(f"file:{tmp_path}") == f"file:{tmp_path}/savepoint-abc-2"


def test_two_savepoints_where_one_is_expected_are_not_guessed_between(tmp_path):
    complete(tmp_path / "savepoint-a")
    complete(tmp_path / "savepoint-b")
    with pytest.raises(Misconfigured, match="2 savepoints"):
        find_savepoint(str(tmp_path))


def test_a_location_exists_by_its_folder_or_its_metadata_file(tmp_path):
    folder = complete(tmp_path / "chk-1")
    assert exists(str(folder))
    assert exists(f"file://{folder}/_metadata")
    assert not exists(str(tmp_path))


def test_names_are_taken_as_written(tmp_path):
    assert exists(f"file:{complete(tmp_path / 'with space %20')}")


@pytest.mark.parametrize("look", [completed_checkpoints, find_savepoint, exists])
@pytest.mark.parametrize("location", ["s3://bucket/chk-1", "hdfs://nn/x", "file://otherhost/x"])
def test_what_cannot_be_looked_at_from_here_says_what_to_do(look, location):
    with pytest.raises(UnsupportedScheme, match="--restore-from"):
        look(location)


def test_a_folder_that_cannot_be_read_is_an_error_and_not_an_empty_one(tmp_path):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    too_long = f"{tmp_path}/{'x' * (os.pathconf(tmp_path, 'PC_NAME_MAX') + 1)}"
    with pytest.raises(Misconfigured, match="cannot be read"):
        exists(too_long)


@pytest.mark.parametrize("other", ["file:/x/chk-1", "file:///x/chk-1", "/x/chk-1/", "file:/x/chk-1/_metadata"])
def test_spellings_of_one_location(other):
    assert same_location("/x/chk-1", other)
    assert not same_location("/x/chk-2", other)
    assert not same_location("s3://x/chk-1", other)
