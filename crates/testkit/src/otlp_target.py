"""An OpenTelemetry receiver for tests: takes OTLP by HTTP and by gRPC, checks and decodes it with the protocol's own generated
messages, and prints one line of JSON for each export. Arguments: the answers to begin with, such as `503,503` (HTTP) or
`UNAVAILABLE` (gRPC); then, for TLS, certificate chain and key."""
import concurrent.futures
import gzip
import http.server
import json
import ssl
import sys
import threading

import grpc
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc as logs_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as traces_grpc

ANSWERS = [word for word in sys.argv[1].split(",") if word]
TLS = sys.argv[2:4]
LOCK = threading.Lock()
SIGNALS = {
    "logs": (logs.ExportLogsServiceRequest, logs.ExportLogsServiceResponse),
    "metrics": (metrics.ExportMetricsServiceRequest, metrics.ExportMetricsServiceResponse),
    "traces": (traces.ExportTraceServiceRequest, traces.ExportTraceServiceResponse),
}


def say(line):
    with LOCK:
        print(json.dumps(line), flush=True)


def answer():
    with LOCK:
        return ANSWERS.pop(0) if ANSWERS else None


def tell(signal, transport, headers, message, answered):
    say(
        {
            "signal": signal,
            "transport": transport,
            "headers": {name.lower(): value for name, value in headers},
            "answered": answered,
            "body": MessageToDict(message),
        }
    )


class Http(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        before, _, signal = self.path.rpartition("/v1/")
        request, response = SIGNALS[signal]
        assert self.headers["Content-Type"] == "application/x-protobuf", self.headers["Content-Type"]
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        message = request.FromString(body)
        status = int(answer() or 200)
        headers = list(self.headers.items()) + [(":before", before)]
        tell(signal, "http", headers, message, status)
        content = response().SerializeToString()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


def exporter(base, signal):
    class Exporter(base):
        def Export(self, request, context):
            status = answer()
            tell(signal, "grpc", context.invocation_metadata(), request, status or "OK")
            if status:
                context.abort(grpc.StatusCode[status], "as the test says")
            return SIGNALS[signal][1]()

    return Exporter()


web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Http)
rpc = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
logs_grpc.add_LogsServiceServicer_to_server(exporter(logs_grpc.LogsServiceServicer, "logs"), rpc)
metrics_grpc.add_MetricsServiceServicer_to_server(exporter(metrics_grpc.MetricsServiceServicer, "metrics"), rpc)
traces_grpc.add_TraceServiceServicer_to_server(exporter(traces_grpc.TraceServiceServicer, "traces"), rpc)
if TLS:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*TLS)
    web.socket = context.wrap_socket(web.socket, server_side=True)
    chain, key = (open(path, "rb").read() for path in TLS)
    rpc_port = rpc.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, chain)]))
else:
    rpc_port = rpc.add_insecure_port("127.0.0.1:0")
rpc.start()
say({"http": web.server_port, "grpc": rpc_port})
web.serve_forever()
