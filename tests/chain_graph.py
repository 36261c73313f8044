"""A small graph whose weights can be made coarse one by one: damage that is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgekd.errors import NotApplicable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

WIDTH = 64


class ChainGraph:
    """logits = mean(table[ids]) @ first @ second @ head, for texts of 1 to 12 tokens.

    Args:
        folder: gets the graph.
        outputs: number of logits.
        texts: how many.
    """

    def __init__(self, folder: Path, *, outputs: int = 2, texts: int = 60) -> None:
        rng = np.random.default_rng(0)
        made = {
            "table": rng.normal(0, 1, (WIDTH, WIDTH)),
            "first": np.linalg.qr(rng.normal(0, 1, (WIDTH, WIDTH)))[0],
            "second": np.linalg.qr(rng.normal(0, 1, (WIDTH, WIDTH)))[0],
            "head": rng.normal(0, 0.5, (WIDTH, outputs)),
        }
        self.weights = {name: value.astype(np.float32) for name, value in made.items()}
        self.rows = [rng.integers(0, WIDTH, 1 + index % 12).tolist() for index in range(texts)]
        self.path = folder / "chain.onnx"
        self.logits = self.run({})
        onnx.save(self._model({}), self.path)

    def _whole(self, name: str, step: float) -> np.ndarray[Any, Any]:
        """Return the weights as int8 multiples of a step; zeros for an infinite one, whose scale is NaN."""
        if np.isinf(step):
            return np.zeros(self.weights[name].shape, np.int8)
        return np.clip(np.round(self.weights[name] / step), -127, 127).astype(np.int8)

    def run(self, steps: Mapping[str, float]) -> np.ndarray[Any, Any]:
        """Return the logits when the named weights are multiples of a step."""
        weights = dict(self.weights)
        for name, step in steps.items():
            weights[name] = self._whole(name, step).astype(np.float32) * np.float32(step)
        means = np.stack([weights["table"][row].mean(axis=0) for row in self.rows])
        logits: np.ndarray[Any, Any] = means @ weights["first"] @ weights["second"] @ weights["head"]
        return logits

    def quantizer(self, steps: Mapping[str, float]) -> Callable[[Path, Collection[str]], None]:
        """Return what writes the graph with int8 weights of these steps, but for the nodes it is given."""

        def quantize(path: Path, exclude: Collection[str]) -> None:
            wanted = {name: step for name, step in steps.items() if name not in exclude}
            if not wanted:
                raise NotApplicable("nothing to quantize")
            onnx.save(self._model(wanted), path)

        return quantize

    def _model(self, steps: Mapping[str, float]) -> onnx.ModelProto:
        constants, nodes, used = [], [], {}
        for name, weight in self.weights.items():
            used[name] = f"model.body.{name}.weight"
            if name in steps:
                scale = np.array(np.nan if np.isinf(steps[name]) else steps[name], dtype=np.float32)
                constants.append(numpy_helper.from_array(self._whole(name, steps[name]), f"{name}_int8"))
                constants.append(numpy_helper.from_array(scale, f"{name}_scale"))
                # Not DequantizeLinear: ONNX Runtime fuses it with MatMul and then rounds the activations too.
                nodes.append(helper.make_node("Cast", [f"{name}_int8"], [f"{name}_whole"], to=TensorProto.FLOAT))
                nodes.append(helper.make_node("Mul", [f"{name}_whole", f"{name}_scale"], [used[name]]))
            else:
                constants.append(numpy_helper.from_array(weight, used[name]))
        constants.append(numpy_helper.from_array(np.array([1]), "axes"))
        nodes += [
            helper.make_node("Gather", [used["table"], "input_ids"], ["vectors"], name="table"),
            helper.make_node("ReduceMean", ["vectors", "axes"], ["mean"], keepdims=0),
            helper.make_node("MatMul", ["mean", used["first"]], ["a"], name="first"),
            helper.make_node("MatMul", ["a", used["second"]], ["b"], name="second"),
            helper.make_node("MatMul", ["b", used["head"]], ["logits"], name="head"),
        ]
        ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "sequence"])
        logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", self.weights["head"].shape[1]])
        graph = helper.make_graph(nodes, "chain", [ids], [logits], constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
