"""What `make bench` does with times once it has them; nothing is timed here."""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import line, process, results
from benchmarks.arriving import arrivals
from benchmarks.line import HEADER, NOTHING, parsed, table
from benchmarks.rounds import Effort, Paired, in_turn, paired, without_start
from tests.helpers.processes import run_to_end
from tests.performance.test_startup import imported_by

TIMES = st.floats(1e-6, 1e3)


def times(ratio: float) -> Paired:
    return Paired(ours=2.0 * ratio, peer=2.0, ratio=ratio, low=ratio / 2, high=ratio * 2, runs=7)


LINES = [
    line.timed(2, "float32 dense: n = 8192, d = 64", times(0.913), 1.0, differs=2.5e-7),
    line.timed(2, "float32 dense: n = 16384, d = 64", times(1.002), 1.0, differs=2.5e-7),
    line.timed(2, "float64 dense: n = 8192, d = 64", times(0.7), 0.85, differs=1e-15),
    line.timed(2, "ONNX Runtime: n = 8192, d = 64", times(3.1), differs=1e-7),
    line.accuracy(2, "largest error: steep", (3e-4, 6e-4), 1.0, 5),
    line.peak(4, "peak memory: n = 65536", 231.4e6, 250, 313e6),
    line.peak(7, "additive, peak memory", 301e6, 300),
    line.failed(8, process.FailedError("a | b\nsecond line")),
]
FACTS = {"date": "2030-02-03", "CPU": "Abacus 7", "ours": "attn 1, numpy 2", "peers": "torch 3"}
BLOCK = results.Block(FACTS, LINES)

HOLDING = """
import sys
from benchmarks.process import run
for size in (1, 100_000_000):
    print(int(run([sys.executable, "-S", "-c", f"x = b'x'; x *= {size}"]).peak))
"""


class TestRounds:
    def test_both_run_in_turn_and_the_first_round_does_not_count(self) -> None:
        calls: list[str] = []
        numbers = iter(range(100))

        def call(name: str) -> int:
            calls.append(name)
            return next(numbers)

        rounds = in_turn([lambda: call("a"), lambda: call("b")], Effort(3, 3, 0))
        assert calls == ["a", "b"] * 4
        assert rounds == [(2, 3), (4, 5), (6, 7)]

    @pytest.mark.parametrize(
        ("effort", "rounds"), [(Effort(2, 5, 0), 2), (Effort(2, 5, 1e9), 5), (Effort(3, 2, 0), 3)]
    )
    def test_how_often(self, effort: Effort, rounds: int) -> None:
        assert len(in_turn([lambda: None], effort)) == rounds

    @given(st.lists(st.tuples(TIMES, TIMES), min_size=1, max_size=11))
    def test_medians_and_extremes(self, pairs: list[tuple[float, float]]) -> None:
        found = paired(pairs)
        ratios = sorted(ours / peer for ours, peer in pairs)
        assert (found.low, found.high, found.runs) == (ratios[0], ratios[-1], len(pairs))
        assert found.ratio == median(ratios)
        assert found.ours == median(ours for ours, _ in pairs)
        assert found.peer == median(peer for _, peer in pairs)

    def test_a_slow_minute_moves_no_ratio(self) -> None:
        assert paired([(1, 2), (10, 20), (1, 2), (30, 60)]).ratio == 0.5

    @given(st.lists(st.tuples(TIMES, TIMES), min_size=1, max_size=7), st.floats(0, 1e3))
    def test_start_up_is_taken_off(self, jobs: list[tuple[float, float]], start: float) -> None:
        found = without_start([(a + start, b + 3 * start, start, 3 * start) for a, b in jobs])
        ours, peer = (median(side) for side in zip(*jobs, strict=True))
        assert found.ours == pytest.approx(ours, abs=1e-9)
        assert found.peer == pytest.approx(peer, abs=1e-9)

    def test_a_peer_that_takes_no_time_is_no_peer(self) -> None:
        assert without_start([(3.0, 1.0, 2.0, 1.0)]).ratio == float("inf")


