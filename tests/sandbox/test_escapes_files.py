"""Out of the guest by files: each attack works without the sandbox (control), and inside it is refused and recorded."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.sandbox.attack import attack, control, printed, tried

pytestmark = pytest.mark.xdist_group("sandbox")


def test_a_file_of_the_host_is_not_there(guest, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("host secret")
    code = f"print(open({str(secret)!r}).read())"
    assert control(code, tmp_path) == "host secret"
    done = attack(guest, code)
    assert "host secret" not in done.output
    assert tried(done, "read") == [str(secret)]


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "/etc/shadow", "/root/.ssh/id_rsa", "/var/run/docker.sock", "/proc/kcore"]
)
def test_well_known_files_are_refused_and_named(guest, path):
    done = attack(guest, f"print(tried(open, {path!r}))")
    assert printed(done) == "EACCES"
    assert tried(done, "read") == [path]


def test_the_environment_of_the_caller_is_nowhere(guest, tmp_path):
    code = """
    print(os.environ.get("ASSAY_TEST_CANARY"))
    for where in ("self", "1", str(os.getppid())):
        print(tried(lambda: print(open(f"/proc/{where}/environ").read())))
    """
    assert control(code, tmp_path).count("seen") >= 2
    done = attack(guest, code)
    assert "seen" not in done.output
    assert "worked" not in done.output
    assert tried(done, "environment")[:2] == ["/proc/self/environ", "/proc/1/environ"]
    asked = [a.detail["arguments"] for a in done.attempts if a.target == "environment"]
    assert asked == ["ASSAY_TEST_CANARY"]


def test_bubblewrap_alone_leaks_the_callers_environment():
    """Why a guest is started with `env -i`: the reason has not gone away."""
    leaky = ["bwrap", "--ro-bind", "/", "/", "--proc", "/proc", "--unshare-pid", "--clearenv", "cat", "/proc/1/environ"]
    shown = subprocess.run(leaky, env=os.environ | {"ASSAY_TEST_LEAK": "seen"}, capture_output=True, check=True).stdout
    assert b"ASSAY_TEST_LEAK=seen" in shown


def test_processes_of_others_are_not_to_be_seen(guest, tmp_path):
    code = f"""
    print(tried(lambda: print(os.listdir("/proc/{os.getpid()}"))))
    print(tried(lambda: print(os.listdir("/proc"))))
    """
    assert control(code, tmp_path).count("worked") == 2
    done = attack(guest, code)
    assert "worked" not in done.output
    assert tried(done, "read") == [f"/proc/{os.getpid()}", "/proc"]


def test_nothing_can_be_written_outside_the_cache(guest, tmp_path):
    target = tmp_path / "written"
    code = "for path in {paths!r}: print(tried(lambda: open(path, 'w').close()))"
    assert control(code.format(paths=[str(target)]), tmp_path) == "worked"
    target.unlink()
    paths = [str(target), "/model/attack.pkl", "/scratch/x", "/usr/lib/x", f"{sys.prefix}/x", "/x", "/tmp/x"]
    done = attack(guest, code.format(paths=paths))
    assert printed(done).split() == ["EACCES"] * len(paths)
    assert not target.exists()
    assert tried(done, "write") == paths


def test_links_do_not_lead_out_of_the_cache(guest, tmp_path):
    """Symbolic link to a host file, hard link to a file of the model, `..`, a rename across."""
    code = """
    os.makedirs("out", exist_ok=True)
    print(tried(os.symlink, "/etc/passwd", "out/link"))
    open("plain", "w").close()
    print(tried(os.link, "plain", "out/hard"))
    print(tried(os.rename, "plain", "../moved"))
    """
    (tmp_path / "inner").mkdir()
    assert control(code, tmp_path / "inner").split() == ["worked"] * 3
    done = attack(guest, 'os.chdir("/scratch/cache")' + code.replace("\n    ", "\n"))
    assert printed(done).split() == ["EACCES"] * 3
    changes = [(a.detail["call"], a.target, a.detail.get("to")) for a in done.attempts if a.kind == "change"]
    assert changes == [
        ("symlink", "/etc/passwd", "/scratch/cache/out/link"),
        ("link", "/scratch/cache/plain", "/scratch/cache/out/hard"),
        ("rename", "/scratch/cache/plain", "/scratch/moved"),
    ]


def test_files_cannot_be_removed_or_given_other_modes(guest, tmp_path):
    code = """
    print(tried(os.unlink, "victim"), tried(os.chmod, "other", 0o777), tried(os.truncate, "other", 0))
    """
    for name in ("victim", "other"):
        (tmp_path / name).write_text("x")
    assert control(code, tmp_path) == "worked worked worked"
    done = attack(guest, 'os.chdir("/model")\n' + code.strip(), victim=b"x", other=b"x")
    assert printed(done) == "EACCES EACCES EACCES"
    assert tried(done, "change") == ["/model/victim", "/model/other", "/model/other"]


def test_device_nodes_are_neither_there_nor_made(guest):
    code = """
    for path in ("/dev/mem", "/dev/kmsg", "/dev/vda", "/dev/sda", "/dev/fuse", "/dev/kvm", "/dev/tty", "/dev/ptmx"):
        print(tried(os.open, path, os.O_RDONLY))
    print(tried(os.mknod, "/scratch/cache/null", 0o20666, os.makedev(1, 3)))
    """
    done = attack(guest, code)
    assert printed(done).split() == ["EACCES"] * 9
    assert len(tried(done, "read")) == 8
    assert tried(done, "change") == ["/scratch/cache/null"]


def test_the_disk_is_not_filled(guest, tmp_path):
    code = """
    written = 0
    with open("fill", "wb", buffering=0) as out:
        try:
            while written < 24 << 20:
                written += out.write(bytes(1 << 20))
        except OSError as error:
            print(errno.errorcode[error.errno], written <= 16 << 20)
        else:
            print("filled")
    """
    assert control(code, tmp_path) == "filled"
    done = attack(guest, 'os.chdir("/scratch/cache")' + code.replace("\n    ", "\n"))
    assert printed(done) in {"ENOSPC True", "EFBIG True"}


def test_no_state_crosses_from_one_model_to_the_next(guest):
    first = """
    open("/scratch/cache/flag", "w").write("was here")
    import builtins, json
    builtins.flag = json.flag = "was here"
    sys.path.insert(0, "/scratch/cache")
    os.environ["FLAG"] = "was here"
    print(os.listdir("/scratch/cache"), sorted(os.listdir("/model")))
    """
    second = """
    import builtins, json
    print(os.listdir("/scratch/cache"), sorted(os.listdir("/model")), hasattr(builtins, "flag"), hasattr(json, "flag"),
          "/scratch/cache" in sys.path, "FLAG" in os.environ)
    """
    assert "['flag'] ['attack.pkl', 'first.bin']" in printed(attack(guest, first, first__bin=b"1"))
    assert printed(attack(guest, second)) == "[] ['attack.pkl'] False False False False"
