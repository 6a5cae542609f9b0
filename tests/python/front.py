"""An STS that really checks, and a gate before DynamoDB that really asks for what it issued.

`front.py --backend URL --external-id ID --lifetime SECONDS` prints its port. AssumeRole wants the external id: a wrong and a missing one
are refused as AWS does. Requests to DynamoDB pass only with a session token that was issued and has not expired.
"""

import argparse
import datetime
import http.client
import http.server
import threading
import urllib.parse
import uuid

issued, counts, lock = {}, {"assumed": 0, "refused": 0, "expired": 0}, threading.Lock()

DENIED = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>AccessDenied</Code>
<Message>User: arn:aws:iam::000000000000:user/test is not authorized to perform: sts:AssumeRole on resource: {role}</Message></Error>
<RequestId>{id}</RequestId></ErrorResponse>"""
GRANTED = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<AssumedRoleUser><Arn>{role}/session</Arn><AssumedRoleId>AROA:session</AssumedRoleId></AssumedRoleUser>
<Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>{token}</SessionToken>
<Expiration>{expiration}</Expiration></Credentials></AssumeRoleResult><ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata>
</AssumeRoleResponse>"""


class Front(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "X-Amz-Target" in self.headers:
            self.dynamodb(body)
        else:
            self.sts(dict(urllib.parse.parse_qsl(body.decode())))

    def do_GET(self):
        self.answer(200, str(counts).encode(), "text/plain")

    def sts(self, form):
        role = form.get("RoleArn", "")
        if form.get("Action") == "AssumeRole" and form.get("ExternalId") != self.server.args.external_id:
            with lock:
                counts["refused"] += 1
            return self.answer(403, DENIED.format(role=role, id=uuid.uuid4()).encode(), "text/xml")
        if form.get("Action") != "AssumeRole":
            return self.answer(400, b"<ErrorResponse><Error><Code>InvalidAction</Code></Error></ErrorResponse>", "text/xml")
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=self.server.args.lifetime)
        token, key = uuid.uuid4().hex, "ASIA" + uuid.uuid4().hex[:16].upper()
        with lock:
            issued[token] = end
            counts["assumed"] += 1
        text = GRANTED.format(role=role, key=key, token=token, expiration=end.strftime("%Y-%m-%dT%H:%M:%SZ"), id=uuid.uuid4())
        return self.answer(200, text.encode(), "text/xml")

    def dynamodb(self, body):
        end = issued.get(self.headers.get("X-Amz-Security-Token", ""))
        if end is None or end < datetime.datetime.now(datetime.timezone.utc):
            with lock:
                counts["expired"] += 1
            kind = "UnrecognizedClientException" if end is None else "ExpiredTokenException"
            text = '{"__type":"com.amazon.coral.service#%s","message":"The security token included in the request is expired"}' % kind
            return self.answer(400, text.encode(), "application/x-amz-json-1.0")
        backend = urllib.parse.urlsplit(self.server.args.backend)
        connection = http.client.HTTPConnection(backend.hostname, backend.port, timeout=60)
        connection.request("POST", self.path, body, {
            "Content-Type": self.headers["Content-Type"], "X-Amz-Target": self.headers["X-Amz-Target"],
            "Authorization": self.headers["Authorization"], "X-Amz-Date": self.headers["X-Amz-Date"]})
        answer = connection.getresponse()
        return self.answer(answer.status, answer.read(), answer.headers["Content-Type"], answer.headers.get("x-amz-crc32"))

    def answer(self, status, body, kind, crc=None):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if crc:
            self.send_header("x-amz-crc32", crc)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--backend", required=True)
    parser.add_argument("--external-id", required=True)
    parser.add_argument("--lifetime", type=float, default=3600)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Front)
    server.args = parser.parse_args()
    print(server.server_port, flush=True)
    server.serve_forever()
