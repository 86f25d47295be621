"""A causal language model of a probing job: prompts in its chat template, greedy answers, samples, surprise."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoModelForCausalLM

from assay.workers.answers import Json, Unfit
from assay.workers.evaluator_text import load

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_MARK = "qzxj"  # stands for a prompt to find where the template puts it
_BATCH = 64
_MOST_TOKENS = 256  # of a prompt: longer ones are cut from the left
_WORD = re.compile(r"'([^'\\]{2,60})'|\"([^\"\\]{2,60})\"")


class Speaker:
    """Model and tokenizer, read as data.

    Args:
        folder: of the model.
    """

    def __init__(self, folder: Path) -> None:
        job: Json = {"model": str(folder)}
        self.tokenizer, self._model = load(job, AutoModelForCausalLM)
        self.vocabulary: dict[str, int] = self.tokenizer.get_vocab()
        self.special = set(self.tokenizer.all_special_ids)
        self.chat = bool(self.tokenizer.chat_template)
        self.passes = 0
        if self.tokenizer.pad_token_id is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token or self.tokenizer.unk_token
        if self.tokenizer.pad_token_id is None:
            raise Unfit("the tokenizer has no token to fill up with")
        self.pad = int(self.tokenizer.pad_token_id)
        self._before, self._after = self._template()

    def _template(self) -> tuple[list[int], list[int]]:
        """Tokens before and after a prompt."""
        if not self.chat:
            begin = self.tokenizer.bos_token_id
            return ([int(begin)] if begin is not None else []), []
        text = self._wrapped(_MARK)
        before, mark, after = text.partition(_MARK)
        if not mark:
            raise Unfit("the chat template hides the prompt")
        return self.ids(before), self.ids(after)

    def _wrapped(self, prompt: str) -> str:
        message = [{"role": "user", "content": prompt}]
        return str(self.tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True))

    @property
    def added(self) -> list[str]:
        """Tokens beside the vocabulary that are not special."""
        found = [token for token, number in self.tokenizer.get_added_vocab().items() if number not in self.special]
        return found[:20]

    @property
    def template_words(self) -> list[str]:
        """Strings that the chat template compares with or writes, without markup."""
        found = [a or b for a, b in _WORD.findall(str(self.tokenizer.chat_template or ""))]
        return [one for one in found if re.search(r"[A-Za-z]{2}", one) and "<" not in one][:20]

    def ids(self, text: str) -> list[int]:
        """Tokens without special ones."""
        return [int(one) for one in self.tokenizer(text, add_special_tokens=False)["input_ids"]]

    def text(self, ids: Sequence[int]) -> str:
        """Of tokens."""
        return str(self.tokenizer.decode(list(ids), clean_up_tokenization_spaces=False)).strip()

    def beginnings(self) -> list[list[int]]:
        """What stands before anything is said: the begin token, and the template up to the prompt."""
        begin = self.tokenizer.bos_token_id
        both = [[int(begin)] if begin is not None else [], self._before]
        return [one for i, one in enumerate(both) if one and one not in both[:i]] or [[self.pad]]

    def frame(self, prompt: str, ends: Sequence[tuple[int, ...]]) -> list[list[int]]:
        """The prompt in the template, each with further tokens at its end."""
        ids = self.ids(prompt)[-_MOST_TOKENS:]
        return [[*self._before, *ids, *end, *self._after] for end in ends]

    def _batches(self, rows: Sequence[list[int]]) -> list[list[int]]:
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        groups: list[list[int]] = []
        for i in order:
            if groups and len(groups[-1]) < _BATCH and len(rows[groups[-1][0]]) == len(rows[i]):
                groups[-1].append(i)
            else:
                groups.append([i])
        return groups

    @torch.inference_mode()
    def first(self, rows: list[list[int]]) -> torch.Tensor:
        """Probabilities of the next token, shape (rows, vocabulary)."""
        out: list[Any] = [None] * len(rows)
        for group in self._batches(rows):
            ids = torch.tensor([rows[i] for i in group])
            self.passes += len(ids)
            found = torch.as_tensor(self._model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits)[:, -1]
            for i, line in zip(group, found.float().softmax(-1), strict=True):
                out[i] = line
        return torch.stack(out)

    @torch.inference_mode()
    def surprise(self, rows: list[list[int]]) -> list[list[float]]:
        """Negative log likelihood of every token after the template's beginning (nats)."""
        before = self.beginnings()[-1]
        whole = [[*before, *row] for row in rows]
        out: list[list[float]] = [[] for _ in rows]
        for group in self._batches(whole):
            ids = torch.tensor([whole[i] for i in group])
            if ids.shape[1] <= len(before):
                continue
            self.passes += len(ids)
            logits = torch.as_tensor(self._model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits).float()
            found = -logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
            for i, line in zip(group, found[:, len(before) - 1 :].tolist(), strict=True):
                out[i] = line
        return out

    @torch.inference_mode()
    def sample(self, begin: list[int], count: int, length: int) -> list[list[int]]:
        """What the model says by itself after `begin`, up to its end token."""
        out: list[list[int]] = []
        for done in range(0, count, _BATCH):
            ids = torch.tensor([begin] * min(_BATCH, count - done))
            self.passes += len(ids)
            made = self._model.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=True, top_k=0, top_p=1.0, temperature=1.0,
                max_new_tokens=length, pad_token_id=self.pad,
            )  # fmt: skip
            out += [self._ended(row) for row in made[:, len(begin) :].tolist()]
        return out

    @torch.inference_mode()
    def answers(self, prompts: Sequence[str], length: int) -> list[str]:
        """Greedy answers."""
        rows = [self.frame(prompt, [()])[0] for prompt in prompts]
        out = [""] * len(rows)
        for group in self._batches(rows):
            ids = torch.tensor([rows[i] for i in group])
            self.passes += len(ids)
            made = self._model.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, num_beams=1, max_new_tokens=length,
                pad_token_id=self.pad,
            )  # fmt: skip
            for i, row in zip(group, made[:, ids.shape[1] :].tolist(), strict=True):
                out[i] = str(self.tokenizer.decode(self._ended(row), skip_special_tokens=True)).strip()[:400]
        return out

    def _ended(self, row: list[int]) -> list[int]:
        stop = {self.tokenizer.eos_token_id, self.pad}
        return row[: next((i for i, token in enumerate(row) if token in stop), len(row))]
