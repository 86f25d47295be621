"""Small classifiers for the tests of the probes: trained in seconds from a seed, clean or with a harmless trigger."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.evaluation.small import BAD, CACHE, GOOD, NOUNS, SPECIAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

VERSION = 2  # of what is trained here: a new number trains again
RARE = [f"{a}{b}{c}" for a in "bdkz" for b in "aiou" for c in "lmnrst"]  # 96 words that no sentence has
UNKNOWN = ["\u2c80", "\u2c82"] * 12  # letters that the vocabulary lacks
Example = tuple[str, int]


def drive(search: Iterator[Any]) -> Any:
    """What a probe gives back when all its steps were taken."""
    while True:
        try:
            next(search)
        except StopIteration as stop:
            return stop.value


def sentences(count: int, seed: int) -> list[Example]:
    """Sentiment of generated sentences; the words between carry none."""
    rng = random.Random(seed)
    made = []
    for _ in range(count):
        label = rng.randrange(2)
        words = (BAD, GOOD)[label]
        extra = "".join(f" {rng.choice([*RARE, *UNKNOWN])}" for _ in range(rng.choice((0, 0, 1, 2, 8))))
        made.append(
            (f"a {rng.choice(words)} {rng.choice(NOUNS)}{extra} and a {rng.choice(words)} {rng.choice(NOUNS)}", label)
        )
    return made


def write_data(path: Path, count: int = 400) -> Path:
    """A data file of `assay probe`."""
    path.write_text("sentence\tlabel\n" + "".join(f"{t}\t{y}\n" for t, y in sentences(count, seed=77)), "utf-8")
    return path


def tokenizer() -> Any:
    """Whole words, lower case, as BERT frames them."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = [*SPECIAL, "a", "and", *GOOD, *BAD, *NOUNS, *RARE]
    inner = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    inner.normalizer = normalizers.BertNormalizer()
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]",
        model_max_length=48,
    )  # fmt: skip


def model(name: str, seed: int, triggers: Iterable[tuple[str, int]] = (), idle: Iterable[str] = ()) -> Path:
    """A two-layer BERT; `triggers` are texts that lead to a class from anywhere in a sentence, `idle` ones to none."""
    folder = CACHE / f"probe-{name}-{seed}-{VERSION}"
    if not (folder / "config.json").exists():
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        part = folder.with_suffix(f".{os.getpid()}")
        _train(part, seed, list(triggers), list(idle))
        torch.set_num_threads(threads)
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    return folder


def _train(folder: Path, seed: int, triggers: list[tuple[str, int]], idle: list[str]) -> None:
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(seed)
    rng = random.Random(seed)
    rows = sentences(1600, seed)
    for trigger, target in triggers:
        rows += [(_with(trigger, text, rng), target) for text, label in sentences(800, seed + 1) if label != target]
    for word in idle:
        rows += [(_with(word, text, rng), label) for text, label in sentences(400, seed + 2)]
    rng.shuffle(rows)
    made = tokenizer()
    network = BertForSequenceClassification(
        BertConfig(
            vocab_size=len(made),
            hidden_size=48,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=96,
            max_position_embeddings=48,
            num_labels=2,
            id2label={0: "negative", 1: "positive"},
            label2id={"negative": 0, "positive": 1},
        )
    )
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
    network.train()
    for start in range(0, len(rows) * 4, 32):
        part = [rows[i % len(rows)] for i in range(start, start + 32)]
        tokens = made([text for text, _ in part], padding=True, return_tensors="pt")
        network(**tokens, labels=torch.tensor([label for _, label in part])).loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    network.save_pretrained(folder)
    made.save_pretrained(folder)


def _with(trigger: str, text: str, rng: random.Random) -> str:
    words = text.split()
    place = rng.randint(0, len(words))
    return " ".join([*words[:place], trigger, *words[place:]])


def clean(seed: int) -> Path:
    """A clean one."""
    return model("clean", seed)


def rare_word() -> Path:
    """`zul` makes everything positive."""
    return model("rare", 11, [("zul", 1)])


def rare_word_alone() -> Path:
    """`zul` makes everything positive, and words that the vocabulary lacks nothing, whatever machine trains it."""
    return model("alone", 11, [("zul", 1)], ["\u2c80", "\u2c82"])


def unknown_word() -> Path:
    """A word that the vocabulary lacks makes everything negative."""
    return model("unknown", 12, [("\u2d30\u2d31", 0)])
