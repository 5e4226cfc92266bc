//! A small MCP server that serves any tool list and echoes every call
