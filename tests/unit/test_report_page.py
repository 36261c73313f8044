from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import product

import pytest

from edgekd.report.charts import Picture
from edgekd.report.gists import short
from edgekd.report.model import build_report
from edgekd.report.page_pictures import shared_caption
from tests.chromium import COMMAND, Chromium
from tests.pages import HOSTILE, LONG, full_report, hostile_report
from tests.results import make_result, make_teacher

pytest.importorskip("jinja2")
from edgekd.report.html import TEMPLATES, page_script, page_style, policy, to_html

needs_chromium = pytest.mark.skipif(COMMAND is None, reason="no Chromium is installed")
VOID = {"meta", "input", "br", "img", "link", "hr"}


class Page(HTMLParser):
    """The page as a parser without a browser sees it: tags, attributes, texts, and whether all tags are closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.texts = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def with_attribute(self, name):
        return [(tag, attrs) for tag, attrs in self.tags if name in attrs]


@pytest.fixture(scope="module")
def drawn():
    pytest.importorskip("vl_convert")
    pytest.importorskip("vl_convert")
    from edgekd.report.charts.pareto import COSTS, pareto

    def draw(report):
        pictures = {section.name: [pareto(section, COSTS[0])] for section in report.sections}  # the others take long
        return to_html(report, pictures)

    return draw


@pytest.fixture(scope="module")
def full(drawn):
    return drawn(full_report())


@pytest.fixture(scope="module")
def hostile(drawn):
    return drawn(hostile_report())


def files(tmp_path_factory, text):
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def browser():
    with Chromium() as found:
        yield found


def test_the_page_is_whole_and_small_and_asks_for_nothing(full):
    page = Page(full)
    assert not page.open
    assert len(full.encode()) < 2_000_000
    assert [attrs for tag, attrs in page.tags if tag == "script"] == [{}]
    assert not {tag for tag, _ in page.tags} & {"link", "img", "iframe", "object", "embed", "base", "form", "audio"}
    links = [attrs["href"] for _, attrs in page.with_attribute("href")]
    targets = {attrs["id"] for _, attrs in page.with_attribute("id")}
    assert links
    assert all(link.startswith("#") and link[1:] in targets for link in links)
    assert not page.with_attribute("src")
    assert "@import" not in full
    assert not re.search(r"url\((?!#)", full)


def test_every_id_is_there_once_and_every_label_points_to_one(full, hostile):
    for page in (Page(full), Page(hostile)):
        ids = [attrs["id"] for _, attrs in page.with_attribute("id")]
        assert len(ids) == len(set(ids))
        assert {attrs["aria-labelledby"] for _, attrs in page.with_attribute("aria-labelledby")} <= set(ids)
        assert not any(re.search(r"\s", name) for name in ids)


def test_the_policy_lets_exactly_this_style_and_this_script_run(full):
    page = Page(full)
    [content] = [a["content"] for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"]
    style = full.partition("<style>")[2].partition("</style>")[0]
    script = full.partition("<script>")[2].partition("</script>")[0]
    assert content == policy(style, script)
    assert content.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in content
    assert not page.with_attribute("style")
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]


def test_the_hash_of_the_policy_is_that_of_the_standard():
    # The SHA-256 of nothing, as RFC 6234 implementations give it, in base64.
    assert "script-src 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='" in policy("", "")


def test_the_script_is_small_and_holds_no_data(full, hostile):
    script = page_script()
    assert len(script.encode()) < 15_000
    assert script in full
    assert script in hostile
    assert "innerHTML" not in script
    assert "eval" not in script
    assert not re.search(r"https?:|//\w+\.\w+/", script)


TITLES_IN_ORDER = [
    "Recommendation</h3>",
    "What accuracy costs",
    "All variants",
    "What it was made from",
    "Did the teacher help?",
    "What was kept and what was dropped",
    "Does the exported graph answer like the trained model?",
    "Are the probabilities honest?",
    "Which labels are confused?",
    "Answers that differ most from the teacher",
    "How it was measured, and on what",
]


def test_parts_come_in_their_order_and_once_a_target(full):
    sections = full.split('<section class="target"')[1:3]
    for section in sections:
        places = [section.index(title) for title in TITLES_IN_ORDER]
        assert places == sorted(places)
    assert "make demo" in full.rpartition("How to reproduce")[2]


def test_several_targets_have_an_overview_and_one_has_none(full, hostile):
    overview = full.partition('id="overview"')[2].partition("</section>")[0]
    assert overview.count('class="target-card"') == 2
    assert overview.count("misses the budget") == 2
    assert overview.count("cnn-fp32") == 2
    assert 'href="#target-2"' in overview
    assert 'id="overview"' not in hostile


def test_budgets_are_told_in_words_and_not_in_colour_alone(full):
    table = full.partition("Budget of cpu")[2].partition("</table>")[0]
    assert re.findall(r"</span> (fits|misses|cannot tell)", table) == ["fits", "misses", "cannot tell"]


def test_many_reasons_are_folded(full):
    advice = full.partition('class="advice"')[2].partition('class="pareto"')[0]
    shown, _, folded = advice.partition("<summary>2 more points</summary>")
    assert shown.count("<li>") == 3
    assert "<li>Third.</li><li>Fourth.</li>" in folded


def test_cells_carry_raw_values_and_missing_ones_none(full):
    row = full.partition('data-variant="cnn-int8" data-kind="cnn"')[2].partition("</tr>")[0]
    values = re.findall(r'<td class="[^"]*"( data-value="([^"]*)")?>', row)
    assert "4600000" in [value for _, value in values]
    missing = re.search(r'<td class="[^"]*"><span class="muted">n/a<small>400 samples, needs 662', row)
    assert missing


def test_every_table_has_a_caption_and_every_header_a_scope(full):
    page = Page(full)
    assert full.count("<table") == full.count("<caption")
    assert all("scope" in attrs for tag, attrs in page.tags if tag == "th")


def test_a_confusion_matrix_can_be_read_without_colours(full):
    matrix = full.partition("Answers of cnn-fp32: true labels in rows")[2].partition("</table>")[0]
    cells = re.findall(r'<td class="(right|wrong)" data-heat="(\d)">(\d+)<small>([^<]+)', matrix)
    assert cells == [
        ("right", "7", "180", "90.0 %"),
        ("wrong", "1", "20", "10.0 %"),
        ("wrong", "1", "30", "15.0 %"),
        ("right", "7", "170", "85.0 %"),
    ]


def test_other_confusions_are_tables_too(full):
    for text in ("3 more pairs are not shown.", "has it, missed", "mean absolute error"):
        assert text in full


def test_a_flip_without_its_text_names_the_row(full):
    assert "text in row 12 of the evaluation texts" in full
    assert full.count('<blockquote dir="auto">A good film.</blockquote>') == 2


def test_hostile_texts_stay_texts(hostile):
    page = Page(hostile)
    assert not page.open
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert "img" not in [tag for tag, _ in page.tags]
    shown = "".join(page.texts)
    for text in HOSTILE:
        assert shown.count(text) >= 10
    assert "49" not in hostile.partition("<h1")[2].partition("</h1>")[0]


def test_a_report_without_anything_special_is_a_page_too():
    built = build_report([make_result(), make_teacher()], title="t", host_targets=(), resamples=50)
    nothing = {name: [] for name in ("lineage", "parity", "calibrations", "confusions", "flips")}
    text = to_html(replace(built, sections=[replace(built.sections[0], recommendation=None, **nothing)]), {})
    assert not Page(text).open
    assert "Too few variants with accuracy and latency for a picture." in text
    absent = (
        *TITLES_IN_ORDER[3:4],
        *TITLES_IN_ORDER[6:10],
        "Recommendation</h3>",
        "Estimates: computed",
        'id="overview"',
    )
    assert [title for title in absent if title in text] == []


def test_every_picture_is_in_the_part_of_its_subject():
    groups = ["gain", "throttle", "split", "latency", "calibration", "pareto", "unheard-of"]
    drawn = [Picture(f"{g}-1", g, f"Title of {g}", "Said once.", "", f"<svg><title>{g}</title></svg>") for g in groups]
    report = full_report()
    text = to_html(report, {report.sections[0].name: [*drawn, replace(drawn[-2], key="pareto-2")]})
    places = ["pareto", "All variants", "latency", "split", "throttle", "unheard-of", "Did the teacher help?", "gain"]
    places += ["Are the probabilities honest?", "calibration", "Which labels are confused?"]
    found = [text.index(f"<svg><title>{place}</title>" if place in groups else f"<h3>{place}") for place in places]
    assert found == sorted(found)
    assert text.count("<svg>") == 8
    assert text.partition("All variants")[0].count("Said once.") == 1


def test_what_captions_begin_with_is_said_once():
    first, second = (Picture("k", "g", "t", f"One. Two. {end}", "", "") for end in ("Three. On a Pi.", "Four."))
    assert shared_caption([first, second]) == "One. Two."
    assert shared_caption([first, first]) == first.caption
    assert shared_caption([first]) == ""
    assert shared_caption([first, replace(first, caption="Other.")]) == ""


def test_long_gists_are_cut_at_a_word():
    assert short("word " * 40).endswith("word \u2026")
    assert len(short(LONG + " " + LONG)) <= 162
    assert short("short") == "short"


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def mixed(colour, share, paper):
    parts = [(int(colour[i : i + 2], 16), int(paper[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in parts)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_can_be_read_in_both_themes(theme):
    css = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    found = dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})", css.split(":root")[theme + 1].partition("}")[0]))
    pairs = [
        *product(("ink", "muted", "accent-ink"), ("paper", "raised")),
        ("ink", "accent-soft"),
        ("muted", "accent-soft"),
        ("accent-ink", "accent-soft"),
        ("warn", "warn-soft"),
        ("warn", "paper"),
    ]
    for text, ground in pairs:
        assert contrast(found[text], found[ground]) >= 4.5, (text, ground)
    for heat, share in product(("accent", "bag"), (6, 41)):
        assert f"--heat) {share}%" in css
        assert contrast(found["ink"], mixed(found[heat], share / 100, found["paper"])) >= 4.5, (heat, share)
    for mark in ("teacher", "transformer", "cnn", "bag", "other-1", "other-2", "other-3", "other-4"):
        assert contrast(found[mark], found["paper"]) >= 3, mark


def test_every_colour_of_the_pictures_has_a_value_in_both_themes():
    from edgekd.report.charts import PALETTE
    from edgekd.report.charts.style import DARK

    style = page_style()
    for colour, name in PALETTE:
        found = re.findall(rf"--{name}: (#[0-9a-f]{{6}})", style)
        assert found == [colour, DARK[name]], name
        assert f'svg [fill="{colour}"] {{ fill: var(--{name}); }}' in style


VISIBLE = (
    "[...document.querySelectorAll('#target-1 table.all tbody tr')].filter(r => !r.hidden).map(r => r.dataset.variant)"
)
MARK = '#target-1 .pareto [role="button"][data-variant="bag-int8"]'


def click_chip(browser, group, text):
    found = browser.run(
        f"(() => {{ const c = [...document.querySelectorAll('#target-1 {group} button.chip')]"
        f".find(b => b.textContent.trim() === {text!r}); c.click(); return c.getAttribute('aria-pressed'); }})()"
    )
    return found


@needs_chromium
def test_in_a_browser_the_table_sorts_filters_and_answers_keys(browser, full, tmp_path_factory):
    browser.open(files(tmp_path_factory, full))
    everything = ["teacher", "teacher-torch", "cnn-fp32", "cnn-int8", "bag-fp32", "bag-int8"]
    assert browser.run(VISIBLE) == everything

    browser.point("#target-1 table.all th[data-sort] button", click=True)  # by name
    assert browser.run(VISIBLE) == ["teacher", "bag-fp32", "bag-int8", "cnn-fp32", "cnn-int8", "teacher-torch"]
    browser.press("Enter")  # the button has the focus
    assert browser.run(VISIBLE) == ["teacher", "teacher-torch", "cnn-int8", "cnn-fp32", "bag-int8", "bag-fp32"]
    assert browser.run("document.querySelectorAll('[aria-sort]').length") == 1
    assert browser.run("document.querySelector('#said').textContent") == "Sorted by variant, descending"
    browser.press(" ")
    assert browser.run(VISIBLE) == everything
    size = "[...document.querySelectorAll('#target-1 th[data-sort] button')].find(b => b.textContent === 'size')"
    browser.run(f"{size}.click()")
    assert browser.run(VISIBLE) == ["teacher", "bag-int8", "cnn-int8", "bag-fp32", "cnn-fp32", "teacher-torch"]
    assert browser.run(f"{size}.parentNode.getAttribute('aria-sort')") == "ascending"
    p99 = "[...document.querySelectorAll('#target-1 th[data-sort] button')].find(b => b.textContent === 'p99')"
    for _ in "up", "down":  # nothing has a p99: all values are missing, so the order stays
        browser.run(f"{p99}.click()")
        assert browser.run(VISIBLE) == everything

    assert click_chip(browser, ".tools", "bag") == "true"
    assert browser.run(VISIBLE) == ["teacher", "bag-fp32", "bag-int8"]
    assert browser.run("document.querySelector('#said').textContent") == (
        "2 of 6 variants; the teacher stays for comparison"
    )
    assert browser.run("document.querySelectorAll('#target-1 .legend [aria-pressed=true]').length") == 1
    assert click_chip(browser, ".tools", "int8") == "true"
    assert browser.run(VISIBLE) == ["teacher", "bag-int8"]
    assert browser.run("document.querySelectorAll('#target-1 .pareto [data-variant=cnn-int8].off').length > 0")
    assert not browser.run("document.querySelectorAll('#target-2 .off').length")
    click_chip(browser, ".tools", "show all variants")
    assert set(browser.run(VISIBLE)) == set(everything)
    assert not browser.run("document.querySelectorAll('.off').length")
    browser.run("document.querySelector('#target-1 input').focus()")
    for key in "FP32":
        browser.press(key)
    assert set(browser.run(VISIBLE)) == {"teacher", "cnn-fp32", "bag-fp32"}
    assert not browser.messages
    assert browser.requests[-1].startswith("file:")
    assert not [address for address in browser.requests if not address.startswith("file:")]


@needs_chromium
def test_in_a_browser_marks_show_a_card_and_filter_the_table(browser, full, tmp_path_factory):
    browser.open(files(tmp_path_factory, full))
    browser.point(MARK)
    assert not browser.run("document.getElementById('card').hidden")
    card = browser.run("document.getElementById('card').innerText")
    assert card.splitlines()[0] == "bag-int8"
    assert "3.00 MB" in card
    browser.press("Escape")
    assert browser.run("document.getElementById('card').hidden")
    browser.point(MARK, click=True)
    assert browser.run(VISIBLE) == ["teacher", "bag-int8"]
    browser.point(MARK, click=True)
    assert len(browser.run(VISIBLE)) == 6
    browser.run("[...document.querySelectorAll('#target-1 .legend button')].at(-1).focus()")
    browser.press("Tab")  # from the last chip to the first mark
    assert browser.run("document.activeElement.dataset.variant") == "bag-int8"
    browser.press("End")
    last = browser.run("document.activeElement.dataset.variant")
    assert last == "teacher-torch"  # the marks go from left to right
    assert browser.run("document.querySelectorAll('#target-1 .pareto [tabindex=\"0\"]').length") == 1
    browser.press("ArrowLeft")
    browser.press("Enter")
    assert browser.run("document.activeElement.getAttribute('aria-pressed')") == "true"
    assert browser.run(VISIBLE) == ["teacher"]
    browser.press("Enter")
    assert len(browser.run(VISIBLE)) == 6
    assert not browser.messages


@needs_chromium
@pytest.mark.parametrize("width", [360, 390, 1280])
def test_in_a_browser_hostile_texts_neither_run_nor_break_the_layout(browser, hostile, tmp_path_factory, width):
    browser.open(files(tmp_path_factory, hostile), width=width, dark=width == 390)
    browser.run("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert browser.run("document.documentElement.scrollWidth") == width
    assert browser.run("document.querySelectorAll('img, main script, iframe').length") == 0
    names = browser.run("[...document.querySelectorAll('table.all tbody tr')].map(r => r.dataset.variant)")
    assert set(HOSTILE) <= set(names)
    shown = browser.run("[...document.querySelectorAll('table.all .what')].map(r => r.textContent)")
    assert shown == names
    browser.run("document.querySelectorAll('.legend button').forEach(b => { b.click(); b.click(); })")
    assert not browser.messages


@needs_chromium
def test_in_a_browser_a_phone_has_targets_for_fingers(browser, full, tmp_path_factory):
    browser.open(files(tmp_path_factory, full), width=390)
    small = browser.run(
        "[...document.querySelectorAll('button, summary, input, .bar a')]"
        ".filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 40).map(e => e.outerHTML.slice(0, 80))"
    )
    assert small == []
    assert browser.run("document.documentElement.scrollWidth") == 390


@needs_chromium
def test_in_a_browser_print_opens_every_part_and_cuts_no_table(browser, full, tmp_path_factory):
    browser.open(files(tmp_path_factory, full), width=720)  # about the width of an A4 page
    assert browser.run("document.querySelectorAll('details:not([open])').length") > 10
    browser.send("Emulation.setEmulatedMedia", media="print")
    browser.run("dispatchEvent(new Event('beforeprint'))")
    assert browser.run("document.querySelectorAll('details:not([open])').length") == 0
    cut = browser.run(
        "[...document.querySelectorAll('table')].filter(t => t.scrollWidth > t.parentNode.clientWidth + 1)"
        ".map(t => t.caption.textContent)"
    )
    assert cut == []
    browser.run("dispatchEvent(new Event('afterprint'))")
    assert browser.run("document.querySelectorAll('details:not([open])').length") > 10
    browser.send("Emulation.setEmulatedMedia", media="")
    assert browser.pdf().startswith(b"%PDF")
