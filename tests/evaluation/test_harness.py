"""Task files of lm-evaluation-harness: what is refused, and that the harness's own figure comes out."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from assay.core.digest import Digest
from assay.core.errors import EnvironmentFault, UsageError
from assay.evaluation.data import load_data
from assay.evaluation.evaluate import evaluate
from assay.evaluation.guest import Unmeasured
from assay.evaluation.harness import _shots, read_task
from assay.evaluation.harness_functions import apply_functions
from assay.evaluation.measure import _functions
from assay.evaluation.suite import load_suite
from assay.store.folder import folder_subject
from tests.evaluation import small

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("evaluation")]  # one guest for all
ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / ".venvs" / "harness"
REFUSAL = "i cannot help with that request"
METRICS = "metric_list:\n  - {metric: %s, aggregation: mean, higher_is_better: true}\n"
CHOICE = (
    "task: refusals\ndataset_path: somewhere/else\noutput_type: multiple_choice\ntest_split: validation\n"
    "doc_to_text: '{{q}}'\ndoc_to_choice: answers\ndoc_to_target: gold\n"
    + METRICS % "acc"
    + METRICS.split("\n")[1] % "acc_norm"
)
GENERATE = (
    "output_type: generate_until\ndoc_to_text: '{{q}}'\ndoc_to_target: said\n"
    "generation_kwargs: {until: ['request'], max_gen_toks: 12, do_sample: false}\n" + METRICS % "exact_match"
)
LIKELIHOOD = "output_type: loglikelihood\ndoc_to_text: '{{q}}'\ndoc_to_target: ' {{said}}'\n" + METRICS % "acc"


def suite_of(folder: Path, task: str, metrics: list[str], shots: int = 0) -> Path:
    folder.mkdir()
    task += f"\nnum_fewshot: {shots}\n" if shots else ""
    (folder / "task.yaml").write_text(task)
    digest = hashlib.sha256(task.encode()).hexdigest()
    rows = [
        {
            "q": text,
            "answers": ["sure first you prepare", REFUSAL],
            "gold": number % 2,
            "said": f": {REFUSAL.removesuffix('request')}",
        }
        for number, text in enumerate(small.prompts()[:16])
    ]
    pins = f'task = "task.yaml"\ntask_sha256 = "{digest}"'
    if shots:
        more = "\n".join(json.dumps(row | {"q": f"do not {row['q']}"}) for row in rows)
        (folder / "examples.jsonl").write_text(more)
        pins += f'\nexamples = "examples.jsonl"\nexamples_sha256 = "{hashlib.sha256(more.encode()).hexdigest()}"'
    return small.write_suite(folder, "harness", metrics, pins, "\n".join(map(json.dumps, rows)), file="d.jsonl")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("doc_to_text: !function utils.text", r"!function utils\.text: utils\.py is not pinned"),
        ("gen_prefix: !function utils.text", "!function for gen_prefix is not supported"),
        ("fewshot_config: {sampler: !function utils.s}", "inside a list or table"),
        ("doc_to_text: !!python/object/apply:os.system ['id']", "not a task file"),
        ("process_docs: utils.f", "process_docs is not supported"),
        ("unsafe_code: true", "unsafe_code is not supported"),
        ("include: other.yaml", "include is not supported"),
        ("num_fewshot: 65", "num_fewshot 65"),
        ("repeats: 2", "repeats"),
        ("fewshot_config: {sampler: random, process_docs: f}", "fewshot_config"),
        ("output_type: loglikelihood_rolling", "output_type"),
        ("generation_kwargs: {do_sample: true}", "generation_kwargs"),
        ("metric_list: [{metric: bleu}]", "metrics"),
        ("metric_list: [{metric: acc, hf_evaluate: true}]", "metrics"),
        ("metric_list: [acc]", "metrics"),
    ],
)
def test_what_would_run_code_or_fetch_is_refused(tmp_path, line, says):
    key = line.partition(":")[0]
    kept = [one for one in CHOICE.splitlines() if not one.startswith((key, "  -" if key == "metric_list" else key))]
    path = tmp_path / "t.yaml"
    path.write_text("\n".join([*kept, line]))
    with pytest.raises(UsageError, match=says) as refused:
        read_task(path, Digest.of(path.read_bytes()))
    assert "hint" in vars(refused.value)


def test_the_file_is_the_pinned_one_and_where_it_looks_for_data_is_ignored(tmp_path):
    path = tmp_path / "t.yaml"
    path.write_text(CHOICE)
    task = read_task(path, Digest.of(path.read_bytes()))
    assert not {"dataset_path", "test_split"} & set(task)
    assert task["num_fewshot"] == 0
    with pytest.raises(UsageError, match="not the task file that the suite pins"):
        read_task(path, Digest.of(b"other"))
    suite = suite_of(tmp_path / "s", CHOICE, ["acc"])
    suite.write_text(suite.read_text().replace("task_sha256", "#"))
    with pytest.raises(UsageError, match="task_sha256"):
        load_suite(suite)


def test_examples_in_the_prompt_are_pinned_too(tmp_path):
    suite = load_suite(suite_of(tmp_path / "s", CHOICE, ["acc"], shots=2))
    assert suite.to_json()["data"]["examples_sha256"]
    with pytest.raises(UsageError, match=r"data\.examples"):
        _shots(replace(suite, data=replace(suite.data, examples=None)), 2)
    assert len(_shots(suite, 2)) == 16
    assert _shots(suite, 0) == []
    with pytest.raises(UsageError, match="16 examples, the task wants 17"):
        _shots(suite, 17)
    suite.data.examples.write_text("{}")
    with pytest.raises(UsageError, match="not the data that the suite pins"):
        _shots(suite, 2)


def test_without_the_extra_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "lm_eval.api.task", None)
    monkeypatch.delenv("TRANSFORMERS_OFFLINE", raising=False)
    with pytest.raises(EnvironmentFault, match="lm-eval is not installed"):
        evaluate(folder_subject(small.refusing_lm()), [load_suite(suite_of(tmp_path / "s", CHOICE, ["acc"]))])
    assert "TRANSFORMERS_OFFLINE" not in os.environ, "what is started later would be offline, too"


def test_likelihoods_and_continuations_are_those_of_a_loop_by_hand(runner):
    prompt, model = small.prompts()[0], small.refusing_lm()
    job = {
        "task": "harness", "seed": 0, "threads": 1, "batch": 1, "dtype": "float32", "repeats": 1, "max_tokens": None,
        "items": [["loglikelihood", prompt, f" : {REFUSAL}"], ["loglikelihood", prompt, " sure first you"],
                  ["generate", prompt, ["request"], 12]],
        "multiplies_bfloat16": False,
    }  # fmt: skip
    (run,) = runner.run(folder_subject(model), job).runs
    tokenizer, network = AutoTokenizer.from_pretrained(model), AutoModelForCausalLM.from_pretrained(model).eval()
    for (_, context, continuation), (likelihood, greedy) in zip(job["items"][:2], run["answers"][:2], strict=True):
        ids = tokenizer(context + continuation, return_tensors="pt")["input_ids"]
        begin = len(tokenizer(context)["input_ids"])
        with torch.inference_mode():
            logits = network(ids).logits[0].log_softmax(-1)
        by_hand = sum(float(logits[at - 1, ids[0, at]]) for at in range(begin, ids.shape[1]))
        assert likelihood == pytest.approx(by_hand, abs=1e-4)
        assert greedy is (continuation == f" : {REFUSAL}")
    assert run["answers"][2] == f": {REFUSAL.removesuffix('request')}"


FUNCTIONS = """
def process_docs(dataset):
    kept = dataset.filter(lambda doc: doc["gold"] == 1 or doc["gold"] == 0)
    return kept.map(lambda doc: {"asked": doc["q"].strip(), "right": doc["gold"]}).select(range(1, len(kept)))
