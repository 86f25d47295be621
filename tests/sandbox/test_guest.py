"""How a guest starts, what it refuses to start without, and what hostile code can do to its supervisor: nothing."""

from __future__ import annotations

import io
import json
import os
import subprocess
import textwrap
from pathlib import Path

import pytest

from assay.core.errors import SandboxError
from assay.policy.model import LAYERS
from assay.sandbox.guest import DEFAULT_REQUIRED, Guest
from tests.sandbox.attack import attack, poisoned, printed, strike, tried

pytestmark = pytest.mark.xdist_group("sandbox")

LOADER = "assay.workers.loader"


def test_every_layer_is_active_and_proven(guest):
    with guest.session([("a", io.BytesIO(b"x"))]) as session:
        missing = {name for name, active in session.layers.items() if not active}
        assert missing <= {"cgroup_memory", "cgroup_pids", "cgroup_cpu"}  # not writable everywhere
        assert set(DEFAULT_REQUIRED) | {"landlock", "user_namespace", "bubblewrap"} <= set(session.layers)
        assert set(session.layers) <= set(LAYERS), "a policy can ask for each"
    assert guest.nested
    assert guest.lost == ""


def test_a_missing_layer_refuses_to_run(guest, monkeypatch):
    monkeypatch.setattr(guest, "_required", (*DEFAULT_REQUIRED, "tinfoil"))
    with pytest.raises(SandboxError, match="not active: tinfoil"), guest.session([("a", io.BytesIO(b"x"))]):
        pytest.fail("it ran")


def test_without_bubblewrap_it_says_what_is_lost_and_what_to_install():
    with Guest(LOADER, bubblewrap=None) as bare, pytest.raises(SandboxError) as refused:
        bare.start()
    assert "bubblewrap is not installed" in str(refused.value)
    assert "no root of its own" in str(refused.value)
    assert "the package `bubblewrap`" in refused.value.hint


LIGHT = """
import io, json
from assay.sandbox.guest import Guest, GuestLimits
limits = GuestLimits(memory_bytes=1 << 29, cpu_seconds=20, scratch_bytes=1 << 20)
with Guest("assay.workers.loader", limits, required=(), **{arguments!r}) as guest:
    guest.start()
    out = {{"nested": guest.nested, "lost": guest.lost, "sessions": []}}
    for _ in range(2):
        with guest.session([("attack.pkl", io.BytesIO(bytes.fromhex({attack!r})))]) as session:
            path = guest.model_root
            done = session.task({{"loader": "pickle", "path": path + "/attack.pkl", "root": path}}, 20)
            home, groups = guest._stage._home, list(guest._cgroup.directories)
            process = guest._process
            out["sessions"].append({{"layers": session.layers, "reasons": session.reasons, "output": done.output,
                                    "attempts": [[a.kind, a.target] for a in done.attempts]}})
out["left"] = [str(path) for path in (home, *groups) if path.exists()] + [process] * (process.poll() is None)
print(json.dumps(out))
"""
ATTACK = """
print(os.getuid(), tried(socket.create_connection, ("192.0.2.1", 80), 1), tried(open, "/etc/passwd"),
      tried(open, "/written", "w"), os.path.exists("/scratch/cache/left"))
tried(open, "/scratch/cache/left", "w")
os.system("id")
"""


def run_light(python: Path, user: bool = False, attack: str = ATTACK, **arguments) -> dict:
    program = LIGHT.format(arguments=arguments, attack=poisoned(attack).hex())
    command = [str(python), "-I", "-B", "-c", program]
    if user and os.getuid() == 0:
        command = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("user", [False, True], ids=["caller", "ordinary user"])
@pytest.mark.parametrize("nest", [True, False], ids=["nested", "cold"])
def test_as_the_caller_and_as_an_ordinary_user(light, user, nest):
    told = run_light(light, user, nest=nest)
    assert told["nested"] is nest
    assert told["left"] == []
    for session in told["sessions"]:
        missing = {name for name, active in session["layers"].items() if not active}
        assert missing <= {"cgroup_memory", "cgroup_pids", "cgroup_cpu", "user_namespace"}
        assert ("user_namespace" not in missing) or (not nest and os.getuid() == 0)
        assert session["output"].startswith("65534 ENETUNREACH EACCES EACCES False")
        kinds = [kind for kind, _ in session["attempts"] if kind != "python"]
        assert kinds == ["connect", "read", "write", "fork", "exec"]


