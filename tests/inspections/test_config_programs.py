"""Configurations of programs beside transformers: usual ones are not accused. The hostile ones stand in the corpus."""

from __future__ import annotations

import io
import json
import pickle
from typing import TYPE_CHECKING

import pytest

from assay.core.finding import Severity
from assay.inspections.config_judgement import severity_of
from assay.inspections.pickle_hyper import instantiators
from assay.inspections.scan import scan

if TYPE_CHECKING:
    from pathlib import Path

USUAL = {
    "calls/v1-inference.yaml": (
        "model:\n  target: ldm.models.diffusion.ddpm.LatentDiffusion\n  params:\n    linear_start: 0.001\n"
    ),
    "calls/plans.json": {"architecture": {"network_class_name": "nets.unet.PlainConvUNet", "arch_kwargs": {"n": 6}}},
    "calls/functions.json": [
        {"function": "os.system", "label": 1}, {"function": "os.path.join", "args": ["a"]},
        {"type": "os.path", "tokens": ["subprocess.run"]},
    ],
    "calls/VOC.yaml": (
        "path: VOC\ntrain: images/train\nnames:\n  0: aeroplane\ndownload: |\n  from pathlib import Path\n"
        "  from ultralytics.utils.downloads import download\n  dir = Path(yaml['path'])\n"
        "  download(['https://github.com/ultralytics/assets/releases/download/v0.0.0/VOC.zip'], dir=dir / 'images')\n"
    ),
    "calls/workflow.json": {"3": {"class_type": "KSampler", "inputs": {"seed": 1, "sampler_name": "euler"}}},
    "log/logging.yaml": (
        "version: 1\nformatters:\n  f:\n    format: '%(message)s'\nhandlers:\n  h:\n    class: logging.StreamHandler\n"
        "    formatter: f\n    stream: ext://sys.stdout\n  r:\n    class: rich.logging.RichHandler\n"
    ),
    "log/logging.json": {"version": 1, "handlers": {"h": {"class": "logging.handlers.RotatingFileHandler"}}},
    "log/logging.ini": (
        "[handlers]\nkeys=h\n[handler_h]\nclass=StreamHandler\nargs=(sys.stdout,)\n[handler_f]\n"
        "class=handlers.RotatingFileHandler\nargs=(os.path.join('logs', 'x.log'), 'a', 10000, 3)\n"
        "[formatter_f]\nformat=%(asctime)s (%(name)s)\nclass=logging.Formatter\n"
    ),
    "log/alembic.ini": (
        "[alembic]\nscript_location = migrations\n[loggers]\nkeys = root\n[handler_console]\nclass = StreamHandler\n"
        "args = (sys.stderr,)\n"
    ),
    "log/setup.cfg": "[metadata]\nname = x\n[options]\npackages = find:\n[flake8]\nclass = a.B\n",
    "log/nginx.conf": "server {\n  listen 80;\n  location / { proxy_pass http://x; }\n}\n",
    "prompt/prompt.json": {"_type": "prompt", "template_format": "jinja2", "template": "{{ question }}"},
    "prompt/few.json": {
        "_type": "few_shot", "template_format": "jinja2", "prefix": "{% for x in y %}{{ x.name }}{% endfor %}",
    },
    "prompt/fields.json": {"template": "Say {text} to {person.name} about {items[0]}", "doc": "__init__ and {x}"},
    "prompt/prompts.yaml": "system: |\n  Use {{ name }} and call __init__ of the class.\nuser: '{input}'\n",
    "card/README.md": "---\nlicense: mit\ntags: [a]\n---\nNo `!!python/object/apply:os.system` of a stranger.\n",
    "service/docker-compose.yml": "services:\n  a:\n    command: ['python', '-m', 'serve', '--port', '80']\n",
    "service/Taskfile.yml": "version: 3\ntasks:\n  test:\n    cmds:\n    - pytest -q\n",
    "service/Makefile": "SHA := $(shell git rev-parse HEAD)\nall:\n\t@echo $(SHA)\n\tpip install -r requirements.txt\n",
    "table/words.csv": "id,text\n1,gAAAAABk is how a token begins\n2,eJw\n",
    "conf/model.yaml": "model:\n  _target_: nemo.collections.asr.modules.ConvASREncoder\n  activation: relu\n",
    "conf/optimizer.yaml": "defaults: &d\n  lr: 1.0e-3\noptimizer:\n  <<: *d\n  _target_: torch.optim.AdamW\n",
    "conf/data.json": {"_target_": "torch.utils.data.DataLoader", "x": {"_target_": "torch.nn.functional.pad"}},
    "lightning/config.yaml": "callbacks:\n- class_path: lightning.pytorch.callbacks.ModelCheckpoint\n",
    "lightning/hparams.yaml": "_instantiator: lightning.pytorch.cli.instantiate_module\nlr: 0.1\n",
    "mlflow/MLmodel": (
        "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n    model_path: model.pkl\n"
    ),
    "mlflow/conda.yaml": "channels:\n- conda-forge\ndependencies:\n- python=3.11.7\n- pip:\n  - mlflow==2.9.0\n",
    "rasa/config.yml": (
        "pipeline:\n- name: WhitespaceTokenizer\n- name: rasa.nlu.classifiers.diet_classifier.DIETClassifier\n"
        "policies:\n- name: TEDPolicy\n"
    ),
    "rasa/endpoints.yml": "tracker_store:\n  type: mongod\n  url: mongodb://localhost\n",
    "spacy/config.cfg": (
        '[nlp]\nlang = "en"\n[training.logger]\n@loggers = "spacy.ConsoleLogger.v1"\n'
        '[training.optimizer]\n@optimizers = "Adam.v1"\n'
    ),
    "spacy/meta.json": {"lang": "en", "pipeline": ["ner"], "components": ["ner"]},
    "st/modules.json": [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}],
    "editor/.vscode/tasks.json": {"tasks": [{"label": "build", "command": "make"}]},
    "npm/package.json": {"name": "x", "scripts": {"test": "jest"}},
    "hf/config.json": {"architectures": ["BertForMaskedLM"], "hidden_act": "gelu", "_name_or_path": "x/y"},
    "hf/tokenizer.json": {"model": {"type": "BPE", "vocab": {"__import__(": 1, "os.system(": 2}, "merges": []}},
    "langchain/prompt.json": {"_type": "prompt", "input_variables": ["x"], "template": "Say {x}"},
    "pyproject.toml": '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n',
    "detectron/config.yaml": "_BASE_: base.yaml\nMODEL:\n  WEIGHTS: detectron2://ImageNetPretrained/MSRA/R-50.pkl\n",
    "workflow/.github/workflows/x.yml": "on: push\njobs:\n  a:\n    steps:\n    - run: make test\n",
    "labels.txt": "cat\ndog\n",
    "t5/operative_config.gin": "import mesh_tensorflow.optimize\nfrom t5 import models\nrun.x = @t5.models.train()\n",
    "caffe/deploy.prototxt": 'name: "n"\nlayer { name: "c" type: "Convolution" convolution_param { num_output: 1 } }\n',
    "gluonts/predictor.json": {"__kind__": "type", "class": "gluonts.torch.model.predictor.PyTorchPredictor"},
    "spark/metadata.json": {"class": "org.apache.spark.ml.PipelineModel", "sparkVersion": "3.5.0", "paramMap": {}},
    "gluonts/freq.json": {"__kind__": "instance", "class": "pandas.Timestamp", "args": ["2020-01-01"]},
    "matgl/model.json": {"@module": "matgl.models._m3gnet", "@class": "M3GNet", "init_args": {"units": 64}},
    "haystack/pipeline.yaml": (
        "components:\n  e:\n    type: haystack.components.embedders.SentenceTransformersTextEmbedder\n"
        "    init_parameters: {model: x/y}\n"
    ),
    "streaming/index.json": {"shards": [{"column_names": ["t"], "column_encodings": ["str"], "format": "mds"}]},
    "jsonpickle/state.json": {"py/object": "collections.OrderedDict", "x": {"py/tuple": [1, 2]}},
    "dvc/dvc.yaml": "stages:\n  train:\n    cmd: python train.py --lr 0.1\n",
    "mlx/config.json": {"model_type": "llama", "hidden_size": 8},
}  # fmt: skip


