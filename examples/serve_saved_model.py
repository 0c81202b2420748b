"""Serves a SavedModel over HTTP with TensorFlow alone: `python serve_saved_model.py FOLDER/saved_model [PORT]`.

POST {"inputs": [batch, time, features]} and get {"outputs": ...}. Without arguments it makes a model to serve with
`rnncap zoo export`, asks it once, prints the answer and ends. For production there is TensorFlow Serving, which takes
the same folder.
"""

import json
import subprocess
import sys
import tempfile
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import tensorflow as tf


def make_server(folder, port=0):
    """Returns a server of a SavedModel on this machine's own address; port 0 takes any that is free."""
    model = tf.saved_model.load(folder)

    class Handler(BaseHTTPRequestHandler):
        """Answers with the model's outputs, or with what is wrong with the inputs."""

        def do_POST(self):  # http.server calls it so
            """Runs whole sequences."""
            try:
                inputs = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["inputs"]
                status, answer = 200, {"outputs": model.serve(tf.constant(inputs, tf.float32)).numpy().tolist()}
            except (ValueError, TypeError, KeyError, tf.errors.InvalidArgumentError) as error:
                status, answer = 400, {"error": str(error)}
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def demonstrate(preset="ugrnn-perceptron-1k"):
    """Serves a preset, asks it about two patterns, and prints what it answers."""
    export = "import sys; from keras_rnncap.cli import main; sys.argv[1:] = ['zoo', 'export', *sys.argv[1:]]; main()"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", export, preset, folder, "--formats", "saved_model"]
        subprocess.run(command, check=True, capture_output=True)
        with make_server(f"{folder}/saved_model") as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            width = 14  # rnncap zoo show says so
            patterns = [[[1.0] * width] + [[0.0] * width] * 4, [[0.0] * width] * 5]
            body = json.dumps({"inputs": patterns}).encode()
            with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}", body) as reply:
                print(json.load(reply))
            server.shutdown()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        with make_server(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 8501) as server:
            print(f"serving on http://127.0.0.1:{server.server_port}")
            server.serve_forever()
    else:
        demonstrate()
