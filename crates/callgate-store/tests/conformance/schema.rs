//! The schema: made from nothing, kept, and never guessed at.

use crate::place::{Place, server};
use callgate_store::{Batch, DecisionRow, OutcomeRow, Server, Store, StoreError, Watermark};

pub async fn many_open_an_empty_database_at_once(place: Place) {
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let url = place.url.clone();
            tokio::spawn(async move { Store::open(&url).await.map(drop) })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let store = place.store().await;
    assert_eq!(store.organisations().await.unwrap().len(), 2);
}

pub async fn a_newer_schema_is_refused(place: Place) {
    place.store().await.close().await;
    place.sql("UPDATE schema_version SET version = 1000").await;
    let error = Store::open(&place.url).await.unwrap_err();
    let StoreError::Newer { found: 1000, known } = error else { panic!("{error}") };
    assert!(error.to_string().starts_with("CG3101: the database has schema 1000, this version knows "), "{error}");
    place.sql(&format!("UPDATE schema_version SET version = {known}")).await;
    assert_eq!(place.open().await.organisations().await.unwrap().len(), 2, "nothing was touched");
}

pub async fn data_is_there_after_opening_again(place: Place) {
    let store = place.store().await;
    let mut change = store.begin("acme").await.unwrap();
    change.insert(&server("s1", "kernel")).await.unwrap();
    change.commit().await.unwrap();
    store.close().await;
    assert!(matches!(store.organisations().await, Err(StoreError::Failed { .. })), "it is closed");
    let store = place.open().await;
    assert!(store.reads("acme").get::<Server>("s1").await.unwrap().is_some());
    assert_eq!(store.reads("acme").generation().await.unwrap(), 1);
}

pub async fn broken_rows_are_refused_without_their_values(place: Place) {
    let store = place.store().await;
    let mut change = store.begin("acme").await.unwrap();
    change.insert(&server("s1", "kernel")).await.unwrap();
    change.insert(&crate::place::grant("g_1", "s1", "ada")).await.unwrap();
    change.commit().await.unwrap();
    place.sql("UPDATE servers SET origin = 'secret'; UPDATE grants SET tags = '{secret'").await;
    let reads = store.reads("acme");
    let error = reads.get::<Server>("s1").await.err().unwrap().to_string();
    let expected = "CG3103: a row of `servers` can't be read: its value 9 holds an unknown word; restore a backup";
    assert_eq!(error, expected);
    let error = reads.changed_since::<callgate_store::Grant>(None).await.err().unwrap().to_string();
    assert!(error.contains("`grants`") && !error.contains("secret"), "{error}");
}

pub async fn every_table_is_in_backups_or_left_out_on_purpose(place: Place) {
    /// What can be made again, or is of no use later.
    const LEFT_OUT: [&str; 9] = [
        "schema_version",
        "idempotency",
        "watermarks",
        "decisions",
        "tallies",
        "changes",
        "refusals",
        "events",
        "deliveries",
    ];
    /// Imported, synchronised and asked for again.
    const CATALOGUE: &str = "catalogue_";
    place.store().await;
    let tables = match place.is_postgres() {
        true => "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'",
        false => "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    };
    let tables = place.sql(tables).await;
    assert!(tables.len() > crate::backup::TABLES.len());
    for table in tables {
        assert!(
            table.starts_with(CATALOGUE) || crate::backup::TABLES.iter().chain(&LEFT_OUT).any(|known| *known == table),
            "`{table}` is in no backup: add it to `TABLES` in src/dump.rs and tests/conformance/backup.rs, or leave it out here"
        );
    }
}

pub async fn what_was_indexed_before_is_counted(place: Place) {
    let store = place.store().await;
    let results = ["", "result", "tool_error", "error", "timeout", "broken", "unreachable", "not_forwarded"];
    let row = |n: i64| DecisionRow {
        seq: n,
        organisation: if n % 5 == 0 { "other".to_owned() } else { "acme".to_owned() },
        ts: 1_764_000_000_000 + n * 123_457,
        id: format!("d{n}"),
        server: format!("s{}", n % 3),
        outcome: ["allow", "allow", "deny", "approve"][usize::try_from(n % 4).unwrap()].to_owned(),
        details: "{}".to_owned(),
        fate: Some(results[usize::try_from(n % 8).unwrap()]).filter(|result| !result.is_empty()).map(|result| {
            OutcomeRow {
                result: result.to_owned(),
                // Every column of the histogram, at its edges.
                latency_us: (64.0 * 2_f64.powf(f64::from(i32::try_from(n / 8).unwrap()) / 2.0)).round() as i64 - n % 2,
                ..OutcomeRow::default()
            }
        }),
        ..DecisionRow::default()
    };
    let from = store.watermark("00ff").await.unwrap();
    let to = Watermark { seq: 400, hash: "1".to_owned(), ..from.clone() };
    let batch = Batch { decisions: (1..=400).map(row).collect(), ..Batch::default() };
    store.index(&from, &to, batch).await.unwrap();
    let concat = |at: usize| format!("l{at:02} || ' ' ||");
    let columns: String = (0..40).map(concat).collect();
    let all = format!(
        "SELECT organisation || span || ' ' || at || server || chain || allow || deny || approve || errors || {columns} '' \
         FROM tallies ORDER BY 1"
    );
    let written = place.sql(&all).await;
    assert!(written.len() > 500, "{}", written.len());
    let step = include_str!("../../src/migrations/0008_tallies.sql");
    let (_, fill) = step.split_once("INSERT INTO").unwrap();
    place.sql(&format!("DELETE FROM tallies; INSERT INTO {fill}")).await;
    assert_eq!(place.sql(&all).await, written);
}