@pytest.mark.parametrize("name", USUAL)
def test_usual_configurations_are_not_accused(name: str, tmp_path: Path) -> None:
    text = USUAL[name]
    data = text.encode() if isinstance(text, str) else json.dumps(text).encode()
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    report = scan([str(tmp_path)])
    assert [f.message for target in report.targets for f in target.findings if f.severity > Severity.LOW] == []


@pytest.mark.parametrize(
    ("target", "severity"),
    [
        ("torch.nn.Linear", Severity.NOTE),
        ("torch.float16", Severity.NOTE),
        ("speechbrain.nnet.losses.nll_loss", Severity.NOTE),
        ("transformers.AutoModel.from_pretrained", Severity.MEDIUM),
        ("hydra.utils.get_method", Severity.MEDIUM),
        ("omegaconf.OmegaConf.register_new_resolver", Severity.MEDIUM),
        ("someone.Thing", Severity.MEDIUM),
        ("someone:Thing", Severity.MEDIUM),
        ("${a}.${b}", Severity.HIGH),
        ("torch.serialization.os.system", Severity.CRITICAL),
        ("torch.hub.load", Severity.CRITICAL),
        ("numpy.load", Severity.CRITICAL),
        ("subprocess:Popen", Severity.CRITICAL),
    ],
)
def test_callables_by_name(target: str, severity: Severity) -> None:
    assert severity_of(target) == severity


@pytest.mark.parametrize("protocol", range(6))
def test_the_instantiator_of_a_checkpoint_is_read_in_every_protocol(protocol: int) -> None:
    data = pickle.dumps({"a": "x" * 300, "_instantiator": "some.module.function", "b": 1}, protocol)
    assert [value for _, value in instantiators(io.BytesIO(data), len(data))] == ["some.module.function"]
