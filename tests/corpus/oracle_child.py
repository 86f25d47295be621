"""Run in a child process (best: under bubblewrap, without network): load corpus files with their real loaders.

`python oracle_child.py JOBS.json`: a list of {"file", "loader", "marker", "listens"}. Each file is loaded in a fork of
its own, so that no file can help or hinder another; the loader's framework is imported once, before the forks. Prints
one JSON object: file → {"executed": bool, "ended": how the load ended}, or {"missing": module}.
"""

from __future__ import annotations

import _thread
import atexit
import importlib
import importlib.machinery
import importlib.metadata
import json
import os
import select
import signal
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from oracle_programs import PROGRAMS  # the script's own folder

LOOPBACK_PORT = 47811
LIMIT_SECONDS = 60
ENOUGH_SECONDS = 2  # after which a load whose payload has run is ended
HEAVY = {"torch", "sklearn", "scipy", "sympy", "transformers", "joblib", "numpy"}


def _pickle(path: Path) -> None:
    import pickle

    with path.open("rb") as stream:
        pickle.load(stream)


def _pickle_here(path: Path) -> None:
    os.chdir(path.parent)  # where a notebook beside the model runs
    _pickle(path)


def _pickle_pure(path: Path) -> None:
    import pickle

    with path.open("rb") as stream:
        pickle._Unpickler(stream).load()


def _pickle_all(path: Path) -> None:
    """Several pickles in a row, as `pandas`, loggers and many training scripts read them."""
    import pickle

    with path.open("rb") as stream:
        while stream.peek(1):
            pickle.load(stream)


def _pickle_unpickler(path: Path) -> None:
    """One Unpickler object for several pickles: its memo lives on."""
    import pickle

    with path.open("rb") as stream:
        unpickler = pickle.Unpickler(stream)
        while True:
            unpickler.load()


def _torch(path: Path) -> None:
    import torch

    torch.load(path, map_location="cpu", weights_only=False)


def _torch_distributed(path: Path) -> None:
    from torch.distributed.checkpoint import FileSystemReader

    FileSystemReader(path.parent).read_metadata()


def _torch_jit(path: Path) -> None:
    import torch

    torch.jit.load(str(path), map_location="cpu")


def _torch_jit_call(path: Path) -> None:
    import torch

    torch.jit.load(str(path), map_location="cpu")(torch.zeros(1))


def _torch_package(path: Path) -> None:
    import torch

    torch.package.PackageImporter(str(path)).load_pickle("model", "model.pkl")


def _torch_export(path: Path) -> None:
    import torch

    torch.export.load(str(path))


def _joblib(path: Path) -> None:
    import joblib

    joblib.load(path)


def _numpy(path: Path) -> None:
    import numpy

    loaded = numpy.load(path, allow_pickle=True)
    if isinstance(loaded, numpy.lib.npyio.NpzFile):
        for name in loaded.files:
            loaded[name]


def _pandas(path: Path) -> None:
    import pandas

    pandas.read_pickle(path)


def _gzip_pickle(path: Path) -> None:
    import gzip
    import pickle

    with gzip.open(path) as stream:
        pickle.load(stream)


def _tar_pickle(path: Path) -> None:
    import pickle
    import tarfile

    with tarfile.open(path) as tar:
        pickle.load(tar.extractfile("model.pkl"))


def _dill(path: Path) -> None:
    import dill

    with path.open("rb") as stream:
        dill.load(stream)


def _shelve(path: Path) -> None:
    import shelve

    with shelve.open(str(path.with_suffix("")), "r") as shelf:
        for key in shelf:
            shelf[key]


def _keras(path: Path) -> None:
    import keras

    keras.config.enable_unsafe_deserialization()
    keras.models.load_model(path, safe_mode=False)


def _keras_safe(path: Path) -> None:
    import keras

    keras.models.load_model(path, safe_mode=True)


def _marshal(path: Path) -> None:
    importlib.machinery.SourcelessFileLoader("payload", str(path)).load_module()


def _yaml(path: Path) -> None:
    import yaml

    yaml.unsafe_load(path.read_bytes())


def _python(path: Path) -> None:
    import runpy

    runpy.run_path(str(path))


def _jinja(path: Path) -> None:
    import jinja2

    document = json.loads(path.read_text())
    jinja2.Environment().from_string(document["chat_template"]).render(messages=[])


def _jinja_list(path: Path) -> None:
    import jinja2

    for named in json.loads(path.read_text())["chat_template"]:
        jinja2.Environment().from_string(named["template"]).render(messages=[])


def _transformers(path: Path) -> None:
    import transformers

    transformers.AutoConfig.from_pretrained(str(path.parent), trust_remote_code=True)


def _skops(path: Path) -> None:
    import skops.io

    skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))


def _shell(path: Path) -> None:
    import subprocess

    subprocess.run(["/bin/sh", str(path)], check=False)


