//! Counters, permits and decision records: the step between a decision and its effect
