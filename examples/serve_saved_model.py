"""Serves a SavedModel over HTTP with TensorFlow alone: `python serve_saved_model.py FOLDER/saved_model [PORT]`.

POST {"inputs": [batch, time, features]} and get {"outputs": ...}, or {"error": ...}. Without arguments it exports a
preset, asks it once and prints the answer. In production, TensorFlow Serving takes the same folder. Serve only folders
that you trust: a SavedModel is a program, which can write files.
"""

import contextlib
import json
import socket
import sys
import tempfile
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import tensorflow as tf

THREADS = 8  # requests that are answered at the same time; others wait
SECONDS = 10.0  # until a request must have arrived
MOST_BYTES = 1_000_000  # of a body


class RequestError(Exception):
    """A bad request; its arguments are the HTTP status and the reason."""


def make_server(folder, port=0):
    """Returns a server of a SavedModel on this machine; port 0 takes any that is free."""
    model = tf.saved_model.load(folder)
    server = BoundedServer(("127.0.0.1", port), Handler)
    server.model, server.run = model, model.signatures["serving_default"]  # the first keeps the variables alive
    return server


class BoundedServer(ThreadingHTTPServer):
    """Answers up to `THREADS` requests at the same time; others wait in the operating system's queue."""

    request_queue_size = 128

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._free = threading.BoundedSemaphore(THREADS)

    def process_request(self, request, client_address):
        """Waits for a free thread; socketserver calls it so."""
        self._free.acquire()
        super().process_request(request, client_address)

    def process_request_thread(self, request, client_address):
        """Runs in the thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()


class Handler(BaseHTTPRequestHandler):
    """Answers with the model's outputs, or with an error."""

    timeout = SECONDS  # to send an answer

    def handle(self):
        """Handles a connection, and stops reading after `SECONDS`."""
        alarm = threading.Timer(SECONDS, _stop_reading, [self.connection])
        alarm.start()
        try:
            super().handle()
        except ConnectionError:  # the client left
            self.close_connection = True
        finally:
            alarm.cancel()

    def do_POST(self):  # http.server calls it so
        """Runs whole sequences."""
        try:
            inputs = _parse(self._body(), self.server.run)
            (outputs,) = self.server.run(**inputs).values()
            outputs = tf.cast(outputs, tf.float32).numpy()
            if not np.isfinite(outputs).all():  # JSON has no such numbers
                raise RequestError(400, "the outputs for these inputs are not finite")
            self._answer(200, {"outputs": outputs.tolist()})
        except RequestError as error:
            status, reason = error.args
            self._answer(status, {"error": reason})
        except tf.errors.OpError as error:  # too large for this machine's memory, for example
            self._answer(500, {"error": error.message})

    def _body(self):
        lengths = self.headers.get_all("Content-Length", [])
        if len(lengths) != 1 or not (lengths[0].isascii() and lengths[0].isdigit()):
            self._refuse(400, f"one Content-Length, a number of bytes, is needed; got {', '.join(lengths) or 'none'}")
        if len(lengths[0]) > len(str(MOST_BYTES)) or int(lengths[0]) > MOST_BYTES:
            self._refuse(413, f"a body may have at most {MOST_BYTES:,} bytes")
        body = self.rfile.read(int(lengths[0]))
        if len(body) < int(lengths[0]):
            raise RequestError(400, f"only {len(body)} of {lengths[0]} bytes came within {SECONDS:g} seconds")
        return body

    def _refuse(self, status, reason):
        """Answers, and reads the body afterwards: a client that still sends would lose the answer."""
        self._answer(status, {"error": reason})
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and self.rfile.read1(65536):
            pass
        raise ConnectionAbortedError

    def _answer(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _stop_reading(connection):
    with contextlib.suppress(OSError):  # it is closed already
        connection.shutdown(socket.SHUT_RD)


def _parse(body, run):
    """Returns the inputs of a model's function; wrong shapes could leave a lock held in TensorFlow."""
    ((name, spec),) = run.structured_input_signature[1].items()
    try:
        content = json.loads(body)
        given = content["inputs"] if isinstance(content, dict) else None
    except (ValueError, KeyError, RecursionError) as error:
        raise RequestError(400, f'the body must be JSON, {{"inputs": ...}}: {type(error).__name__}: {error}') from error
    try:
        inputs = np.array(given)
        good = inputs.dtype.kind in "iuf" and spec.shape.is_compatible_with(inputs.shape)
        with np.errstate(over="ignore"):
            inputs = inputs.astype(spec.dtype.as_numpy_dtype) if good else inputs
    except ValueError:  # lists of different lengths
        good = False
    if not (good and np.isfinite(inputs).all()):
        raise RequestError(400, f"inputs must be finite numbers of the shape {tuple(spec.shape)}; None is any size")
    return {name: tf.constant(inputs)}


def demonstrate(preset="ugrnn-perceptron-1k"):
    """Serves a preset, and prints its answer for two patterns."""
    from keras_rnncap import zoo

    with tempfile.TemporaryDirectory() as folder:
        zoo.export(zoo.load(preset), folder, ["saved_model"])
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
            print(f"serving on http://127.0.0.1:{server.server_port}", flush=True)
            server.serve_forever()
    else:
        demonstrate()
