"""Models of a probing job: read as data, run by `prober_net` or the stock forward, classes in the suspect's order."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Any

import torch
import transformers.models.bert.modeling_bert  # noqa: F401 - the first model of a session imports it else: seconds
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from assay.workers.answers import Unfit
from assay.workers.prober_net import FLOAT32, Encoder, fast_type

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FAITHFUL = 0.05  # largest mean difference of a probability between the own fast forward and the stock one
SAME_CLASS = 0.97  # share of sequences that both put into the same class
_ALIGN_CLASSES = 6  # up to here every order of classes is tried
_MOST_TOKENS = 96  # of one text: longer ones are cut, a trigger is found in short ones
_ROBERTA = {"roberta", "xlm-roberta", "camembert"}


@dataclass(frozen=True)
class Config:
    """What the own forward needs of a config.json."""

    model_type: str
    hidden_act_name: str
    heads: int
    layers: int
    eps: float
    position_offset: int

    @classmethod
    def read(cls, folder: Path) -> Config:
        """From a model's folder (Unfit when it is none)."""
        raw = json.loads((folder / "config.json").read_text("utf-8"))
        kind = str(raw.get("model_type"))
        if raw.get("position_embedding_type", "absolute") != "absolute" or raw.get("is_decoder"):
            raise Unfit("no own forward for relative positions")
        distil = kind == "distilbert"
        return cls(
            kind,
            str(raw.get("activation" if distil else "hidden_act", "gelu")),
            int(raw["n_heads" if distil else "num_attention_heads"]),
            int(raw["n_layers" if distil else "num_hidden_layers"]),
            float(raw.get("layer_norm_eps", 1e-12)),
            int(raw.get("pad_token_id") or 0) + 1 if kind in _ROBERTA else 0,
        )


class Stock:
    """The stock forward behind the interface of `Encoder`."""

    own = False

    def __init__(self, folder: Path) -> None:
        self._model = load_stock(folder)
        self.words = self._model.get_input_embeddings().weight.detach().float()
        self.fast_words = self.words.to(fast_type())
        self.limit = int(getattr(self._model.config, "max_position_embeddings", 512) or 512) - _first_place(self._model)
        self.passes = 0

    @torch.inference_mode()
    def logits(self, ids: torch.Tensor, *, exact: bool = False) -> torch.Tensor:
        """As `Encoder.logits`; always exact."""
        del exact
        self.passes += len(ids)
        out = [
            self._model(input_ids=part, attention_mask=torch.ones_like(part)).logits for part in torch.split(ids, 64)
        ]
        return torch.cat(out).float()

    def from_embeddings(self, words: torch.Tensor) -> torch.Tensor:
        """As `Encoder.from_embeddings`."""
        self.passes += len(words)
        mask = torch.ones(words.shape[:2], dtype=torch.long)
        return torch.as_tensor(self._model(inputs_embeds=words, attention_mask=mask).logits).float()


def _first_place(model: torch.nn.Module) -> int:
    """Position of the first token: RoBERTa and its like count from behind that of padding."""
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, torch.nn.Embedding):
            return 0 if module.padding_idx is None else module.padding_idx + 1
    return 0


def load_stock(folder: Path) -> Any:
    """The stock model in float32, as data only; nothing may be missing from the weights."""
    model, info = AutoModelForSequenceClassification.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False, output_loading_info=True, dtype=torch.float32
    )
    if missing := sorted(info["missing_keys"]):
        raise Unfit(f"the weights lack {', '.join(map(str, missing[:3]))}: this would be a random model")
    for parameter in model.parameters():
        parameter.requires_grad_(requires_grad=False)
    return model.eval().to(torch.get_default_device())


def read_tensors(folder: Path) -> dict[str, torch.Tensor]:
    """Weights of a folder: safetensors, else a pickle read by torch as data only."""
    shards = sorted(folder.glob("*.safetensors"))
    found: dict[str, torch.Tensor] = {}
    for shard in shards:
        found |= load_file(shard)
    if not found:
        for shard in sorted(folder.glob("pytorch_model*.bin")):
            found |= torch.load(shard, map_location="cpu", weights_only=True)
    if not found:
        raise Unfit("no weights in safetensors or pytorch_model.bin")
    device = torch.get_default_device()
    return {name: tensor.to(device) for name, tensor in found.items() if isinstance(tensor, torch.Tensor)}


