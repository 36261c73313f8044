"""Stands in for trtexec: checks options, and shapes against the graph; writes an engine for the stand-in package.

Run as: python trtexec.py OPTION... STANDIN_VERSION is the number in the banner.
"""

import json
import os
import re
import sys
from pathlib import Path

import onnx

SWITCHES = {"--fp16", "--int8", "--noTF32", "--skipInference", "--verbose"}
VALUES = {"--onnx", "--saveEngine", "--timingCacheFile", "--memPoolSize", "--minShapes", "--optShapes", "--maxShapes"}
VALUES |= {"--builderOptimizationLevel"}


def say(line):
    sys.stdout.write(line + "\n")


def shapes_of(spec):
    entries = re.findall(r"([A-Za-z0-9_]+):([0-9x]+)(?:,|$)", spec)
    assert ",".join(f"{name}:{dims}" for name, dims in entries) == spec, spec
    return {name: [int(size) for size in dims.split("x")] for name, dims in entries}


def main(arguments):
    number = os.environ.get("STANDIN_VERSION", "100300")
    say(f"&&&& RUNNING TensorRT.trtexec [TensorRT v{number}] # trtexec {' '.join(arguments)}")
    if "--help" in arguments:
        say("=== Model Options ===")
        return 0
    given = dict(argument.partition("=")[::2] for argument in arguments)
    unknown = [name for name, value in given.items() if name not in (VALUES if value else SWITCHES)]
    if unknown:
        say(f"[E] Unknown option: {' '.join(unknown)}")
        return 1
    if os.environ.get("STANDIN_TRTEXEC_FAILS"):
        say("[E] Engine could not be created from network")
        return 1
    model = onnx.load(given["--onnx"])
    onnx.checker.check_model(model)
    dims = {entry.name: [d.dim_value or -1 for d in entry.type.tensor_type.shape.dim] for entry in model.graph.input}
    free = {name for name, sizes in dims.items() if -1 in sizes}
    ranges = [shapes_of(given[flag]) if flag in given else {} for flag in ("--minShapes", "--optShapes", "--maxShapes")]
    for one in ranges:
        assert set(one) == (set(dims) if free else set()), f"shapes for {set(one)}, the graph has {dims}"
    for name in free:
        for smallest, usual, largest, size in zip(*(one[name] for one in ranges), dims[name], strict=True):
            assert 1 <= smallest <= usual <= largest, name
            assert size == -1 or smallest == largest == size, name
    quantized = any(node.op_type == "QuantizeLinear" for node in model.graph.node)
    assert quantized == ("--int8" in given), "explicit int8 needs --int8, and only it"
    head = json.dumps({"shapes": {name: [one[name] for one in ranges] for name in free}, "arguments": arguments})
    Path(given["--timingCacheFile"]).write_bytes(b"timings")
    Path(given["--saveEngine"]).write_bytes(b"stand-in engine\n" + head.encode() + b"\n" + model.SerializeToString())
    say("&&&& PASSED TensorRT.trtexec")
    return 0


sys.exit(main(sys.argv[1:]))
