"""Do Optimum and transformers 4 say the same about bundles as edgekd? Run in their environment, without edgekd.

``python check.py OUT``, after ``make.py`` wrote OUT. Prints a table; exits 1 where an answer differs.
"""

import json
import os
import sys
import warnings
from logging import getLogger
from pathlib import Path

# Before anything is imported: nothing is asked of the hub, and nothing reported.
os.environ |= {"HF_HUB_OFFLINE": "1", "ORT_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1", "TQDM_DISABLE": "1"}
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402
import optimum.version  # noqa: E402
import transformers  # noqa: E402
from optimum.intel import OVModelForSequenceClassification  # noqa: E402
from optimum.onnxruntime import ORTModelForSequenceClassification  # noqa: E402
from transformers import AutoTokenizer, logging, pipeline  # noqa: E402

logging.set_verbosity_error()
getLogger("optimum").setLevel("ERROR")  # it warns that a folder is not in the hub's cache

CLASSES = {"onnxruntime": ORTModelForSequenceClassification, "openvino": OVModelForSequenceClassification}
MAX_ABS_DIFF = 1e-4
FUNCTIONS = {"single-label": "softmax", "multi-label": "sigmoid", "regression": "none"}


def softmax(row):
    powers = np.exp(row - row.max())
    return powers / powers.sum()


SCORES = {"softmax": softmax, "sigmoid": lambda row: 1 / (1 + np.exp(-row)), "none": lambda row: row}


def check(folder, said, texts):
    """Return the largest difference of a logit and of a pipeline's score, and how many answers differ."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    options = {"ov_config": {"INFERENCE_PRECISION_HINT": "f32"}} if said["runtime"] == "openvino" else {}
    model = CLASSES[said["runtime"]].from_pretrained(folder, **options)
    expected = np.array(said["logits"])
    rows = [model(**tokenizer(text, truncation=True, return_tensors="pt")).logits[0].numpy() for text in texts]
    logits = float(np.abs(np.array(rows) - expected).max())
    classify = pipeline("text-classification", model=model, tokenizer=tokenizer)
    score = SCORES[FUNCTIONS[said["task"]]]
    scores, wrong = 0.0, 0
    for text, row in zip(texts, expected, strict=True):
        found = classify(text, truncation=True, top_k=None)
        by_label = {entry["label"]: entry["score"] for entry in found}
        wanted = dict(zip(said["labels"], score(row), strict=True))
        if set(by_label) != set(wanted) or found[0]["label"] != max(wanted, key=wanted.get):
            wrong += 1
        scores = max(scores, *(abs(by_label.get(label, np.inf) - value) for label, value in wanted.items()))
    return logits, float(scores), wrong


def main(out):
    given = json.loads((out / "expected.json").read_text(encoding="utf-8"))
    bundles, texts = given["bundles"], given["texts"]
    print(
        f"transformers {transformers.__version__}, optimum {optimum.version.__version__}; {len(texts)} texts a bundle"
    )
    width = max(map(len, bundles))
    print(
        f"{'bundle':{width}}  {'runtime':11}  {'task':12}  {'logits differ':>13}  {'scores differ':>13}  other answers"
    )
    failed = 0
    for name, said in bundles.items():
        row = f"{name:{width}}  {said['runtime']:11}  {said['task']:12}"
        try:
            logits, scores, wrong = check(str(out / "bundles" / name), said, texts)
        except (OSError, ValueError, RuntimeError) as error:
            failed += 1
            print(f"{row}  FAILED: {str(error).splitlines()[0]}")
            continue
        bad = wrong > 0 or not max(logits, scores) <= MAX_ABS_DIFF
        failed += bad
        print(f"{row}  {logits:13.1e}  {scores:13.1e}  {wrong:13}{'  FAILED' if bad else ''}")
    print(f"{len(bundles) - failed} of {len(bundles)} bundles give the same answers.")
    return 1 if failed or not bundles else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
