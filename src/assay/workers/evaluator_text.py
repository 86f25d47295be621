"""Classifiers of texts and of tokens. Batches by length, the longest first: little padding, and memory fails early."""

from __future__ import annotations

import copy
import time
from typing import TYPE_CHECKING, Any

import torch
import transformers
import transformers.models.bert.modeling_bert  # the first model of a session imports it else: seconds
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification, AutoTokenizer

from assay.workers.answers import Answering, Json, Unfit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SAMPLE = 64  # examples on which bfloat16 is compared with float32
FAITHFUL = 0.01  # largest difference of a probability that still counts as the same answer
MAX_TOKENS = 512  # when neither the suite nor the model says where a text ends
_NO_LIMIT = 1 << 20  # tokenizers without a limit carry 10**30


def prepare(job: Json) -> None:
    """Threads, seed, determinism, silence."""
    torch.set_num_threads(int(job["threads"]))
    torch.manual_seed(int(job["seed"]))
    torch.set_deterministic_debug_mode("warn")  # `use_deterministic_algorithms` imports a compiler first, 2 seconds
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # costs, decides nothing
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


def load(job: Json, kind: Any) -> tuple[Any, Any]:
    """Tokenizer and model in float32, as data only; nothing may be missing from the weights."""
    tokenizer = AutoTokenizer.from_pretrained(job["model"], local_files_only=True, trust_remote_code=False)
    model = checked(job, kind)
    if tokenizer.pad_token_id is not None and getattr(model.config, "pad_token_id", None) is None:
        model.config.pad_token_id = tokenizer.pad_token_id  # or GPT-2 and its kin take one text at a time
    return tokenizer, model


def checked(job: Json, kind: Any) -> Any:
    """The model in float32, for inference.

    Raises:
        Unfit: when weights are missing.
    """
    model, info = kind.from_pretrained(
        job["model"], local_files_only=True, trust_remote_code=False, output_loading_info=True, dtype=torch.float32
    )
    if missing := sorted(info["missing_keys"]):
        raise Unfit(f"the weights lack {', '.join(map(str, missing[:3]))}: this would be a random model")
    return model.eval()


def token_limit(job: Json, tokenizer: Any, model: Any) -> int:
    """Where a text is cut: the suite's word, else the smaller of what tokenizer and model can take."""
    limits = [getattr(model.config, name, None) for name in ("max_position_embeddings", "n_positions")]
    limits.append(tokenizer.model_max_length)
    known = [int(value) for value in limits if value and 0 < value < _NO_LIMIT]
    for name, part in model.named_modules():  # RoBERTa and its kin count positions from behind the padding's
        if (
            name.endswith("position_embeddings")
            and isinstance(part, torch.nn.Embedding)
            and part.padding_idx is not None
        ):
            known.append(part.num_embeddings - part.padding_idx - 1)
    most = min(known) if known else MAX_TOKENS
    return min(int(job["max_tokens"]), most) if job.get("max_tokens") else most


def in_batches(lengths: list[int], size: int) -> list[list[int]]:
    """Indices by falling length, `size` at a time."""
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    return [order[i : i + size] for i in range(0, len(order), size)]


def pick_dtype(job: Json, model: Any, sample: Callable[[Any], torch.Tensor]) -> tuple[Any, str]:
    """The model to run and the name of its type.

    bfloat16 under `auto` needs a processor that multiplies in it, the same class on every example of a sample,
    probabilities within `FAITHFUL`, and to be faster on that sample. The choice is recorded and a replay repeats it.

    Args:
        job: `dtype` of the suite; `multiplies_bfloat16` of this machine.
        model: in float32.
        sample: runs a model on the first examples, gives probabilities, shape (examples, classes).
    """
    wanted = job["dtype"]
    if wanted == "float32" or (wanted == "auto" and not job["multiplies_bfloat16"]):
        return model, "float32"
    fast = copy.deepcopy(model).to(torch.bfloat16)
    if wanted == "bfloat16":
        return fast, "bfloat16"
    sample(model), sample(fast)  # the first run of each pays for set-up
    (exact, slow_seconds), (rough, fast_seconds) = _timed(sample, model), _timed(sample, fast)
    same = bool((exact.argmax(-1) == rough.argmax(-1)).all()) and float((exact - rough).abs().max()) <= FAITHFUL
    return (fast, "bfloat16") if same and fast_seconds < slow_seconds else (model, "float32")


def _timed(sample: Callable[[Any], torch.Tensor], model: Any) -> tuple[torch.Tensor, float]:
    start = time.perf_counter()
    found = sample(model)
    return found, time.perf_counter() - start


def _encode(tokenizer: Any, items: list[Any], limit: int) -> list[dict[str, list[int]]]:
    pairs = bool(items) and isinstance(items[0], list)
    texts = [item[0] for item in items] if pairs else items
    second = [item[1] for item in items] if pairs else None
    made = tokenizer(texts, second, truncation=True, max_length=limit)
    return [{key: made[key][i] for key in made} for i in range(len(items))]


