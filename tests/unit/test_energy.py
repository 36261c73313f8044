from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekd import units
from edgekd.analysis.energy import joules_a_call
from edgekd.bench.collect import Measured
from edgekd.bench.energy import EnergyPhase
from edgekd.bench.power import RaplMeter, find_meter, find_rails, find_rapl, parse_pmic, parse_tegrastats
from edgekd.bench.power_sampling import PowerMeter, StreamMeter, Used, integrate
from edgekd.bench.sysfs import read_int
from edgekd.measurements import Energy
from edgekd.progress import Silent
from tests.sensors import JETSON, PI5, X86, script, write_tree

PMIC = """   3V7_WL_SW_A current(0)=0.10000000A
   3V3_SYS_A current(1)=0.20000000A
   VDD_CORE_A current(7)=2.00000000A
   3V7_WL_SW_V volt(8)=3.70000000V
   3V3_SYS_V volt(9)=3.30000000V
   VDD_CORE_V volt(15)=0.75000000V
   EXT5V_V volt(24)=5.13000000V
   BATT_V volt(25)=0.00488400V
"""
PMIC_W = 0.1 * 3.7 + 0.2 * 3.3 + 2.0 * 0.75
ORIN = (
    "11-21-2026 16:40:01 RAM 2448/7620MB (lfb 4x2MB) SWAP 0/3810MB (cached 0MB) CPU [2%@729,0%@729,off,off] "
    "GR3D_FREQ 0% cpu@44.1C soc2@43.5C VDD_IN 4945mW/4951mW VDD_CPU_GPU_CV 552mW/560mW VDD_SOC 1456mW/1456mW\n"
)
NANO = (
    "RAM 1022/3964MB (lfb 486x4MB) SWAP 0/1982MB (cached 0MB) IRAM 0/252kB(lfb 252kB) CPU [5%@102,3%@102] "
    "EMC_FREQ 0% GR3D_FREQ 0% PLL@24C POM_5V_IN 1532/1552 POM_5V_GPU 0/0 POM_5V_CPU 164/204\n"
)


