//! What a tool can do: category, risk, evidence and the rule that fits
