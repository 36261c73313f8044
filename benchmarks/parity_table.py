"""Parity of every export: 8 encoder families and all students, tiny and random, in every format that runs here.

    python benchmarks/parity_table.py [--only NAME ...] [--to FORMAT ...]

Each cell is the largest difference of a logit from torch, on texts made of the vocabulary, over all lengths, alone and
padded, and on hostile texts; labels that flipped are in brackets. A dash is a refusal, whose reason is printed below.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

from edgekd.config import ExportConfig
from edgekd.devices import find_profile
from edgekd.export.formats import FORMATS
from edgekd.exporting import Exported, ExportSettings, export_model
from edgekd.progress import Silent
from tests.families import FAMILIES, make_family
from tests.students import SHAPES, write_student

RUN_HERE = ("onnx", "onnx-fused", "openvino", "openvino-fp16", "ort")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[*FAMILIES, *SHAPES], help="families and students")
    parser.add_argument("--to", nargs="+", default=RUN_HERE, choices=RUN_HERE)
    options = parser.parse_args()
    width = max(len(name) for name in options.only)
    print(" " * width, *(f"{name:>15}" for name in options.to))
    refused = []
    with tempfile.TemporaryDirectory() as work:
        for name in options.only:
            folder = Path(work) / name.replace(" ", "-")
            make_family(folder, name) if name in FAMILIES else write_student(folder, name)
            settings = ExportSettings([FORMATS[one] for one in options.to], ExportConfig())
            outcome = export_model(str(folder), settings, find_profile("cpu"), Path(work) / "out", Silent())
            print(f"{name:{width}}", *(f"{_cell(one):>15}" for one in outcome.exported), flush=True)
            refused += [(name, one) for one in outcome.exported if one.error is not None]
    for name, one in refused:
        print(f"\n{name}, {one.format.name}: {one.error.message if one.error else ''}")
    return 0


def _cell(one: Exported) -> str:
    if one.bundle is None or one.bundle.manifest.parity is None:
        return "-"
    parity = one.bundle.manifest.parity
    found = (parity.max_abs_diff, parity.padding_max_abs_diff or 0.0, parity.hostile_max_abs_diff or 0.0)
    flips = parity.label_flips + parity.padding_flips + parity.hostile_flips
    return f"{max(found):.1e} ({flips})"


if __name__ == "__main__":
    raise SystemExit(main())