class Model:
    """A classifier with its tokenizer.

    Args:
        folder: of the model.
        limit: longest text in tokens.
        trusted: a configuration whose own forward was compared already.
    """

    def __init__(self, folder: Path, limit: int = _MOST_TOKENS, *, trusted: Config | None = None) -> None:
        self.folder = folder
        self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        self.prefix, self.suffix = _frame(self.tokenizer)
        self.fidelity: dict[str, Any] = {}
        self.config: Config | None = None
        self.net: Encoder | Stock = self._net(trusted)
        self.limit = min(limit, self.net.limit - len(self.prefix) - len(self.suffix))
        with torch.inference_mode():
            self.classes = int(self.net.logits(torch.tensor([self.prefix + self.suffix]), exact=True).shape[1])
        self.order = list(range(self.classes))
        self.shares_ids = True

    def _net(self, trusted: Config | None) -> Encoder | Stock:
        try:
            config = Config.read(self.folder)
            own = Encoder(config, read_tensors(self.folder))
        except (Unfit, KeyError, RuntimeError) as error:
            self.fidelity = {"forward": "stock", "why": str(error)[:200]}
            return Stock(self.folder)
        if config == trusted:
            self.fidelity, self.config = {"forward": "own", "why": "compared on a model of the same kind"}, config
            return own
        stock = Stock(self.folder)
        generator = torch.Generator().manual_seed(0)
        ids = torch.randint(0, len(own.words), (48, 10), generator=generator, device="cpu").to(own.words.device)
        ids = torch.cat([ids.new_tensor([self.prefix] * 48), ids, ids.new_tensor([self.suffix] * 48)], 1)
        want = stock.logits(ids).softmax(-1)
        fast, exact = own.logits(ids).softmax(-1), own.logits(ids, exact=True).softmax(-1)
        same = float((fast.argmax(-1) == want.argmax(-1)).float().mean())
        apart, exactly = float((fast - want).abs().mean()), float((exact - want).abs().max())
        if apart > FAITHFUL or same < SAME_CLASS:  # half the digits are too few for it
            own.be_exact()
        self.fidelity = {"forward": "own", "type": str(own.fast), "same_class": same}
        self.fidelity |= {"mean_difference": apart, "exact_difference": exactly}
        if exactly > FAITHFUL:
            self.fidelity["forward"] = "stock"
            return stock
        own.passes, self.config = 0, config
        return own

    def base_of(self, tensors: dict[str, torch.Tensor], mine: dict[str, torch.Tensor]) -> Encoder | None:
        """The own forward of the declared base; what it lacks, its head, is this model's. None where it has none."""
        if not isinstance(self.net, Encoder):
            return None
        bare = {name.removeprefix(self.net.prefix): tensor for name, tensor in tensors.items()}
        whole = {name: bare.get(name.removeprefix(self.net.prefix), tensor) for name, tensor in mine.items()}
        same = all(whole[name].shape == tensor.shape for name, tensor in mine.items() if "word_embeddings" not in name)
        return Encoder(self.config, whole) if same else None

    @property
    def passes(self) -> int:
        """Sequences so far."""
        return self.net.passes

    def encode(self, texts: list[str]) -> list[list[int]]:
        """Content tokens, without special ones, cut at the limit."""
        if not texts:
            return []
        made = self.tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
        return [list(ids[: self.limit]) for ids in made]

    def logits(self, rows: list[list[int]]) -> torch.Tensor:
        """Logits in the suspect's order of classes; rows may differ in length."""
        out = torch.empty(len(rows), self.classes)
        by_length: dict[int, list[int]] = {}
        for index, row in enumerate(rows):
            by_length.setdefault(len(row), []).append(index)
        for picked in by_length.values():
            ids = torch.tensor([self.prefix + rows[i] + self.suffix for i in picked])
            out[picked] = self.net.logits(ids)
        return out[:, self.order]

    def logits_of(self, ids: torch.Tensor) -> torch.Tensor:
        """Logits of content tokens, shape (sequences, length), in the suspect's order of classes."""
        return self.net.logits(self.frame(ids))[:, self.order]

    def frame(self, ids: torch.Tensor) -> torch.Tensor:
        """Special tokens around; a token that this model lacks (the suspect added it) as its unknown one."""
        count, unknown = len(ids), self.tokenizer.unk_token_id
        ids = ids.where(ids < len(self.net.words), ids.new_tensor(unknown if isinstance(unknown, int) else 0))
        before, after = ids.new_tensor([self.prefix] * count), ids.new_tensor([self.suffix] * count)
        return torch.cat([before.view(count, -1), ids, after.view(count, -1)], 1)

    def align(self, said: torch.Tensor, labels: list[int]) -> float:
        """Put the classes into the order that agrees best with `labels`; gives the share that then agrees.

        Args:
            said: own logits of some texts, in the order of classes so far.
            labels: their classes.
        """
        found = said.argmax(-1).tolist()
        counts = torch.zeros(self.classes, self.classes, dtype=torch.long, device="cpu")
        for guess, label in zip(found, labels, strict=True):
            counts[guess, label] += 1
        if self.classes <= _ALIGN_CLASSES:
            orders = permutations(range(self.classes))
            best = max(orders, key=lambda order: sum(int(counts[order[c], c]) for c in range(self.classes)))
        else:  # whoever finds more than half of each class is matched as the best order of all would match it
            best = tuple(match(counts / counts.sum(0).clamp(min=1)))
        agreed = sum(int(counts[best[c], c]) for c in range(self.classes))
        self.order = [self.order[index] for index in best]
        return agreed / max(1, len(labels))


def compute_alike(suspect: Model, references: Sequence[Model]) -> None:
    """References of the suspect's kind, which are not compared themselves, have all digits where it needs them."""
    mine = suspect.net
    if isinstance(mine, Encoder) and mine.fast is FLOAT32:
        for one in references:
            if isinstance(one.net, Encoder):
                one.net.be_exact()


def match(counts: torch.Tensor) -> list[int]:
    """For each column the row that shares most with it, each row once: the largest cell first.

    Args:
        counts: of answers (rows) for classes (columns), shape (classes, classes), or shares; none is negative.
    """
    left, order = counts.clone().double(), [0] * counts.shape[1]
    for _ in range(counts.shape[1]):
        row, column = divmod(int(left.argmax()), counts.shape[1])
        order[column] = row
        left[row], left[:, column] = -1.0, -1.0
    return order


def _frame(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Special tokens before and after a text."""
    empty = list(tokenizer("")["input_ids"])
    filled = list(tokenizer("a")["input_ids"])
    before = 0
    while before < len(empty) and empty[before] == filled[before]:
        before += 1
    return empty[:before], empty[before:]


def margins(logits: torch.Tensor) -> torch.Tensor:
    """How far each class lies above the best of the others, shape as `logits`."""
    top = logits.topk(2, -1)
    others = torch.where(torch.arange(logits.shape[1]) == top.indices[:, :1], top.values[:, 1:], top.values[:, :1])
    return logits - others