class TestLine:
    @pytest.mark.parametrize(
        ("ratio", "differs", "reached"),
        [(1.0, 1e-7, "yes"), (1.01, 1e-7, "no"), (0.5, 0.1, "no"), (0.5, float("inf"), "no")],
    )
    def test_a_mark_is_reached_where_time_and_result_allow(
        self, ratio: float, differs: float, reached: str
    ) -> None:
        made = line.timed(2, "x", times(ratio), 1.0, differs=differs)
        assert made.reached == reached
        assert made.missed == (reached == "no")

    def test_float64_has_to_agree_further(self) -> None:
        assert line.timed(2, "x", times(0.5), 1.0, differs=1e-7, dtype="float64").missed

    def test_information_has_no_mark_but_a_wrong_result_shows(self) -> None:
        right, wrong = (line.timed(2, "x", times(9.0), differs=d) for d in (0.0, 1.0))
        assert (right.mark, right.reached, right.missed) == (NOTHING, NOTHING, False)
        assert (wrong.mark, wrong.missed) == (NOTHING, True)

    @pytest.mark.parametrize(("size", "missed"), [(250e6, False), (250_000_001, True)])
    def test_memory_is_in_millions_of_bytes(self, size: float, missed: bool) -> None:
        assert line.peak(4, "x", size, 250).missed is missed

    @pytest.mark.parametrize(
        ("mark", "shown"), [(30.0, "≤ 30 s"), (1.0, "≤ 1 s"), (0.008, "≤ 8 ms")]
    )
    def test_a_time_alone_is_marked_in_its_unit(self, mark: float, shown: str) -> None:
        at, over = (line.within(13, "x", time, mark) for time in (mark, 1.001 * mark))
        assert (at.mark, at.missed, over.missed) == (shown, False, True)

    def test_what_is_added_is_the_difference_pair_by_pair(self) -> None:
        pairs = [(9.0, 7.0), (5.0, 4.5), (3.0, 2.25)]
        made = line.added(14, "x", pairs, 0.75)
        assert (made.ours, made.peer) == ("5.00 s", "4.50 s")
        assert (made.ratio, made.mark) == ("+0.75 s (+0.50–+2.00)", "≤ 0.75 s more")
        assert not made.missed
        assert line.added(14, "x", pairs, 0.74).missed

    def test_files_are_in_thousands_of_bytes(self) -> None:
        assert not line.stored(16, "x", 60_000, 60).missed
        assert line.stored(16, "x", 60_001, 60).missed

    def test_a_speed_must_be_reached_from_above(self) -> None:
        assert not line.rate(14, "x", 200.0, 200).missed
        assert line.rate(14, "x", 199.4, 200).missed

    def test_what_cannot_be_measured_here_has_no_mark(self) -> None:
        made = line.skipped(16, "pages", "no Chromium")
        assert (made.mark, made.reached, made.missed) == (NOTHING, NOTHING, False)
        assert "no Chromium" in made.what

    def test_two_exact_results_are_equally_exact(self) -> None:
        assert line.accuracy(2, "x", (0.0, 0.0), 1.0, 5).reached == "yes"
        assert line.accuracy(2, "x", (1.004, 1.0), 1.0, 5).reached == "yes"
        assert line.accuracy(2, "x", (1.006, 1.0), 1.0, 5).reached == "no"
        assert line.accuracy(2, "x", (1e-9, 0.0), 1.0, 5).reached == "no"

    @pytest.mark.parametrize(
        ("time", "text"),
        [(0.00071, "0.710 ms"), (0.0997, "99.7 ms"), (0.9994, "999 ms"), (0.9996, "1.00 s"),
         (12.345, "12.3 s"), (1234.5, "1.23e+03 s")],
    )  # fmt: skip
    def test_times_have_three_digits(self, time: float, text: str) -> None:
        assert line.seconds(time) == text


