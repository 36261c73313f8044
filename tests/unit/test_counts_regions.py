"""What a counter wrote between marks, and what follows for a text."""

import pytest

from edgekd.bench.counts.regions import (
    BEGIN,
    INFER,
    NOTHING,
    TOKENIZE,
    Region,
    count_of_text,
    parse_callgrind_dump,
    parse_plugin_log,
)

DUMP = """# callgrind format
version: 1
creator: callgrind-3.19.0
pid: 12
cmd: python -m edgekd.bench.worker
part: 2
desc: I1 cache:
desc: Timerange: Basic block 10 - 20
desc: Trigger: {trigger}
positions: line
events: Ir
summary: 1234
fn=(1) main
0 1234
totals: 1234
"""


def test_the_smallest_repetition_counts_without_the_cost_of_a_mark():
    regions = [
        Region(BEGIN, 999),
        Region(NOTHING, 12, {"branch": 4}),
        Region(BEGIN, 1),
        Region(NOTHING, 10, {"branch": 3}),
        Region(BEGIN, 7),
        Region(TOKENIZE, 110),
        Region(INFER, 1010, {"branch": 103, "dot-product": 900}),
        Region(BEGIN, 7),
        Region(TOKENIZE, 130),
        Region(INFER, 1030, {"branch": 123, "dot-product": 900}),
    ]
    found = count_of_text(regions)
    assert found.infer == [1000, 1020]
    assert found.tokenize == [100, 120]
    assert found.classes == {"branch": 100, "dot-product": 900}


@pytest.mark.parametrize("missing", [TOKENIZE, INFER, NOTHING])
def test_a_text_needs_a_region_of_each_kind(missing):
    regions = [Region(tag, 1) for tag in (TOKENIZE, INFER, NOTHING) if tag != missing]
    with pytest.raises(ValueError, match=rf"no region of \[{missing}\] among 2"):
        count_of_text(regions)


def test_the_log_of_the_plugin_is_read_and_other_lines_are_skipped():
    log = "cpu_index: 0\nmark 3 total=30 load-store=0 branch=10 other-scalar=20\nmark 4 total=2 branch=2\n"
    assert parse_plugin_log(log) == [Region(3, 30, {"branch": 10, "other-scalar": 20}), Region(4, 2, {"branch": 2})]


def test_a_file_of_callgrind_is_the_region_that_the_mark_ended():
    assert parse_callgrind_dump(DUMP.format(trigger="Client Request: 3")) == Region(3, 1234)


def test_the_file_that_callgrind_writes_at_the_end_is_no_region():
    assert parse_callgrind_dump(DUMP.format(trigger="Program termination")) is None