def test_bare_it_still_records_and_says_what_is_missing(light):
    told = run_light(light, bubblewrap=None)
    assert "no root of its own" in told["lost"]
    for session in told["sessions"]:
        layers = session["layers"]
        assert not layers["private_root"]
        assert not layers["bubblewrap"]
        assert layers["landlock"]
        assert layers["net_namespace"]
        assert layers["seccomp"]
        assert layers["recording"]


HOLED = """
import assay.sandbox.guest as guest
real = guest.arrange
def holed(*arguments):
    made = real(*arguments)
    made.command[:] = [word for word in made.command if word != {without!r}]
    at = made.command.index("--hostname")
    made.command[at:at] = {extra!r}
    return made
guest.arrange = holed
"""


@pytest.mark.parametrize(
    ("without", "extra", "layer"),
    [
        ("--unshare-net", [], "net_namespace"),
        ("--unshare-ipc", [], "ipc_namespace"),
        ("nothing", ["--ro-bind", "/var", "/var"], "private_root"),
        ("nothing", ["--ro-bind", "/etc", "/etc"], "private_root"),
        ("nothing", ["--perms", "0777", "--tmpfs", "/home"], "private_root"),
    ],
)
def test_the_self_test_finds_what_is_left_open(light, without, extra, layer):
    """Not the flags passed decide, but attacks: a start with a hole is found out."""
    script = HOLED.format(without=without, extra=extra)
    script += LIGHT.format(arguments={"nest": False}, attack=poisoned("pass").hex())
    done = subprocess.run([light, "-I", "-B", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert not json.loads(done.stdout)["sessions"][0]["layers"][layer]


def test_words_of_hostile_code_do_not_wipe_out_what_was_seen(guest):
    """It finds the channel and answers for the worker: the act before it is recorded, the record stays."""
    code = """
    import json
    os.system("id")
    for number in range(3, 64):
        try:
            os.write(number, json.dumps({"result": {"status": "loaded", "what": "innocent"}}).encode())
        except OSError:
            pass
    """
    done = attack(guest, code)
    assert done.result == {"status": "loaded", "what": "innocent"}
    assert tried(done, "exec") == ["/bin/sh"]


@pytest.mark.parametrize("noise", [b"\xff\x00", b"[]", b"{", b'{"listener": true}', b'{"layers": {"all": true}}'])
def test_noise_on_the_channel_ends_at_most_the_session(guest, noise):
    code = f"""
    for number in range(3, 64):
        try:
            os.write(number, {noise!r})
        except OSError:
            pass
    """
    with guest.session([("attack.pkl", io.BytesIO(poisoned(code)))]) as session:
        before = dict(session.layers)
        strike(session)
        assert session.layers == before
    assert printed(attack(guest, "print('next')")) == "next"


def test_a_flood_on_the_channel_is_ended(guest):
    code = """
    import json
    number = next(n for n in range(3, 64) if tried(os.write, n, b'{"event": "x"}') == "worked" and n > 2)
    while True:
        os.write(number, b'{"event": "x"}')
    """
    done = attack(guest, code)
    assert done.ended == "flood"
    assert printed(attack(guest, "print('next')")) == "next"


MORTAL = """
import io, json, os, signal, subprocess, threading
import assay.sandbox.guest as module
from assay.core.errors import SandboxError
from assay.sandbox.guest import Guest, GuestLimits

module._ANSWER_SECONDS = 1.0

def template():
    pid = guest._process.pid  # sh, then bwrap outside and inside, then the interpreter
    while children := open(f"/proc/{{pid}}/task/{{pid}}/children").read().split():
        pid = int(children[0])
    return pid

def load():
    with guest.session([("attack.pkl", io.BytesIO(bytes.fromhex({attack!r})))]) as session:
        task = {{"loader": "pickle", "path": "/model/attack.pkl", "root": "/model"}}
        return session.task(task, 20).output

limits = GuestLimits(memory_bytes=1 << 29, cpu_seconds=20, scratch_bytes=1 << 20)
with Guest("assay.workers.loader", limits) as guest:
{body}
    print(json.dumps([told, guest.restarts]))
"""


def mortal(python: Path, body: str) -> list:
    """What `body` told of a guest, and the reasons for its restarts."""
    script = MORTAL.format(attack=poisoned("print('there')").hex(), body=textwrap.indent(textwrap.dedent(body), "    "))
    command = [str(python), "-I", "-B", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_guest_outlives_the_thread_that_started_it(light):
    """bubblewrap dies with the thread that started it: an admission's is over long before its guest is."""
    body = """
    starter = threading.Thread(target=guest.start)
    starter.start()
    starter.join()
    try:
        told = guest._process.wait(0.5)
    except subprocess.TimeoutExpired:
        told = load()
    """
    assert mortal(light, body) == ["there\\x0a", []]


@pytest.mark.parametrize("how", ["SIGKILL", "SIGSTOP"])
def test_a_dead_template_is_started_again_and_the_reason_said(light, how):
    body = f"""
    guest.start()
    os.kill(template(), signal.{how})
    told = load()
    """
    told, (reason,) = mortal(light, body)
    assert told == "there\\x0a"
    said = {"SIGKILL": "the template was killed by signal 9", "SIGSTOP": "the template does not answer"}
    assert reason.startswith(said[how]), reason


def test_a_template_that_dies_under_a_session_is_said(light):
    body = """
    guest.start()
    guest._answers = lambda: True
    os.kill(template(), signal.SIGKILL)
    guest._process.wait()
    try:
        told = load()
    except SandboxError as error:
        told = str(error)
    """
    told, _ = mortal(light, body)
    assert told.startswith("the template was killed by signal 9"), told


def test_nothing_that_a_framework_opened_is_shared_by_models(guest):
    """Standard streams, the channel and the file being read; ONNX Runtime alone would leave a database open."""
    done = attack(guest, "print([n for n in range(256) if tried(os.fstat, n) == 'worked'])")
    assert printed(done) == "[0, 1, 2, 3, 4]"


def test_a_crash_is_an_end_and_no_more(guest):
    done = attack(guest, "ctypes.string_at(0)")
    assert done.ended == "worker"
    assert printed(attack(guest, "print('next')")) == "next"


def test_an_exception_of_its_own_kind_ends_the_worker(guest):
    done = attack(guest, "class Own(BaseException): pass\nraise Own('mine')")
    assert (done.result, done.ended) == (None, "worker")
    assert "Own: mine" in done.output


def test_the_model_is_read_only_and_gone_afterwards(guest):
    with guest.session([("attack.pkl", io.BytesIO(poisoned("pass"))), ("deep/er/file", io.BytesIO(b"1"))]):
        stage = guest._stage.root
        assert sorted(p.name for p in stage.rglob("*")) == ["attack.pkl", "deep", "er", "file"]
    assert list(stage.iterdir()) == []


def test_a_readable_file_is_linked_not_copied(guest, tmp_path):
    if tmp_path.stat().st_dev != guest._stage.root.stat().st_dev:
        pytest.fail("TMPDIR and the stage are on different file systems")
    weights = tmp_path / "w.bin"
    weights.write_bytes(b"weights")
    weights.chmod(0o644)
    with weights.open("rb") as stream, guest.session([("w.bin", stream)]):
        assert (guest._stage.root / "w.bin").stat().st_ino == weights.stat().st_ino
    weights.chmod(0o600)
    with weights.open("rb") as stream:
        stream.read()
        with guest.session([("w.bin", stream)]):
            staged = guest._stage.root / "w.bin"
            assert staged.stat().st_ino != weights.stat().st_ino
            assert staged.read_bytes() == b"weights"


def test_a_path_that_leads_out_of_the_model_is_not_laid_out(guest):
    from assay.core.errors import ContentError

    with pytest.raises(ContentError), guest.session([("../out", io.BytesIO(b"x"))]):
        pytest.fail("it ran")
