"""What a guest with a GPU may do beside, and nothing else. Another device stands for the GPU."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from assay.sandbox import gpu
from tests.sandbox.test_guest import run_light

pytestmark = pytest.mark.xdist_group("sandbox")


@pytest.mark.parametrize(
    ("path", "writing", "lent"),
    [
        ("/proc/self/maps", False, "/proc/77/maps"),
        ("/proc/4/maps", False, "/proc/77/maps"),  # its own number inside says nothing outside
        ("/proc/self/task/12/comm", True, "/dev/null"),
        ("/proc/sys/vm/mmap_min_addr", False, "/proc/sys/vm/mmap_min_addr"),
        ("/proc/driver/nvidia/params", False, "/proc/driver/nvidia/params"),
        ("/proc/driver/nvidia/gpus/0:1e.0/model", False, "/proc/driver/nvidia/gpus/0:1e.0/model"),
        ("/sys/devices/system/memory/block_size_bytes", False, "/sys/devices/system/memory/block_size_bytes"),
        ("/proc/self/environ", False, None),
        ("/proc/self/mem", True, None),
        ("/proc/self/root/etc/passwd", False, None),
        ("/proc/driver/nvidia/params", True, None),
        ("/proc/sys/vm/mmap_min_addr", True, None),
        ("/etc/passwd", False, None),
        ("/sys/class/net/eth0/address", False, None),
        ("/root/comm", True, None),
    ],
)
def test_the_few_files_that_are_lent(path, writing, lent):
    made = gpu.loan(path, 77, writing=writing)
    assert (made.path if made else None) == lent


def test_only_plain_files_that_everybody_may_read_are_opened(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(0o600)
    for path in (secret, tmp_path, Path("/dev/zero")):
        with pytest.raises(PermissionError):
            gpu.open_loan(gpu.Loan(str(path)))
    with pytest.raises(FileNotFoundError):
        gpu.open_loan(gpu.Loan(str(tmp_path / "none")))
    descriptor = gpu.open_loan(gpu.Loan("/proc/self/maps"))
    assert os.read(descriptor, 10)
    os.close(descriptor)


def test_the_folder_of_the_drivers_library_links_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "links").mkdir()
    (tmp_path / "real/libcuda.so.1").write_bytes(b"")
    (tmp_path / "links/libcuda.so.1").symlink_to(tmp_path / "real/libcuda.so.1")
    found = gpu.driver_folders((str(tmp_path / "none"), str(tmp_path / "links")))
    assert found == (str(tmp_path / "links"), str(tmp_path / "real"))
    assert gpu.driver_folders((str(tmp_path / "none"),)) == ()


DRIVING = """
def name_thread():
    with open("/proc/self/task/%d/comm" % os.getpid(), "w") as name:
        name.write("cuda-EvtHandlr")
def listen(name):
    made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    made.bind(name)
    made.listen(1)
def maps():
    assert "libc" in open("/proc/self/maps").read()
    assert int(open("/proc/sys/vm/mmap_min_addr").read()) >= 0
print(tried(os.open, "/dev/full", os.O_RDWR), tried(name_thread), tried(maps),
      tried(listen, "\\0cuda-uvmfd-402653-1\\0"), tried(os.memfd_create, "x"),
      tried(open, "/dev/nvidia7"), tried(os.mkdir, "/scratch/cache/cuda"), tried(os.mkdir, "/scratch"),
      tried(os.unlink, ""), tried(open, "/scratch/.nv/nvidia-application-profiles-rc"), __import__("getpass").getuser())
"""
ATTACK = """
print(tried(open, "/proc/self/environ"), tried(open, "/etc/passwd"), tried(open, "/root/.ssh/id"),
      tried(listen, "\\0else"), tried(open, "/proc/self/mem", "r+b"),
      tried(socket.create_connection, ("192.0.2.1", 80), 1), os.environ["CUDA_VISIBLE_DEVICES"])
"""


@pytest.mark.parametrize("nest", [True, False], ids=["nested", "cold"])
def test_a_driver_may_start_and_a_model_is_still_recorded(light, nest):
    told = run_light(light, attack=DRIVING + ATTACK, nest=nest, devices=("/dev/full",))
    for session in told["sessions"]:
        assert session["layers"]["gpu_let_in"]
        missing = {name for name, active in session["layers"].items() if not active}
        assert missing <= {"cgroup_memory", "cgroup_pids", "cgroup_cpu", "user_namespace"}
        can, cannot, _ = session["output"].split("\\x0a")
        assert can == "worked worked worked worked worked ENOENT worked EEXIST ENOENT ENOENT guest"
        assert cannot == "EACCES EACCES EACCES EACCES EACCES ENETUNREACH 0"
        tried = [attempt for attempt in session["attempts"] if attempt[0] != "python"]
        assert tried == [
            ["environment", "/proc/self/environ"], ["read", "/etc/passwd"], ["read", "/root/.ssh/id"],
            ["bind", "unix:@else"], ["write", "/proc/self/mem"], ["connect", "192.0.2.1:80"],
        ]  # fmt: skip


def test_without_a_device_nothing_of_it_is_lent(light):
    told = run_light(light, attack=DRIVING)
    for session in told["sessions"]:
        assert session["output"].startswith("EACCES EACCES ENOENT EACCES EPERM EACCES worked")
