"""One self-contained HTML page: inline style, script and pictures; a policy in the page forbids everything else."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from edgekd.report import calibration, estimates, findings, flips, ladders, lineage, parity, proofs
from edgekd.report.charts import PALETTE
from edgekd.report.evidence import LEGEND
from edgekd.report.jinja import html_template
from edgekd.report.page import view_of
from edgekd.report.page_pictures import shared_caption

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgekd.report.charts import Picture
    from edgekd.report.model import Report

TEMPLATES = Path(__file__).parent / "templates"
TITLES = {
    "lineage": lineage.TITLE,
    "gain": proofs.TITLE,
    "decisions": ladders.TITLE,
    "parity": parity.TITLE,
    "calibration": calibration.TITLE,
    "flips": flips.TITLE,
    "findings": findings.TITLE,
}

KEYS = {
    "lineage": lineage.KEY,
    "gain": proofs.KEY,
    "decisions": ladders.KEY,
    "parity": parity.KEY,
    "calibration": calibration.KEY,
    "flips": flips.KEY,
}


def page_style() -> str:
    """Return the style of the page, with a rule for each colour of the pictures."""
    rules = [(TEMPLATES / "page.css").read_text(encoding="utf-8")]
    for colour, name in PALETTE:
        rules.append(f'svg [fill="{colour}"] {{ fill: var(--{name}); }}')
        rules.append(f'svg [stroke="{colour}"] {{ stroke: var(--{name}); }}')
        rules.append(f'[data-tone="{name}"] {{ --tone: var(--{name}); }}')
    return "\n".join(rules) + "\n"


def page_script() -> str:
    """Return the script of the page. It holds no data: it reads the page."""
    return (TEMPLATES / "page.js").read_text(encoding="utf-8")


def policy(style: str, script: str) -> str:
    """Return the content security policy that lets exactly this style and this script run, and nothing be fetched.

    See https://www.w3.org/TR/CSP3/#grammardef-hash-source: the hash is that of the text between the tags.
    """
    sources = {"style-src": style, "script-src": script}
    hashes = [f"{name} 'sha256-{_digest(text)}'" for name, text in sources.items()]
    return "; ".join(["default-src 'none'", *hashes, "img-src data:", "base-uri 'none'", "form-action 'none'"])


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def to_html(report: Report, drawn: Mapping[str, Sequence[Picture]]) -> str:
    """Write the page.

    Args:
        report: what to show.
        drawn: the pictures of each section, by section name.

    Raises:
        MissingExtra: without the packages of the ``report`` extra.
    """
    style, script = page_style(), page_script()
    return html_template(TEMPLATES, "page.html.j2").render(  # type: ignore[no-any-return]
        report=report,
        views=[
            view_of(section, drawn.get(section.name, []), f"target-{number}")
            for number, section in enumerate(report.sections, start=1)
        ],
        style=style,
        script=script,
        policy=policy(style, script),
        titles=TITLES,
        keys=KEYS,
        legend=[(label.value, meaning) for label, meaning in LEGEND.items()],
        proof_headings=proofs.HEADINGS,
        verdict=ladders.verdict,
        shared_caption=shared_caption,
        parity_headings=parity.HEADINGS,
        calibration_headings=calibration.HEADINGS,
        estimates=estimates,
        finding_lines=findings.finding_lines,
        facts=[(key, str(value)) for key, value in report.run.items() if key != "commands"],
    )
