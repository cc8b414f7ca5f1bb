"""PocketBase, as its documentation sets it up: one user of the collection ``users``, who asks for their own record.

``python app.py PORT FOLDER`` writes a token into FOLDER/token and the path to ask into FOLDER/path, and serves.
"""

import json
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

port, folder = sys.argv[1], Path(sys.argv[2])
POCKETBASE = str(Path(sys.executable).with_name("pocketbase"))
ADMIN = {"identity": "admin@example.com", "password": "correct horse battery"}
SOMEBODY = {"identity": "somebody@example.com", "password": "correct horse battery"}


def ask(path, body=None, token=""):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Authorization": token}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


def wait_until_it_answers():
    for _ in range(200):
        try:
            return ask("/api/health")
        except OSError:
            time.sleep(0.05)
    raise SystemExit("it does not answer")


if __name__ == "__main__":
    # So that its own server ends with this one.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    common = [f"--dir={folder / 'data'}"]
    subprocess.run([POCKETBASE, "superuser", "upsert", *ADMIN.values(), *common], check=True, stdout=subprocess.DEVNULL)
    # Without this, whoever stops this process would leave the server running.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    server = subprocess.Popen([POCKETBASE, "serve", f"--http=127.0.0.1:{port}", *common], stdout=subprocess.DEVNULL)
    try:
        wait_until_it_answers()
        admin = ask("/api/collections/_superusers/auth-with-password", ADMIN)["token"]
        password = SOMEBODY["password"]
        new = {"email": SOMEBODY["identity"], "password": password, "passwordConfirm": password}
        ask("/api/collections/users/records", new, admin)
        found = ask("/api/collections/users/auth-with-password", SOMEBODY)
        (folder / "path").write_text(f"/api/collections/users/records/{found['record']['id']}")
        (folder / "token").write_text(found["token"])
        server.wait()
    finally:
        server.terminate()
        server.wait()
