"""The specification of reuse, sentence by sentence: which tests show each.

A test is named ``folder/test_file.py::test_name``; behind a space stands the row of its table, where it has one.
"""

from __future__ import annotations

import ast
import functools
from pathlib import Path

import pytest

CODE, KEYS, INPUTS = (f"journeys/test_truth_{name}.py" for name in ("code", "keys", "inputs"))
EDIT = f"{CODE}::test_an_edit_runs_the_steps_that_reach_it_and_no_other"
NO_EDIT = f"{CODE}::test_what_changes_no_result_runs_nothing"
KEY = f"{KEYS}::test_what_is_in_the_key_runs_its_step_and_what_is_not_runs_nothing"
VARIABLE = f"{KEYS}::test_a_variable_counts_where_it_is_taken"
ROW = f"{INPUTS}::test_a_change_runs_exactly_what_the_sentence_says"
LEAK = "journeys/test_leaks.py::test_a_leak_is_not_reused_and_is_named"

SENTENCES: dict[str, tuple[str, ...]] = {
    "1.1 a transform counts by its code; comments, docstrings, formatting do not": (
        f"{EDIT} 1.1 its own syntax tree", f"{NO_EDIT} 1.1 comments do not count",
        f"{NO_EDIT} 1.1 docstrings do not count", f"{NO_EDIT} 1.1 formatting does not count"),
    "1.1 functions that it names": (f"{EDIT} 1.1 a function",),
    "1.1 classes whole: bases, metaclass, decorators, base classes of other modules": (
        f"{EDIT} 1.1 a class whole", f"{EDIT} 1.1 a metaclass", f"{EDIT} 1.1 a base class of another module",
        f"{EDIT} 1.1 a class made by a library's decorator"),
    "1.1 module values": (f"{EDIT} 1.1 a module value",),
    "1.1 default arguments": (f"{EDIT} 1.1 a default argument",),
    "1.1 closure cells": (f"{EDIT} 1.1 a closure cell",),
    "1.1 arguments of a partial": (f"{EDIT} 1.1 a partial's argument",),
    "1.1 functions inside containers": (f"{EDIT} 1.1 a function in a container",),
    "1.1 methods reached through a module": (f"{EDIT} 1.1 a method through a module",),
    "1.1 re-exports": (f"{EDIT} 1.1 a re-export led elsewhere",),
    "1.1 relative and star imports": (f"{EDIT} 1.1 a relative import", f"{EDIT} 1.1 a star import"),
    "1.1 imports inside functions": (f"{EDIT} 1.1 an import inside a function",),
    "1.1 cycles are fine": (f"{EDIT} 1.1 a cycle",),
    "1.2 the bytes that run are the bytes that are hashed, whatever bytecode lies around": (
        f"{CODE}::test_stale_bytecode_is_neither_run_nor_hashed",
        "identify/test_source_loader.py::test_stale_bytecode_is_not_run",
        "identify/test_source_loader.py::test_bytecode_that_claims_to_need_no_check_is_not_run"),
    "1.2 a server that is older than its files does not guess": (
        "journeys/test_dagster_ui.py::test_a_server_that_is_older_than_its_files_runs_the_files",
        "identify/test_source_loader.py::test_what_was_loaded_before_keeps_the_source_that_it_had_when_the_loader_came"),
    "1.3 what has no source": (f"{EDIT} 1.3 what has no source",),
    "1.3 several lambdas on one line": (
        f"{EDIT} 1.3 the first of two lambdas on a line", f"{EDIT} 1.3 the second of two lambdas on a line"),
    "1.3 sets sorted": ("identify/test_fingerprint.py::test_fingerprints_do_not_depend_on_the_hash_seed",),
    "1.4 module values are encoded when the import ends": (
        "journeys/test_reuse.py::test_a_step_that_changes_a_module_value_and_those_that_take_it_are_not_reused",),
    "1.4 what can't be encoded makes its steps uncacheable, with the path to it": (
        f"{CODE}::test_a_value_that_can_not_be_encoded_is_told_with_the_path_to_it",),
    "1.4 loggers, locks and modules count by name": (
        f"{NO_EDIT} 1.4 loggers count by name", f"{NO_EDIT} 1.4 locks count by name"),
    "1.4 a memo that a step fills does not move its own key": (
        f"{CODE}::test_a_memo_that_a_step_fills_does_not_move_its_key",),
    "1.5 effects of every first-party module that is loaded count for all Python steps": (
        f"{EDIT} 1.5 an effect", "identify/test_effects.py::test_an_effect_counts_for_every_step an option",
        "identify/test_effects.py::test_an_effect_counts_for_every_step an attribute of a library's class",
        "identify/test_effects.py::test_an_effect_counts_for_every_step a registering decorator",
        "identify/test_effects.py::test_an_effect_of_a_module_imported_for_it_counts"),
    "1.5 whatever way they take": (
        f"{EDIT} 1.5 an effect that no statement shows", f"{EDIT} 1.5 an option that a function sets",
        "identify/test_left_in_libraries.py::test_a_function_that_a_library_holds_counts_with_what_it_reaches"),
    "1.6 computed names count every loaded first-party module whole": (
        f"{CODE}::test_a_step_that_computes_names_counts_every_module_whole",),
    "1.7 only what a RECORD of a non-editable distribution lists is third-party": (
        "identify/test_distribution.py::test_a_file_is_the_users_unless_a_record_lists_it",
        "identify/test_distribution.py::test_an_editable_install_is_the_users_own_code",
        f"{EDIT} 1.7 a namespace package"),
    "1.7 compiled extensions by their bytes": (f"{CODE}::test_a_compiled_extension_counts_by_its_bytes",),
    "1.7 a distribution counts by name and version, with its requirements": (
        "identify/test_distribution.py::test_a_distribution_counts_with_its_version_and_all_that_it_requires",),
    "1.7 one from a local path by its RECORD as well": (
        "identify/test_distribution.py::test_one_from_a_local_path_counts_by_its_record_as_well",),
    "1.8 SQL counts by its tokens; nothing else is normalised": (
        f"{CODE}::test_sql_counts_by_its_tokens_and_nothing_else_is_normalised",),
    "1.9 code that travels in data": (
        f"{KEYS}::test_code_that_travels_in_data_runs_those_who_take_it",
        f"{KEYS}::test_code_that_travels_on_through_a_step_that_never_names_it",
        f"{CODE}::test_code_that_a_step_unpickles_by_itself_is_part_of_its_result"),
    "2.1 schema number, step name": (
        "identify/test_key.py::test_a_key_says_its_schema", f"{KEY} 2.1 the step's name"),
    "2.1 params": (f"{KEY} 2.1 a param",),
    "2.1 bindings: version, absence, type": (
        f"{KEY} 2.1 what a parameter is handed as", f"{ROW} 3.4 early cut-off",
        "journeys/test_absent.py::test_a_result_with_and_one_without_the_input_are_two_that_are_both_found_again"),
    "2.1 output formats": ("identify/test_identification.py::test_what_changes_a_result_changes_the_key",),
    "2.1 engine, with the versions of the libraries that hold and read the data": (
        f"{KEYS}::test_another_version_of_the_library_that_reads_the_data_counts",),
    "2.1 settings that affect results": (f"{KEY} 2.1 a setting that affects results",),
    "2.1 declared files and variables": (f"{KEY} 2.1 a declared file", f"{VARIABLE} 2.1 a declared variable"),
    "2.1 the list of per-attempt params": (f"{KEY} 2.1 the params of attempts",),
    "2.1 partitions and checks that change rows are not built, and refused": (
        "declare/test_definition.py::test_a_field_of_a_step_that_is_not_built_is_refused",),
    "2.2 not in it: layer, description, copies, schedule, alerts, retry, time-outs, checkpoint mode, paths": tuple(
        f"{KEY} 2.2 {name}" for name in (
            "the layer", "the description", "write copies", "the schedule", "alerts", "retry", "time-outs",
            "the checkpoint mode", "a path")),
    "2.2 nor times of files, run, attempt, host, environment": (
        f"{ROW} 4.2 a touched file", f"{VARIABLE} 2.2 an unrelated variable",
        "journeys/test_command_line.py::test_environments_share_results_and_differ_in_what_is_current"),
    "2.2 a moved or cloned project hits": (
        "journeys/test_reuse.py::test_a_moved_project_with_its_store_reuses_everything",
        "identify/test_fingerprint.py::test_a_moved_project_keeps_every_fingerprint"),
    "2.3 encoding is typed": (
        f"{KEY} 2.3 1 and '1' differ", f"{KEY} 2.3 1 and True differ", f"{KEY} 2.3 1 and 1.0 differ",
        "identify/test_digest.py::test_no_two_of_them_are_alike_but_every_nan_is_one_value"),
    "2.3 the order of fields and names does not matter, that inside a value does": (
        f"{KEY} 2.3 the order of step fields", f"{KEY} 2.3 the order of parameter names",
        f"{KEY} 2.3 the order inside a value"),
    "2.3 length-prefixed, tagged, golden": (
        "identify/test_digest.py::test_no_way_to_cut_a_list_of_texts_differently_has_the_same_encoding",
        "identify/test_digest.py::test_the_tag_keeps_kinds_of_values_apart",
        "identify/test_digest.py::test_every_type_that_can_be_encoded_has_a_golden_digest"),
    "2.4 secrets never enter in clear": (
        f"{KEYS}::test_no_value_of_a_variable_stands_in_the_store", f"{VARIABLE} 2.4 a secret param"),
    "2.4 an HMAC with the salt of the store": (f"{KEYS}::test_another_store_has_another_salt",),
    "2.4 push and pull copy the salt into an empty store and refuse another": (
        "keep/test_transfer.py::test_an_empty_store_receives_everything_the_history_and_the_salt",
        "keep/test_transfer.py::test_stores_with_different_salts_are_refused_and_nothing_is_copied"),
    "2.5 why is a difference of two records": (
        f"{KEYS}::test_a_key_says_its_parts",
        "journeys/test_command_line.py::test_why_names_the_helper_the_param_and_the_input"),
    "3.1 the sequence digest: columns, types, nulls, values, index": (
        f"{ROW} 3.1 a type is part of the version", f"{ROW} 3.1 columns in order", f"{ROW} 3.1 nulls",
        f"{ROW} 3.1 index with names",
        "identify/test_frame_version.py::test_the_version_of_each_type_is_what_it_ever_was"),
    "3.1 independent of chunks, files and writer": (
        f"{ROW} 3.1 independent of chunks", "identify/test_frame_version.py::test_chunks_and_offsets_do_not_count"),
    "3.1 the bag digest is of rows, a sum, never xor": (
        "identify/test_bag_digest.py::test_rows_that_swap_a_value_are_others",
        "identify/test_bag_digest.py::test_a_row_that_stands_twice_does_not_vanish"),
    "3.2 consumers are keyed on the sequence digest": (f"{ROW} 3.2 consumers are keyed on the sequence digest",),
    "3.2 an unordered statement that recomputes to an equal bag adopts the earlier result": (
        "journeys/test_bags.py::test_the_same_rows_in_another_order_stop_there",
        "identify/test_sql_statement.py::test_what_promises_no_order_is_known"),
    "3.2 deterministic: true": (f"{ROW} 3.2 deterministic: true",),
    "3.3 what is handed on is what the store gives back": (
        "journeys/test_reuse.py::test_a_reused_and_a_fresh_result_look_the_same_to_the_next_step",
        "keep/formats/test_frame.py::test_settling_a_settled_frame_changes_nothing"),
    "3.3 type changes that keep every value are listed": (
        "keep/formats/test_frame.py::test_a_type_that_changes_keeps_every_value_and_is_listed",),
    "3.3 a changed value, or a type that can't be written, is an error that names the column": (
        f"{INPUTS}::test_what_would_not_come_back_is_an_error_that_names_the_column",),
    "3.3 a step that changes its input in place harms nobody": (
        "journeys/test_reuse.py::test_a_step_that_changes_its_input_in_place_harms_nobody",),
    "3.4 early cut-off": (f"{ROW} 3.4 early cut-off",),
    "3.5 the first result of a key wins": (
        "keep/test_results.py::test_the_first_result_of_a_key_wins_and_who_comes_second_adopts_it",
        "journeys/test_at_once.py::test_runs_at_once_compute_each_key_once_and_the_others_take_it"),
    "3.5 another generation that differs is marked nondeterministic": (
        "journeys/test_reuse.py::test_a_reusable_step_that_differs_when_forced_is_marked",),
    "3.6 after A, B, A everything is a hit and show gives A": (
        f"{ROW} 3.6 back to A everything is a hit", f"{CODE}::test_going_back_is_a_hit_and_is_current"),
    "4.1 content of the files, as an ordered list": (
        f"{ROW} 4.1 content of the files", f"{ROW} 4.1 the ordered list", f"{ROW} 4.1 a file more, an empty one"),
    "4.1 relative paths where the reader makes data of them": (
        f"{ROW} 4.1 a folder that the reader makes data of", f"{ROW} 4.1 not the path where it is no data"),
    "4.1 read options": (f"{ROW} 4.1 read options",),
    "4.1 a file that changes while it is read": (
        "identify/test_file_digest.py::test_a_file_that_changes_while_it_is_read_is_read_again",
        "identify/test_file_digest.py::test_a_file_that_keeps_changing_is_an_error"),
    "4.2 the stat cache is not fooled": (
        f"{ROW} 4.2 a replaced file of equal size with restored times",
        "identify/test_file_digest.py::test_a_change_with_its_time_restored_is_seen",
        "identify/test_file_digest.py::test_a_file_that_was_just_written_is_not_remembered",
        "identify/test_file_digest.py::test_a_network_file_system_is_never_trusted"),
    "4.3 SQL sees its inputs and nothing else": (
        f"{INPUTS}::test_sql_sees_its_inputs_and_nothing_else 4.3 from 'x.csv'",
        "engines/test_duckdb_sql.py::test_it_reaches_no_file_no_extension_no_setting_and_no_python_variable",
        "engines/test_duckdb_sql.py::test_the_time_zone_is_utc"),
    "4.3 current_date puts the date into the key": (
        "identify/test_sql_statement.py::test_todays_date_becomes_part_of_the_key",
        "decide/test_plan.py::test_today_counts_for_a_step_that_takes_the_date"),
    "4.3 volatile functions, by DuckDB's own table": (
        "identify/test_sql_statement.py::test_what_answers_differently_each_time_is_an_obstacle",
        "identify/test_sql_statement.py::test_a_macro_is_judged_by_what_it_expands_to"),
    "4.4 without inputs and files it always runs, and cuts off what follows": (
        "journeys/test_reuse.py::test_a_step_without_inputs_and_files_always_runs_and_cuts_off_what_follows",),
    "4.4 unless it declares source_version or ttl": (
        f"{ROW} 4.4 source_version, another", f"{ROW} 4.4 ttl, not over", f"{ROW} 4.4 ttl, over"),
    "4.4 a result from the future is a miss": (
        "decide/test_plan.py::test_a_ttl_is_measured_from_when_the_result_was_made",),
    "4.5 files, folders, missing files and variables that a step reads": (
        f"{ROW} 4.5 a file that the step opens", f"{ROW} 4.5 a missing file that it looks for",
        f"{ROW} 4.5 a folder that it lists", f"{ROW} 4.5 a variable that it takes"),
    "4.5 why names what broke the trace": (
        "identify/test_observed_inputs.py::test_an_observation_says_what_broke_it",),
    "4.5 sockets, programs, all variables, a file read and then written": (
        "identify/test_observed_inputs.py::test_what_no_trace_can_hold_is_an_obstacle",),
    "4.5 unless allowed": ("journeys/test_reuse.py::test_declaring_what_is_harmless_makes_a_step_reusable",),
    "4.5 a file only written or appended to is an effect": (f"{ROW} 4.5 a file that is only appended to",),
    "4.5 a command is reusable on its arguments, files and variables": (
        f"{ROW} 4.5 a command's arguments", f"{ROW} 4.5 a command's files", f"{ROW} 4.5 a command's env",
        f"{ROW} 4.5 a command's other variables are cleared"),
    "4.5 what hooks miss is judged from the code, with the line": (
        "identify/test_volatile.py::test_what_answers_differently_or_reads_unseen_is_an_obstacle",
        "identify/test_volatile.py::test_an_obstacle_in_a_helper_is_told_with_the_helpers_line",
        f"{ROW} 4.5 a native reader whose files are declared", LEAK),
    "4.5 steps that run in threads are told apart": (
        "identify/test_observed_inputs.py::test_two_steps_at_once_are_told_apart",
        "identify/test_observed_inputs.py::test_no_step_begins_to_read_before_reads_are_seen"),
    "4.6 hidden channels are restored, and make a step non-reusable with the reason": (
        "journeys/test_reuse.py::test_hidden_channels_are_restored_and_named",
        "execute/test_hidden_channels.py::test_a_change_is_named_and_undone"),
    "5 nothing to do imports neither Dagster nor pandas nor the user's modules": (
        "identify/test_witness.py::test_a_plan_with_a_witness_imports_nothing_heavy_and_nothing_of_the_users",),
    "5 a witness holds all that an import rests on": (
        "identify/test_witness.py::test_whatever_an_import_rests_on_voids_it",
        "identify/test_witness.py::test_what_is_installed_is_part_of_it",
        "identify/test_witness.py::test_a_variable_that_the_import_read_voids_it",
        f"{KEYS}::test_a_new_file_that_shadows_a_module_is_noticed"),
    "5 an import is never by itself a recompute": (
        f"{KEYS}::test_a_witness_that_fails_for_an_innocent_reason_costs_one_import_and_no_recompute",),
    "5 no witness where a value may be another at the next import; plan says why": (
        "identify/test_witness.py::test_there_is_no_witness_where_none_would_be_sound",
        f"{KEYS}::test_where_there_is_no_witness_plan_says_why"),
    "5 another answer under the same witness voids it and names the value": (
        "identify/test_witness.py::test_an_answer_that_differs_though_nothing_changed_voids_it_and_is_named",),
    "5 hit, miss, unknown, absent": (
        "decide/test_plan.py::test_what_lies_below_a_miss_is_unknown_and_waits_for_it",
        "decide/test_decision.py::test_the_first_row_that_applies_decides",
        "journeys/test_absent.py::test_a_condition_is_decided_by_the_plan"),
    "5 all is checked in one batch": ("journeys/test_buckets.py::test_a_plan_asks_the_bucket_for_all_steps_at_once",),
    "6 a failure is never cached": (
        "journeys/test_at_once.py::test_a_failure_is_not_shared_and_the_next_in_line_tries",),
    "6 a result counts only when every blob is there with its size": (
        "keep/test_results.py::test_a_result_whose_blob_is_missing_is_not_whole_and_is_repaired_by_computing_again",
        "keep/test_results.py::test_a_blob_that_is_cut_short_is_not_whole_and_the_next_commit_replaces_it"),
    "6 digests are verified on read; damage is moved aside": (
        "keep/test_results.py::test_a_blob_with_other_bytes_is_never_handed_out_and_is_moved_aside",),
    "6 damage that a consumer finds in the middle of a run": (
        "journeys/test_command_line.py::test_damage_that_a_consumer_finds_is_repaired_in_the_same_run",),
    "6 a run pins what it relies on": (
        "journeys/test_cache_commands.py::test_a_pipeline_that_runs_is_not_cleared_and_what_its_run_has_is_not_collected",),
    "a differential test that knows which steps an edit reaches": (
        "journeys/test_differential_inputs.py::"
        "test_after_an_edit_exactly_what_it_reaches_runs_and_comes_out_as_from_nothing",
        "journeys/test_differential.py::"
        "test_after_an_edit_of_code_exactly_what_it_reaches_runs_and_comes_out_as_from_nothing"),
    "an oracle that is not ours": (
        "journeys/test_system_calls.py::test_no_project_file_is_read_outside_declared_observed_and_refused",),
}  # fmt: skip


@functools.cache
def source(file: str) -> str:
    return (Path(__file__).parent / file).read_text()


@functools.cache
def defined_in(file: str) -> frozenset[str]:
    return frozenset(node.name for node in ast.parse(source(file)).body if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("sentence", SENTENCES)
def test_each_sentence_has_its_tests(sentence: str) -> None:
    for reference in SENTENCES[sentence]:
        file, _, rest = reference.partition("::")
        name, _, row = rest.partition(" ")
        assert name in defined_in(file), f"{file} has no {name}"
        assert not row or f'"{row}"' in source(file), f"{file} has no row {row!r}"
