"""Real processes, really killed: what they leave is carried on by the next, exactly where it stopped."""

from __future__ import annotations

import base64
import json
import pickle
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dbos import _serialization

from assay.admission.engine import Engine
from assay.admission.serial import NAME, JsonSerializer, forbid_unpickling
from assay.core.errors import AssayError, EnvironmentFault, IntegrityError, SourceError, UsageError
from tests.support.forks import fork_script

TOY = Path(__file__).with_name("toy.py")
STEPS = ("one", "two", "three")


class Toys:
    """Starts toy processes that share one database."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url

    def arguments(self, mode: str, *, number: str = "a", context: str = "c") -> tuple[str, ...]:
        return self.url, number, mode, context

    def start(self, mode: str = "plain", **kwargs: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(TOY), *self.arguments(mode, **kwargs)]
        return subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, mode: str = "plain", **kwargs: str) -> dict:
        ended = fork_script(self.folder, TOY, *self.arguments(mode, **kwargs))
        assert ended.err == ""
        if mode.startswith("kill"):
            assert ended.status == -signal.SIGKILL
            return {}
        assert ended.status == 0
        return json.loads(ended.out)

    def steps(self) -> list[str]:
        return (self.folder / "steps").read_text().split()

    def until(self, step: str) -> None:
        """Wait until a process is inside a step."""
        for _ in range(6000):
            if (self.folder / "steps").exists() and self.steps()[-1:] == [step]:
                return
            time.sleep(0.02)
        raise AssertionError(step)

    def until_told(self, notice: str) -> None:
        """Wait until a process has said so, however long it takes to start."""
        for _ in range(6000):
            if (self.folder / "notices").exists() and notice in (self.folder / "notices").read_text().splitlines():
                return
            time.sleep(0.02)
        raise AssertionError(notice)


@pytest.fixture
def toys(tmp_path):
    return Toys(tmp_path, f"sqlite:///{tmp_path / 'w.sqlite'}")


@pytest.fixture
def toys_on_postgres(tmp_path, postgres):
    return Toys(tmp_path, postgres.new_database())


WAITING = "another process is at it already: waiting for its result"
# Which of the two is said depends on whether the lease of the dead process had lapsed when the second one looked.
TAKEN_OVER = (
    "the process that was at it ended: carrying on here",
    "carrying on where an interrupted run stopped",
)


@pytest.mark.postgres
def test_on_postgresql_a_killed_run_is_carried_on(toys_on_postgres):
    toys = toys_on_postgres
    toys.run("kill:two")
    answer = toys.run()
    assert answer["result"] == {"total": 13}
    assert answer["notices"][-1] in TAKEN_OVER
    assert toys.steps() == ["one", "two", "two", "three"]
    assert toys.run() == {"result": {"total": 13}, "notices": []}


@pytest.mark.postgres
def test_on_postgresql_the_living_are_waited_for(toys_on_postgres):
    toys = toys_on_postgres
    first = toys.start("pause:two")
    toys.until("two")
    second = toys.start()
    time.sleep(4)
    assert second.poll() is None
    (toys.folder / "go").touch()
    for process in (first, second):
        assert json.loads(process.communicate(timeout=120)[0])["result"] == {"total": 13}
    assert toys.steps() == list(STEPS)


def test_a_run_is_made_and_a_finished_one_is_made_anew(toys):
    assert toys.run() == {"result": {"total": 13}, "notices": []}
    assert toys.run() == {"result": {"total": 13}, "notices": []}
    assert toys.steps() == [*STEPS, *STEPS]


@pytest.mark.parametrize("step", STEPS)
def test_killed_in_a_step_it_is_carried_on_at_that_step(toys, step):
    toys.run(f"kill:{step}")
    result = toys.run()
    assert result["result"] == {"total": 13}
    assert result["notices"] == ["carrying on where an interrupted run stopped"]
    before = STEPS[: STEPS.index(step)]
    assert toys.steps() == [*before, step, *STEPS[len(before) :]]
    assert toys.run()["notices"] == []
    with sqlite3.connect(toys.folder / "w.sqlite") as database:
        assert database.execute("SELECT name FROM queues").fetchall() == []
    assert list((toys.folder / "w.sqlite.leases").iterdir()) == []


def test_killed_again_while_carrying_on(toys):
    toys.run("kill:two")
    toys.run("kill:three")
    assert toys.run()["result"] == {"total": 13}
    assert toys.steps() == ["one", "two", "two", "three", "three"]


def test_another_process_carries_on_everything_that_was_left(toys):
    toys.run("kill:two", number="a")
    toys.run("kill:one", number="b")
    assert toys.run("all")["result"] == [{"total": 13}, {"total": 13}]
    assert toys.run("all")["result"] == []


def test_a_living_process_keeps_its_run_and_the_second_waits_for_its_result(toys):
    first = toys.start("pause:two")
    toys.until("two")
    second = toys.start()
    toys.until_told(WAITING)
    time.sleep(2.5)  # a lease lapses after two seconds
    assert second.poll() is None
    assert toys.run("all")["result"] == []
    (toys.folder / "go").touch()
    assert json.loads(first.communicate(timeout=120)[0])["result"] == {"total": 13}
    answer = json.loads(second.communicate(timeout=120)[0])
    assert answer["result"] == {"total": 13}
    assert answer["notices"] == [WAITING]
    assert toys.steps() == list(STEPS)


def test_the_waiting_process_takes_over_when_the_first_is_killed(toys):
    first = toys.start("pause:two")
    toys.until("two")
    second = toys.start()
    toys.until_told(WAITING)
    first.kill()
    first.communicate()
    answer = json.loads(second.communicate(timeout=120)[0])
    assert answer["result"] == {"total": 13}
    assert answer["notices"][-1] in TAKEN_OVER
    assert toys.steps() == ["one", "two", "two", "three"]


def test_two_processes_that_start_at_once_make_one_run(toys):
    both = [toys.start(), toys.start()]
    results = [json.loads(process.communicate(timeout=120)[0])["result"] for process in both]
    assert results == [{"total": 13}] * 2
    assert sorted(toys.steps()) in (sorted(STEPS), sorted(STEPS * 2))  # at once, or one after the other
    names = sqlite3.connect(toys.folder / "w.sqlite").execute("SELECT workflow_uuid FROM workflow_status").fetchall()
    assert len(names) * 3 == len(toys.steps())


def test_a_step_that_failed_for_the_environment_is_repeated_alone(toys):
    failed = toys.run("fail:two")
    assert (failed["kind"], failed["error"]) == ("EnvironmentFault", "the disk is full")
    again = toys.run()
    assert again["result"] == {"total": 13}
    assert again["notices"] == ["carrying on at the step that failed last time"]
    assert toys.steps() == ["one", "two", "two", "three"]


def test_a_bug_is_one_line_and_the_next_run_is_a_new_one(toys):
    failed = toys.run("bug:two")
    assert failed["kind"] == "AssayError"
    assert failed["error"] == "internal error: ZeroDivisionError: a bug (please report it)"
    assert toys.run()["result"] == {"total": 13}
    assert toys.steps() == ["one", "two", *STEPS]


def test_what_is_left_in_another_context_is_cancelled_not_carried_on(toys):
    toys.run("kill:two", context="oldpolicy")
    assert toys.run(context="newpolicy") == {"result": {"total": 13}, "notices": []}
    assert toys.run("all")["result"] == []
    assert toys.steps() == ["one", "two", *STEPS]


def test_what_another_version_began_is_not_carried_on(toys):
    toys.run("kill:two")
    with sqlite3.connect(toys.folder / "w.sqlite") as database:
        database.execute("UPDATE workflow_status SET application_version = 'toy-0'")
    answer = toys.run("all")
    assert answer["result"] == []
    assert "another version of assay" in answer["notices"][0]
    assert toys.run("all") == {"result": [], "notices": []}


def test_an_old_run_is_begun_afresh(toys):
    toys.run("kill:three")
    with sqlite3.connect(toys.folder / "w.sqlite") as database:
        database.execute("UPDATE workflow_status SET created_at = created_at - 25 * 3600 * 1000")
    assert toys.run()["notices"] == []
    assert toys.steps() == [*STEPS, *STEPS]


class Touch:
    """Pickles into a call that touches a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def planted(path: Path) -> str:
    return base64.b64encode(pickle.dumps(Touch(path))).decode()


