"""``edgekd bench``: measure bundles and the teacher."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option, Typer

from edgekd.cli.board import BoardDir, BoardPython, Fleet, PushWheels, Resume, measure_on_boards
from edgekd.cli.common import output_format, print_json, stderr_console, stdout_console

ESTIMATES = "Estimates"
PLACE = "Place"

Bundles = Annotated[
    list[Path] | None,
    Argument(metavar="[BUNDLE]...", help="Bundle folders, measured in turns.", show_default=False),
]
Target = Annotated[
    str | None,
    Option("--target", "-t", help="Device profile or alias: gives the threads.", show_default="the bundles'"),
]
Data = Annotated[
    str | None,
    Option("--data", "-d", help="Labelled texts to measure with.", show_default="test split of the run"),
]
WarmUp = Annotated[
    str | None,
    Option(help="Other texts, to warm up with.", show_default="training split of the run, or held-out texts"),
]
On = Annotated[
    list[str] | None,
    Option(
        "--on",
        metavar="PLACE",
        help="Where to measure: ssh://[USER@]HOST[:PORT] is a board (repeatable), qemu://CPU emulates a processor "
        "(answers, sizes, no latency).",
        show_default="this machine",
        rich_help_panel=PLACE,
    ),
]
Qemu = Annotated[
    str | None,
    Option(help="Emulator of qemu://...", show_default="PATH, the cache, or fetched", rich_help_panel=PLACE),
]
Estimate = Annotated[
    bool,
    Option("--estimate", help="Also compute the latency on the target, never measured.", rich_help_panel=ESTIMATES),
]
EstimateFor = Annotated[
    list[str] | None,
    Option(metavar="TARGET", help="The same for another target; repeatable.", rich_help_panel=ESTIMATES),
]
Traced = Annotated[
    bool,
    Option(
        "--traced",
        help="Estimate by the instructions executed under emulation, too. Needs QEMU, LLVM and a C compiler; slower.",
        rich_help_panel=ESTIMATES,
    ),
]
CalibrationFile = Annotated[
    Path | None,
    Option(
        metavar="FILE",
        help="Scales estimates; written by 'edgekd calibrate'.",
        rich_help_panel=ESTIMATES,
        show_default="your own, if there is one",
    ),
]

COSTS = "Instructions and operators"
Counting = Annotated[
    bool,
    Option(
        "--counts",
        help="Also count what an inference executes and moves: instructions by class, multiply-adds, bytes.",
        rich_help_panel=COSTS,
    ),
]
Core = Annotated[
    str | None,
    Option(
        metavar="CPU",
        help="Count the instructions of this processor, for example cortex-a72; it is emulated.",
        show_default="the target's",
        rich_help_panel=COSTS,
    ),
]
CounterName = Annotated[
    str | None,
    Option(
        "--counter",
        metavar="TOOL",
        help="What counts: qemu-plugin, callgrind or perf.",
        show_default="the first that stands for the target",
        rich_help_panel=COSTS,
    ),
]
Profile = Annotated[
    bool,
    Option("--profile", help="Also show the operators that take longest.", rich_help_panel=COSTS),
]

SCENARIOS = "Scenarios"  # panel of the help
RESOURCES = "Memory and energy"
PRECISION = "Precision"
Passes = Annotated[
    int,
    Option(min=1, help="How often each text is timed, all processes together.", rich_help_panel=PRECISION),
]
MaxSeconds = Annotated[float, Option(min=0.1, help="Time limit of the timing.", rich_help_panel=PRECISION)]
Processes = Annotated[
    int,
    Option(
        min=1,
        max=100,
        help="Fresh processes of each variant; how they differ is part of the intervals.",
        rich_help_panel=PRECISION,
    ),
]
Precision = Annotated[
    str | None,
    Option(
        metavar="SHARE",
        help="Go on until every median is known within this share, for example 2%.",
        show_default="no, measure --passes",
        rich_help_panel=PRECISION,
    ),
]
MinSeconds = Annotated[
    float, Option(min=0.0, help="Least time of the timing, all variants together.", rich_help_panel=PRECISION)
]
BlockSize = Annotated[
    int,
    Option(min=1, help="Texts that a variant measures before it is the next one's turn.", rich_help_panel=PRECISION),
]
MemoryLimit = Annotated[
    str | None,
    Option(
        metavar="SIZE",
        help="Memory of each variant, for example 512MB; what needs more is said not to fit.",
        show_default="three quarters of the target's memory",
        rich_help_panel=PLACE,
    ),
]


def register(app: Typer) -> None:
    """Add the commands of this module to the app."""
    app.command(rich_help_panel="Measure")(bench)


def bench(
    bundles: Bundles = None,
    target: Target = None,
    data: Data = None,
    out: Annotated[Path, Option("--out", "-o", help="Folder for the result files.")] = Path("results"),
    teacher: Annotated[Path | None, Option(help="Teacher: a Hugging Face folder (needs torch) or a bundle.")] = None,
    warm_up_data: WarmUp = None,
    max_texts: Annotated[int | None, Option(min=1, help="Time so many texts.", show_default="all")] = None,
    passes: Passes = 2,
    processes: Processes = 3,
    precision: Precision = None,
    min_seconds: MinSeconds = 0.0,
    max_seconds: MaxSeconds = 120.0,
    block_size: BlockSize = 10,
    memory_limit: MemoryLimit = None,
    seed: Annotated[int, Option(min=0, help="Order of texts and variants.")] = 0,
    devices: Annotated[Path | None, Option(help="Your own profiles: a YAML file or folder.")] = None,
    text_column: Annotated[str | None, Option(help="Column of the text; recognised if not given.")] = None,
    label_column: Annotated[str | None, Option(help="Column of the label; recognised if not given.")] = None,
    on: On = None,
    qemu: Qemu = None,
    fleet: Fleet = None,
    resume: Resume = False,
    board_python: BoardPython = None,
    board_dir: BoardDir = None,
    push_wheels: PushWheels = False,
    estimate: Estimate = False,
    estimate_for: EstimateFor = None,
    traced: Traced = False,
    calibration: CalibrationFile = None,
    scenario: Annotated[
        list[str] | None,
        Option(
            help="What to measure besides: offline, server, cold, sustained. Repeatable, or joined with commas; "
            "single-stream is always measured.",
            show_default="single-stream",
            rich_help_panel=SCENARIOS,
        ),
    ] = None,
    lengths: Annotated[
        str | None,
        Option(
            metavar="N,N,...",
            help="Measure texts of exactly so many tokens too, for example 8,16,32,64,128,256.",
            show_default=False,
            rich_help_panel=SCENARIOS,
        ),
    ] = None,
    rates: Annotated[
        str | None,
        Option(
            metavar="N,N,...",
            help="Texts a second of the scenario server.",
            show_default="10, 30, 50, 70, 90 % of what each variant can answer",
            rich_help_panel=SCENARIOS,
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        Option(
            min=0.1,
            help="Of load for each variant in the scenario sustained.",
            show_default="5",
            rich_help_panel=SCENARIOS,
        ),
    ] = None,
    leak_check: Annotated[
        bool,
        Option("--leak-check", help="Does memory grow during 10,000 calls of each variant?", rich_help_panel=RESOURCES),
    ] = False,
    energy: Annotated[
        bool,
        Option(
            "--energy",
            help="Joules a text above idle, where the machine measures them (RAPL, Raspberry Pi 5, Jetson, INA "
            "sensors); about 20 s a variant.",
            rich_help_panel=RESOURCES,
        ),
    ] = False,
    counts: Counting = False,
    core: Core = None,
    counter: CounterName = None,
    profile: Profile = False,
    as_json: Annotated[bool, Option("--json", help="Print the table as JSON on stdout; short for --format json.")] = (
        False
    ),
    output: Annotated[
        str | None,
        Option(
            "--format",
            metavar="NAME",
            help="What is printed on stdout: text, json, or bencher (Bencher Metric Format).",
            show_default="text",
        ),
    ] = None,
) -> None:
    """Measure latency, memory, load time, size and quality of all variants, in turns on the same texts.

    Latency runs from text in to answer out, one text at a time, each variant in a process of its own. The data must
    be of the bundles' task: one label a text, several joined with "|", or a number.
    """
    from edgekd.bench.job import BenchJob, run_job
    from edgekd.bench.limits import DoesNotFit
    from edgekd.cli.progress import ConsoleProgress
    from edgekd.cli.quantities import parse_amount, parse_part
    from edgekd.config import BenchConfig
    from edgekd.devices import load_profiles
    from edgekd.errors import ConfigError, EdgekdError
    from edgekd.gate.grammar import Quantity
    from edgekd.report.bencher import report_bencher
    from edgekd.report.export import to_json_value
    from edgekd.report.model import build_report
    from edgekd.report.terminal import render_terminal

    shown = output_format(output, as_json=as_json)
    if min_seconds > max_seconds:
        raise ConfigError(
            f"--min-seconds {min_seconds:g} is more than --max-seconds {max_seconds:g}.",
            hint="Raise --max-seconds, or lower --min-seconds.",
        )
    config = BenchConfig(
        passes=passes,
        processes=processes,
        precision=parse_part("--precision", precision),
        max_texts=max_texts,
        block_size=block_size,
        min_seconds=min_seconds,
        max_seconds=max_seconds,
        seed=seed,
    )
    limit = parse_amount("--memory-limit", memory_limit, Quantity.BYTES)
    job = BenchJob(
        bundles=tuple(bundles or ()),
        teacher=teacher,
        target=target,
        devices=devices,
        data=data,
        warm_up_data=warm_up_data,
        text_column=text_column,
        label_column=label_column,
        out=out,
        config=config,
        memory_limit_bytes=round(limit) if limit is not None else None,
        on=tuple(on or ()),
        qemu=qemu,
        scenarios=tuple(scenario or ()),
        lengths=lengths,
        rates=rates,
        minutes=minutes,
        estimate=estimate,
        estimate_for=tuple(estimate_for or ()),
        traced=traced,
        calibration=calibration,
        leak_check=leak_check,
        energy=energy,
        counts=counts,
        core=core,
        counter=counter,
        profile=profile,
    )
    progress = ConsoleProgress()
    failure: EdgekdError | None
    try:
        on_boards = measure_on_boards(
            job,
            progress,
            fleet=fleet,
            resume=resume,
            python=board_python,
            folder=board_dir,
            push_wheels=push_wheels,
        )
        results, failure = on_boards or (run_job(job, progress), None)
    except DoesNotFit as error:
        if not error.results:
            raise
        results, failure = error.results, error
    report = build_report(results, title="edgekd bench", profiles=load_profiles(devices))
    if shown == "json":
        print_json(to_json_value(report))
    elif shown == "bencher":
        print_json(report_bencher(report))
    else:
        console = stdout_console()
        for part in render_terminal(report):
            console.print(part, highlight=False)
    stderr_console().print(f"Results: {out}", highlight=False, soft_wrap=True, markup=False)
    if failure is not None:
        raise failure