class TestTable:
    def test_what_is_written_is_read(self) -> None:
        assert parsed(table(LINES)) == LINES

    def test_columns_are_aligned(self) -> None:
        rows = table(LINES).splitlines()
        assert len({len(row) for row in rows}) == 1
        assert {row.count(" | ") for row in rows} == {len(HEADER) - 1}

    def test_a_text_without_the_table_has_no_lines(self) -> None:
        assert parsed("# nothing\n\n| a | b |\n| - | - |\n| 1 | 2 |\n") == []


class TestDocument:
    def test_lines_and_facts_come_back(self) -> None:
        later = results.Block({**FACTS, "date": "2031-05-07"}, [line.within(11, "x", 1.0, 2)])
        assert results.blocks_of(results.document([BLOCK, later])) == [BLOCK, later]

    def test_a_block_says_its_rows_and_its_date(self) -> None:
        assert "\n## Rows 2, 4, 7–8: 2030-02-03\n" in results.document([BLOCK])

    def test_marks_are_counted(self) -> None:
        assert "\n4 of 7 marks reached.\n" in results.document([BLOCK])

    def test_the_short_table_has_one_row_for_lines_of_one_topic_and_mark(self) -> None:
        assert results.summary(LINES).splitlines()[2:] == [
            "| 2 | float32 dense | 0.913–1.002 x | ≤ 1 x | no |",
            "| 2 | float64 dense | 0.700 x | ≤ 0.85 x | yes |",
            "| 2 | largest error | 0.50 x | ≤ 1 x | yes |",
            "| 4 | peak memory | 231 MB | ≤ 250 MB | yes |",
            "| 7 | additive, peak memory | 301 MB | ≤ 300 MB | no |",
        ]

    def test_a_time_without_a_peer_is_shown_as_it_is(self) -> None:
        for wall, reached in ((29.6, "yes"), (31.0, "no")):
            made = line.within(10, "statistics: large", wall, 30)
            assert made.missed == (reached == "no")
            row = f"| 10 | statistics | {line.seconds(wall)} | ≤ 30 s | {reached} |"
            assert results.summary([made]).splitlines()[2:] == [row]

    def test_a_mark_in_other_units_shows_what_was_measured(self) -> None:
        made = [
            line.added(14, "added", [(5.0, 4.5)], 1.0),
            line.rate(14, "speed", 250.0, 200),
            line.stored(16, "size", 59_954, 60),
            line.within(16, "work", 0.0051, 0.008),
        ]
        cells = [row.split(" | ")[2] for row in results.summary(made).splitlines()[2:]]
        assert cells == ["+0.50 s", "250 /s", "60.0 kB", "5.10 ms"]

    def test_times_alone_are_shown_from_the_shortest_to_the_longest(self) -> None:
        made = [line.within(16, f"open: {time}", time, 1) for time in (0.72, 0.095, 1.2, 0.3)]
        (row,) = results.summary(made).splitlines()[2:]
        assert row == "| 16 | open | 95.0 ms–1.20 s | ≤ 1 s | no |"

    def test_ratios_are_ordered_as_numbers(self) -> None:
        two = [line.timed(2, "x", times(ratio), 20.0) for ratio in (10.25, 9.5)]
        assert "9.500–10.250 x" in results.summary(two)

    def test_the_readme_quotes_the_file(self, tmp_path: Path) -> None:
        file = tmp_path / "RESULTS.md"
        file.write_text(results.document([BLOCK]), encoding="utf-8")
        quoted = results.table_for_readme(file)
        assert quoted.startswith(results.summary(LINES))
        assert "2030-02-03" in quoted
        assert "Abacus 7" in quoted

    def test_the_readme_quotes_several_blocks_as_one_table(self, tmp_path: Path) -> None:
        file = tmp_path / "RESULTS.md"
        later = results.Block({**FACTS, "date": "2031-05-07"}, [line.within(3, "x", 1.0, 2)])
        file.write_text(results.document([BLOCK, later]), encoding="utf-8")
        quoted = results.table_for_readme(file)
        rows = [row.split(" | ")[0] for row in quoted.splitlines() if row.startswith("| ")]
        assert rows[2:] == ["| 2", "| 2", "| 2", "| 3", "| 4", "| 7"]
        assert "\nRows 2, 4, 7–8: 2030-02-03, " in quoted
        assert "\nRow 3: 2031-05-07, " in quoted


