"""Files of the standard library and of model repositories' everyday life."""

from __future__ import annotations

import array
import bz2
import calendar
import collections
import csv
import datetime
import decimal
import enum
import fractions
import gzip
import io
import itertools
import json
import logging
import lzma
import optparse
import pathlib
import pickle
import plistlib
import statistics
import string
import tarfile
import textwrap
import types
import typing
import uuid
import zipfile
import zlib
from pathlib import Path
from xml.etree import ElementTree

Made = list[tuple[str, str, str]]


class Colour(enum.Enum):
    """Not used: enumerations of one's own are unknown code to a scanner, and not part of this set."""

    RED = 1


VALUES = {
    "dict": {"a": 1, "b": [1.5, None, True, "ü"], "c": (1, 2), "d": {3, 4}, "e": frozenset({5}), "f": b"\x00\xff", "g": bytearray(b"x")},
    "collections": [
        collections.OrderedDict(a=1), collections.defaultdict(list, {"a": [1]}), collections.Counter("abca"),
        collections.deque([1, 2], maxlen=3), collections.ChainMap({"a": 1}),
    ],
    "values": [
        datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC), datetime.date(2026, 1, 2), datetime.timedelta(3), decimal.Decimal("1.50"),
        fractions.Fraction(1, 3), uuid.UUID(int=7), complex(1, 2), range(3), slice(1, 2), pathlib.PurePosixPath("a/b"), array.array("d", [1.0]),
        types.SimpleNamespace(a=1),
    ],
    "recursive": [],
    "types": [int, float, dict, list, str, bytes, bool, type(None), complex],
    "numbers": [0, -1, 255, 65536, 1 << 31, -(1 << 31), 1 << 64, 10**300, 1e-300, float("inf")],
    "words": {f"word{i}": i for i in range(5000)},
    "generics": [typing.List[int], typing.Optional[typing.Dict[str, int]], int | str, typing.Callable[[int], str], list[int]],  # noqa: UP006, UP045
    "iterators": [iter([1]), reversed([1]), enumerate([1]), zip([1], [2], strict=False), itertools.chain([1]), itertools.cycle([1]), itertools.product([1], [2])],
    "streams": [io.BytesIO(b"\x89PNG" * 9), io.StringIO("text")],
    "odd": [
        logging.Formatter("%(message)s"), string.Formatter(), textwrap.TextWrapper(), calendar.Calendar(), optparse.Values({"a": 1}),
        ElementTree.Element("a", {"b": "c"}), statistics.LinearRegression(1.0, 2.0), csv.excel(), plistlib.UID(1), zipfile.ZipInfo("a"),
    ],
    "talks-of-os": {"os.system": "the text os.system('rm') is only text", "cos\nsystem\n": "and so is this", "eval": ["exec", "__import__"]},
}  # fmt: skip
VALUES["recursive"].append(VALUES["recursive"])


def python(out: Path) -> Made:
    """Value pickles in every protocol and container."""
    made: Made = []
    for name, value in VALUES.items():
        for protocol in (0, 2, 4, 5) if name in {"dict", "collections"} else (pickle.HIGHEST_PROTOCOL,):
            path = out / f"{name}-{protocol}.pkl"
            path.write_bytes(pickle.dumps(value, protocol))
            made.append((path.name, "a pickle of values of the standard library", "pickle"))
    plain = pickle.dumps(VALUES["dict"])
    (out / "two-pickles.pkl").write_bytes(plain + plain)
    (out / "values.pkl.gz").write_bytes(gzip.compress(plain))
    (out / "values.pkl.xz").write_bytes(lzma.compress(plain))
    (out / "values.pkl.bz2").write_bytes(bz2.compress(plain))
    (out / "values.zlib").write_bytes(zlib.compress(plain))
    with zipfile.ZipFile(out / "values.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/values.pkl", plain)
        archive.writestr("README.md", "# Values\n")
    (out / "readme.txt").write_text("A folder of values.\n")
    with tarfile.open(out / "values.tar.gz", "w:gz") as tar:
        tar.add(out / "readme.txt", "values/readme.txt")
    made += [
        ("two-pickles.pkl", "two pickles in a row", "pickle-all"),
        ("values.pkl.gz", "a pickle in gzip", "gzip-pickle"),
    ]
    made += [
        (name, "values in a container", "")
        for name in ("values.pkl.xz", "values.pkl.bz2", "values.zlib", "values.zip", "values.tar.gz")
    ]
    return made + _repository(out)


