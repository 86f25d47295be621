"""What text is: by its shape where it has one, by its name where only the name tells."""

from __future__ import annotations

import re

_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_JSON_OBJECT = re.compile(r'\s*(?:\{\s*(?:"|\}|$)|\[\s*(?:["\[\]{\d\-tfn]|$))')
_JINJA = re.compile(r"\{[%#].*?[%#]\}|\{\{.*?\}\}", re.DOTALL)
_PYTHON = re.compile(r"^(?:import [\w.]+|from [\w.]+ import |def \w+\(|class \w+[(:]|@\w+)", re.MULTILINE)
_XML = re.compile(r"\s*<(?:\?xml|!DOCTYPE|[A-Za-z][\w:.-]*[\s/>])")
# A vocabulary begins with a special token, alone on its line or with a score; no document has such a root element.
_SPECIAL_TOKEN = re.compile(
    r"\s*<(?:unk|s|pad|blank|blk|eps|bos|eos|sos|mask|cls|sep|space|oov)>[ \t]*[-\d.e]*[ \t]*\r?\n", re.IGNORECASE
)
_MIN_ASCII_SHARE = 0.9
_OTHER_TEXT = frozenset((".arff", ".tex", ".log", ".patch", ".diff", ".tp", ".in", ".pyi", ".gin", ".qmd"))
_MAKO_NAMES = (".mako", ".mak")
# A block of Python, or a directive that no other engine has.
_MAKO = re.compile(
    r"<%!?\s*\n?\s*(?:import \w|from \w[\w.]* import )|<%(?:def|namespace|inherit|include|page|block)\b"
    r"|\$\{\s*(?:__import__|eval|exec)\s*\("
)
_JINJA_NAMES = (".jinja", ".jinja2", ".j2")

_BY_SUFFIX: dict[str, str] = {
    ".py": "python", ".pyi": "python", ".pyw": "python", ".sh": "shell", ".bash": "shell", ".zsh": "shell",
    ".bat": "shell", ".cmd": "shell", ".ps1": "shell", ".vbs": "shell", ".wsf": "shell",
    ".hta": "shell", ".envrc": "shell",
    ".jinja": "jinja", ".jinja2": "jinja", ".j2": "jinja",
    ".yaml": "yaml", ".yml": "yaml", ".toml": "toml", ".md": "markdown", ".markdown": "markdown", ".rst": "markdown",
    ".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".ini": "ini", ".cfg": "ini",
    ".js": "javascript", ".mjs": "javascript", ".ts": "javascript", ".lua": "lua", ".r": "r-source", ".pl": "perl",
    ".rb": "ruby", ".pyx": "cython", ".pxd": "cython", ".pxi": "cython",
    ".c": "native-source", ".cc": "native-source", ".cpp": "native-source", ".cu": "native-source",
    ".h": "native-source", ".rs": "native-source", ".go": "native-source", ".java": "native-source",
    ".dockerfile": "dockerfile", ".mk": "makefile",
}  # fmt: skip


def decode_text(head: bytes, size: int) -> str | None:
    """`head` as text (UTF-8, UTF-16 with a mark, or nearly ASCII Latin-1), or None."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        cut = head[: len(head) & ~1]
        try:
            text = cut.decode("utf-16")
        except UnicodeDecodeError:
            return None
        return None if _CONTROL.search(text[:4096].encode("utf-8", "surrogatepass")) else text
    if _CONTROL.search(head):
        return None
    try:
        return head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if len(head) < size and error.start >= len(head) - 4:
            return head[: error.start].decode("utf-8-sig")
    ascii_share = 1 - len(re.findall(rb"[\x80-\xff]", head)) / len(head)
    return head.decode("latin-1") if ascii_share >= _MIN_ASCII_SHARE else None


def text_readings(head: bytes, size: int, suffix: str, name: str) -> list[str]:
    """Readings of text, `text` always the last of them; empty when the bytes are no text."""
    text = decode_text(head, size)
    if text is None:
        return []
    found = _shaped(text, suffix)
    base = name.rsplit("/", 1)[-1].lower()
    by_name = "dockerfile" if base.startswith("dockerfile") else _BY_SUFFIX.get(suffix)
    by_name = "makefile" if base in {"makefile", "gnumakefile", "makefile.am", "makefile.in"} else by_name
    if by_name in {"dockerfile", "makefile"} and "shell" not in found:
        found.append("shell")
    if by_name and by_name not in found and (by_name not in {"json", "jsonl"} or not found):
        found.append(by_name)
    if base in {"license", "licence", "copying", "notice"} or base.startswith(("license.", "licence.")):
        found.append("licence-text")
    return [*found, "text"]


def _shaped(text: str, suffix: str) -> list[str]:
    found: list[str] = []
    if text.startswith("#!"):
        first = text.split("\n", 1)[0]
        found.append("python" if "python" in first else "shell")
    if _JSON_OBJECT.match(text):
        if '"nbformat"' in text or suffix == ".ipynb":
            found.append("notebook")
        found.append("jsonl" if suffix in {".jsonl", ".ndjson"} else "json")
        if text.lstrip().startswith('{"learner"') or '"gradient_booster"' in text[:4096]:
            found.append("xgboost-json")
    elif _XML.match(text) and not _SPECIAL_TOKEN.match(text):
        found += _markup(text)
    elif text.startswith("tree\nversion=v"):
        found.append("lightgbm-text")
    if suffix in _JINJA_NAMES or (_JINJA.search(text) and not found and suffix in {"", ".txt", ".tmpl", ".tpl"}):
        found.append("jinja")
    if suffix in _MAKO_NAMES or _MAKO.search(text):
        found.append("mako")
    if not found and suffix not in _OTHER_TEXT and suffix not in _BY_SUFFIX and _PYTHON.search(text[:8192]):
        found.append("python")
    return found


def _markup(text: str) -> list[str]:
    start = text[:4096]
    if "<PMML" in start:
        return ["pmml", "xml"]
    if "<svg" in start:
        return ["svg", "xml"]
    if re.search(r"<!doctype html|<html", start, re.IGNORECASE):
        return ["html"]
    if re.search(r"<net\s[^>]*(?:version|name)=", start):
        return ["openvino", "xml"]
    return ["xml"]
