"""What edgekd adds to the raw calls: ``python benchmarks/runtime_overhead.py BUNDLE... --texts FILE --warm-up FILE``.

For each ONNX bundle, text by text in turns: the calls that a program without edgekd would make (``tokenizers``, two
arrays, ``session.run``), ``edgekd.load(bundle)(text)`` without its cache of words, and as it is. The first line of a
file of texts may be ``{"text": ...}``, then all are JSON.
"""

import argparse
import json
import random
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from edgekd.api import Classifier
from edgekd.bundle import load_bundle
from edgekd.runtime import session_for

ALLOWED_S, ALLOWED_SHARE = 15e-6, 0.10
RAW, PLAIN, CACHED = "raw calls", "edgekd, no cache", "edgekd"


def read_texts(path):
    """Return the texts of a file, one a line."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines] if lines[0].startswith("{") else lines


def raw_calls(bundle):
    """Return text to logits with nothing of edgekd."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(bundle.model_path), options, providers=["CPUExecutionProvider"])
    types = {node.name: np.int32 if "int32" in node.type else np.int64 for node in session.get_inputs()}
    tokenizer = Tokenizer.from_file(str(bundle.tokenizer_path))
    tokenizer.no_padding()
    tokenizer.enable_truncation(bundle.manifest.max_length)

    def call(text):
        encoding = tokenizer.encode(text)
        feed = {"input_ids": np.array([encoding.ids], dtype=types["input_ids"])}
        if "attention_mask" in types:
            feed["attention_mask"] = np.array([encoding.attention_mask], dtype=types["attention_mask"])
        return session.run(None, feed)[0]

    return call


def classifier(bundle, *, cached):
    """Return what ``edgekd.load`` returns, perhaps without its cache."""
    session = session_for(bundle, 1, cached=cached)
    session.load()
    return Classifier(bundle, session)


def measure(bundle, texts, warm_up, rounds):
    """Return the median time of each way, in seconds, and the medians of differences from the raw calls."""
    calls = {RAW: raw_calls(bundle), PLAIN: classifier(bundle, cached=False), CACHED: classifier(bundle, cached=True)}
    calls[CACHED]._session.learn_words(warm_up)
    samples = {name: [] for name in calls}
    for name in calls:
        for text in warm_up[:200]:
            calls[name](text)
    order = random.Random(0)
    for _ in range(rounds):
        calls[CACHED]._session.begin_pass()
        for text in texts:
            for name in order.sample(list(calls), len(calls)):
                start = perf_counter()
                calls[name](text)
                samples[name].append(perf_counter() - start)
    extra = {name: median(np.subtract(samples[name], samples[RAW])) for name in calls}
    return {name: median(values) for name, values in samples.items()}, extra


def main():
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundles", nargs="+", type=Path)
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--warm-up", type=Path, required=True)
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    texts, warm_up = read_texts(options.texts)[: options.count], read_texts(options.warm_up)
    print(f"{'bundle':24} {'way':18} {'p50 us':>9} {'added us':>9} {'allowed':>8}")
    for folder in options.bundles:
        bundle = load_bundle(folder)
        medians, extra = measure(bundle, texts, warm_up, options.rounds)
        allowed = max(ALLOWED_S, ALLOWED_SHARE * medians[RAW])
        for name, value in medians.items():
            print(f"{folder.name:24} {name:18} {value * 1e6:9.1f} {extra[name] * 1e6:9.1f} {allowed * 1e6:8.1f}")


if __name__ == "__main__":
    main()
