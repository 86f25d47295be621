import pytest

from assay.provenance.keys import KeyRing
from tests.gate.admitted import Admission, trust_of


@pytest.fixture(scope="session")
def ring(tmp_path_factory):
    return KeyRing.create(tmp_path_factory.mktemp("ring") / "keys")


@pytest.fixture(scope="session")
def stranger(tmp_path_factory):
    return KeyRing.create(tmp_path_factory.mktemp("stranger") / "keys")


@pytest.fixture
def trust(ring):
    return trust_of(ring)


@pytest.fixture
def admission(ring):
    return Admission(ring).run()


@pytest.fixture
def folder(admission, tmp_path):
    return admission.write(tmp_path / "model")
