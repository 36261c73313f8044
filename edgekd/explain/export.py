"""Explanations as plain JSON values."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edgekd.explain.faithfulness import STEPS
from edgekd.explain.sentences import methods, quantity, score_sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.explain.explainer import Explainer, Explanation, FaithfulnessReport, TextExplanation
    from edgekd.explain.model import ExplainedModel


def to_json_value(
    explainer: Explainer, texts: Sequence[TextExplanation], report: FaithfulnessReport | None
) -> dict[str, Any]:
    """Return everything that was found; contributions are None for words that a model does not read."""
    task = explainer.models[0].task
    return {
        "task": task.kind.value,
        "labels": list(task.labels),
        "unit": "token" if explainer.by_token else "word",
        "quantity": quantity(task.kind),
        "quantity_means": score_sentence(task.kind, len(task.labels)),
        "methods": methods(
            task.kind,
            [(v.model, c) for t in texts for e in t.explanations for v, c in zip(t.views, e.models, strict=True)],
        ),
        "models": [_model(model) for model in explainer.models],
        "texts": [_text(found) for found in texts],
        "faithfulness": None if report is None else _report(report),
    }


def _model(model: ExplainedModel) -> dict[str, Any]:
    manifest = model.bundle.manifest
    return {
        "name": model.name,
        "role": manifest.role,
        "kind": manifest.kind,
        "precision": manifest.precision,
        "hash": model.bundle.artifact_hash,
        "temperature": model.calibration.temperature,
    }


def _text(found: TextExplanation) -> dict[str, Any]:
    return {
        "text": found.text,
        "words": [asdict(word) for word in found.words],
        "answers": [asdict(view) for view in found.views],
        "explanations": [_explanation(found, item) for item in found.explanations],
    }


def _explanation(found: TextExplanation, item: Explanation) -> dict[str, Any]:
    return {
        "label": item.label,
        "agreement": item.agreement,
        "models": [
            {
                "model": view.model,
                "method": part.method.value,
                "score": part.score,
                "base": part.base,
                "contributions": part.values,
                "probability": part.probability,
                "without": part.without,
            }
            for view, part in zip(found.views, item.models, strict=True)
        ],
    }


def _report(report: FaithfulnessReport) -> dict[str, Any]:
    return {
        "models": [asdict(figures) for figures in report.models],
        "steps": list(STEPS),
        "agreement": None if report.agreement is None else asdict(report.agreement),
        "skipped": report.skipped,
    }
