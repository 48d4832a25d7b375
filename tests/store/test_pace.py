"""Progress says how fast work goes, and does not take the compilation for work."""

from __future__ import annotations

import pytest

from sim.experiments import progress


@pytest.mark.parametrize(
    ("per_second", "text"), [(242_000.0, "242,000 lives/s"), (1.0, "1 lives/s"), (0.05, "3.0 lives/min")]
)
def test_slow_work_keeps_its_digits(per_second: float, text: str) -> None:
    assert progress.rate(per_second, " lives") == text


def test_what_came_before_the_first_report_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty seconds of compiling, then 100 lives a second: 100, not 100 x 3 / 23."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    pace = progress.Pace()
    for moment in (21.0, 22.0, 23.0):
        now[0] = moment
        pace.report(100)
    assert pace.per_second() == pytest.approx(100.0)
    assert pace.finished == 300


def test_more_work_than_expected_takes_no_negative_time() -> None:
    assert progress.remaining(30, 2.0) == "about 15 s left"
    assert progress.remaining(-5, 2.0) == "more than expected, nearly done"
