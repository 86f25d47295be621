"""transformers: small random models with everything a training run leaves behind."""

from __future__ import annotations

from pathlib import Path

Made = list[tuple[str, str, str]]


def transformers(out: Path) -> Made:
    """Models saved in both formats, training arguments, tokenizer."""
    import torch
    import transformers as tf

    torch.manual_seed(7)
    config = tf.BertConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        vocab_size=50,
        max_position_embeddings=16,
    )
    model = tf.BertForSequenceClassification(config)
    model.save_pretrained(out / "bert")
    torch.save(model.state_dict(), out / "bert" / "pytorch_model.bin")
    gpt = tf.GPT2Config(n_embd=16, n_layer=1, n_head=2, vocab_size=50, n_positions=16)
    tf.GPT2LMHeadModel(gpt).save_pretrained(out / "gpt2", max_shard_size="5KB")
    made: Made = [
        (path.relative_to(out).as_posix(), "saved by save_pretrained", "torch" if path.suffix == ".bin" else "")
        for folder in ("bert", "gpt2")
        for path in sorted((out / folder).iterdir())
    ]
    return made + _training(out) + _tokenizer(out)


def _training(out: Path) -> Made:
    import torch
    import transformers as tf

    try:
        arguments = tf.TrainingArguments(output_dir="x", report_to="none", use_cpu=True)
    except ImportError:
        return []  # needs accelerate
    torch.save(arguments, out / "training_args.bin")
    return [("training_args.bin", "what Trainer saves beside every model", "torch")]


def _tokenizer(out: Path) -> Made:
    import transformers as tf
    from tokenizers import Tokenizer, models, pre_tokenizers

    raw = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1, "b": 2}, unk_token="[UNK]"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    tf.PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="[UNK]").save_pretrained(out / "tokenizer")
    return [(path.relative_to(out).as_posix(), "a tokenizer", "") for path in sorted((out / "tokenizer").iterdir())]
