"""Keras configurations judged, in all three places where they lie."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.inspections.keras import Keras
from tests.support.builders.keras import archive, code, function, hdf5, lambda_v2, lambda_v3, layer, model
from tests.support.builders.tensorflow import keras_metadata
from tests.support.mutate import mutated
from tests.support.scan import found, scan, worst

FIXTURES = Path(__file__).parent.parent / "formats" / "fixtures"


def touch(x: Any) -> Any:
    import os

    os.system("touch x")
    return x


def hidden(x: Any) -> Any:
    return getattr(__import__("o" + "s"), "sys" + "tem")("touch x") or x


def fetch(x: Any) -> Any:
    exec("import os")
    return x


def write(x: Any, tf: Any = None) -> Any:
    tf.io.write_file("x", "y")
    return x


PLACES: dict[str, Callable[[dict[str, Any]], dict[str, bytes]]] = {
    "keras": lambda config: {"m.keras": archive(config)},
    "hdf5": lambda config: {"m.h5": hdf5(config)},
    "json": lambda config: {"m.json": json.dumps(config).encode()},
    "metadata": lambda config: {"keras_metadata.pb": keras_metadata(("root", "_tf_keras_sequential", config))},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("build", [lambda_v2, lambda_v3])
@pytest.mark.parametrize("payload", [touch, hidden, fetch, write])
def test_lambda_layers_are_named_by_what_they_call(place: str, build: Any, payload: Any) -> None:
    finding = found(Keras(), PLACES[place](model(build(code(payload)))))["keras-lambda"]
    assert finding.severity.label == "critical"
    assert finding.facts["calls"]


@pytest.mark.parametrize(
    "spell",
    [
        lambda text: "-_" + "!".join(text),
        lambda text: base64.b64decode(text).decode("latin-1"),
        lambda text: base64.b64decode(text).decode("latin-1") + "AAAAA",  # no base64 either way
    ],
)
def test_code_is_decoded_as_the_loader_does_it(spell: Callable[[str], str]) -> None:
    config = model(lambda_v3(spell(code(touch))))
    assert found(Keras(), PLACES["json"](config))["keras-lambda"].severity.label == "critical"


def test_a_lambda_whose_code_is_none_is_reported() -> None:
    broken = found(Keras(), PLACES["json"](model(lambda_v3("4wEA"))))["keras-lambda"]
    assert broken.severity.label == "high"


@pytest.mark.parametrize("place", PLACES)
def test_arithmetic_lambdas_are_below_medium(place: str) -> None:
    files = PLACES[place](
        model(layer("Dense"), lambda_v2(code(lambda x: x * 2 + 1)), lambda_v3(code(lambda x: x[:, 0])))
    )
    assert worst(Keras(), files) == "low"


def test_unknown_code_is_medium_and_broken_code_high() -> None:
    def unknown(x: Any) -> Any:
        return frobnicate(x)  # type: ignore[name-defined] # noqa: F821

    assert found(Keras(), PLACES["json"](model(lambda_v3(code(unknown)))))["keras-lambda"].severity.label == "medium"
    broken = found(Keras(), PLACES["json"](model(lambda_v3("4wEA" * 20))))["keras-lambda"]
    assert broken.severity.label == "high"


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("config", "rule", "severity"),
    [
        (layer("function", module="os") | {"config": "system"}, "keras-dangerous-object", "critical"),
        (function("system", "os"), "keras-dangerous-object", "critical"),
        (function("Popen", "subprocess"), "keras-dangerous-object", "critical"),
        (function("eval"), "keras-dangerous-object", "critical"),
        (function("run_module", "runpy"), "keras-dangerous-object", "critical"),
        (function("runstring", "numpy.testing"), "keras-dangerous-object", "critical"),
        (function("get_file", "keras.utils"), "keras-dangerous-object", "critical"),
        (function("load_model", "keras.models"), "keras-dangerous-object", "critical"),
        (function("enable_unsafe_deserialization", "keras.config"), "keras-dangerous-object", "high"),
        (function("set_global_attribute", "keras.src.backend.common.global_state"), "keras-dangerous-object", "high"),
        (layer("TorchModuleWrapper", lambda_=1), "keras-dangerous-object", "high"),
        (layer("TFSMLayer", filepath="/x"), "keras-dangerous-object", "high"),
        (layer("StringLookup", vocabulary="/etc/passwd"), "keras-file", "high"),
        (layer("TextVectorization", vocabulary="http://x.test/v"), "keras-file", "high"),
        (
            layer("Lambda", function=function("load", "numpy"), arguments={"allow_pickle": True}),
            "keras-dangerous-object",
            "critical",
        ),
        (layer("Mine", module="my.package"), "keras-custom-object", "low"),
        (function("helper", "my.package"), "keras-custom-object", "medium"),
    ],
)
def test_what_the_loader_is_made_to_look_up(place: str, config: dict[str, Any], rule: str, severity: str) -> None:
    assert found(Keras(), PLACES[place](model(layer("Dense"), config)))[rule].severity.label == severity


@pytest.mark.parametrize("place", PLACES)
def test_ordinary_models_are_clean(place: str) -> None:
    config = model(
        layer("InputLayer", batch_shape=[None, 10]),
        layer("Dense", activation="relu", kernel_initializer=layer("GlorotUniform", module="keras.initializers")),
        layer("StringLookup", vocabulary=["a", "b"]),
        layer("Activation", activation=function("relu", "keras.activations")),
        layer("Functional", module="keras.src.models.functional"),
        layer("Dropout", dtype={"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}}),
    )
    assert worst(Keras(), PLACES[place](config)) == "clean"


def test_files_written_by_h5py() -> None:
    for path in FIXTURES.glob("keras-*.h5"):
        assert scan(Keras(), {path.name: path.read_bytes()}).outcome.value == "clean", path


def test_data_in_other_files() -> None:
    findings = [
        f for f in scan(Keras(), {"m.h5": (FIXTURES / "outside.h5").read_bytes()}).findings if f.rule == "hdf5-external"
    ]
    assert {f.facts["file"] for f in findings} == {"/etc/passwd", "/etc/hostname", "../other.h5"}
    assert {f.severity.label for f in findings} == {"high"}


def test_mutated_models_never_fail() -> None:
    seeds = [archive(model(lambda_v3(code(touch)))), hdf5(model(lambda_v2(code(touch)))), json.dumps(model()).encode()]
    for index, data in enumerate(mutated(seeds, 300)):
        assert scan(Keras(), {f"m{index}.json": data}).outcome.value != "error"
