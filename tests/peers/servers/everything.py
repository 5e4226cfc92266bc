"""The Python SDK's reference server of both eras, run from its sources: everything.py FOLDER [PORT].

Without a port it speaks over stdio; port 0 takes a free one, and the HTTP server tells it on standard error.
"""

import logging
import sys

folder, *port = sys.argv[1:]
sys.path.insert(0, folder)

from mcp_everything_server.server import event_store, mcp  # noqa: E402

if port:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    mcp.run(transport="streamable-http", port=int(port[0]), event_store=event_store, retry_interval=100)
else:
    mcp.run(transport="stdio")
