-- The journal, indexed for search. Everything here can be thrown away: it is built again from the journal. Texts that are
-- not there are empty.

-- How far each chain of records is indexed: the key that signs it, and the number and hash of the last record.
CREATE TABLE watermarks (
    number {int} NOT NULL PRIMARY KEY,
    chain {text} NOT NULL UNIQUE,
    seq {int} NOT NULL,
    hash {text} NOT NULL,
    pruned_before {int} NOT NULL
) {strict};

CREATE TABLE decisions (
    chain {int} NOT NULL,
    seq {int} NOT NULL,
    organisation {text} NOT NULL,
    ts {int} NOT NULL,
    id {text} NOT NULL,
    grant_id {text} NOT NULL,
    grant_label {text} NOT NULL,
    server {text} NOT NULL,
    server_id {text} NOT NULL,
    method {text} NOT NULL,
    tool {text} NOT NULL,
    policy {text} NOT NULL,
    policy_version {int},
    outcome {text} NOT NULL,
    rule {text} NOT NULL,
    reason {text} NOT NULL,
    message {text} NOT NULL,
    session {text} NOT NULL,
    client {text} NOT NULL,
    details {text} NOT NULL,
    result {text} NOT NULL,
    upstream_status {int},
    error_code {int},
    latency_us {int},
    bytes {int},
    PRIMARY KEY (chain, seq)
) {strict};
CREATE INDEX decisions_id ON decisions (id);
CREATE INDEX decisions_newest ON decisions (organisation, ts, chain, seq);
CREATE INDEX decisions_server ON decisions (organisation, server, ts, chain, seq);
CREATE INDEX decisions_server_id ON decisions (organisation, server_id, ts, chain, seq);
CREATE INDEX decisions_grant ON decisions (organisation, grant_id, ts, chain, seq);
CREATE INDEX decisions_label ON decisions (organisation, grant_label, ts, chain, seq);
CREATE INDEX decisions_tool ON decisions (organisation, tool, ts, chain, seq);
CREATE INDEX decisions_outcome ON decisions (organisation, outcome, ts, chain, seq);
CREATE INDEX decisions_rule ON decisions (organisation, rule, ts, chain, seq);
CREATE INDEX decisions_session ON decisions (organisation, session, ts, chain, seq);

CREATE TABLE changes (
    chain {int} NOT NULL,
    seq {int} NOT NULL,
    organisation {text} NOT NULL,
    ts {int} NOT NULL,
    generation {int} NOT NULL,
    position {int} NOT NULL,
    who {text} NOT NULL,
    what {text} NOT NULL,
    object {text} NOT NULL,
    before {text} NOT NULL,
    after {text} NOT NULL,
    PRIMARY KEY (chain, seq)
) {strict};
-- A step can be in the journal twice, where a process ended between writing it there and noting that it did.
CREATE UNIQUE INDEX changes_step ON changes (organisation, generation, position);
CREATE INDEX changes_newest ON changes (organisation, ts, chain, seq);
CREATE INDEX changes_who ON changes (organisation, who, ts, chain, seq);
CREATE INDEX changes_what ON changes (organisation, what, ts, chain, seq);
CREATE INDEX changes_object ON changes (organisation, object, ts, chain, seq);

-- What was refused before a grant was known (of no organisation; counted by source and reason), and what was taken out of
-- lists.
CREATE TABLE refusals (
    id {text} NOT NULL PRIMARY KEY,
    chain {int} NOT NULL,
    kind {text} NOT NULL,
    organisation {text} NOT NULL,
    ts {int} NOT NULL,
    since {int} NOT NULL,
    count {int} NOT NULL,
    source {text} NOT NULL,
    reason {text} NOT NULL,
    grant_id {text} NOT NULL,
    grant_label {text} NOT NULL,
    server {text} NOT NULL,
    server_id {text} NOT NULL,
    method {text} NOT NULL,
    policy {text} NOT NULL,
    policy_version {int},
    session {text} NOT NULL,
    names {text} NOT NULL
) {strict};
CREATE INDEX refusals_newest ON refusals (organisation, ts, id);
CREATE INDEX refusals_chain ON refusals (chain, ts);