class Clock:
    """Seconds that pass only when somebody sleeps."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def test_the_power_controller_is_summed_over_rails_with_both_values():
    assert parse_pmic(PMIC) == pytest.approx(PMIC_W)
    assert parse_pmic('error=1 error_msg="Command not registered"') is None
    assert parse_pmic("EXT5V_V volt(24)=5.13000000V\n") is None


@given(st.text())
def test_whatever_a_tool_prints_is_no_crash(text):
    assert parse_pmic(text) is None or parse_pmic(text) >= 0
    assert all(value >= 0 for value in parse_tegrastats(text).values())


def test_tegrastats_of_both_generations_is_read_and_memory_is_no_power():
    assert parse_tegrastats(ORIN) == {
        "tegrastats:VDD_IN": 4.945,
        "tegrastats:VDD_CPU_GPU_CV": 0.552,
        "tegrastats:VDD_SOC": 1.456,
    }
    assert parse_tegrastats(NANO) == {
        "tegrastats:POM_5V_IN": 1.532,
        "tegrastats:POM_5V_GPU": 0.0,
        "tegrastats:POM_5V_CPU": 0.164,
    }


def test_rapl_counts_packages_and_memory_but_no_part_twice(tmp_path):
    root = write_tree(tmp_path, X86)
    meter, reason = find_rapl(root)
    assert reason == ""
    meter.start()
    changes = {"intel-rapl:0": 3_500_000, "intel-rapl:0:0": 900_000, "intel-rapl:0:1": 150_000}
    write_tree(root, {f"sys/class/powercap/{zone}/energy_uj": f"{value}\n" for zone, value in changes.items()})
    assert meter.stop().joules == {"rapl:package-0": pytest.approx(2.5), "rapl:dram-0": pytest.approx(0.1)}


def test_a_processor_of_several_dies_has_a_counter_for_each(tmp_path):
    zones = {f"sys/class/powercap/intel-rapl:{n}/name": f"package-0-die-{n}\n" for n in range(2)}
    values = {f"sys/class/powercap/intel-rapl:{n}/energy_uj": "0\n" for n in range(2)}
    meter, _ = find_rapl(write_tree(tmp_path, zones | values))
    meter.start()
    assert meter.stop().joules == {"rapl:package-0-die-0": 0.0, "rapl:package-0-die-1": 0.0}


def test_a_counter_that_began_again_is_continued(tmp_path):
    zone = tmp_path / "zone"
    write_tree(zone, {"energy_uj": "262143000000\n", "max_energy_range_uj": "262143328850\n"})
    meter = RaplMeter({"rapl:package-0": zone})
    meter.start()
    write_tree(zone, {"energy_uj": "671150\n"})
    assert meter.stop().joules == {"rapl:package-0": pytest.approx(1.0)}


def test_a_counter_for_root_alone_is_said(tmp_path, monkeypatch):
    root = write_tree(tmp_path, X86)

    def hidden(path):
        return None if path.name == "energy_uj" else read_int(path)

    monkeypatch.setattr("edgekd.bench.power.read_int", hidden)  # root, who runs tests at times, may read all
    meter, reason = find_meter(root, search_path=str(tmp_path / "nothing"))
    assert meter is None
    assert "intel-rapl:0/energy_uj cannot be read by this user; allow it with 'sudo chmod a+r'" in reason


def test_a_machine_without_a_meter_says_what_was_looked_for(tmp_path):
    meter, reason = find_meter(tmp_path, search_path=str(tmp_path))
    assert meter is None
    assert reason == "no RAPL counters (/sys/class/powercap), no power controller of a Raspberry Pi 5, no INA sensor"


def test_an_ina_sensor_is_read_by_rail(tmp_path):
    rails = find_rails(write_tree(tmp_path, JETSON))
    assert {name: read() for name, read in rails.items()} == {
        "ina3221:VDD_IN": pytest.approx(6.0),
        "ina3221:VDD_CPU_GPU_CV": pytest.approx(1.5),
    }
    (tmp_path / "sys/class/hwmon/hwmon1/curr1_input").unlink()
    assert rails["ina3221:VDD_IN"]() is None


def test_a_sensor_that_says_watts_is_taken_at_its_word(tmp_path):
    chip = "sys/class/hwmon/hwmon0"
    files = {f"{chip}/name": "ina226\n", f"{chip}/power1_input": "2250000\n", f"{chip}/in1_input": "5000\n"}
    rails = find_rails(write_tree(tmp_path, files))
    assert {name: read() for name, read in rails.items()} == {"ina226:channel-1": pytest.approx(2.25)}


def test_jetpack_4_has_its_sensors_elsewhere(tmp_path):
    device = "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0"
    files = {
        f"{device}/rail_name_0": "POM_5V_IN\n",
        f"{device}/in_power0_input": "1532\n",
        f"{device}/rail_name_1": "POM_5V_GPU\n",
        f"{device}/in_power1_input": "40\n",
    }
    rails = find_rails(write_tree(tmp_path, files))
    assert {name: read() for name, read in rails.items()} == {"ina3221:POM_5V_IN": 1.532, "ina3221:POM_5V_GPU": 0.04}


def test_a_pi_5_is_asked_by_its_tool(tmp_path):
    script(tmp_path / "bin", "vcgencmd", f"[ $1 = pmic_read_adc ] && cat <<'EOF'\n{PMIC}EOF")
    clock = Clock()
    path = f"{tmp_path / 'bin'}{os.pathsep}/bin{os.pathsep}/usr/bin"
    meter, reason = find_meter(write_tree(tmp_path / "pi", PI5), search_path=path, clock=clock)
    assert reason == ""
    meter.start()
    clock.sleep(4.0)
    assert meter.stop().joules == {"pmic": pytest.approx(4 * PMIC_W)}


def test_a_pi_4_has_no_power_controller(tmp_path):
    script(tmp_path / "bin", "vcgencmd", "echo 'error=1 error_msg=\"Command not registered\"'; exit 255")
    meter, _ = find_meter(write_tree(tmp_path / "pi", PI5), search_path=str(tmp_path / "bin"))
    assert meter is None


def test_tegrastats_is_the_last_resort(tmp_path):
    text = f"echo '{ORIN.strip()}'; echo '{ORIN.strip()}'; exec sleep 60"
    script(tmp_path / "bin", "tegrastats", text)
    meter, _ = find_meter(tmp_path, search_path=str(tmp_path / "bin"))
    assert isinstance(meter, StreamMeter)
    with_ina, _ = find_meter(write_tree(tmp_path / "jetson", JETSON), search_path=str(tmp_path / "bin"))
    assert isinstance(with_ina, PowerMeter)


def test_lines_of_a_program_are_integrated(tmp_path):
    lines = "; ".join([f"echo '{ORIN.strip()}'"] * 3)
    program = script(tmp_path, "tegrastats", f"{lines}; touch {tmp_path}/done; exec sleep 60")
    clock = Clock()
    meter = StreamMeter([str(program)], parse_tegrastats, clock=clock)
    meter.start()
    while len(meter._readings) < 3:  # the thread has them soon
        os.sched_yield()
    clock.sleep(2.0)
    used = meter.stop()
    assert used.seconds == 2.0
    assert used.joules["tegrastats:VDD_IN"] == pytest.approx(2 * 4.945)
    assert meter._process.poll() is not None


def test_power_is_integrated_by_trapezoids():
    readings = [(1.0, {"a": 2.0, "b": 1.0}), (3.0, {"a": 4.0}), (4.0, {"a": 4.0})]
    assert integrate(readings, 0.0, 6.0) == {"a": 2.0 + 6.0 + 4.0 + 8.0}
    assert integrate([], 0.0, 1.0) == {}


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 100)), min_size=2))
def test_energy_lies_between_the_least_and_the_most_power(pairs):
    readings = [(at, {"a": watts}) for at, watts in sorted(pairs)]
    joules = integrate(readings, 0.0, 10.0)["a"]
    watts = [watts for _, watts in pairs]
    assert 10 * min(watts) - 1e-6 <= joules <= 10 * max(watts) + 1e-6


class FakeMeter:
    """Ten watts when idle, 10.5 while somebody works."""

    def __init__(self, clock, worker):
        self.clock, self.worker = clock, worker

    def start(self):
        self.began, self.worked = self.clock.now, self.worker.worked_s

    def stop(self):
        seconds = self.clock.now - self.began
        load_j = 0.5 * (self.worker.worked_s - self.worked)
        return Used(seconds, {"rapl:package-0": 10.0 * seconds + load_j})


class FakeChild:
    """Takes 5 ms of the clock for each call."""

    def __init__(self, clock):
        self.clock, self.worked_s, self.requests = clock, 0.0, []

    def ask(self, request, limit_s):
        assert limit_s > request["seconds"]
        self.requests.append(request)
        self.clock.sleep(request["seconds"])
        self.worked_s += request["seconds"]
        return {"calls": round(request["seconds"] / 0.005)}


def run_phase(find, clock, child):
    measured = Measured(SimpleNamespace(name="bag"))
    texts = ["a", "b", "c"]
    said = []
    progress = Silent()
    progress.say = said.append
    context = SimpleNamespace(texts=texts, plan=SimpleNamespace(timed=[2, 0]), progress=progress)
    EnergyPhase(find=find, pause=clock.sleep).run([child], [measured], context)
    return measured, said


def test_a_call_of_five_milliseconds_at_half_a_watt_takes_two_and_a_half_millijoules():
    clock = Clock()
    child = FakeChild(clock)
    measured, _ = run_phase(lambda: (FakeMeter(clock, child), ""), clock, child)
    records = measured.extra["energy"]
    assert [(r.source, r.calls, r.seconds) for r in records] == [("rapl:package-0", 1000, pytest.approx(5.0))] * 3
    assert [r.idle_w for r in records] == [pytest.approx(10.0)] * 3
    assert records[0].joules == pytest.approx(52.5)
    assert joules_a_call(records)["rapl:package-0"].value == pytest.approx(0.0025)
    assert child.requests[0]["texts"] == ["c", "a"]
    assert measured.notes == []


def test_without_a_meter_energy_is_absent_and_the_reason_is_said():
    measured, said = run_phase(lambda: (None, "no meter"), Clock(), None)
    assert "energy" not in measured.extra
    assert measured.notes == ["energy not measured: no meter"]
    assert said == ["Energy is not measured: no meter."]


def test_a_meter_that_goes_silent_is_said():
    clock = Clock()
    silent = SimpleNamespace(start=lambda: None, stop=lambda: Used(1.0, {}))
    measured, _ = run_phase(lambda: (silent, ""), clock, FakeChild(clock))
    assert measured.extra["energy"] == []
    assert measured.notes == ["energy not measured: the meter stopped answering"]


def test_the_interval_of_the_energy_is_students():
    def record(joules):
        return Energy(source="pmic", idle_w=2.0, joules=joules, seconds=5.0, calls=1000)

    found = joules_a_call([record(12.0), record(13.0), record(14.0)])["pmic"]  # 2, 3 and 4 mJ a call
    assert found.value == pytest.approx(0.003)
    assert found.high - found.value == pytest.approx(4.302653 * 0.001 / 3**0.5, rel=1e-5)
    assert joules_a_call([record(12.0)]) == {}


def test_energy_is_written_in_the_unit_that_fits():
    assert units.energy(0.0025) == "2.50 mJ"
    assert units.energy(0.0025, 0.0020, 0.0030) == "2.50 mJ"
    assert units.energy_interval(0.0025, 0.0020, 0.0030) == "2.00 to 3.00"
    assert units.energy(3.1e-5) == "31.0 \u00b5J"
    assert units.power(4.945) == "4.95 W"
