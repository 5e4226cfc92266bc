-- Every index costs each decision a few microseconds. What is left tells most apart: the newest, one by its identity, those
-- of a server, a grant or a tool, and those that were not simply allowed, of which there are few. Everything else filters
-- within the window of a search.
DROP INDEX decisions_server_id;
DROP INDEX decisions_label;
DROP INDEX decisions_outcome;
DROP INDEX decisions_rule;
DROP INDEX decisions_session;
CREATE INDEX decisions_refused ON decisions (organisation, outcome, ts, chain, seq) WHERE outcome <> 'allow';
