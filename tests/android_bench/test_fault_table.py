"""Every line of the table in ``docs/phone.md`` is proved by a test that CI runs."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
TABLE = HERE.parents[1] / "docs" / "phone.md"
PROOFS = {
    "the connection drops during a push": [
        "test_a_connection_that_drops_in_a_push_starts_that_push_again",
    ],
    "the cable is pulled while the runner runs": [
        "test_a_cable_pulled_while_the_runner_runs_costs_a_reconnect",
        "test_a_phone_that_its_server_no_longer_lists_costs_a_reconnect",
    ],
    "the cable is pulled right after the start": [
        "test_a_cable_pulled_right_after_the_start_does_not_hang_up_the_job",
    ],
    "the answer to a start is lost": ["test_a_start_whose_answer_is_lost_does_not_start_twice"],
    "the phone stalls, or garbage is on the wire": [
        "test_a_phone_that_stalls_is_left_and_reached_again",
        "test_garbage_on_the_wire_is_a_lost_connection",
    ],
    "the adb server is killed and started again": [
        "test_a_server_that_is_killed_and_started_again_costs_a_reconnect",
    ],
    "a push arrives truncated or damaged": [
        "test_a_truncated_push_gets_no_name",
        "test_a_push_that_arrives_damaged_again_and_again_is_an_error_and_no_file",
    ],
    "a file in the cache is damaged": ["test_a_file_that_was_damaged_on_the_phone_is_sent_again"],
    "a result arrives damaged": [
        "test_a_result_that_arrives_damaged_is_pulled_again",
        "test_a_result_that_arrives_damaged_again_and_again_is_no_result",
    ],
    "the key is refused or never accepted": [
        "test_a_phone_that_refuses_the_key_is_unauthorized_and_made_its_key_with_0600",
        "test_a_key_that_is_not_accepted_in_time_is_unauthorized",
        "test_phones_run_side_by_side_and_a_lost_one_stops_none",
    ],
    "no space": ["test_a_phone_without_space_reports_how_much_is_needed_before_anything_is_sent"],
    "the phone fills up while the runner writes": [
        "test_a_result_that_finds_no_space_is_no_result",
    ],
    "the runner is killed": [
        "test_a_runner_that_is_killed_is_a_row_with_the_signal_and_other_rows_continue",
    ],
    "the whole job is killed": [
        "test_a_job_that_is_killed_as_a_whole_is_a_row_and_other_rows_continue",
    ],
    "the phone restarts": ["test_a_reboot_loses_the_one_run_that_ran_and_resume_completes_it"],
    "the phone stays away for two minutes": [
        "test_a_phone_that_does_not_come_back_is_a_row_and_resume_takes_up_what_it_holds",
    ],
    "it is hot at the start": ["test_a_hot_phone_is_refused_and_force_is_noted_in_the_row"],
    "heat rises during a run": [
        "test_a_block_that_heat_throttled_is_discarded_cooled_and_redone",
    ],
    "a core is offline": ["test_a_core_that_is_offline_is_refused"],
    "the pinned core goes offline in a bench": [
        "test_a_core_that_goes_offline_in_a_bench_ends_the_row_and_nothing_runs_elsewhere",
    ],
    "two benches at once": [
        "test_two_benches_cannot_share_a_phone",
        "test_resume_never_takes_a_phone_from_a_bench_that_is_alive",
        "test_an_owner_in_a_long_transfer_announces_it_and_is_not_taken_for_dead",
    ],
    "Ctrl-C": [
        "test_ctrl_c_puts_everything_back_and_keeps_what_was_measured",
        "test_ctrl_c_with_two_phones_puts_both_back_and_keeps_the_rows_that_were_done",
    ],
    "the harness is killed (`kill -9`)": ["test_a_harness_that_was_killed_is_taken_up_by_resume"],
}


def faults() -> list[str]:
    """The first cells of the table under "When something goes wrong"."""
    section = TABLE.read_text(encoding="utf-8").partition("## When something goes wrong")[2]
    rows = [line for line in section.partition("\n## ")[0].splitlines() if line.startswith("| ")]
    return [row.split("|")[1].strip() for row in rows[1:]]


def test_every_line_of_the_table_names_its_proofs() -> None:
    assert faults() == list(PROOFS)


def test_every_proof_is_a_test_that_continuous_integration_runs() -> None:
    defined: dict[str, str] = {}
    for path in HERE.glob("test_*.py"):
        for marks, name in re.findall(
            r"((?:^@[^\n]*\n)*)^def (test_\w+)", path.read_text(encoding="utf-8"), re.M
        ):
            defined[name] = marks
    proofs = [name for names in PROOFS.values() for name in names]
    assert [name for name in proofs if name not in defined] == []
    assert [name for name in proofs if "zoo" in defined[name] or "skip" in defined[name]] == []
