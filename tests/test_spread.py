"""What is made once for a file or a group of files is made once in a whole run: they stay in one process."""

from __future__ import annotations

from types import SimpleNamespace

from tests.support.spread import LONG, ROOT, ByFile, unit


class Worker:
    """Of the scheduler's side: what it was sent."""

    shutting_down = False

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.gateway = SimpleNamespace(id="gw")

    def send_runtest_some(self, indices: list[int]) -> None:
        self.sent += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def test_a_file_or_a_group_of_files_stays_together_and_the_long_ones_begin() -> None:
    options = {"loadscopereorder": True, "tx": ["3*popen"], "rsyncdir": []}
    config = SimpleNamespace(option=SimpleNamespace(**options), getvalue=options.get, getoption=options.get)
    scheduler = ByFile(config)
    workers = [Worker(), Worker(), Worker()]
    tests = [
        *(f"tests/core/test_pin.py::test_{number}" for number in range(20)),
        *(f"tests/conversion/test_convert.py::test_{number}" for number in range(9)),
        *(f"tests/inspections/test_load.py::test_{number}" for number in range(9)),
        *(f"tests/core/test_digest.py::test_{number}" for number in range(9)),
        *(f"tests/sandbox/test_guest.py::test_{number}[a@b::c]" for number in range(9)),
        *(f"tests/e2e/test_demo.py::test_{number}" for number in range(2)),
    ]
    for worker in workers:
        scheduler.add_node(worker)
        scheduler.add_node_collection(worker, tests)
    scheduler.schedule()
    assert [index for worker in workers for index in worker.sent if "sandbox" in tests[index]] == list(range(47, 56))
    begun = [{unit(tests[index].partition("::")[0]) for index in worker.sent} for worker in workers]
    assert begun == [{"sandbox"}, {"conversion"}, {"tests/e2e/test_demo.py", "tests/core/test_pin.py"}]
    assert len(workers[0].sent) == 18


def test_every_long_unit_exists() -> None:
    files = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "tests").rglob("test_*.py"))]
    assert set(LONG) <= {unit(path) for path in files}
