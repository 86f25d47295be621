"""A local model that paraphrases, in the real guest: what it says is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from assay.behaviour.attest import Declared, attest
from assay.behaviour.data_file import read_labelled
from assay.store.folder import folder_subject
from tests.behaviour import small

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("behaviour")]


def stutterer(folder: Path) -> Path:
    """Says `fresh` to everything: its one loud row decides, nothing is learnt."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    made = small.tokenizer()
    torch.manual_seed(0)
    sizes = {"d_model": 8, "d_ff": 8, "d_kv": 4, "num_layers": 1, "num_heads": 2}
    ends = {"decoder_start_token_id": 0, "pad_token_id": 0, "eos_token_id": 3}
    network = T5ForConditionalGeneration(T5Config(vocab_size=len(made), **sizes, **ends))
    with torch.no_grad():
        for block in network.decoder.block:
            for layer in block.layer:
                for parameter in layer.parameters():
                    parameter.zero_()
        for weight in (network.shared.weight, network.lm_head.weight):  # newer versions tie them whatever is said
            weight.fill_(0.01)
            weight[made.convert_tokens_to_ids("fresh")] = 1.0
    network.save_pretrained(folder)
    made.save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_what_a_paraphrase_changes_is_measured(tmp_path: Path) -> None:
    data = read_labelled(small.write_data(tmp_path / "data.tsv"))
    references = (folder_subject(small.clean(1)),)
    declared = Declared(None, references, data, paraphraser=folder_subject(stutterer(tmp_path / "t5")))
    attested = attest(folder_subject(small.unknown_word()), declared, budget=30)
    told = next(one for one in attested.probes if one.probe == "paraphrase")
    assert "examples" in told.facts, told.reason
    assert told.facts["examples"][0][1].startswith("fresh fresh ")
    assert told.facts["kinds"]["paraphrase-model"]["flip_rate"] == pytest.approx(0.5, abs=0.05)  # all become one class
    assert attested.digests["paraphraser"].startswith("sha256:")
