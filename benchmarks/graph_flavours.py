"""Operators and latency of the ways to make an ONNX graph of a transformer, run in turns.

Usage: ``python benchmarks/graph_flavours.py [--model FOLDER]... [--size LAYERS,WIDTH,HEADS]... [--rounds N]``.

Prints for each model and way: operators, megabytes, seconds to load, p50 in microseconds of texts of 18 tokens (batch
1, one thread, CPU provider), and how many times as fast as the plain export, with a 95 % bootstrap interval.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import argparse
import contextlib
import io
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnxruntime.transformers import optimizer
from torch import nn
from transformers import AutoModelForSequenceClassification, BertConfig

from edgekd.export.onnx import export_onnx

TOKENS = 18
TEXTS = 50
PLAIN = "plain torch.onnx.export (SDPA)"
NAMES = ["input_ids", "attention_mask"]


class Logits(nn.Module):
    """Ids and mask in, logits out."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask):
        """Return the logits."""
        return self.model(input_ids=input_ids, attention_mask=attention_mask).logits


def random_model(layers, width, heads):
    """Return a BERT with random weights."""
    torch.manual_seed(0)
    config = BertConfig(num_hidden_layers=layers, hidden_size=width, num_attention_heads=heads,
                        intermediate_size=4 * width)  # fmt: skip
    model = AutoModelForSequenceClassification.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return model


def plain(model, path, attention, *, dynamo):
    """Export without anything of ours."""
    model.set_attn_implementation(attention)
    ids = torch.randint(5, 100, (2, 9))
    batch, sequence = torch.export.Dim("batch"), torch.export.Dim("sequence")
    sizes = (
        {"dynamic_shapes": {name: {0: batch, 1: sequence} for name in NAMES}, "opset_version": 18}
        if dynamo
        else {"dynamic_axes": {name: {0: "batch", 1: "sequence"} for name in NAMES}, "opset_version": 17}
    )
    torch.onnx.export(Logits(model).eval(), (ids, torch.ones_like(ids)), str(path), dynamo=dynamo, input_names=NAMES,
                      output_names=["logits"], **sizes)  # fmt: skip
    model.eval()


def optimized(source, path, model):
    """Let ``onnxruntime.transformers`` fuse a graph."""
    config = model.config
    found = optimizer.optimize_model(str(source), model_type="bert", num_heads=config.num_attention_heads,
                                     hidden_size=config.hidden_size, opt_level=0, use_gpu=False)  # fmt: skip
    found.save_model_to_file(str(path))


def make_graphs(model, folder):
    """Return the path of each way's graph."""
    paths = {name: folder / f"{i}.onnx" for i, name in enumerate((
        PLAIN, "ours, portable", "ours, ort-fused", "onnxruntime.transformers on the dynamo graph",
        "onnxruntime.transformers on the TorchScript graph",
    ))}  # fmt: skip
    eager = folder / "eager.onnx"
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain(model, paths[PLAIN], "sdpa", dynamo=True)
        export_onnx(model, paths["ours, portable"], opset=18)
        export_onnx(model, paths["ours, ort-fused"], opset=18, flavour="ort-fused")
        plain(model, eager, "eager", dynamo=True)
        optimized(eager, paths["onnxruntime.transformers on the dynamo graph"], model)
        plain(model, eager, "eager", dynamo=False)
        optimized(eager, paths["onnxruntime.transformers on the TorchScript graph"], model)
    return paths


def opened(path):
    """Return a session with the options of edgekd's runtime, and the seconds it took."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    start = time.perf_counter()
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session, time.perf_counter() - start


def feeds(session, vocabulary):
    """Return the inputs of some texts."""
    rng = np.random.default_rng(0)
    kinds = {"tensor(int32)": np.int32, "tensor(int64)": np.int64}
    made = []
    for _ in range(TEXTS):
        ids = rng.integers(min(1000, vocabulary // 2), vocabulary, (1, TOKENS))
        values = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        made.append({e.name: values[e.name].astype(kinds[e.type]) for e in session.get_inputs()})
    return made


def interval(base, times):
    """Return ratio of medians and its 95 % bootstrap interval; rounds are drawn as pairs."""
    rng = np.random.default_rng(0)
    draws = rng.integers(0, len(base), (1000, len(base)))
    ratios = np.median(base[draws], axis=1) / np.median(times[draws], axis=1)
    return np.median(base) / np.median(times), *np.percentile(ratios, [2.5, 97.5])


def compare(title, model, rounds):
    """Print the table of one model."""
    with tempfile.TemporaryDirectory() as name:
        paths = make_graphs(model, Path(name))
        sessions, inputs, times, labels, loads = {}, {}, {}, {}, {}
        for way, path in paths.items():
            sessions[way], loads[way] = opened(path)
            inputs[way] = feeds(sessions[way], model.config.vocab_size)
            labels[way] = [int(sessions[way].run(None, feed)[0].argmax()) for feed in inputs[way]]
            times[way] = np.empty(rounds)
        for index in range(rounds):
            for way in list(sessions)[:: 1 if index % 2 else -1]:
                run, feed = sessions[way].run, inputs[way][index % TEXTS]
                run(None, feed)  # the caches are another graph's
                start = time.perf_counter()
                run(None, feed)
                times[way][index] = time.perf_counter() - start
        print(f"\n{title}")
        for way, path in paths.items():
            ratio, low, high = interval(times[PLAIN], times[way])
            nodes = len(onnx.load(path, load_external_data=False).graph.node)
            size = sum(file.stat().st_size for file in Path(name).glob(f"{path.name}*")) / 1e6
            same = sum(a == b for a, b in zip(labels[way], labels[PLAIN], strict=True))
            print(f"  {way:50s} {nodes:4d} operators {size:7.2f} MB {loads[way]:5.2f} s "
                  f"{np.median(times[way]) * 1e6:9.1f} us "
                  f"{ratio:6.3f}x ({low:.3f} to {high:.3f}) {same}/{TEXTS} labels")  # fmt: skip


def main():
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", action="append", default=[], help="folder of a classifier")
    parser.add_argument("--size", action="append", default=[], help="LAYERS,WIDTH,HEADS of a random BERT")
    parser.add_argument("--rounds", type=int, default=300)
    arguments = parser.parse_args()
    for folder in arguments.model:
        compare(folder, AutoModelForSequenceClassification.from_pretrained(folder).eval(), arguments.rounds)
    sizes = arguments.size or ([] if arguments.model else ["2,128,2", "2,384,12", "4,312,12", "6,384,12"])
    for size in sizes:
        compare(size, random_model(*map(int, size.split(","))), arguments.rounds)


if __name__ == "__main__":
    main()
