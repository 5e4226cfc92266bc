//! What a store does, whichever database it is in: every test runs on SQLite and on PostgreSQL.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "tests stop at the first surprise"
)]

mod approvals;
mod backup;
mod catalogue;
mod changes;
mod credentials;
mod events;
mod instance;
mod objects;
mod place;
mod schema;

/// One test per function and database.
macro_rules! on_both {
    ($($module:ident: $($name:ident)+;)+) => {
        on_both!(sqlite, $($module: $($name)+;)+);
        on_both!(postgres, $($module: $($name)+;)+);
    };
    ($database:ident, $($module:ident: $($name:ident)+;)+) => {
        mod $database {
            $(mod $module {
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    crate::$module::$name(crate::place::Place::$database()).await;
                })+
            })+
        }
    };
}

on_both! {
    objects:
        every_record_comes_back_as_it_was
        names_are_taken_once
        names_are_free_again_after_removal
        lists_go_by_pages
        versions_are_listed_newest_first_and_never_change
        the_versions_in_force_are_found_in_one_go
        what_hangs_on_a_server_goes_with_it
        a_removed_policy_leaves_its_grants_without
        a_removed_member_loses_its_credentials
        changes_since_a_generation_include_removals
        all_of_many_grants_are_found
        organisations_never_see_each_other
        forgotten_definitions_can_be_pinned_again
        references_stay_within_a_server_and_an_organisation
        a_view_sees_one_moment;
    changes:
        dropped_changes_never_were
        concurrent_changes_wait_for_each_other
        organisations_count_by_themselves
        a_failed_step_spoils_the_change
        what_is_missing_is_said
        readers_go_on_while_somebody_writes
        the_outbox_keeps_order_and_goes_with_the_change
        other_processes_are_told;
    credentials:
        credentials_are_found_by_their_hash
        one_of_many_takes_a_link
        use_is_noted_without_a_change
        what_ended_is_purged;
    approvals:
        a_question_comes_back_as_it_was_and_is_asked_once
        a_question_that_several_asked_outlives_the_one_who_goes_away
        questions_of_a_grant_are_counted_however_many_ask_at_once
        the_first_of_many_answers_counts
        a_yes_counts_once_the_journal_has_it_and_once
        a_yes_that_was_given_back_is_good_again
        what_is_over_is_good_for_nothing
        yeses_that_stay_are_found_by_what_is_alike
        questions_are_listed_by_pages_and_for_their_own
        arguments_are_sealed_anew_only_while_they_are_there;
    instance:
        values_of_the_instance_are_kept
        a_value_is_replaced_only_where_it_still_stands
        answers_are_remembered_once
        the_last_use_of_grants_stays;
    events:
        events_go_with_their_change
        everyone_is_told_what_it_wants
        deliveries_come_in_order
        one_process_of_many_delivers
        what_is_off_or_gone_is_not_told;
    schema:
        many_open_an_empty_database_at_once
        a_newer_schema_is_refused
        data_is_there_after_opening_again
        broken_rows_are_refused_without_their_values
        every_table_is_in_backups_or_left_out_on_purpose
        what_was_indexed_before_is_counted;
    backup:
        a_backup_is_the_same_in_both_databases
        a_backup_is_of_one_moment
        what_is_no_backup_is_refused
        only_an_empty_database_is_restored_into
        a_yes_of_before_is_good_for_nothing
        links_and_sessions_of_before_let_nobody_in
        old_backups_can_be_restored;
    catalogue:
        words_find_names_before_texts
        filters_and_parts_go_together
        each_organisation_sees_its_own
        what_is_written_again_replaces_what_was
        a_dropped_edit_never_was
        the_feed_is_newest_first_and_sources_remember_their_place;
}
