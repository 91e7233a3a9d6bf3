"""Stands in for dcgm-exporter, which needs a GPU: its options, its password or TLS, a page of two GPUs."""

import sys
from pathlib import Path

PROGRAM = f"""#!{sys.executable}
import sys, time
if "--version" in sys.argv:
    print("DCGM Exporter version 4.4.2-4.7.0")
    sys.exit()
import base64, bcrypt, ssl, yaml
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
assert options["-c"] == "500", options
config = yaml.safe_load(open(options["--web-config-file"]))
users = config["basic_auth_users"]

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        word = base64.b64decode(self.headers.get("Authorization", "Basic Og==").split()[1]).decode()
        user, _, password = word.partition(":")
        known = user in users and bcrypt.checkpw(password.encode(), users[user].encode())
        self.send_response(200 if known else 401)
        self.end_headers()
        if known:
            for gpu in (0, 1):
                labels = f'gpu="{{gpu}}",UUID="GPU-{{gpu}}",modelName="Made up"'
                self.wfile.write(f"DCGM_FI_DEV_GPU_UTIL{{{{{{labels}}}}}} 50\\n".encode())
                self.wfile.write(f"DCGM_FI_DEV_POWER_USAGE{{{{{{labels}}}}}} {{time.time() % 100}}\\n".encode())
                self.wfile.write(f"DCGM_FI_PROF_DRAM_ACTIVE{{{{{{labels}}}}}} 9223372036854775795\\n".encode())

    def log_message(self, *_):
        pass

host, _, port = options["-a"].rpartition(":")
server = ThreadingHTTPServer((host, int(port)), Handler)
if tls := config.get("tls_server_config"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls["cert_file"], tls["key_file"])
    server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""

BROKEN = """#!/bin/sh
echo "Failed to initialize NVML: no driver" >&2
exit 1
"""


def install(folder: Path, text: str = PROGRAM) -> None:
    """Put the stand-in into a folder of PATH."""
    folder.mkdir(exist_ok=True)
    path = folder / "dcgm-exporter"
    path.write_text(text)
    path.chmod(0o755)
