"""torch: state dictionaries, tensors of every kind, optimizers, TorchScript, exported programs."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

Made = list[tuple[str, str, str]]


def torch(out: Path) -> Made:
    """What `torch.save` writes in real life."""
    import torch as th

    th.manual_seed(7)
    model = th.nn.Sequential(th.nn.Linear(4, 8), th.nn.ReLU(), th.nn.BatchNorm1d(8), th.nn.Linear(8, 2))
    optimizer = th.optim.AdamW(model.parameters())
    model(th.ones(3, 4)).sum().backward()
    optimizer.step()
    scheduler = th.optim.lr_scheduler.StepLR(optimizer, 2)
    checkpoint = {
        "epoch": 3, "model_state_dict": model.state_dict(), "optimizer_state_dict": optimizer.state_dict(), "scheduler": scheduler.state_dict(),
        "loss": 0.25, "rng_state": th.get_rng_state(), "hyper_parameters": {"lr": 1e-3, "betas": (0.9, 0.999)},
    }  # fmt: skip
    values = {
        "state-dict.pt": model.state_dict(), "checkpoint.ckpt": checkpoint, "ordered.bin": OrderedDict(a=th.ones(2), b=th.zeros(3, dtype=th.int64)),
        "tensor.pt": th.arange(10.0), "list.pt": [th.ones(1), {"a": th.zeros(2)}], "shared.pt": {"a": model[0].weight, "b": model[0].weight.T},
        "bfloat16.pt": th.ones(4, dtype=th.bfloat16), "half.pt": th.ones(4, dtype=th.float16), "complex.pt": th.ones(2, dtype=th.complex64),
        "bool.pt": th.tensor([True, False]), "empty.pt": th.empty(0, 3), "scalar.pt": th.tensor(1.0), "sparse.pt": th.eye(3).to_sparse(),
        "sparse-csr.pt": th.eye(3).to_sparse_csr(), "quantised.pt": th.quantize_per_tensor(th.ones(4), 0.1, 0, th.quint8),
        "quantised-channel.pt": th.quantize_per_channel(th.ones(2, 2), th.ones(2), th.zeros(2), 0, th.qint8), "parameter.pt": th.nn.Parameter(th.ones(2)),
        "meta.pt": th.empty(2, device="meta"), "buffers.pt": dict(model.named_buffers()), "optimizer.pt": optimizer.state_dict(), "size.pt": th.Size([1, 2]),
        "dtype.pt": {"dtype": th.float32, "device": th.device("cpu"), "layout": th.strided}, "strided.pt": th.ones(4, 4)[::2, 1:],
        "named.pt": {"a": th.ones(2, requires_grad=True)}, "noncontiguous.pt": th.ones(2, 3, 4).permute(2, 0, 1), "rng_state.pth": {"cpu": th.get_rng_state()},
    }  # fmt: skip
    for name in ("float8_e4m3fn", "float8_e5m2"):
        if hasattr(th, name):
            values[f"{name}.pt"] = th.ones(4).to(getattr(th, name))
    made: Made = []
    for name, value in values.items():
        th.save(value, out / name)
        made.append((name, "torch.save", "torch"))
    th.save(checkpoint, out / "legacy.bin", _use_new_zipfile_serialization=False)
    th.save(model.state_dict(), out / "legacy-state.pt", _use_new_zipfile_serialization=False)
    th.save(model.state_dict(), out / "protocol-4.pt", pickle_protocol=4)
    th.save(model, out / "whole-model.pt")
    th.save(th.nn.TransformerEncoderLayer(8, 2, 16), out / "transformer-layer.pt")
    th.save(th.nn.LSTM(4, 4), out / "lstm.pt")
    th.jit.save(th.jit.script(model.eval()), str(out / "script.pt"))
    th.jit.save(th.jit.trace(model.eval(), th.ones(1, 4)), str(out / "traced.pt"))
    made += [(name, "torch.save", "torch") for name in ("legacy.bin", "legacy-state.pt", "protocol-4.pt")]
    made += [
        (name, "a whole module of torch.nn", "torch") for name in ("whole-model.pt", "transformer-layer.pt", "lstm.pt")
    ]
    made += [("script.pt", "TorchScript", "torch-jit"), ("traced.pt", "TorchScript, traced", "torch-jit")]
    return made + _exported(out)


def _exported(out: Path) -> Made:
    import torch as th

    if not hasattr(th, "export") or not hasattr(th.export, "save"):
        return []
    program = th.export.export(th.nn.Linear(2, 2), (th.ones(1, 2),))
    th.export.save(program, out / "program.pt2")
    return [("program.pt2", "an exported program", "torch-export")]