def test_a_planted_pickle_is_dangerous_to_plain_dbos_and_not_to_us(tmp_path):
    """The row format is right (plain DBOS would run it), and after `forbid_unpickling` it does nothing."""
    canary = tmp_path / "canary"
    code = "import sys; from dbos import _serialization as s; s.deserialize_value(sys.argv[1], 'py_pickle', None)"
    subprocess.run([sys.executable, "-c", code, planted(canary)], check=True)
    assert canary.exists()
    canary.unlink()
    code = f"import assay.admission.serial as ours; ours.forbid_unpickling(); {code}"
    done = subprocess.run([sys.executable, "-c", code, planted(canary)], check=False, capture_output=True)
    assert done.returncode == 1
    assert b"IntegrityError" in done.stderr
    assert not canary.exists()


@pytest.mark.parametrize("table", ["workflow_input", "operation_outputs"])
def test_planted_rows_in_the_database_of_a_killed_run_touch_nothing(toys, table):
    toys.run("kill:two")
    canary = toys.folder / "canary"
    with sqlite3.connect(toys.folder / "w.sqlite") as database:
        if table == "workflow_input":
            database.execute("UPDATE workflow_input SET inputs = ?", (planted(canary),))
            database.execute("UPDATE workflow_status SET serialization = 'py_pickle'")
        else:
            database.execute("UPDATE operation_outputs SET output = ?, serialization = 'py_pickle'", (planted(canary),))
    answer = toys.run()
    assert answer["kind"] == "IntegrityError"
    assert not canary.exists()
    assert toys.run()["result"] == {"total": 13}


