-- What the tools of each server are pinned as. `id` is the server's identity, a slash and the tool's name: it orders a
-- server's tools by their names. `definition` is the JSON text as the server listed it; `candidate` is what it lists now,
-- where that is something else. `category` and `labels` are what a person set, in place of what the catalogue finds.
CREATE TABLE definitions (
    organisation {text} NOT NULL,
    changed {int} NOT NULL,
    removed {int},
    id {text} NOT NULL,
    server {text} NOT NULL,
    tool {text} NOT NULL,
    definition {text} NOT NULL,
    fingerprint {text} NOT NULL,
    state {text} NOT NULL,
    candidate {text},
    candidate_fingerprint {text},
    first_seen {int} NOT NULL,
    approved_by {text},
    category {text},
    labels {text},
    PRIMARY KEY (organisation, server, tool),
    CONSTRAINT definitions_server FOREIGN KEY (organisation, server) REFERENCES servers (organisation, id)
) {strict};
CREATE UNIQUE INDEX definitions_id ON definitions (organisation, id);
CREATE INDEX definitions_changed ON definitions (organisation, changed);