def _repository(out: Path) -> Made:
    """Text files as they stand in published repositories."""
    config = {
        "architectures": ["BertForSequenceClassification"], "attention_probs_dropout_prob": 0.1, "hidden_size": 768, "model_type": "bert",
        "id2label": {"0": "NEGATIVE", "1": "POSITIVE"}, "torch_dtype": "float32", "transformers_version": "4.41.2", "vocab_size": 30522,
    }  # fmt: skip
    chatml = (
        "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    )
    llama = (
        "{{- bos_token }}\n{%- if custom_tools is defined %}\n    {%- set tools = custom_tools %}\n{%- endif %}\n{%- if not tools_in_user_message is defined %}\n"
        "    {%- set tools_in_user_message = true %}\n{%- endif %}\n{%- if not date_string is defined %}\n    {%- if strftime_now is defined %}\n"
        '        {%- set date_string = strftime_now("%d %b %Y") %}\n    {%- else %}\n        {%- set date_string = "26 Jul 2024" %}\n    {%- endif %}\n{%- endif %}\n'
        "{%- if messages[0]['role'] == 'system' %}\n    {%- set system_message = messages[0]['content']|trim %}\n    {%- set messages = messages[1:] %}\n"
        "{%- else %}\n    {%- set system_message = \"\" %}\n{%- endif %}\n{%- for message in messages %}\n    {{- '<|start_header_id|>' + message['role'] + "
        "'<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}\n{%- endfor %}\n{%- if add_generation_prompt %}\n"
        "    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}\n{%- endif %}\n"
    )
    mistral = (
        "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
        "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}{% else %}{{ message['content'] + eos_token }}{% endif %}{% endfor %}"
    )
    card = (
        "---\nlicense: apache-2.0\nlanguage: en\ndatasets:\n- sst2\nmetrics:\n- accuracy\npipeline_tag: text-classification\n---\n\n# DistilBERT on SST-2\n\n"
        "```python\nimport os\nfrom transformers import pipeline\nos.system('nvidia-smi')\npipe = pipeline('text-classification', 'org/name')\n```\n\n"
        "Accuracy on the development set: 91.3.\n"
    )
    notebook = {
        "nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        "cells": [
            {"cell_type": "markdown", "metadata": {}, "source": ["# Use the model"]},
            {"cell_type": "code", "metadata": {}, "execution_count": 1, "outputs": [],
             "source": ["from transformers import AutoModel\n", "model = AutoModel.from_pretrained('org/name')\n", "model.eval()"]},
        ],
    }  # fmt: skip
    weights = {
        "metadata": {"total_size": 16},
        "weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"},
    }
    modeling = (
        '"""A small model."""\nimport math\nfrom typing import Optional\n\nimport torch\nfrom torch import nn\nfrom transformers import PreTrainedModel\n\n\n'
        "class SmallModel(PreTrainedModel):\n    def __init__(self, config):\n        super().__init__(config)\n        self.dense = nn.Linear(config.hidden_size, 2)\n"
        "        self.eval()\n\n    def forward(self, input_ids: Optional[torch.Tensor] = None):\n        return self.dense(input_ids) / math.sqrt(2)\n"
    )
    files = {
        "config.json": config,
        "generation_config.json": {
            "bos_token_id": 1,
            "eos_token_id": 2,
            "temperature": 0.7,
            "transformers_version": "4.41.2",
        },
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "chat_template": chatml,
            "model_max_length": 4096,
        },
        "llama/tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": llama},
        "mistral/tokenizer_config.json": {
            "tokenizer_class": "LlamaTokenizer",
            "chat_template": [{"name": "default", "template": mistral}],
        },
        "special_tokens_map.json": {"cls_token": "[CLS]", "mask_token": "[MASK]"},
        "preprocessor_config.json": {"do_resize": True, "image_processor_type": "ViTImageProcessor", "size": 224},
        "model.safetensors.index.json": weights,
        "adapter_config.json": {
            "peft_type": "LORA",
            "r": 8,
            "base_model_name_or_path": "org/base",
            "target_modules": ["q_proj"],
        },
        "trainer_state.json": {"epoch": 3.0, "global_step": 12000, "log_history": [{"loss": 0.3, "step": 500}]},
        "notebook.ipynb": notebook,
    }
    made: Made = []
    for name, value in files.items():
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text(json.dumps(value, indent=2))
        made.append((name, "a repository's configuration", ""))
    texts = {
        "README.md": card,
        "vocab.txt": "\n".join(f"token{i}" for i in range(2000)) + "\n",
        "merges.txt": "#version: 0.2\n" + "\n".join(f"a{i} b{i}" for i in range(500)) + "\n",
        "LICENSE": "Apache License\nVersion 2.0, January 2004\n",
        ".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n",
        "modeling_small.py": modeling,
        "requirements.txt": "torch>=2.0\ntransformers==4.41.2\nnumpy\n",
        "chat_template.jinja": llama,
        "labels.csv": "id,label\n0,negative\n1,positive\n",
        "metrics.yaml": "accuracy: 0.913\nf1: 0.91\n",
    }
    for name, text in texts.items():
        (out / name).write_text(text)
        made.append((name, "a repository's text", ""))
    return made