class TestProcess:
    def test_a_status_can_be_expected(self) -> None:
        command = [sys.executable, "-S", "-c", "import os; os._exit(int(os.environ['CODE']))"]
        assert process.run(command, status=3, variables={"CODE": "3"}).cpu > 0
        with pytest.raises(process.FailedError, match="status 0 of"):
            process.run(command, status=3, variables={"CODE": "0"})

    def test_answers_arrive_one_by_one(self, tmp_path: Path) -> None:
        asked = tmp_path / "asked.txt"
        asked.write_text("a\nb\nc\n", encoding="utf-8")
        echo = "import sys; [print(line, end='', flush=True) for line in sys.stdin]"
        command = [sys.executable, "-S", "-c", echo]
        found = arrivals(command, str(asked))
        assert len(found) == 3
        assert found == sorted(found)
        with pytest.raises(process.FailedError, match="0 answers to 3 lines"):
            arrivals([sys.executable, "-S", "-c", ""], str(asked))

    def test_a_failure_says_what_the_command_said(self) -> None:
        code = "import sys; sys.exit('no such luck')"
        with pytest.raises(process.FailedError, match=r"status 1 .*no such luck"):
            process.run([sys.executable, "-c", code])

    def test_the_peak_of_a_process_is_its_own(self) -> None:
        # measured from a process as small as the one that measures
        peaks = run_to_end([sys.executable, "-c", HOLDING]).stdout
        small, large = map(int, peaks.split())
        assert small < 5e7
        assert 1e8 < large < 1.5e8

    def test_the_environment_is_scrubbed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        gone = ("PYTHONDONTWRITEBYTECODE", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ATTN_MEMORY")
        for name in (*gone, "ATTENTION"):
            monkeypatch.setenv(name, "1")
        left = process.environment()
        assert not left.keys() & set(gone)
        assert left["ATTENTION"] == "1"


def test_the_process_that_measures_stays_small() -> None:
    assert not imported_by("import benchmarks.__main__") & {"numpy", "torch", "attn_cli"}


class TestMeasuredAnew:
    """A row that is measured again replaces its lines; the others keep their date."""

    NEW = (
        line.timed(10, "other rows", times(1), 2),
        line.timed(7, "additive: again", times(0.2), 0.3),
    )

    def test_another_day_is_a_block_of_its_own(self) -> None:
        new = results.Block({**FACTS, "date": "2031-05-07"}, list(self.NEW))
        kept, added = results.replaced([BLOCK], new)
        assert kept == results.Block(FACTS, [*LINES[:6], LINES[7]])
        assert added == new

    def test_the_same_day_is_the_same_block_in_the_order_of_the_rows(self) -> None:
        one, two = ({**FACTS, "load before the start": load} for load in ("0.5", "0.25"))
        (block,) = results.replaced([results.Block(one, LINES)], results.Block(two, [*self.NEW]))
        assert [(each.row, each.what) for each in block.lines] == [
            *((each.row, each.what) for each in LINES[:6]),
            ("7", "additive: again"),
            (LINES[7].row, LINES[7].what),
            ("10", "other rows"),
        ]
        assert block.known == {**FACTS, "load before the start": "0.5, 0.25"}

    def test_a_block_without_rows_is_gone_and_so_is_its_load(self) -> None:
        one, two = ({**FACTS, "load before the start": load} for load in ("0.5", "0.25"))
        new = results.Block(two, LINES)
        assert results.replaced([results.Block(one, LINES)], new) == [new]

    def test_of_another_day_too(self) -> None:
        new = results.Block({**FACTS, "date": "2031-05-07"}, LINES)
        assert results.replaced([BLOCK], new) == [new]
