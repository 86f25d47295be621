"""Objects written as JSON, protobuf text or Gin whose deserialiser imports or calls what they name.

None of these programs is part of the test environment: each file is written as the program's documentation or source
has it, and so counts as an abuse that is not executed here.
"""

from __future__ import annotations

import json
from typing import Any

from .sample import ABUSES, Sample


def samples() -> list[Sample]:
    """All of this module."""
    return [
        _abuse("jsonpickle-object/state.json", "jsonpickle builds an object", {"x": [{"py/object": "evil.Thing"}]}, "evil.Thing"),
        _abuse("jsonpickle-reduce/state.json", "jsonpickle calls a function",
               {"py/reduce": [{"py/function": "os.system"}, {"py/tuple": ["true"]}]}, "os.system"),
        _abuse("jsonpickle-type/state.json", "jsonpickle imports a class", {"py/type": "subprocess.Popen"}, "subprocess.Popen"),
        _abuse("jsonpickle-repr/state.json", "jsonpickle of old evaluates", {"py/repr": "os/os.system('true')"}, "os.system"),
        _abuse("gluonts-instance/predictor.json", "GluonTS calls a class by name",
               {"a": {"__kind__": "instance", "class": "os.system", "args": ["true"]}}, "os.system"),
        _abuse("gluonts-type/type.json", "GluonTS imports a class by name", {"__kind__": "type", "class": "evil.Predictor"}, "evil.Predictor"),
        _abuse("mson/model.json", "monty builds an object", {"@module": "evil_module", "@class": "Model"}, "evil_module.Model"),
        _abuse("autogen/team.json", "AutoGen imports a provider", {"provider": "os.system", "component_type": "tool", "config": {}}, "os.system"),
        _abuse("autogen-tool/team.json", "AutoGen runs the text of a tool",
               {"provider": "autogen_core.tools.FunctionTool", "component_type": "tool",
                "config": {"source_code": "import os\ndef f(): os.system('true')", "global_imports": []}}, "os.system"),
        _abuse("haystack/pipeline.yaml", "Haystack imports a component",
               "components:\n  x:\n    type: evil.module.Part\n    init_parameters: {}\n", "evil.module.Part"),
        _abuse("axolotl/config.yml", "Axolotl imports plugins", "base_model: x/y\nplugins:\n  - evil.Plugin\n", "evil.Plugin"),
        _abuse("streaming/index.json", "a data set whose samples are pickles",
               {"shards": [{"column_names": ["a"], "column_encodings": ["pkl"], "format": "mds"}]}, "pickle.loads"),
        _abuse("custom-ops/genai_config.json", "a native library of custom operators",
               {"model": {"decoder": {"session_options": {"custom_ops_library": "evil.so"}}}}, "evil.so"),
        _abuse("mlx/config.json", "mlx-lm runs a file of the repository", {"model_type": "x", "model_file": "evil.py"}, "evil.py"),
        _abuse("gin-import/operative_config.gin", "Gin imports modules", "import evil_module\n", "evil_module"),
        _abuse("gin-call/operative_config.gin", "Gin calls what was imported",
               "from __gin__ import dynamic_registration\nimport os\nos.system.command = 'true'\nx.y = @os.system()\n", "os.system"),
        _abuse("gin-include/config.gin", "Gin reads a file from outside", "include '/etc/x.gin'\n", "/etc/x.gin"),
        _abuse("caffe/deploy.prototxt", "a Python layer of Caffe",
               'layer {\n  type: "Python"\n  python_param { module: "evil" layer: "Evil" }\n}\n', "evil.Evil"),
        _abuse("dvc/dvc.yaml", "a stage that pipes into a shell", "stages:\n  a:\n    cmd: curl http://127.0.0.1/x | sh\n", "curl"),
        _abuse("spacy-project/project.yml", "a project's command that pipes into a shell",
               "commands:\n- name: x\n  script:\n  - curl http://127.0.0.1/x | sh\n", "curl"),
        _abuse("mlproject/MLproject", "an entry point that pipes into a shell",
               "entry_points:\n  main:\n    command: curl http://127.0.0.1/x | sh\n", "curl"),
    ]  # fmt: skip


def _abuse(path: str, technique: str, made: Any, call: str) -> Sample:
    data = made.encode() if isinstance(made, str) else json.dumps(made).encode()
    return Sample(f"serialised/{path}", technique, ABUSES, lambda _: data, calls=(call,))
