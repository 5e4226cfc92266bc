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

mod backup;
mod changes;
mod credentials;
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
        organisations_never_see_each_other
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
    instance:
        values_of_the_instance_are_kept
        answers_are_remembered_once
        the_last_use_of_grants_stays;
    schema:
        many_open_an_empty_database_at_once
        a_newer_schema_is_refused
        data_is_there_after_opening_again
        broken_rows_are_refused_without_their_values
        every_table_is_in_backups_or_left_out_on_purpose;
    backup:
        a_backup_is_the_same_in_both_databases
        a_backup_is_of_one_moment
        what_is_no_backup_is_refused
        only_an_empty_database_is_restored_into
        old_backups_can_be_restored;
}
