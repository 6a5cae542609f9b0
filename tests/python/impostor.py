"""A server with a certificate that nobody has vouched for: prints its port, and `asked` if a client spoke to it nevertheless."""

import http.server
import pathlib
import ssl
import subprocess
import tempfile


class Impostor(http.server.BaseHTTPRequestHandler):
    def answer(self):
        print("asked", flush=True)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = answer

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        pass  # A refused handshake is what is wanted.

    def finish_request(self, request, address):
        self.RequestHandlerClass(context.wrap_socket(request, server_side=True), address, self)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = pathlib.Path(folder, "key.pem"), pathlib.Path(folder, "certificate.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "2",
             "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
            check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
    server = Server(("127.0.0.1", 0), Impostor)
    print(server.server_port, flush=True)
    server.serve_forever()
