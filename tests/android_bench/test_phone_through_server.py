"""The same faults with Debian's adb server in between, which handles them in its own way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.android_bench.benches import Workbench
from tests.android_bench.test_phone_faults import (
    test_a_cable_pulled_while_the_runner_runs_costs_a_reconnect,
    test_a_connection_that_drops_in_a_push_starts_that_push_again,
    test_a_file_that_was_damaged_on_the_phone_is_sent_again,
    test_a_phone_that_stalls_is_left_and_reached_again,
    test_a_result_that_arrives_damaged_is_pulled_again,
    test_a_start_whose_answer_is_lost_does_not_start_twice,
    test_a_truncated_push_gets_no_name,
    test_garbage_on_the_wire_is_a_lost_connection,
)
from tests.android_bench.test_phone_troubles import (
    test_a_job_that_is_killed_as_a_whole_is_a_row_and_other_rows_continue,
    test_a_phone_without_space_reports_how_much_is_needed_before_anything_is_sent,
    test_a_reboot_loses_the_one_run_that_ran_and_resume_completes_it,
    test_two_benches_cannot_share_a_phone,
)
from tests.fakes.adb import PrivateAdb
from tests.fakes.phone import FakePhone

pytestmark = pytest.mark.slow
__all__ = [
    "test_a_cable_pulled_while_the_runner_runs_costs_a_reconnect",
    "test_a_connection_that_drops_in_a_push_starts_that_push_again",
    "test_a_file_that_was_damaged_on_the_phone_is_sent_again",
    "test_a_job_that_is_killed_as_a_whole_is_a_row_and_other_rows_continue",
    "test_a_phone_that_stalls_is_left_and_reached_again",
    "test_a_phone_without_space_reports_how_much_is_needed_before_anything_is_sent",
    "test_a_reboot_loses_the_one_run_that_ran_and_resume_completes_it",
    "test_a_result_that_arrives_damaged_is_pulled_again",
    "test_a_start_whose_answer_is_lost_does_not_start_twice",
    "test_a_truncated_push_gets_no_name",
    "test_garbage_on_the_wire_is_a_lost_connection",
    "test_two_benches_cannot_share_a_phone",
]


@pytest.fixture
def workbench(workbench: Workbench, phone: FakePhone) -> Iterator[Workbench]:
    with PrivateAdb() as adb:
        adb.connect(phone.address)
        workbench.adb_host = f"127.0.0.1:{adb.port}"
        # adb tries to reconnect to a lost phone every ten seconds.
        workbench.policy = replace(workbench.policy, total_s=120)
        yield workbench