# loader → (function, module imported before the forks)
LOADERS = {
    "pickle": (_pickle, ""),
    "pickle-here": (_pickle_here, ""),
    "pickle-pure": (_pickle_pure, ""),
    "pickle-all": (_pickle_all, ""),
    "pickle-unpickler": (_pickle_unpickler, ""),
    "gzip-pickle": (_gzip_pickle, ""),
    "tar-pickle": (_tar_pickle, ""),
    "shelve": (_shelve, ""),
    "pyc": (_marshal, ""),
    "python": (_python, ""),
    "shell": (_shell, ""),
    "torch": (_torch, "torch"),
    "torch-distributed": (_torch_distributed, "torch"),
    "torch-jit": (_torch_jit, "torch"),
    "torch-jit-call": (_torch_jit_call, "torch"),
    "torch-package": (_torch_package, "torch.package"),
    "torch-export": (_torch_export, "torch.export"),
    "joblib": (_joblib, "joblib"),
    "numpy": (_numpy, "numpy"),
    "pandas": (_pandas, "pandas"),
    "dill": (_dill, "dill"),
    "keras": (_keras, "keras"),
    "keras-safe": (_keras_safe, "keras"),
    "yaml": (_yaml, "yaml"),
    "jinja": (_jinja, "jinja2"),
    "jinja-list": (_jinja_list, "jinja2"),
    "transformers": (_transformers, "transformers"),
    "skops": (_skops, "skops.io"),
    **PROGRAMS,
}


def _listen(marker: str) -> None:
    server = socket.create_server(("127.0.0.1", LOOPBACK_PORT), reuse_port=False)

    def accept() -> None:
        connection, _ = server.accept()
        Path(marker).touch()
        connection.close()

    threading.Thread(target=accept, daemon=True).start()


def _load(job: dict[str, Any], report: int) -> None:
    """In the fork: load, say how it ended, leave as an ordinary program would (so that exit handlers run)."""
    os.chdir(tempfile.mkdtemp())
    sys.path.insert(0, "")
    quiet = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(quiet, descriptor)
    if job.get("listens"):
        _listen(job["marker"])
    try:
        LOADERS[job["loader"]][0](Path(job["file"]))
        ended = "loaded"
    except BaseException as error:  # noqa: BLE001  whatever the file raises is its result
        ended = f"{type(error).__name__}: {error}"[:300]
    os.write(report, ended.encode("utf-8", "replace"))
    time.sleep(0.05 if job.get("listens") else 0)
    _let_threads_run(Path(job["marker"]))
    threading._shutdown()  # what an ordinary exit does, without tearing the framework down object by object
    atexit._run_exitfuncs()
    os._exit(0)


def _let_threads_run(marker: Path) -> None:
    """A program goes on after a load; here nothing else would give a bare thread the time to begin."""
    begun, tasks = time.monotonic(), Path("/proc/self/task")
    while not marker.exists() and time.monotonic() - begun < 10:
        # A thread is counted once it runs; the system has it before, and those of a framework that never are.
        made = time.monotonic() - begun < 0.1 and sum(1 for _ in tasks.iterdir()) > 1
        if not _thread._count() and not made:
            return
        time.sleep(0.01)


def _run(job: dict[str, Any]) -> dict[str, object]:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.setsid()
        signal.alarm(LIMIT_SECONDS)
        _load(job, writer)
    os.close(writer)
    status = _wait(child, Path(job["marker"]))
    os.set_blocking(reader, False)
    try:
        ended = os.read(reader, 4096).decode("utf-8", "replace")
    except BlockingIOError:
        ended = ""
    os.close(reader)
    deadline = time.monotonic() + 2  # a started process may still be on its way
    marker = Path(job["marker"])
    while not marker.exists() and job.get("expected") == "executes" and time.monotonic() < deadline:
        time.sleep(0.01)
    return {"executed": marker.exists(), "ended": ended or f"process ended with status {status}"}


def _wait(child: int, marker: Path) -> int:
    """The status of a load that ended, or was ended: one that has shown what it does may go on for ever."""
    ends = select.poll()
    handle = os.pidfd_open(child)
    ends.register(handle, select.POLLIN)
    while not ends.poll(ENOUGH_SECONDS * 1000):
        if marker.exists():
            os.kill(child, signal.SIGALRM)
            break
    os.close(handle)
    return os.waitpid(child, 0)[1]


def _missing(job: dict[str, Any]) -> str:
    """The first module that this interpreter lacks for the job, or nothing. A need may be `name` or `name<version`."""
    for need in (LOADERS[job["loader"]][1], *job.get("needs", ())):
        module, _, below = need.partition("<")
        if not module:
            continue
        # PathFinder alone: setuptools hooks the search for pip and changes what distutils is
        if importlib.machinery.PathFinder.find_spec(module.partition(".")[0]) is None:
            return need
        if below and _numbers(importlib.metadata.version(module)) >= _numbers(below):
            return need
    return ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])


def _preload(job: dict[str, Any]) -> str:
    """What to import before the fork, because it takes a second: the loader's framework, or the gadget's."""
    return LOADERS[job["loader"]][1] or next((need for need in job.get("needs", ()) if need in HEAVY), "")


def main() -> None:
    """Entry point."""
    jobs = json.loads(Path(sys.argv[1]).read_text())
    results: dict[str, Any] = {job["file"]: {"missing": _missing(job)} for job in jobs}
    able = [job for job in jobs if not results[job["file"]]["missing"]]
    # The bare ones first, before anything heavy is in.
    for module in sorted({_preload(job) for job in able}):
        if module:
            importlib.import_module(module)
        for job in able:
            if _preload(job) == module:
                results[job["file"]] = _run(job)
    sys.stdout.write(json.dumps(results))


if __name__ == "__main__":
    main()
