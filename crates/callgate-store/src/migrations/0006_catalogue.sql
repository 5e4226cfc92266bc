-- The catalogue: servers and tools as they were published, of nobody (organisation is empty) and of each organisation.
-- Everything here can be thrown away: it is imported, synchronised and asked for again. Texts that are not there are
-- empty.

-- The next number of a row, and the lock of whoever writes: its row is updated first.
CREATE TABLE catalogue_sequence (
    last {int} NOT NULL
) {strict};
INSERT INTO catalogue_sequence (last) VALUES (0);

-- `number` orders what is found: how many words the name has, then which came first.
CREATE TABLE catalogue_servers (
    number {int} NOT NULL PRIMARY KEY,
    organisation {text} NOT NULL,
    id {text} NOT NULL,
    name {text} NOT NULL,
    registered {text} NOT NULL,
    origin {text} NOT NULL,
    source {text} NOT NULL,
    about {text} NOT NULL,
    digest {text} NOT NULL,
    tools_digest {text} NOT NULL,
    tools {int} NOT NULL,
    grade {text} NOT NULL,
    summary {text} NOT NULL,
    first_seen {int} NOT NULL,
    changed {int} NOT NULL
) {strict};
CREATE UNIQUE INDEX catalogue_servers_name ON catalogue_servers (organisation, name);
CREATE UNIQUE INDEX catalogue_servers_id ON catalogue_servers (organisation, id);

CREATE TABLE catalogue_tools (
    number {int} NOT NULL PRIMARY KEY,
    server {int} NOT NULL,
    name {text} NOT NULL,
    definition {text} NOT NULL,
    fingerprint {text} NOT NULL,
    category {text} NOT NULL,
    risk {text} NOT NULL,
    confidence {text} NOT NULL,
    labels {text} NOT NULL,
    findings {int} NOT NULL,
    first_seen {int} NOT NULL,
    changed {int} NOT NULL
) {strict};
CREATE UNIQUE INDEX catalogue_tools_name ON catalogue_tools (server, name);

-- What was new, changed and removed, newest last.
CREATE TABLE catalogue_changes (
    number {int} NOT NULL PRIMARY KEY,
    organisation {text} NOT NULL,
    at {int} NOT NULL,
    what {text} NOT NULL,
    server_id {text} NOT NULL,
    server {text} NOT NULL,
    registered {text} NOT NULL,
    tool {text} NOT NULL,
    details {text} NOT NULL
) {strict};
CREATE INDEX catalogue_changes_server ON catalogue_changes (server_id, number);

-- How far each registry was read.
CREATE TABLE catalogue_sources (
    organisation {text} NOT NULL,
    url {text} NOT NULL,
    page {text} NOT NULL,
    since {text} NOT NULL,
    newest {text} NOT NULL,
    servers {int} NOT NULL,
    at {int} NOT NULL,
    PRIMARY KEY (organisation, url)
) {strict};

-- The words of each server and tool, under its number. They are cut into words before they come here, the same for both
-- databases: `word` stands anywhere, `@word` in the name, `=value` is what is filtered by.
{sqlite:
CREATE VIRTUAL TABLE catalogue_server_words USING fts5 (
    words, content = '', contentless_delete = 1, detail = none, prefix = '2 3 4',
    tokenize = "ascii tokenchars '@=!'"
);
CREATE VIRTUAL TABLE catalogue_tool_words USING fts5 (
    words, content = '', contentless_delete = 1, detail = none, prefix = '2 3 4',
    tokenize = "ascii tokenchars '@=!'"
);
}
{postgres:
CREATE TABLE catalogue_server_words (
    number BIGINT NOT NULL PRIMARY KEY,
    words TSVECTOR NOT NULL
);
CREATE INDEX catalogue_server_words_found ON catalogue_server_words USING gin (words) WITH (fastupdate = off);
CREATE TABLE catalogue_tool_words (
    number BIGINT NOT NULL PRIMARY KEY,
    words TSVECTOR NOT NULL
);
CREATE INDEX catalogue_tool_words_found ON catalogue_tool_words USING gin (words) WITH (fastupdate = off);
}
