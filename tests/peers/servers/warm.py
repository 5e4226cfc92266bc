"""Python servers that start at once: `warm.py SOCKET FOLDER` loads them and forks for each that is asked for, and
`warm.py SOCKET NAME ARGUMENT…` is the command of such a server: it hands its pipes over, and ends as the server does.

Loading the SDK takes a second of computing, and the tests start these servers by the hundred.
"""

import gc
import json
import os
import signal
import socket
import sys


def ask(path, argv):
    """Hands the three pipes over; returns the server's exit status."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(path)
        request = {"argv": argv, "environment": dict(os.environ), "folder": os.getcwd()}
        socket.send_fds(connection, [json.dumps(request).encode()], [0, 1, 2])
        # The pipes are the server's now: held open here, they would hide that it has closed them.
        os.closerange(0, 3)
        return int(connection.recv(16) or b"1")


def become(servers, connection):
    """In a fork: becomes the server that was asked for, and ends with it."""
    status = 1
    try:
        request, pipes, _, _ = socket.recv_fds(connection, 1 << 17, 3)
        for number, pipe in enumerate(pipes):
            os.dup2(pipe, number)
            os.close(pipe)
        wanted = json.loads(request)
        os.environ.clear()
        os.environ.update(wanted["environment"])
        os.chdir(wanted["folder"])
        sys.argv = wanted["argv"]
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        servers[sys.argv[0]]()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(bool(end.code))
    finally:
        try:
            connection.send(str(status).encode())
        finally:
            os._exit(status)


def load(folder):
    sys.path.insert(0, folder)
    import mcp_everything_server.server
    import mcp_server_git
    import mcp_server_time

    return {
        "everything-server": lambda: mcp_everything_server.server.mcp.run(transport="stdio"),
        "mcp-server-git": mcp_server_git.main,
        "mcp-server-time": mcp_server_time.main,
    }


def serve(path, folder):
    servers = load(folder)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(path)
        listener.listen(64)
        print("warm", file=sys.stderr, flush=True)
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                become(servers, connection)
            connection.close()


path, *rest = sys.argv[1:]
if os.path.exists(path):
    os._exit(ask(path, rest))
serve(path, *rest)