def test_forbidding_fails_loudly_when_dbos_has_moved_its_serializer(monkeypatch):
    class Moved(_serialization.DefaultSerializer):
        def deserialize(self, serialized_data):
            return None

    monkeypatch.setattr(_serialization, "DBOSDefaultSerializer", Moved())
    with pytest.raises(IntegrityError, match="still unpickles"):
        forbid_unpickling()


def test_errors_keep_their_kind_through_the_database():
    serializer = JsonSerializer()
    assert serializer.name() == NAME
    for error in (EnvironmentFault("full", hint="free some"), SourceError("gone"), AssayError("x"), UsageError("y")):
        back = serializer.deserialize(serializer.serialize(error))
        assert (type(back), str(back)) == (type(error), str(error))
    back = serializer.deserialize(serializer.serialize(OSError(28, "No space left on device", "/x/y")))
    assert type(back) is EnvironmentFault
    assert "No space left on device: /x/y" in str(back)


def test_values_that_json_has_not_are_refused():
    with pytest.raises(ValueError, match="JSON compliant"):
        JsonSerializer().serialize({"x": float("nan")})
    with pytest.raises(TypeError):
        JsonSerializer().serialize({"x": object()})


def test_a_locked_database_is_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr("assay.admission.engine._LOCK_PATIENCE_SECONDS", 0.1)
    blocker = sqlite3.connect(tmp_path / "w.sqlite", isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    with pytest.raises(EnvironmentFault, match="workflow database: database is locked"):
        Engine(f"sqlite:///{tmp_path / 'w.sqlite'}", "1", dict)
    blocker.execute("ROLLBACK")
    blocker.close()


def test_a_database_that_can_not_be_made_is_one_clear_error(tmp_path):
    with pytest.raises(EnvironmentFault, match="unable to open database file"):
        Engine(f"sqlite:///{tmp_path / 'no' / 'w.sqlite'}", "1", dict)


@pytest.mark.parametrize("full", [["operation_outputs"], ["operation_outputs", "workflow_status"]])
def test_a_database_that_fills_up_in_the_middle_ends_in_an_error_and_is_carried_on(toys, full):
    process = toys.start("pause:two")
    toys.until("two")
    with sqlite3.connect(toys.folder / "w.sqlite") as database:
        for table, verb in zip(full, ("INSERT", "UPDATE"), strict=False):
            database.execute(
                f"CREATE TRIGGER full_{table} BEFORE {verb} ON {table} BEGIN SELECT RAISE(ABORT, 'disk full'); END"
            )
    (toys.folder / "go").touch()
    out, err = process.communicate(timeout=120)
    assert err == ""
    answer = json.loads(out)
    assert answer["kind"] == "EnvironmentFault"
    assert "disk full" in answer["error"]
    with sqlite3.connect(toys.folder / "w.sqlite") as database:
        for table in full:
            database.execute(f"DROP TRIGGER full_{table}")
    again = toys.run()
    assert again["result"] == {"total": 13}
    assert "carrying on" in again["notices"][0]
    assert toys.steps() == ["one", "two", "two", "three"]


def test_one_engine_in_a_process(tmp_path):
    engine = Engine(f"sqlite:///{tmp_path / 'w.sqlite'}", "1", dict)
    try:
        with pytest.raises(UsageError, match="one workflow engine"):
            Engine(f"sqlite:///{tmp_path / 'v.sqlite'}", "1", dict)
    finally:
        engine.close()
    Engine(f"sqlite:///{tmp_path / 'w.sqlite'}", "1", dict).close()
    assert list((tmp_path / "w.sqlite.leases").iterdir()) == []
