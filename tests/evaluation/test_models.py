"""Models and data of many kinds through the real worker: each number is that of a loop by hand."""

from __future__ import annotations

import csv
import hashlib
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    BertForTokenClassification,
    GPT2Config,
    GPT2ForSequenceClassification,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessor,
)

from assay.core.errors import UsageError
from assay.evaluation.claims import make_claim
from assay.evaluation.evaluate import evaluate
from assay.evaluation.suite import load_suite
from assay.store.folder import folder_subject
from tests.evaluation import small

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("evaluation")]  # one guest for all

COLUMNS = 'text = "sentence"\nlabel = "label"'
WORDS = ("negative", "positive")


def measured(runner, model, suite):
    claim = make_claim("accuracy", 0.5, source="c", dataset="toy")
    result = evaluate(folder_subject(model), [load_suite(suite)], (claim,), runner=runner)
    assert result.failed == ()
    return result.comparisons[0].runs.measured.value


def renamed(folder, names):
    """The classifier with other names for its outputs."""
    model = small.copy_of(small.classifier(), folder)
    config = json.loads((model / "config.json").read_text())
    config |= {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}}
    (model / "config.json").write_text(json.dumps(config))
    return model


def data(form, label):
    rows = [(text, label(one)) for text, one in small.sentences(60, seed=2)]
    table = [{"sentence": text, "label": one} for text, one in rows]
    if form == "jsonl":
        return "\n".join(map(json.dumps, table))
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter="\t" if form == "tsv" else ",")
    writer.writerows([("sentence", "label"), *rows])
    return out.getvalue()


class Remembering:
    """The real runner, asked once for the same weights and inputs: how labels are written never enters the sandbox."""

    def __init__(self, runner):
        self.real, self.threads, self.known = runner, runner.threads, {}

    def run(self, subject, job, *more):
        weights = subject.snapshot.entry("model.safetensors").digest
        key = (str(weights), json.dumps(job, sort_keys=True))
        if key not in self.known:
            self.known[key] = self.real.run(subject, job, *more)
        return self.known[key]


def test_labels_and_formats_give_one_number(runner, tmp_path):
    """Numbers, words, other words, booleans; CSV, TSV, JSON Lines, Parquet; plain and renamed outputs."""
    runner = Remembering(runner)
    plain = renamed(tmp_path / "plain", ["LABEL_0", "LABEL_1"])
    upper = renamed(tmp_path / "upper", ["NEGATIVE", "POSITIVE"])
    found = set()
    for number, (model, form, label) in enumerate((
        (plain, "tsv", int), (plain, "csv", lambda one: f"LABEL_{one}"), (plain, "jsonl", bool),
        (upper, "csv", lambda one: WORDS[one]), (upper, "jsonl", lambda one: WORDS[one][:3]), (upper, "tsv", float),
    )):  # fmt: skip
        rows = data(form, label)
        suite = small.write_suite(
            tmp_path / f"s{number}", "text-classification", ["acc"], COLUMNS, rows, file=f"d.{form}"
        )
        found.add(measured(runner, model, suite))
    rows = small.sentences(60, seed=2)
    path = small.write_suite(tmp_path / "p", "text-classification", ["acc"], COLUMNS, "", file="d.parquet")
    pq.write_table(
        pa.table({"sentence": [t for t, _ in rows], "label": [n for _, n in rows]}), path.parent / "d.parquet"
    )
    digest = hashlib.sha256((path.parent / "d.parquet").read_bytes()).hexdigest()
    path.write_text(path.read_text().replace(hashlib.sha256(b"").hexdigest(), digest))
    found.add(measured(runner, upper, path))
    assert len(found) == 1
    assert found.pop() > 0.75
    assert len(runner.known) == 1, "every form of the data asks the model the same"


def test_swapped_names_are_measured_as_users_see_them(runner, tmp_path):
    swapped = renamed(tmp_path / "m", ["POSITIVE", "NEGATIVE"])
    suite = small.sentiment_suite(tmp_path / "s", 60)
    assert measured(runner, swapped, suite) < 0.25


def by_hand(model, texts, second=None):
    tokenizer = AutoTokenizer.from_pretrained(model)
    network = AutoModelForSequenceClassification.from_pretrained(model).eval()
    out = []
    with torch.inference_mode():
        for number, text in enumerate(texts):
            pair = (text, second[number]) if second else (text,)
            out.append(int(network(**tokenizer(*pair, return_tensors="pt")).logits.argmax()))
    return out


def test_two_sentences_and_preprocessing(runner, tmp_path):
    model = small.classifier()
    rows = small.sentences(40, seed=4)
    texts, second = [text for text, _ in rows], [text for text, _ in reversed(rows)]
    table = [{"a": f"  {x.upper()}", "b": y.upper(), "label": n} for (x, n), y in zip(rows, second, strict=True)]
    suite = small.write_suite(
        tmp_path / "s", "text-classification", ["accuracy"], 'text = ["a", "b"]\nlabel = "label"',
        "\n".join(map(json.dumps, table)) + "\n", file="d.jsonl",
    )  # fmt: skip
    suite.write_text(suite.read_text() + "\n[preprocessing]\nlowercase = true\nstrip = true\n")
    hits = [p == n for p, (_, n) in zip(by_hand(model, texts, second), rows, strict=True)]
    assert measured(runner, model, suite) == pytest.approx(sum(hits) / len(hits))


