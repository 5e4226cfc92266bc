//! The catalogue: written whole, found by words, the same in both databases, and each organisation its own.

use crate::place::Place;
use callgate_store::{
    CatalogueSearch, CatalogueServer, CatalogueSource, CatalogueTool, Facet, FeedRow, ServerPut, Store, ToolPut,
};

fn server(name: &str, text: &str, grade: &str, tools: Vec<ToolPut>) -> ServerPut {
    let server = CatalogueServer {
        id: format!("id-{name}"),
        name: name.to_owned(),
        origin: "import".to_owned(),
        about: "{}".to_owned(),
        summary: "{}".to_owned(),
        grade: grade.to_owned(),
        tools: tools.len() as i64,
        ..CatalogueServer::default()
    };
    ServerPut { server, text: text.to_owned(), facets: vec![Facet::Grade(grade.to_owned())], tools: Some(tools) }
}

fn tool(name: &str, text: &str, category: &str, labels: &[&str]) -> ToolPut {
    let labels: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
    let mut facets = vec![Facet::Category(category.to_owned())];
    facets.extend(labels.iter().cloned().map(Facet::Label));
    let tool = CatalogueTool {
        name: name.to_owned(),
        definition: format!("{{\"name\":\"{name}\"}}"),
        fingerprint: format!("sha256:{name}"),
        category: category.to_owned(),
        risk: "low".to_owned(),
        confidence: "high".to_owned(),
        labels,
        ..CatalogueTool::default()
    };
    ToolPut { tool, text: text.to_owned(), facets }
}

async fn put(store: &Store, organisation: &str, servers: Vec<ServerPut>) {
    let mut edit = store.edit_catalogue(organisation).await.unwrap();
    edit.put(servers).await.unwrap();
    edit.commit().await.unwrap();
}

/// Some public servers, one of `acme` and one of `other`.
async fn furnished(place: &Place) -> Store {
    let store = place.store().await;
    let files = vec![
        tool("read_text_file", "Reads a file as text", "read", &["reads_private"]),
        tool("read_file", "Reads a file", "read", &["reads_private"]),
        tool("write_file", "Writes a file", "write", &[]),
    ];
    let mail = vec![
        tool("send_mail", "Sends a letter, with a file if you like", "write", &["egress"]),
        tool("searchMail", "Finds letters in GitHub notifications", "read", &["reads_untrusted"]),
    ];
    put(&store, "", vec![server("files", "", "B", files), server("com.example/mail", "read_file", "A", mail)]).await;
    put(&store, "acme", vec![server("secret", "", "C", vec![tool("read_file_acme", "a file", "read", &[])])]).await;
    put(&store, "other", vec![server("hidden", "", "C", vec![tool("read_file_other", "a file", "read", &[])])]).await;
    store
}

async fn names(store: &Store, organisation: &str, search: &CatalogueSearch) -> (Vec<String>, Option<String>) {
    let found = store.reads(organisation).catalogue_tools(search).await.unwrap();
    (found.rows.into_iter().map(|(_, tool)| tool.name).collect(), found.next)
}

fn search(words: &str) -> CatalogueSearch {
    CatalogueSearch { words: words.to_owned(), limit: 50, ..CatalogueSearch::default() }
}

pub async fn words_find_names_before_texts(place: Place) {
    let store = furnished(&place).await;
    for (words, expected) in [
        ("read file", "read_file read_text_file read_file_acme"),
        ("FILE", "read_file write_file read_text_file read_file_acme send_mail"),
        ("readfile", "read_file"),
        ("rea*", "read_file read_text_file read_file_acme"),
        ("rea", ""),
        ("github", "searchMail"),
        ("search_mail", "searchMail"),
        ("letter file", "send_mail"),
        ("nothing", ""),
        ("'\"--", ""),
    ] {
        let (found, next) = names(&store, "acme", &search(words)).await;
        assert_eq!((found.join(" "), next), (expected.to_owned(), None), "{words}");
    }
    let servers = store.reads("acme").catalogue_servers(&search("read_file")).await.unwrap().rows;
    assert_eq!(servers.iter().map(|server| server.name.as_str()).collect::<Vec<_>>(), ["com.example/mail"]);
}

pub async fn filters_and_parts_go_together(place: Place) {
    let store = furnished(&place).await;
    let category = |value: &str| Facet::Category(value.to_owned());
    let label = |value: &str| Facet::Label(value.to_owned());
    for (words, filters, expected) in [
        ("", vec![vec![category("write")]], "write_file send_mail"),
        ("", vec![vec![category("write"), category("read")], vec![label("egress")]], "send_mail"),
        ("file", vec![vec![label("reads_private")]], "read_file read_text_file"),
        ("file", vec![vec![label("reads_untrusted")]], ""),
        // PostgreSQL takes no word of more than 2 KiB.
        ("", vec![vec![label(&"x".repeat(5_000))]], ""),
    ] {
        let wanted = CatalogueSearch { filters, ..search(words) };
        assert_eq!(names(&store, "acme", &wanted).await.0.join(" "), expected, "{words}");
    }
    for words in ["", "file", "read*"] {
        let (all, _) = names(&store, "acme", &search(words)).await;
        let mut wanted = CatalogueSearch { limit: 1, ..search(words) };
        let mut parts = Vec::new();
        loop {
            let (found, next) = names(&store, "acme", &wanted).await;
            parts.extend(found);
            wanted.after = next;
            if wanted.after.is_none() {
                break;
            }
        }
        assert_eq!(parts, all, "{words}");
        assert!(all.len() > 2);
    }
    let wrong = CatalogueSearch { after: Some("x".to_owned()), ..search("") };
    assert!(store.reads("acme").catalogue_tools(&wrong).await.is_err());
}