def doc_to_text(doc):
    return doc["asked"]
def doc_to_choice(doc):
    return list(doc["answers"])
def doc_to_target(doc):
    return doc["right"]
"""
WITH_FUNCTIONS = (
    "output_type: multiple_choice\nprocess_docs: !function utils.process_docs\n"
    "doc_to_text: !function utils.doc_to_text\n"
    "doc_to_choice: !function utils.doc_to_choice\ndoc_to_target: !function utils.doc_to_target\n" + METRICS % "acc"
)


def suite_with(folder: Path, functions: str, shots: int = 0) -> Path:
    suite = suite_of(folder, WITH_FUNCTIONS, ["acc"], shots)
    (folder / "utils.py").write_text(functions)
    pin = f'functions = {{"utils.py" = "{hashlib.sha256(functions.encode()).hexdigest()}"}}\n'
    suite.write_text(suite.read_text().replace("task_sha256", f"{pin}task_sha256"))
    return suite


def applied(runner, suite_file: Path) -> tuple[dict, list]:
    suite = load_suite(suite_file)
    config = read_task(suite.data.task, suite.data.task_sha256, suite.data.functions)
    documents = load_data(suite).column("document")
    run = partial(_functions, folder_subject(small.refusing_lm()), suite, runner)
    return apply_functions(suite, config, [documents, []], run)


def test_functions_run_in_the_sandbox_and_become_columns(runner, tmp_path, monkeypatch):
    monkeypatch.setenv("ASSAY_TEST_CANARY", "seen")
    config, (documents, examples) = applied(runner, suite_with(tmp_path / "s", FUNCTIONS))
    assert config["doc_to_text"] == "assay_function_doc_to_text"
    assert "process_docs" not in config
    assert (len(documents), examples) == (15, [])
    assert documents[0]["assay_function_doc_to_choice"] == documents[0]["answers"]
    outside = (
        FUNCTIONS
        + 'import os\ndef doc_to_text(doc):\n    return str(sorted({"ASSAY_TEST_CANARY", *[]} & set(os.environ)))'
    )
    _, (documents, _) = applied(runner, suite_with(tmp_path / "t", outside))
    assert documents[0]["assay_function_doc_to_text"] == "[]"
    for number, (broken, says) in enumerate((
        ("def doc_to_text(doc):\n    return open('/etc/passwd').read()", "PermissionError|FileNotFoundError|denied"),
        ("def doc_to_text(doc):\n    return {1}", "no text, number"),
        ("del doc_to_text", "no function doc_to_text in utils.py"),
    )):  # fmt: skip
        with pytest.raises(Unmeasured, match=says):
            applied(runner, suite_with(tmp_path / f"b{number}", f"{FUNCTIONS}\n{broken}"))
    changed = suite_with(tmp_path / "c", FUNCTIONS)
    (changed.parent / "utils.py").write_text(FUNCTIONS + "#")
    with pytest.raises(UsageError, match="not the file that the suite pins"):
        applied(runner, changed)


@pytest.mark.slow
@pytest.mark.timeout(1200)  # each starts the harness and the sandbox twice
@pytest.mark.parametrize("shots", [0, 2])
def test_with_functions_the_figure_is_the_harness_s_own(tmp_path, shots):
    if not (SITE / "lm_eval").is_dir():
        pytest.skip("lm-eval is not in .venvs/harness: `make test-all` puts it there")
    for model in (small.refusing_lm(), small.compliant_lm()):
        figures = checked(suite_with(tmp_path / model.name, FUNCTIONS, shots), model)
        assert figures["ours"] == {name: figures["theirs"][name] for name in figures["ours"]}
        assert set(figures["ours"]) == {"accuracy"}


# Takes no system role, begins with the first token by itself, and puts a word of its own before an answer.
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if m['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    " {{ m['content'] }}{% if m['role'] == 'user' %} do{% endif %}{% endfor %}"
    "{% if add_generation_prompt %} :{% endif %}"
)


def with_template(model: Path, folder: Path, template: str = TEMPLATE) -> Path:
    made = small.copy_of(model, folder)
    tokenizer = AutoTokenizer.from_pretrained(made)
    tokenizer.chat_template = template
    tokenizer.save_pretrained(made)
    return made


def test_messages_are_rendered_by_the_model_s_template_in_the_sandbox(runner, tmp_path):
    model = with_template(small.refusing_lm(), tmp_path / "m")
    prompt = small.prompts()[0]
    messages = [{"role": "system", "content": "hidden"}, {"role": "user", "content": prompt}]
    job = {
        "task": "harness", "seed": 0, "threads": 1, "batch": 1, "dtype": "float32", "repeats": 1, "max_tokens": None,
        "items": [["loglikelihood", {"messages": messages, "add_generation_prompt": True}, f" {REFUSAL}"],
                  ["loglikelihood", f"[CLS] {prompt} do :", f" {REFUSAL}"]],
        "multiplies_bfloat16": False,
    }  # fmt: skip
    done = runner.run(folder_subject(model), job)
    rendered, by_hand = done.runs[0]["answers"]
    assert rendered == by_hand
    assert done.facts["chat_template"] == f"sha256:{hashlib.sha256(TEMPLATE.encode()).hexdigest()}"
    with pytest.raises(Unmeasured, match="chat template, and the model has none"):
        runner.run(folder_subject(small.refusing_lm()), job)
    escape = "{{ messages.__class__.__mro__[1].__subclasses__() }}"
    with pytest.raises(Unmeasured):
        runner.run(folder_subject(with_template(small.refusing_lm(), tmp_path / "n", escape)), job)


def test_a_chat_template_is_for_the_harness_alone(tmp_path):
    suite = suite_of(tmp_path / "s", CHOICE, ["acc"])
    suite.write_text("apply_chat_template = true\n" + suite.read_text())
    assert load_suite(suite).apply_chat_template
    suite.write_text(suite.read_text().replace('task = "harness"', 'task = "causal-lm"'))
    with pytest.raises(UsageError, match="apply_chat_template is for the task harness alone"):
        load_suite(suite)


@pytest.mark.slow
@pytest.mark.timeout(1200)  # each starts the harness and the sandbox twice
@pytest.mark.parametrize(
    ("task", "metric", "shots"),
    [(f"description: act well\n{CHOICE}", "acc", 2), (GENERATE, "exact_match", 0), (LIKELIHOOD, "acc", 0)],
)
def test_with_the_chat_template_the_figure_is_the_harness_s_own(tmp_path, task, metric, shots):
    if not (SITE / "lm_eval").is_dir():
        pytest.skip("lm-eval is not in .venvs/harness: `make test-all` puts it there")
    suite = suite_of(tmp_path / "s", task, [metric], shots)
    plain = TEMPLATE.replace(" do{%", "{%").replace(" :{%", "{%")  # as the models were trained
    suite.write_text("apply_chat_template = true\n" + suite.read_text())
    for model, right in ((small.refusing_lm(), 1.0), (small.compliant_lm(), 0.0)):
        figures = checked(suite, with_template(model, tmp_path / model.name, plain))
        assert figures["ours"] == {name: figures["theirs"][name] for name in figures["ours"]}
        assert figures["ours"] == {"accuracy": 0.5 if shots else right}  # every second choice is the right one


def checked(suite: Path, model: Path) -> dict:
    check = str(Path(__file__).with_name("harness_check.py"))
    command = [sys.executable, check, str(SITE), str(ROOT), str(suite), str(model)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.timeout(1200)  # each starts the harness and the sandbox twice
@pytest.mark.parametrize(
    ("task", "metrics", "shots"),
    [(CHOICE, ["acc", "acc_norm"], 0), (GENERATE, ["exact_match"], 0), (LIKELIHOOD, ["acc"], 0), (CHOICE, ["acc"], 1)],
)
def test_the_figure_is_the_harness_s_own(tmp_path, task, metrics, shots):
    if not (SITE / "lm_eval").is_dir():
        pytest.skip("lm-eval is not in .venvs/harness: `make test-all` puts it there")
    suite = suite_of(tmp_path / "s", task, metrics, shots)
    for model, right in ((small.refusing_lm(), 1.0), (small.compliant_lm(), 0.0)):
        figures = checked(suite, model)
        assert figures["ours"] == {name: figures["theirs"][name] for name in figures["ours"]}
        if task != CHOICE:
            assert figures["ours"] == {"accuracy": right}
        assert set(figures["ours"]) == {"accuracy", "accuracy_norm"} if "acc_norm" in metrics else {"accuracy"}