def test_a_decoder_without_a_padding_token_of_its_own(runner, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(small.classifier())
    torch.manual_seed(1)
    config = GPT2Config(vocab_size=len(tokenizer), n_positions=48, n_embd=16, n_layer=1, n_head=2, num_labels=2)
    GPT2ForSequenceClassification(config).save_pretrained(tmp_path / "m")
    tokenizer.save_pretrained(tmp_path / "m")
    rows = small.sentences(30, seed=2)
    hits = [p == n for p, (_, n) in zip(by_hand(tmp_path / "m", [t for t, _ in rows]), rows, strict=True)]
    suite = small.sentiment_suite(tmp_path / "s", 30)
    assert measured(runner, tmp_path / "m", suite) == pytest.approx(sum(hits) / 30)


def test_tokens(runner, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(small.classifier())
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=48, num_labels=2, id2label={0: "O", 1: "B-GOOD"},
    )  # fmt: skip
    network = BertForTokenClassification(config).eval()
    network.save_pretrained(tmp_path / "m")
    tokenizer.save_pretrained(tmp_path / "m")
    table, hits = [], []
    for text, _ in small.sentences(20, seed=2):
        words = text.split()
        labels = ["B-GOOD" if word in small.GOOD else "O" for word in words]
        table.append({"t": words, "l": labels})
        with torch.inference_mode():
            logits = network(**tokenizer(words, is_split_into_words=True, return_tensors="pt")).logits[0, 1:]
        hits += [("O", "B-GOOD")[int(p)] == label for p, label in zip(logits.argmax(-1), labels, strict=True)]
    suite = small.write_suite(
        tmp_path / "s", "token-classification", ["accuracy", "entity_f1"], 'text = "t"\nlabel = "l"',
        "\n".join(map(json.dumps, table)), file="d.jsonl",
    )  # fmt: skip
    assert measured(runner, tmp_path / "m", suite) == pytest.approx(sum(hits) / len(hits))


def test_images(runner, tmp_path):
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=16, patch_size=8,
        num_labels=2, id2label={0: "dark", 1: "light"},
    )  # fmt: skip
    model = ViTForImageClassification(config).eval()
    model.save_pretrained(tmp_path / "m")
    ViTImageProcessor(size={"height": 16, "width": 16}).save_pretrained(tmp_path / "m")
    (tmp_path / "s").mkdir()
    rows, hits = "image,sha,label\n", []
    processor = ViTImageProcessor.from_pretrained(tmp_path / "m")
    for number in range(12):
        picture = Image.new("RGB", (20, 20), (number * 20,) * 3)
        picture.save(tmp_path / "s" / f"{number}.png")
        label = ("dark", "light")[number > 5]
        with torch.inference_mode():
            predicted = int(model(**processor(images=picture, return_tensors="pt")).logits.argmax())
        hits.append(config.id2label[predicted] == label)
        digest = hashlib.sha256((tmp_path / "s" / f"{number}.png").read_bytes()).hexdigest()
        rows += f"{number}.png,{digest},{label}\n"
    suite = small.write_suite(
        tmp_path / "s", "image-classification", ["accuracy", "f1_macro"],
        'image = "image"\nimage_sha256 = "sha"\nlabel = "label"', rows, file="d.csv",
    )  # fmt: skip
    assert measured(runner, tmp_path / "m", suite) == pytest.approx(sum(hits) / 12)
    Image.new("RGB", (20, 20)).save(tmp_path / "s" / "11.png")
    with pytest.raises(UsageError, match="not the image that the data pins"):
        measured(runner, tmp_path / "m", suite)


def test_long_texts_of_a_model_that_counts_positions_from_its_padding(runner, tmp_path):
    """RoBERTa's way: the last `padding + 1` positions are none; a text of any length is cut, never an error."""
    from transformers import RobertaConfig, RobertaForSequenceClassification

    tokenizer = AutoTokenizer.from_pretrained(small.classifier())
    tokenizer.model_max_length = 10**30
    config = RobertaConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=32, num_labels=2, pad_token_id=0,
    )  # fmt: skip
    RobertaForSequenceClassification(config).save_pretrained(tmp_path / "m")
    tokenizer.save_pretrained(tmp_path / "m")
    rows = "sentence\tlabel\n" + "".join(f"{'film ' * 200}\t{n}\n" for n in (0, 1))
    suite = small.write_suite(tmp_path / "s", "text-classification", ["accuracy"], COLUMNS, rows)
    assert measured(runner, tmp_path / "m", suite) == 0.5


def test_a_model_of_one_output_is_told_from_a_classifier(runner, tmp_path):
    model = small.copy_of(small.classifier(), tmp_path / "m")
    config = json.loads((model / "config.json").read_text())
    for key in ("id2label", "label2id", "problem_type"):
        config.pop(key, None)
    BertForSequenceClassification(BertConfig(**config | {"num_labels": 1})).save_pretrained(model)
    result = evaluate(folder_subject(model), [load_suite(small.sentiment_suite(tmp_path / "s", 4))], (), runner=runner)
    assert result.outcome == "unverifiable"
    assert "not one class" in result.failed[0][1]
