"""Tables of instructions, work and operators."""

from types import SimpleNamespace

from edgekd.measurements import Cost, Counts, OperatorTime
from edgekd.report.counts import count_parts
from edgekd.report.export import to_json_value
from edgekd.report.model import build_report
from edgekd.units import instructions
from tests.results import make_result, make_teacher

COUNTS = [
    Counts(
        tool="qemu-plugin",
        core="cortex-a72",
        evidence="emulated",
        tokens=tokens,
        instructions=[10_000 * tokens + 9, 10_000 * tokens],
        tokenize=[500 * tokens, 501 * tokens],
        classes={"branch": 1_000, "float-multiply-add": 8_990, "float-divide": 10},
    )
    for tokens in (8, 32)
]
COST = Cost(
    tokens=32,
    macs=3_541_000,
    read_bytes=656_000,
    written_bytes=161_000,
    weight_bytes=462_000,
    inferences=30,
    operators=[OperatorTime(name="conv_1", op_type="FusedConv", seconds=0.000036, calls=1, share=0.9)],
    types=[
        OperatorTime(name="", op_type="FusedConv", seconds=0.000036, calls=1, share=0.9),
        OperatorTime(name="", op_type="Mul", seconds=0.000004, calls=2, share=0.1),
    ],
)


def rows(*results):
    return [SimpleNamespace(name=r.variant, result=r, evidence=r.evidence.value) for r in results]


def test_without_counts_there_is_no_table():
    assert count_parts(rows(make_result())) == []


def test_instructions_are_the_smallest_of_each_length_and_emulated():
    (part,) = count_parts(rows(make_result(counts=COUNTS)))
    assert part.headings == ["8 tokens", "32 tokens"]
    graph, tokenizer = part.rows
    assert (graph.name, graph.detail, graph.evidence) == ("cnn-int8", "cortex-a72, graph", "emulated")
    assert [cell.value for cell in graph.cells] == [80_000, 320_000]
    assert [cell.text for cell in graph.cells] == ["80.00 k", "320.0 k"]
    assert tokenizer.detail == "cortex-a72, tokenizer"
    assert [cell.value for cell in tokenizer.cells] == [4_000, 16_000]
    assert part.sentences == ["cnn-int8 on cortex-a72, 32 tokens: float-multiply-add 89.9 %, branch 10.0 %."]


def test_a_length_that_a_variant_does_not_have_is_a_dash():
    (part,) = count_parts(rows(make_result(counts=COUNTS), make_teacher(counts=COUNTS[:1])))
    assert [cell.text for cell in part.rows[2].cells] == ["80.00 k", "-"]
    assert part.rows[2].cells[1].missing == "no text of 32 tokens"


def test_work_and_operators_have_tables_of_their_own():
    work, operators = count_parts(rows(make_result(cost=COST)))
    assert [cell.text for cell in work.rows[0].cells] == ["3.54 M", "462 kB", "194 kB", "161 kB"]
    assert operators.title == "Operators of cnn-int8 that take longest"
    assert [cell.text for cell in operators.rows[0].cells] == ["90.0 %", "36.0 \u00b5s"]
    assert operators.sentences == ["All operators of cnn-int8 by type: FusedConv 90.0 %, Mul 10.0 %."]


def test_a_cost_without_a_profile_lists_no_operators():
    parts = count_parts(rows(make_result(cost=COST.model_copy(update={"operators": [], "types": [], "inferences": 0}))))
    assert [part.key for part in parts] == ["cost"]


def test_every_variant_keeps_its_operators_in_json():
    results = [make_teacher(cost=COST), make_result(cost=COST, counts=COUNTS)]
    report = build_report(results, title="t", resamples=20)
    (section,) = to_json_value(report)["sections"]
    assert {"counts", "cost", "operators:teacher", "operators:cnn-int8"} <= set(section["scenarios"])
    graph = next(row for row in section["scenarios"]["counts"]["rows"] if row["detail"] == "cortex-a72, graph")
    assert [value["text"] for value in graph["values"].values()] == ["80.00 k", "320.0 k"]


def test_numbers_that_repeat_have_four_digits():
    texts = [instructions(value) for value in (0, 999, 1_234, 9_996, 99_999, 105_867, 1_505_416, 505_000_000)]
    assert texts == ["0", "999", "1.234 k", "9.996 k", "100.0 k", "105.9 k", "1.505 M", "505.0 M"]
