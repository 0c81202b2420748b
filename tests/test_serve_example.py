"""The example server answers good requests, whatever came before them."""

import concurrent.futures
import importlib.util
import json
import socket
import threading
import urllib.error
import urllib.request
from pathlib import Path

import keras
import pytest

ROOT = Path(__file__).parents[1]
WIDTH = 14
GOOD = [[[1.0] * WIDTH] * 5]
pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a SavedModel needs TensorFlow")


@pytest.fixture(scope="module")
def serving():
    spec = importlib.util.spec_from_file_location("serving", ROOT / "examples" / "serve_saved_model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def port(serving):
    with serving.make_server(str(ROOT / "saved_models" / "ugrnn-perceptron-1k" / "v1" / "saved_model")) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def post(port, body):
    """Returns the status and the JSON that a client gets for a body."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}", body, timeout=20) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def ask(port, inputs):
    return post(port, json.dumps({"inputs": inputs}).encode())


def send(port, text, timeout=20):
    """Returns the first line that the server answers to what is sent on a bare socket, and what follows the head."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as client:
        client.sendall(text.encode())
        answer = client.makefile("rb").read().decode()
    return answer.splitlines()[0] if answer else "", answer.partition("\r\n\r\n")[2]


def is_well(port):
    status, answer = ask(port, GOOD)
    return status == 200 and len(answer["outputs"]) == 1


def test_good_requests_are_answered_beside_bad_ones_at_the_same_time(port):
    """A call of a SavedModel with a wrong shape can leave a lock held in TensorFlow, when others run beside it."""
    requests = [GOOD if number % 2 else [[[1.0] * 3] * 5] for number in range(24)]
    with concurrent.futures.ThreadPoolExecutor(24) as clients:
        statuses = [status for status, _ in clients.map(lambda inputs: ask(port, inputs), requests)]
    assert statuses == [200 if inputs is GOOD else 400 for inputs in requests]
    assert is_well(port)


@pytest.mark.parametrize(
    "inputs",
    [
        *([], [[]], [[[]]], 1.0, [[1.0]], [[[1.0] * 15]], [[[[1.0] * WIDTH]]], [[[1.0] * WIDTH, [1.0]]]),
        *("a", None, {"a": 1}, [[["1"] * WIDTH]], [[[None] * WIDTH]], [[[True] * WIDTH]], [[[10**400] * WIDTH]]),
        *([[[float("nan")] * WIDTH]], [[[1e39] * WIDTH]]),
    ],
)
def test_inputs_that_are_no_numbers_of_the_models_shape_are_told_and_leave_the_server_well(port, inputs):
    status, answer = ask(port, inputs)
    assert status == 400
    assert "inputs must be finite numbers of the shape (None, None, 14)" in answer["error"]
    assert is_well(port)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1]", b"3", b"{}", b"\xff\xfe\xfd", b'{"inputs": Infinity}', b"[" * 200_000]
)
def test_a_body_that_is_no_such_json_is_told(port, body):
    status, answer = post(port, body)
    assert status == 400
    assert answer["error"]
    assert is_well(port)


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("", 400),
        *((f"Content-Length: {value}\r\n", 400) for value in ("", "abc", "-1", "+2", "1_0", "2, 2", "1.5", "0x2")),
        ("Content-Length: 2\r\nContent-Length: 9\r\n", 400),
        ("Transfer-Encoding: chunked\r\n", 400),
        ("Content-Length: 99999999999\r\n", 413),
        (f"Content-Length: {'9' * 5000}\r\n", 413),
    ],
)
def test_a_length_that_is_missing_malformed_or_too_large_is_told_at_once(port, header, status):
    with socket.create_connection(("127.0.0.1", port), timeout=3) as client:  # it keeps its end open
        client.sendall(f"POST / HTTP/1.1\r\nHost: here\r\n{header}\r\n".encode())
        answer = client.recv(65536).decode()
    assert answer.splitlines()[0].split()[1] == str(status)
    assert is_well(port)


def test_a_body_that_is_too_large_is_refused_and_the_client_hears_of_it(port, serving):
    status, answer = post(port, b" " * (serving.MOST_BYTES + 1))
    assert status == 413
    assert f"at most {serving.MOST_BYTES:,} bytes" in answer["error"]
    assert is_well(port)


def test_clients_that_send_nothing_or_byte_by_byte_are_not_waited_for_long(port, serving, monkeypatch):
    monkeypatch.setattr(serving, "SECONDS", 1.0)
    assert send(port, "POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")[0].split()[1] == "400"
    slow = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(2 * serving.THREADS)]
    for client in slow:
        client.sendall(b"POST / HTTP/1.1\r\n")
    stop = threading.Event()

    def trickle():
        while not stop.wait(0.2):
            for number, client in enumerate(slow):
                try:
                    client.sendall(b"x" if number % 2 else b"x: y\r\n")
                except OSError:
                    continue

    threading.Thread(target=trickle, daemon=True).start()
    try:
        assert is_well(port)  # after those before it were cut off
    finally:
        stop.set()
        for client in slow:
            client.close()


def test_no_more_threads_run_than_are_allowed(port, serving):
    before = threading.active_count()
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(3 * serving.THREADS)]
    threading.Event().wait(0.5)
    assert threading.active_count() - before <= 2 * serving.THREADS  # each with its alarm
    for client in idle:
        client.close()
    assert is_well(port)