pub async fn each_organisation_sees_its_own(place: Place) {
    let store = furnished(&place).await;
    for (organisation, sees, never) in
        [("acme", "read_file_acme", "read_file_other"), ("other", "read_file_other", "read_file_acme")]
    {
        let (found, _) = names(&store, organisation, &search("")).await;
        assert!(found.iter().any(|name| name == sees) && found.iter().all(|name| name != never), "{found:?}");
        let own = CatalogueSearch { own: true, ..search("") };
        assert_eq!(names(&store, organisation, &own).await.0, [sees]);
        let reads = store.reads(organisation);
        assert_eq!(reads.catalogue_server("hidden").await.unwrap().is_some(), organisation == "other");
        assert_eq!(reads.catalogue_server("id-secret").await.unwrap().is_some(), organisation == "acme");
        assert!(reads.catalogue_server("com.example/mail").await.unwrap().is_some());
    }
}

pub async fn what_is_written_again_replaces_what_was(place: Place) {
    let store = furnished(&place).await;
    let mut edit = store.edit_catalogue("").await.unwrap();
    let mut known = edit.known(&["files".to_owned(), "nobody".to_owned()], true).await.unwrap();
    assert_eq!(known.len(), 1);
    let known = known.remove("files").unwrap();
    let kept = known.tools.iter().find(|tool| tool.name == "read_file").unwrap();
    assert_eq!((kept.labels.join(" "), kept.category.as_str()), ("reads_private".to_owned(), "read"));
    let mut again = tool("read_file", "Takes a photograph", "execute", &[]);
    again.tool.number = kept.number;
    let mut changed = server("files", "", "F", vec![again]);
    changed.server.number = known.server.number;
    edit.put(vec![changed]).await.unwrap();
    edit.commit().await.unwrap();
    assert_eq!(names(&store, "acme", &search("photograph")).await.0, ["read_file"]);
    assert!(names(&store, "acme", &search("read text")).await.0.is_empty(), "the words of what is gone are gone");
    let reads = store.reads("acme");
    let found = reads.catalogue_server("files").await.unwrap().unwrap();
    assert_eq!(found.grade, "F");
    assert_eq!(reads.catalogue_tools_of(&found).await.unwrap().len(), 1);

    let mut edit = store.edit_catalogue("").await.unwrap();
    edit.remove(&[found.number]).await.unwrap();
    edit.commit().await.unwrap();
    assert!(reads.catalogue_server("files").await.unwrap().is_none());
    assert!(names(&store, "acme", &search("photograph")).await.0.is_empty());
}

pub async fn a_dropped_edit_never_was(place: Place) {
    let store = furnished(&place).await;
    let mut edit = store.edit_catalogue("").await.unwrap();
    edit.put(vec![server("new", "", "A", vec![tool("quite_new", "", "read", &[])])]).await.unwrap();
    drop(edit);
    assert!(names(&store, "acme", &search("quite")).await.0.is_empty());
    let mut edit = store.edit_catalogue("").await.unwrap();
    edit.put(vec![server("files", "", "A", vec![])]).await.unwrap_err();
    edit.commit().await.unwrap_err();
    assert_eq!(names(&store, "acme", &search("write file")).await.0, ["write_file"]);
}

pub async fn the_feed_is_newest_first_and_sources_remember_their_place(place: Place) {
    let store = furnished(&place).await;
    for (organisation, tool) in [("", "a"), ("other", "b"), ("acme", "c"), ("", "d")] {
        let mut edit = store.edit_catalogue(organisation).await.unwrap();
        let row = FeedRow { at: 7, what: "new".to_owned(), tool: tool.to_owned(), ..FeedRow::default() };
        edit.feed(vec![FeedRow { server_id: format!("s-{tool}"), ..row }]).await.unwrap();
        edit.commit().await.unwrap();
    }
    let reads = store.reads("acme");
    let first = reads.catalogue_changes(None, 0, None, 2).await.unwrap();
    let tools = |rows: &[callgate_store::CatalogueChange]| {
        rows.iter().map(|change| change.row.tool.clone()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(tools(&first.rows), "d c");
    let rest = reads.catalogue_changes(None, 0, first.next.as_deref(), 2).await.unwrap();
    assert_eq!((tools(&rest.rows), rest.next), ("a".to_owned(), None));
    assert_eq!(tools(&reads.catalogue_changes(Some("s-a"), 0, None, 5).await.unwrap().rows), "a");
    assert!(reads.catalogue_changes(Some("s-b"), 0, None, 5).await.unwrap().rows.is_empty());
    assert!(reads.catalogue_changes(None, 8, None, 5).await.unwrap().rows.is_empty());

    for page in ["one", ""] {
        let mut edit = store.edit_catalogue("").await.unwrap();
        let source =
            CatalogueSource { url: "https://r.example".to_owned(), page: page.to_owned(), ..Default::default() };
        edit.source(&source).await.unwrap();
        edit.commit().await.unwrap();
        assert_eq!(reads.catalogue_sources("").await.unwrap(), [source]);
    }
    assert!(reads.catalogue_sources("acme").await.unwrap().is_empty());
}
