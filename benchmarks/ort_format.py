"""Opening a graph: ``.onnx`` against ``.ort``, interleaved; each in processes of its own. Arguments: .onnx files."""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROUNDS = 15
CHILD = """
import json, sys, time
import numpy as np, onnxruntime as ort
def rss():
    fields = open("/proc/self/status").read().split()
    return int(fields[fields.index("VmRSS:") + 1]) / 1024
o = ort.SessionOptions(); o.intra_op_num_threads = 1; o.log_severity_level = 3
before, start = rss(), time.perf_counter()
s = ort.InferenceSession(sys.argv[1], o, providers=["CPUExecutionProvider"])
opened = time.perf_counter() - start
ids = np.arange(5, 23).reshape(1, 18)
feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
feed = {i.name: feed[i.name].astype(i.type[7:-1]) for i in s.get_inputs()}
s.run(None, feed); memory = rss() - before
calls = []
for _ in range(200):
    start = time.perf_counter(); s.run(None, feed); calls.append(time.perf_counter() - start)
print(json.dumps([opened, memory, sorted(calls)[100]]))
"""


def measure(path):
    done = subprocess.run([sys.executable, "-c", CHILD, path], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main(paths):
    from edgekd.export.ort_format import ORT_FILE, to_ort_format

    print(f"{'graph':44} {'open ms':>16} {'memory MiB':>16} {'18 tokens us':>16} {'file MB':>14}")
    for path in map(Path, paths):
        with tempfile.TemporaryDirectory() as folder:
            to_ort_format(path, Path(folder))
            both = {"onnx": path, "ort": Path(folder) / ORT_FILE}
            rows = {name: [] for name in both}
            for _ in range(ROUNDS):
                for name, file in both.items():
                    rows[name].append(measure(file))
            medians = {name: [statistics.median(column) for column in zip(*r, strict=True)] for name, r in rows.items()}
            cells = [
                " -> ".join(f"{medians[name][column] * unit:.{digits}f}" for name in both)
                for column, unit, digits in ((0, 1e3, 1), (1, 1, 1), (2, 1e6, 0))
            ]
            cells.append(" -> ".join(f"{file.stat().st_size / 1e6:.1f}" for file in both.values()))
            print(f"{'/'.join(path.parts[-2:-1]):44} " + " ".join(f"{cell:>16}" for cell in cells), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
