"""What configuration files make a loader do."""

from __future__ import annotations

import json

import pytest

from assay.inspections.config import Config
from tests.support.scan import found, scan, worst


def config(value, name: str = "config.json") -> dict[str, bytes]:
    return {name: value if isinstance(value, bytes) else json.dumps(value).encode()}


@pytest.mark.parametrize(
    ("files", "rule", "severity"),
    [
        (config({"auto_map": {"AutoModel": "modeling.X"}}), "config-remote-code", "medium"),
        (config({"auto_map": {"AutoTokenizer": ["tok.Slow", None]}}), "config-remote-code", "medium"),
        (config({"auto_map": {"AutoModel": "other/repo--modeling.X"}}), "config-remote-code", "high"),
        (config({"a": [{"auto_map": "modeling.X"}]}), "config-remote-code", "medium"),
        (config({"custom_pipelines": {"x": {"impl": "pipe.P"}}}), "config-remote-code", "medium"),
        (config([{"type": "custom.Module", "path": ""}], "modules.json"), "config-remote-code", "medium"),
        (config({"_class_name": ["pipeline_x", "P"]}, "model_index.json"), "config-remote-code", "medium"),
        (config({"unet": ["my_lib", "Net"]}, "model_index.json"), "config-library", "medium"),
        (config({"auto_mapping": {"parent_library": "evil.lib"}}, "adapter_config.json"), "config-library", "medium"),
        (config({"trust_remote_code": True}), "config-trust-remote-code", "medium"),
        (config({"model": {"_target_": "os.system", "command": "x"}}), "config-target", "critical"),
        (config({"model": {"_target_": "builtins.exec"}}), "config-target", "critical"),
        (config({"model": {"_target_": "my.thing"}}), "config-target", "medium"),
        (config({"model": {"_target_": "torch.nn.Linear"}}), "config-target", "note"),
        (config({"attn_implementation": "someone/kernels@v1:forward"}), "config-remote-code", "high"),
        (config({"text": {"_attn_implementation": {"": "paged|someone/kernels"}}}), "config-remote-code", "high"),
        (config({"activation_function": "evil.run.Now"}), "config-target", "medium"),
        (config({"sentence_transformers": {"activation_fn": "os.popen"}}), "config-target", "critical"),
        (config(b"a: !apply:subprocess.getoutput [x]\n", "c.yaml"), "config-target", "critical"),
        (config(b"a: !new:my.thing\n", "c.yaml"), "config-target", "medium"),
        (config({"safety_checker": ["os", "system"]}, "model_index.json"), "config-library", "medium"),
        (config(b"a: !!python/object/apply:os.system ['x']\n", "c.yaml"), "config-yaml-tag", "high"),
        (config(b"a: !<tag:yaml.org,2002:python/name:os.system> x\n", "c.yml"), "config-yaml-tag", "high"),
        (config(b"model:\n  _target_: subprocess.run\n", "c.yaml"), "config-target", "critical"),
        (config(b'{"a": 1, "a": 2}'), "config-duplicate-key", "low"),
        (config(b'{"a": '), "config-broken", "low"),
        (config(b"[" * 500 + b"]" * 500), "config-broken", "medium"),
    ],
)  # fmt: skip
def test_reported(files, rule, severity):
    findings = found(Config, files)
    assert rule in findings, findings
    assert findings[rule].severity.label == severity


@pytest.mark.parametrize(
    "files",
    [
        config({"model_type": "bert", "architectures": ["BertModel"], "auto_map": None}),
        config([{"type": "sentence_transformers.models.Transformer", "path": ""}], "modules.json"),
        config(
            {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"]},
            "model_index.json",
        ),
        config({"safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"]}, "model_index.json"),
        config({"attn_implementation": "flash_attention_2", "activation_function": "gelu_new"}),
        config({"trust_remote_code": False}),
        config(b"a: !!python/tuple [1, 2]\nb: text with python\n", "c.yaml"),
        config(b"[INST] this is no JSON [/INST]", "prompt.txt"),
        config({"auto_mapping": {"parent_library": "transformers.models.bert"}}, "adapter_config.json"),
    ],
)
def test_harmless(files):
    assert worst(Config, files) == "clean"
    assert scan(Config, files).outcome.value in {"clean", "not-applicable"}


def test_broken_json_is_unread_too():
    evidence = scan(Config, config(b"{"))
    assert evidence.outcome.value == "inconclusive"
    assert evidence.unread[0].path == "config.json"
