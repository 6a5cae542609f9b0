"""Snowflake's SQL API, version 2, as far as the destination uses it, over DuckDB in this process. For tests only.

`python front.py PORT` listens on 127.0.0.1; with `fakesnow SESSIONS` after the port, that runs the statements (`fake.py`), and answers
Snowflake's own clients at the port SESSIONS. What is imitated of the service, because a loader may get it wrong:
- names: not quoted they are upper case, quoted they keep their case, and both are told apart by it;
- a request is a session: its temporary tables and stages, and its open transaction, end with it;
- DDL commits the transaction before it and itself;
- several statements in a request only with their number, and transactions and temporary things only with several statements;
- a request id that was seen is answered as it was then, and nothing runs;
- VARIANT: keys in order, and numbers that no NUMBER holds, or that have an exponent, are doubles;
- errors: 422 with code, state and message, within several statements wrapped as the service does it.
What DuckDB decides: types, MERGE, UPDATE, DELETE, window functions. `statements.py` says what is translated.
"""

import json
import sys
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from session import Engine, Refused, split

if sys.argv[2:3] == ["fakesnow"]:
    import fake

    ENGINE = fake.Engine()
    ENGINE.serve(int(sys.argv[3]))
else:
    ENGINE = Engine()
LOCK = threading.Lock()
TURNS = {}  # By schema: requests to one come one at a time, as tests of different ones have nothing to do with each other.
SEEN = {}  # By request id: the handle.
RESULTS = {}  # By handle: status and body.


def answer_of(statements, results, handle):
    """The body of a success (`ResultSet` of the reference)."""
    columns, rows = results[-1]
    if len(statements) > 1:
        columns, rows = [("multiple statement execution", "text")], [["Multiple statements executed successfully."]]
    body = {
        "resultSetMetaData": {
            "numRows": len(rows),
            "format": "jsonv2",
            "partitionInfo": [{"rowCount": len(rows)}],
            "rowType": [{"name": name, "type": kind} for name, kind in columns],
        },
        "data": rows,
        "code": "090001",
        "sqlState": "00000",
        "message": "Statement executed successfully.",
        "statementHandle": handle,
        "statementStatusUrl": f"/api/v2/statements/{handle}",
    }
    if len(statements) > 1:
        body["statementHandles"] = [f"{handle}-{n}" for n in range(len(statements))]
    return 200, body


def failure(error, handle):
    return 422, {"code": error.code, "sqlState": error.state, "message": error.message, "statementHandle": handle}


def run(request, handle):
    text = request["statement"]
    wanted = int(request.get("parameters", {}).get("MULTI_STATEMENT_COUNT", "1"))
    try:
        statements = split(text)
        if wanted not in (0, len(statements)):
            message = f"Actual statement count {len(statements)} did not match the desired statement count {wanted}."
            raise Refused("000008", "0A000", message)
        with ENGINE.session(request.get("database"), request.get("schema"), len(statements) > 1) as session:
            results = []
            for place, statement in statements:
                try:
                    results.append(session.execute(statement))
                except Refused as error:
                    raise (wrapped(text, place, statement, error) if len(statements) > 1 else error) from error
            return answer_of(statements, results, handle)
    except Refused as error:
        return failure(error, handle)


def wrapped(text, place, statement, error):
    """As docs.snowflake.com/en/developer-guide/sql-api/submitting-multiple-statements shows it."""
    line, position = text.count("\n", 0, place) + 1, place - (text.rfind("\n", 0, place) + 1)
    message = (
        f'JavaScript execution error: Uncaught Execution of multiple statements failed on statement "{statement[:60]}" '
        f"(at line {line}, position {position}).\n{error.message} in SYSTEM$MULTISTMT at '    throw `Execution of multiple "
        "statements failed on statement {0} (at line {1}, position {2}).`.replace('{1}', LINES[i])' position 4\n"
        "stackstrace: \nSYSTEM$MULTISTMT line: 10"
    )
    return Refused("100132", "P0000", message)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer is one packet, and waits for nothing.
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *_):
        pass

    def send(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    def refused(self):
        """Whether nobody proves who is asking: `wrong` is a token that is not accepted."""
        bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
        kind = self.headers.get("X-Snowflake-Authorization-Token-Type")
        if bearer and bearer != "wrong" and kind in ("KEYPAIR_JWT", "OAUTH", "PROGRAMMATIC_ACCESS_TOKEN"):
            return False
        self.send(401, {"code": "390144", "message": f"JWT token is invalid. [{uuid.uuid4()}]"})
        return True

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if self.refused():
            return
        if url.path != "/api/v2/statements":
            return self.send(404, {"code": "390404", "message": "Not found"})
        with LOCK:
            handle = str(uuid.uuid4())
            handle = SEEN.setdefault(query.get("requestId", handle), handle)
            turn = TURNS.setdefault(request.get("schema"), threading.Lock())
        with turn:
            if handle not in RESULTS:
                RESULTS[handle] = run(request, handle)
        if query.get("async") == "true":
            message = "Asynchronous execution in progress. Use provided query id to perform query monitoring and management."
            status_url = f"/api/v2/statements/{handle}"
            return self.send(202, {"code": "333334", "message": message, "statementHandle": handle, "statementStatusUrl": status_url})
        self.send(*RESULTS[handle])

    def do_GET(self):
        url = urlsplit(self.path)
        if url.path == "/ready":
            return self.send(200, {})
        if self.refused():
            return
        result = RESULTS.get(url.path.removeprefix("/api/v2/statements/"))
        self.send(*(result or (404, {"code": "390404", "message": "Not found"})))


if __name__ == "__main__":
    ThreadingHTTPServer.daemon_threads = True
    ThreadingHTTPServer.request_queue_size = 64
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
