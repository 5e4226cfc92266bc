-- What is configured, for every organisation. `changed` is the organisation's generation that wrote a row last; removed
-- rows stay, so that whoever follows the generations sees them go. Times are milliseconds since the Unix epoch.

CREATE TABLE organisations (
    name {text} NOT NULL PRIMARY KEY,
    generation {int} NOT NULL,
    created {int} NOT NULL
) {strict};

CREATE TABLE servers (
    organisation {text} NOT NULL REFERENCES organisations (name),
    changed {int} NOT NULL,
    removed {int},
    id {text} NOT NULL,
    name {text} NOT NULL,
    target {text} NOT NULL,
    sealed {bytes} NOT NULL,
    key_version {int} NOT NULL,
    settings {text} NOT NULL,
    origin {text} NOT NULL,
    created {int} NOT NULL,
    PRIMARY KEY (organisation, id)
) {strict};
CREATE UNIQUE INDEX servers_name ON servers (organisation, name) WHERE removed IS NULL;
CREATE INDEX servers_changed ON servers (organisation, changed);

-- The organisation's baseline policy has no server.
CREATE TABLE policies (
    organisation {text} NOT NULL REFERENCES organisations (name),
    changed {int} NOT NULL,
    removed {int},
    id {text} NOT NULL,
    server {text},
    name {text} NOT NULL,
    current {int} NOT NULL,
    origin {text} NOT NULL,
    created {int} NOT NULL,
    PRIMARY KEY (organisation, id),
    UNIQUE (organisation, server, id),
    CONSTRAINT policies_server FOREIGN KEY (organisation, server) REFERENCES servers (organisation, id)
) {strict};
CREATE UNIQUE INDEX policies_name ON policies (organisation, COALESCE(server, ''), name) WHERE removed IS NULL;
CREATE INDEX policies_changed ON policies (organisation, changed);

CREATE TABLE policy_versions (
    organisation {text} NOT NULL,
    changed {int} NOT NULL,
    removed {int},
    policy {text} NOT NULL,
    version {int} NOT NULL,
    document {text} NOT NULL,
    digest {text} NOT NULL,
    repeats {int},
    published_by {text} NOT NULL,
    published_at {int} NOT NULL,
    PRIMARY KEY (organisation, policy, version),
    CONSTRAINT policy_versions_policy FOREIGN KEY (organisation, policy) REFERENCES policies (organisation, id)
) {strict};
CREATE INDEX policy_versions_changed ON policy_versions (organisation, changed);

-- A grant's policy is one of its server's. Its identity is unique over all organisations: `grant_use` has nothing else.
CREATE TABLE grants (
    organisation {text} NOT NULL,
    changed {int} NOT NULL,
    removed {int},
    id {text} NOT NULL UNIQUE,
    server {text} NOT NULL,
    label {text} NOT NULL,
    policy {text},
    tags {text} NOT NULL,
    token {text} NOT NULL,
    previous_token {text},
    previous_until {int},
    origin {text} NOT NULL,
    created {int} NOT NULL,
    expires {int},
    revoked {int},
    PRIMARY KEY (organisation, id),
    CONSTRAINT grants_server FOREIGN KEY (organisation, server) REFERENCES servers (organisation, id),
    CONSTRAINT grants_policy FOREIGN KEY (organisation, server, policy)
        REFERENCES policies (organisation, server, id)
) {strict};
CREATE UNIQUE INDEX grants_label ON grants (organisation, server, label) WHERE removed IS NULL AND revoked IS NULL;
CREATE UNIQUE INDEX grants_token ON grants (token) WHERE removed IS NULL;
CREATE INDEX grants_changed ON grants (organisation, changed);
CREATE INDEX grants_server ON grants (organisation, server, id);
CREATE INDEX grants_policy ON grants (organisation, policy);

-- Written with every call, so apart from the grants, and no change of the configuration.
CREATE TABLE grant_use (
    grant_id {text} NOT NULL PRIMARY KEY REFERENCES grants (id),
    used {int} NOT NULL
) {strict};

CREATE TABLE members (
    organisation {text} NOT NULL REFERENCES organisations (name),
    changed {int} NOT NULL,
    removed {int},
    id {text} NOT NULL,
    login {text} NOT NULL,
    name {text} NOT NULL,
    roles {text} NOT NULL,
    password {text},
    created {int} NOT NULL,
    disabled {int},
    PRIMARY KEY (organisation, id)
) {strict};
CREATE UNIQUE INDEX members_login ON members (organisation, login) WHERE removed IS NULL;

CREATE TABLE credentials (
    organisation {text} NOT NULL REFERENCES organisations (name),
    changed {int} NOT NULL,
    removed {int},
    id {text} NOT NULL,
    hash {text} NOT NULL,
    kind {text} NOT NULL,
    member {text},
    label {text} NOT NULL,
    roles {text} NOT NULL,
    instance {int} NOT NULL,
    csrf {text} NOT NULL,
    created {int} NOT NULL,
    expires {int},
    used {int},
    PRIMARY KEY (organisation, id),
    CONSTRAINT credentials_member FOREIGN KEY (organisation, member) REFERENCES members (organisation, id)
) {strict};
CREATE UNIQUE INDEX credentials_hash ON credentials (hash) WHERE removed IS NULL;
CREATE INDEX credentials_member ON credentials (organisation, member);

-- Changes that are not in the journal yet.
CREATE TABLE outbox (
    organisation {text} NOT NULL REFERENCES organisations (name),
    generation {int} NOT NULL,
    position {int} NOT NULL,
    body {text} NOT NULL,
    PRIMARY KEY (organisation, generation, position)
) {strict};

-- Answers to requests that may come again.
CREATE TABLE idempotency (
    key {text} NOT NULL PRIMARY KEY,
    digest {text} NOT NULL,
    answer {bytes} NOT NULL,
    at {int} NOT NULL
) {strict};
CREATE INDEX idempotency_at ON idempotency (at);

-- Values of the whole instance.
CREATE TABLE meta (
    name {text} NOT NULL PRIMARY KEY,
    value {bytes} NOT NULL
) {strict};
