//! JSON-RPC and MCP messages and framing as state machines: bytes in, events out
