"""The STRESS checklist: complete, filled with what the run says, silent on what it cannot know."""

from sim.report.cheers import NOT_REPORTED
from sim.report.frames import Frames
from sim.report.stress import stress_checklist


def test_the_checklist_has_every_item_once_and_in_order() -> None:
    numbers = [item.number for item in stress_checklist(Frames())]
    wanted = ["1.1", "1.2", "1.3", "2.1", "2.2", "2.3", "2.4", "2.5.1", "2.5.2", "2.5.3", "2.5.4", "2.5.5"]
    assert numbers == [*wanted, "3.1", "3.2", "3.3", "3.4", "4.1", "4.2", "4.3", "5.1", "5.2", "5.3", "5.4", "6.1"]
    assert {item.answer for item in stress_checklist(Frames())} == {NOT_REPORTED}


def test_it_says_what_the_run_knows(world: Frames) -> None:
    found = {item.number: item.answer for item in stress_checklist(world)}
    assert "60" in found["2.5.1"]
    assert found["2.1"] == NOT_REPORTED  # no pathway was counted
    assert "5 parameters" in found["3.3"]
    assert found["3.4"].startswith("1 parameter is assumed")
    assert "seed 1" in found["5.2"]
    assert world.manifest["version"] in found["5.1"]
    assert "death" in found["2.5.5"]
