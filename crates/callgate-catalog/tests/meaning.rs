//! What tools do, by what their words mean together.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests stop at the first surprise")]

use callgate_catalog::{Classification, Confidence, Tool, classify};
use callgate_policy::Category::{self, Destructive, Execute, Financial, Read, Write};
use serde_json::json;

fn of(name: &str, description: &str, params: &[&str]) -> Classification {
    let properties: serde_json::Map<_, _> =
        params.iter().map(|param| ((*param).to_owned(), json!({"type": "string"}))).collect();
    let tool = json!([{"name": name, "description": description,
        "inputSchema": {"type": "object", "properties": properties}}]);
    classify(&Tool::from_list(tool.to_string().as_bytes()).unwrap()[0])
}

fn all_are(category: Category, tools: &[(&str, &str)]) {
    for (name, description) in tools {
        let found = of(name, description, &[]);
        assert_eq!(found.category, category, "{name}: {:#?}", found.evidence);
    }
}

#[test]
fn what_comes_after_looking_counts() {
    all_are(
        Write,
        &[
            ("scan_and_fix", "Scans a project and fixes what it finds."),
            ("review_and_merge_pr", "Review a pull request and merge it."),
            ("summarize_and_email", "Summarise a document and email it."),
            ("get_or_create_user", "Gets a user."),
        ],
    );
    all_are(Destructive, &[("list_files_and_delete_old", "Lists files and deletes those that are old.")]);
    all_are(
        Financial,
        &[
            ("lookup_and_charge", "Looks up the customer, then charges the card."),
            ("search_flights_and_book", "Search flights and book the best one."),
        ],
    );
    all_are(Execute, &[("insert_cell", "Insert a cell and then execute it.")]);
    all_are(
        Read,
        &[("list_issues", "Lists issues and comments of a project."), ("get_terms", "Get terms and conditions.")],
    );
}

#[test]
fn a_list_of_verbs_behind_a_colon_is_as_risky_as_its_riskiest() {
    all_are(
        Destructive,
        &[("branches", "Manage branches: list, create, delete."), ("tags", "Tags (list, add, remove).")],
    );
    all_are(Read, &[("get_image", "Get an image: format, size, label.")]);
}

#[test]
fn a_products_name_is_no_verb_where_the_description_has_another() {
    all_are(Destructive, &[("render_delete_service", "Deletes a service.")]);
    all_are(Execute, &[("browse_ai_run_robot", "Run a robot.")]);
    all_are(Write, &[("check_mk_acknowledge_problem", "Acknowledge a problem.")]);
}

#[test]
fn what_runs_or_moves_something_is_execute() {
    all_are(
        Execute,
        &[
            ("terminal", "Provides access to a terminal."),
            ("debug_continue", "Continue debug session."),
            ("cypher", "Query the graph with Cypher."),
            ("graphql", "Query or mutate data."),
            ("observe_and_act", "Observe the page and act on it."),
            ("trace_process", "Trace system calls of a process."),
            ("compose_up", "Bring up the stack."),
            ("shut_down_vm", "Shut down a VM."),
            ("hibernate", "Hibernate the machine."),
            ("send_keystrokes", "Send keystrokes to the active window."),
            ("place_call", "Place a phone call."),
            ("unlock_car", "Unlock the vehicle's doors."),
        ],
    );
    all_are(Read, &[("get_terminal_output", "Get the output of a terminal."), ("debug_log", "Show the debug log.")]);
}

#[test]
fn what_moves_money_or_obliges_to_pay_is_financial() {
    all_are(
        Financial,
        &[
            ("create_transfer", "Initiate a transfer of money between accounts."),
            ("close_all_positions", "Closes all open positions."),
            ("place_bet", "Place a bet on a match."),
            ("add_liquidity", "Add liquidity to a pool."),
            ("remove_liquidity", "Remove liquidity from a pool."),
            ("claim_rewards", "Claim pending staking rewards."),
            ("renew_domain", "Renew a domain registration."),
            ("release_escrow", "Release escrowed funds to the seller."),
            ("settle_invoice", "Settle an invoice."),
            ("approve_reimbursement", "Approve a reimbursement request."),
            ("run_payroll", "Run payroll for a period."),
            ("execute_trade", "Execute a trade."),
            ("update_campaign_budget", "Update the daily budget of a campaign."),
            ("rent_gpu", "Rent a GPU by the hour."),
            ("fetch_with_payment", "Fetches a URL and pays automatically with USDC."),
        ],
    );
    all_are(
        Write,
        &[
            ("close_job_position", "Close a job opening."),
            ("transfer_ownership", "Transfer a file to another owner."),
            ("sort_order", "Change the sort order of a list."),
        ],
    );
}

#[test]
fn a_statement_that_can_only_read_is_read() {
    all_are(
        Read,
        &[
            ("query", "Run a read-only SQL query."),
            ("execute_nrql_query", "Execute an NRQL query."),
            ("generate_deeplink", "Generate deeplink URLs for dashboards."),
        ],
    );
    all_are(Execute, &[("query", "Run a SQL query.")]);
}

#[test]
fn what_is_gone_for_good_is_destructive() {
    all_are(
        Destructive,
        &[("format_disk", "Format a disk."), ("close_account", "Close a customer's account permanently.")],
    );
    all_are(Write, &[("format_cells", "Format cells."), ("snapshot_droplet", "Take a snapshot of a droplet.")]);
}

#[test]
fn a_verb_that_can_mean_more_than_reading_is_never_read_with_confidence() {
    for (name, description) in [
        ("ask_agent", "Ask an autonomous agent to do a task."),
        ("show_file", "Open a document in the app. Creates one where there is none."),
        ("observe", "Observe the page."),
        ("show_and_confirm_payment", "Shows the payment to confirm and then submits it."),
    ] {
        let found = of(name, description, &[]);
        assert!(found.category > Read || found.confidence == Confidence::Low, "{name}: {found:#?}");
    }
}
