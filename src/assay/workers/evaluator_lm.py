"""Causal language models: loss over texts, likelihood of choices, greedy answers to prompts."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from jinja2 import TemplateError
from transformers import AutoModelForCausalLM

from assay.workers.answers import Answering, Json, Unfit
from assay.workers.evaluator_text import in_batches, load, prepare, token_limit

_MOST_TOKENS = 8192  # of one text when the model names no limit


def _start(job: Json) -> tuple[Any, Any, int, str]:
    prepare(job)
    tokenizer, model = load(job, AutoModelForCausalLM)
    limit = min(token_limit(job, tokenizer, model), _MOST_TOKENS)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    dtype = "bfloat16" if job["dtype"] == "bfloat16" else "float32"  # `auto`: a loss is a sum, so exact
    return tokenizer, model.to(getattr(torch, dtype)), limit, dtype


def _logprobs(model: Any, sequences: list[list[int]], pad: int) -> torch.Tensor:
    """Log probability of each next token, shape (sequences, longest - 1); padding on the right is masked out."""
    longest = max(map(len, sequences))
    ids = torch.full((len(sequences), longest), pad)
    mask = torch.zeros(len(sequences), longest, dtype=torch.long)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = torch.tensor(sequence)
        mask[row, : len(sequence)] = 1
    logits = torch.as_tensor(model(input_ids=ids, attention_mask=mask).logits)[:, :-1].float()
    return logits.log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0] * mask[:, 1:]


@torch.inference_mode()
def loss(job: Json) -> Answering:
    """Summed negative log likelihood (nats) and number of predicted tokens of each text; a text is cut at the limit."""
    tokenizer, model, limit, dtype = _start(job)
    encoded = tokenizer(job["items"], truncation=True, max_length=limit)["input_ids"]
    usable = [i for i, ids in enumerate(encoded) if len(ids) > 1]
    if not usable:
        raise Unfit("no text has two tokens")
    groups = in_batches([len(encoded[i]) for i in usable], int(job["batch"]))
    runs = []
    for number in range(int(job["repeats"])):
        nll, done = [0.0] * len(encoded), 0
        for group in groups:
            picked = [usable[i] for i in group]
            found = _logprobs(model, [encoded[i] for i in picked], int(tokenizer.pad_token_id or 0))
            for i, total in zip(picked, (-found.double().sum(1)).tolist(), strict=True):
                nll[i] = total
            done += len(group)
            yield number * len(usable) + done, int(job["repeats"]) * len(usable)
        runs.append({"nll": nll, "tokens": [max(0, len(ids) - 1) for ids in encoded]})
    return runs, {"dtype": dtype, "max_tokens": limit}


@torch.inference_mode()
def choose(job: Json) -> Answering:
    """Log likelihood of each choice after its question and a space; the question is cut from the left."""
    tokenizer, model, limit, dtype = _start(job)
    rows: list[tuple[int, list[int], int]] = []  # item, tokens, tokens of the choice
    for item, (question, choices) in enumerate(job["items"]):
        before = tokenizer(question)["input_ids"]
        for choice in choices:
            whole = tokenizer(f"{question} {choice}")["input_ids"]
            counted = max(1, len(whole) - len(before))
            rows.append((item, whole[-limit:], min(counted, limit - 1)))
    groups = in_batches([len(tokens) for _, tokens, _ in rows], int(job["batch"]))
    runs = []
    for number in range(int(job["repeats"])):
        scores, done = [0.0] * len(rows), 0
        for group in groups:
            found = _logprobs(model, [rows[i][1] for i in group], int(tokenizer.pad_token_id or 0))
            for row, i in enumerate(group):
                end = len(rows[i][1]) - 1
                scores[i] = float(found[row, max(0, end - rows[i][2]) : end].double().sum())
            done += len(group)
            yield number * len(rows) + done, int(job["repeats"]) * len(rows)
        by_item: list[list[float]] = [[] for _ in job["items"]]
        for (item, _, _), score in zip(rows, scores, strict=True):
            by_item[item].append(score)
        runs.append({"scores": by_item})
    return runs, {"dtype": dtype, "max_tokens": limit}


@torch.inference_mode()
def answer(job: Json) -> Answering:
    """Greedy continuation of each prompt (of the model's chat template around it, when it has one)."""
    tokenizer, model, limit, dtype = _start(job)
    room = limit - int(job["max_new_tokens"])
    if room < 1:
        raise Unfit(f"the model's {limit} tokens leave no room for a prompt and {job['max_new_tokens']} new ones")
    chat = bool(tokenizer.chat_template)
    prompts = [_prompt(tokenizer, text) if chat else text for text in job["items"]]
    tokenizer.padding_side = tokenizer.truncation_side = "left"
    encoded = tokenizer(prompts, truncation=True, max_length=room, add_special_tokens=not chat)["input_ids"]
    if not all(encoded):
        raise Unfit("a prompt has no token")
    groups = in_batches([len(ids) for ids in encoded], int(job["batch"]))
    runs = []
    for number in range(int(job["repeats"])):
        answers, done = [""] * len(encoded), 0
        for group in groups:
            tokens = tokenizer.pad([{"input_ids": encoded[i]} for i in group], return_tensors="pt")
            made = model.generate(
                **tokens, do_sample=False, num_beams=1, max_new_tokens=int(job["max_new_tokens"]),
                pad_token_id=tokenizer.pad_token_id,
            )  # fmt: skip
            texts = tokenizer.batch_decode(made[:, tokens["input_ids"].shape[1] :], skip_special_tokens=True)
            for i, text in zip(group, texts, strict=True):
                answers[i] = text
            done += len(group)
            yield number * len(encoded) + done, int(job["repeats"]) * len(encoded)
        runs.append({"texts": answers})
    return runs, {"dtype": dtype, "chat_template": chat}


@torch.inference_mode()
def respond(job: Json) -> Answering:
    """Requests of lm-evaluation-harness: a likelihood and whether it is the greedy choice, or a greedy continuation.

    Texts are cut into tokens as the harness's own model for transformers does (`lm_eval/models/huggingface.py`).
    """
    tokenizer, model, limit, dtype = _start(job)
    facts: dict[str, Any] = {"dtype": dtype, "max_tokens": limit}
    if any(isinstance(request[1], dict) for request in job["items"]):
        facts["chat_template"] = _template_digest(tokenizer)
    runs = []
    for number in range(int(job["repeats"])):
        answers: list[Any] = []
        for request in job["items"]:
            answers.append(
                (_likelihood if request[0] == "loglikelihood" else _continued)(tokenizer, model, limit, request)
            )
            yield number * len(job["items"]) + len(answers), int(job["repeats"]) * len(job["items"])
        runs.append({"answers": answers})
    return runs, facts


def _template_digest(tokenizer: Any) -> str:
    template = tokenizer.chat_template
    if not isinstance(template, str):
        raise Unfit("the suite applies the model's chat template, and the model has none, or several")
    return f"sha256:{hashlib.sha256(template.encode()).hexdigest()}"


def _context(tokenizer: Any, given: Any) -> str:
    """A prompt, or messages rendered by the model's template as `HFLM.apply_chat_template` does.

    transformers renders templates in jinja2's sandbox.
    """
    if not isinstance(given, dict):
        return str(given)
    prompted, messages = bool(given["add_generation_prompt"]), given["messages"]
    how = {"tokenize": False, "add_generation_prompt": prompted, "continue_final_message": not prompted}
    try:
        return str(tokenizer.apply_chat_template(messages, **how))
    except TemplateError:  # some templates take no system role
        return str(tokenizer.apply_chat_template([one for one in messages if one["role"] != "system"], **how))


def _likelihood(tokenizer: Any, model: Any, limit: int, request: list[Any]) -> list[Any]:
    context, continuation = _context(tokenizer, request[1]), str(request[2])
    bare = context.rstrip()
    context, continuation = bare, context[len(bare) :] + continuation
    if context:
        before = _tokens(tokenizer, context)
        after = _tokens(tokenizer, context + continuation)[len(before) :]
    else:
        start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
        before, after = [int(start or 0)], tokenizer(continuation, add_special_tokens=False)["input_ids"]
        if after[:1] == before:
            after = after[1:]
    if not after or len(after) > limit:
        raise Unfit("an answer has no token, or more than the model takes")
    tokens = [*before, *after][-(limit + 1) :]
    logits = torch.as_tensor(model(input_ids=torch.tensor([tokens[:-1]])).logits)[0, -len(after) :].float()
    wanted = torch.tensor(after)
    found = logits.log_softmax(-1).gather(-1, wanted[:, None])[:, 0]
    return [float(found.double().sum()), bool((logits.argmax(-1) == wanted).all())]


def _tokens(tokenizer: Any, text: str) -> list[int]:
    """With the tokenizer's own special tokens, unless the text begins with the first of them already."""
    begun = bool(tokenizer.bos_token) and text.startswith(tokenizer.bos_token)
    return list(tokenizer(text, add_special_tokens=not begun)["input_ids"])


def _continued(tokenizer: Any, model: Any, limit: int, request: list[Any]) -> str:
    context, stops, most = _context(tokenizer, request[1]), [str(one) for one in request[2]], int(request[3])
    ids = _tokens(tokenizer, context)[-max(1, limit - most) :]
    if not ids:
        raise Unfit("a prompt has no token")
    inputs = torch.tensor([ids])
    made = model.generate(
        input_ids=inputs, attention_mask=torch.ones_like(inputs), do_sample=False, num_beams=1, max_new_tokens=most,
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    text = str(tokenizer.decode(made[0, len(ids) :], skip_special_tokens=True))
    for stop in stops:
        text = text.partition(stop)[0] if stop else text
    return text


def _prompt(tokenizer: Any, text: str) -> str:
    made = tokenizer.apply_chat_template(
        [{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True
    )
    return str(made)
