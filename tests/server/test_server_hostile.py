"""What means no good is answered or hung up on, and leaves nothing behind."""

import hostile

COUNT = 120


def test_hostile_requests_leave_nothing_behind():
    report = hostile.attacked(COUNT)
    assert report["requests"] == COUNT and len(report["by_status"]) > 4
    assert report["troubles"] == [] and report["tracebacks"] == 0 and report["written"] == []
    assert report["then_answered"] == "200"
