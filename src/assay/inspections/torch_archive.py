"""TorchScript and `torch.export` archives: what the code in them calls.

What it reads: the code of TorchScript archives, and the graph of exported programs in both of their layouts.
What it reports: operators that write or map files, functions outside the operator library, expressions that are more
than arithmetic on sizes (they are evaluated as Python when the program is loaded), and operators of other libraries.
Why it matters: an exported program names functions by attribute chains that the loader follows.
What it cannot see: pickles in the archive (inspected as such); compiled code of AOTInductor (reported as native code).
References: https://docs.pytorch.org/docs/stable/security.html; `torch/_export/serde/serialize.py`; CVE-2025-32434.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from assay.core.errors import ContentError
from assay.core.finding import Confidence, Severity
from assay.formats.json_text import read_json
from assay.formats.torch_export import read_exported, read_script
from assay.sourcecode.table import canonical, kinds_of

if TYPE_CHECKING:
    from assay.formats.torch_export import ExportedProgram
    from assay.inspections.parts import Collector, Part

_ARCHIVES = frozenset(("torchscript", "torch-zip", "torch-export"))
_FILE_OPERATORS = frozenset(
    ("save", "from_file", "load", "_load_from_bytes", "load_library", "read_file", "write_file")
)
_OPERATORS = re.compile(
    r"torch\.ops\.(?:aten|prims?|prim|quantized|quantized_decomposed|_quantized|higher_order|torchvision|torchaudio|inductor"
    r"|c10d_functional|_c10d_functional|_c10d|profiler|symm_mem|mkldnn|onednn|torchao|fbgemm|rng_prims|debugprims|triton"
    r"|et_vk|llama|dim_order_ops|sgl_kernel|vllm|xformers|flash_attn|executorch_prim|torch_sparse|torch_scatter|onnx)\..*"
)
_SYMBOLIC = re.compile(
    r"torch\.(?:sym_\w+|_sym_\w+|_higher_order_ops\..*|_export\..*|_check\w*|utils\._sympy\..*)|math\.\w+|_operator\.\w+"
)
_OPERATOR_ABUSE = frozenset(
    ("_operator.methodcaller", "_operator.attrgetter", "_operator.call", "_operator.itemgetter")
)


class TorchArchives:
    """The inspector `torch-archive`."""

    name = "torch-archive"
    version = "1"
    local = True

    def wants(self, part: Part) -> bool:
        """The archives themselves, their code, and their programs."""
        if {"torch-export", "torchscript"}.intersection(part.formats):
            return True
        return bool(_ARCHIVES.intersection(part.within)) and (is_script(part) or _is_program(part))

    def inspect_part(self, part: Part, out: Collector) -> None:
        """Judge code or program; the archive itself only has members."""
        if is_script(part):
            data = part.read_all(part.limits.text_bytes)
            if data is None:
                out.unread(f"longer than {part.limits.text_bytes} bytes")
                return
            _script(data, part.limits.text_bytes, out)
        elif _is_program(part) and part.inner:
            data = part.read_all(part.limits.header_bytes)
            if data is None:
                out.unread(f"longer than {part.limits.header_bytes} bytes")
                return
            _program(data, part.limits.json_depth, out, named="exported_program" in part.name)


def is_script(part: Part) -> bool:
    """Whether a part is TorchScript code: it never runs as Python."""
    return "/code/" in f"/{part.name}" and part.name.endswith(".py") and bool(_ARCHIVES.intersection(part.within))


def _is_program(part: Part) -> bool:
    return "json" in part.formats and bool(_ARCHIVES.intersection(part.within))


def _script(data: bytes, limit: int, out: Collector) -> None:
    try:
        calls = read_script(data, limit)
    except ContentError as error:
        out.finding("torch-code", Severity.LOW, Confidence.MEDIUM, str(error))
        out.incomplete(str(error))
        return
    for call in calls:
        root, _, tail = call.name.partition(".")
        if root in {"torch", "ops"} and tail.rpartition(".")[2] in _FILE_OPERATORS:
            shown = f"{call.name}({', '.join(repr(a) for a in call.arguments)})"
            message = f"TorchScript code calls {shown}, which opens files"
            out.finding("torch-code", Severity.HIGH, Confidence.HIGH, message, line=call.line, call=shown)
    libraries = sorted({c.name.split(".")[1] for c in calls if c.name.startswith("ops.") and c.name.count(".") > 1})
    foreign = [name for name in libraries if not _OPERATORS.match(f"torch.ops.{name}.x")]
    if foreign:
        message = f"TorchScript code needs operators of other libraries: {', '.join(foreign[:8])}"
        out.finding("torch-custom-operator", Severity.LOW, Confidence.HIGH, message, libraries=foreign[:100])


def _program(data: bytes, depth: int, out: Collector, *, named: bool) -> None:
    try:
        program = read_exported(read_json(data, depth=depth).value)
    except ContentError as error:
        if named:
            out.incomplete(str(error))
        return
    for expression in program.expressions:
        message = f"the expression {expression[:200]!r} is evaluated when the program is loaded, and is no arithmetic"
        out.finding("torch-expression", Severity.CRITICAL, Confidence.HIGH, message, call=expression[:300])
    foreign: list[str] = []
    for target, count in program.targets.items():
        _target(target, count, program, out, foreign)
    if foreign:
        message = f"the program needs operators of other libraries: {', '.join(foreign[:8])}"
        out.finding("torch-custom-operator", Severity.LOW, Confidence.HIGH, message, libraries=foreign[:100])


def _target(target: str, count: int, program: ExportedProgram, out: Collector, foreign: list[str]) -> None:
    texts = program.arguments.get(target, [])
    shown = f"{target}({', '.join(repr(t[:100]) for t in texts[:3])})"
    tail = target.split(".")[3] if target.startswith("torch.ops.") and target.count(".") > 2 else ""  # noqa: PLR2004
    if tail in _FILE_OPERATORS:
        message = f"the program calls {shown}, which opens files"
        out.finding("torch-code", Severity.HIGH, Confidence.HIGH, message, call=shown, count=count)
    elif _OPERATORS.fullmatch(target) or (_SYMBOLIC.fullmatch(target) and target not in _OPERATOR_ABUSE):
        return
    elif target.startswith("torch.ops."):
        foreign.append(target)
    else:
        reaches = bool(kinds_of(target)) or target in _OPERATOR_ABUSE
        severity = Severity.CRITICAL if reaches else Severity.HIGH
        message = f"the program calls {shown}, which is no operator"
        out.finding(
            "torch-code", severity, Confidence.HIGH, message, call=shown, canonical=canonical(target), count=count
        )