@torch.inference_mode()
def classify(job: Json) -> Answering:
    """Text classification: the class of each text, and probabilities when the suite asks for them.

    For the task `text-regression`: the number that a model with one output gives each text.
    """
    prepare(job)
    tokenizer, model = load(job, AutoModelForSequenceClassification)
    classes = int(model.config.num_labels)
    number_only = job["task"] == "text-regression"
    if number_only and classes != 1:
        raise Unfit("the model gives classes, not one number")
    if not number_only and (classes < 2 or model.config.problem_type == "multi_label_classification"):  # noqa: PLR2004
        raise Unfit("the model gives a number or many labels, not one class")
    encoded = _encode(tokenizer, job["items"], token_limit(job, tokenizer, model))
    groups = in_batches([len(one["input_ids"]) for one in encoded], int(job["batch"]))
    if tokenizer.pad_token is None:
        groups = [[i] for group in groups for i in group]  # no padding: one by one

    def forward(one: Any, group: list[int]) -> torch.Tensor:
        tokens = (
            tokenizer.pad([encoded[i] for i in group], return_tensors="pt")
            if len(group) > 1
            else _single(encoded[group[0]])
        )
        logits = torch.as_tensor(one(**tokens).logits).float()
        return logits if number_only else logits.softmax(-1)

    if number_only:
        dtype = "float32"  # a number has no nearest class to agree on
    else:
        model, dtype = pick_dtype(job, model, lambda one: torch.cat([forward(one, g) for g in _some(groups)]))
    runs: list[Json] = []
    for number in range(int(job["repeats"])):
        out = torch.empty(len(encoded), classes)
        for done, group in _counted(groups):
            out[group] = forward(model, group)
            yield number * len(encoded) + done, int(job["repeats"]) * len(encoded)
        if number_only:
            runs.append({"numbers": out[:, 0].tolist()})
            continue
        runs.append(
            {"classes": out.argmax(1).tolist()} | ({"probabilities": out.tolist()} if job["probabilities"] else {})
        )
    return runs, {"dtype": dtype, "classes": classes}


def _single(encoded: dict[str, list[int]]) -> dict[str, torch.Tensor]:
    return {key: torch.tensor([value]) for key, value in encoded.items()}


def _some(groups: list[list[int]]) -> list[list[int]]:
    """Batches from the middle of the lengths, `SAMPLE` examples or a little more."""
    size = max(1, len(groups[0]))
    count = max(1, SAMPLE // size)
    start = max(0, len(groups) // 2 - count // 2)
    return groups[start : start + count]


def _counted(groups: list[list[int]]) -> Iterator[tuple[int, list[int]]]:
    done = 0
    for group in groups:
        done += len(group)
        yield done, group


@torch.inference_mode()
def tag(job: Json) -> Answering:
    """Token classification: the class of each word, from its first token; -1 where the text was cut."""
    prepare(job)
    tokenizer, model = load(job, AutoModelForTokenClassification)
    limit = token_limit(job, tokenizer, model)
    made = tokenizer(job["items"], is_split_into_words=True, truncation=True, max_length=limit)
    encoded = [{key: made[key][i] for key in made} for i in range(len(job["items"]))]
    words = [made.word_ids(i) for i in range(len(encoded))]
    groups = in_batches([len(one["input_ids"]) for one in encoded], int(job["batch"]))

    def forward(one: Any, group: list[int]) -> torch.Tensor:
        return torch.as_tensor(one(**tokenizer.pad([encoded[i] for i in group], return_tensors="pt")).logits).float()

    def sample(one: Any) -> torch.Tensor:
        return torch.cat([forward(one, group).softmax(-1).flatten(0, 1) for group in _some(groups)])

    model, dtype = pick_dtype(job, model, sample)
    runs = []
    for number in range(int(job["repeats"])):
        answers: list[list[int]] = [[] for _ in encoded]
        for done, group in _counted(groups):
            predicted = forward(model, group).argmax(-1)
            left = tokenizer.padding_side == "left"
            for row, i in enumerate(group):
                offset = predicted.shape[1] - len(words[i]) if left else 0
                answers[i] = _first_tokens(predicted[row].tolist()[offset:], words[i], len(job["items"][i]))
            yield number * len(encoded) + done, int(job["repeats"]) * len(encoded)
        runs.append({"tags": answers})
    return runs, {"dtype": dtype, "classes": int(model.config.num_labels)}


def _first_tokens(predicted: list[int], words: list[int | None], count: int) -> list[int]:
    found = [-1] * count
    for token, word in zip(predicted, words, strict=False):
        if word is not None and found[word] < 0:
            found[word] = token
    return found
