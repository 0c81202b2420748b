"""Corpora: encoding, splitting, and what a broken file says."""

import gzip
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import keras_rnncap.datasets.corpus as corpus_module
from keras_rnncap.datasets import ALPHABET, decode, encode
from keras_rnncap.datasets.corpus import data_dir, read_bytes, split_corpus, unpacked_limit
from keras_rnncap.errors import InputError

TEXT = b"it was the best of times it was the worst of times " * 40


@given(st.text(ALPHABET, min_size=1))
def test_decode_inverts_encode(text):
    ids = encode(text.encode(), "the text")
    assert decode(ids) == text
    assert ids.dtype == np.uint8


def test_ids_are_zero_for_the_space_and_then_the_letters_in_order():
    assert encode(b" abz", "here").tolist() == [0, 1, 2, 26]


@pytest.mark.parametrize(("text", "said"), [(b"ab\ncd\n", r"0x0a \('\\n'\) at offset 2, and 2 such"), (b"aB", "0x42")])
def test_a_wrong_character_is_named_with_its_byte_and_offset(text, said):
    with pytest.raises(InputError, match=f"my file has the byte {said}"):
        encode(text, "my file")


def test_offsets_are_readable_in_a_long_text():
    with pytest.raises(InputError, match=r"0x5f \('_'\) at offset 12,345, and 1 such bytes"):
        encode(b"a" * 12_345 + b"_", "my file")


def test_an_empty_text_is_an_error():
    with pytest.raises(InputError, match="my file is empty"):
        encode(b"", "my file")


def test_split_is_train_then_validation_then_test():
    corpus = split_corpus("t", np.arange(1000), 100)
    assert corpus.name == "t"
    np.testing.assert_array_equal(corpus.train, np.arange(800))
    np.testing.assert_array_equal(corpus.validation, np.arange(800, 900))
    np.testing.assert_array_equal(corpus.test, np.arange(900, 1000))


@pytest.mark.parametrize(("length", "held_out"), [(1000, 99), (399, 100)])
def test_too_short_a_text_is_an_error(length, held_out):
    with pytest.raises(InputError, match=rf"tiny has {length:,} characters, too few for two .* of {held_out}"):
        split_corpus("tiny", np.zeros(length, np.uint8), held_out)


def write(path, content=TEXT):
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("text8", content)
    else:
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", ["t", "t.txt", "t.gz", "t.zip"])
def test_plain_gzip_and_zip_files_read_alike(tmp_path, name):
    assert read_bytes(write(tmp_path / name)) == TEXT


@pytest.mark.parametrize("name", ["t.gz", "t.zip"])
@pytest.mark.parametrize("keep", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_archive_is_an_error_and_never_a_shorter_text(tmp_path, name, keep):
    path = write(tmp_path / name, np.random.default_rng(0).bytes(5000))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole))])
    if name == "t.gz" and keep == 0.0:  # gzip: no member is no text, which encode() refuses
        assert read_bytes(path) == b""
        return
    with pytest.raises(InputError, match=rf"{name} is truncated or damaged .*fetch it again"):
        read_bytes(path)


@pytest.mark.parametrize("name", ["t.gz", "t.zip"])
def test_a_flipped_byte_in_an_archive_is_an_error(tmp_path, name):
    path = write(tmp_path / name, np.random.default_rng(0).bytes(5000))
    content = bytearray(path.read_bytes())
    content[2000] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(InputError, match="truncated or damaged"):
        read_bytes(path)


@pytest.mark.parametrize("name", ["t.gz", "t.zip"])
def test_a_file_of_another_format_is_an_error(tmp_path, name):
    (tmp_path / name).write_bytes(b"<html>not found</html>")
    with pytest.raises(InputError, match="truncated or damaged"):
        read_bytes(tmp_path / name)


def test_a_zip_file_without_files_is_an_error(tmp_path):
    zipfile.ZipFile(tmp_path / "t.zip", "w").close()
    with pytest.raises(InputError, match="truncated or damaged"):
        read_bytes(tmp_path / "t.zip")


def test_folders_in_a_zip_file_are_passed_over(tmp_path):
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.mkdir("folder")
        archive.writestr("folder/text8", TEXT)
    assert read_bytes(tmp_path / "t.zip") == TEXT


@pytest.mark.parametrize(
    ("local", "central", "value", "said"),
    [(6, 8, 1, "is encrypted, password required"), (8, 10, 99, "compression method is not supported")],
)
def test_a_zip_file_that_python_cannot_unpack_says_why(tmp_path, local, central, value, said):
    path = write(tmp_path / "t.zip")
    content = bytearray(path.read_bytes())
    content[local] = content[content.rindex(b"PK\x01\x02") + central] = value
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"t.zip cannot be unpacked \(.*{said}.*it must be .* and needs no password"):
        read_bytes(path)


@pytest.mark.parametrize("name", ["t.gz", "t.zip"])
def test_a_small_file_that_unpacks_to_a_huge_one_is_refused(tmp_path, name):
    path = write(tmp_path / name, bytes(101_000_000))
    assert path.stat().st_size < 200_000
    tracemalloc.start()
    with pytest.raises(InputError, match=rf"{name} holds more than 100,000,000 bytes once it is unpacked"):
        read_bytes(path)
    assert tracemalloc.get_traced_memory()[1] < 150_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("name", ["t", "t.gz", "t.zip"])
def test_what_may_be_large_depends_on_the_size_of_the_file_up_to_a_limit(tmp_path, monkeypatch, name):
    monkeypatch.setattr(corpus_module, "LARGEST_CONTENT", 10 * len(TEXT))
    path = write(tmp_path / name)
    assert read_bytes(path) == TEXT
    assert unpacked_limit(path) == min(10 * len(TEXT), 100 * path.stat().st_size)
    with pytest.raises(InputError, match=f"more than {10 * len(TEXT):,} bytes"):
        read_bytes(write(tmp_path / name, np.random.default_rng(0).bytes(11 * len(TEXT))))


def test_a_text_is_read_without_a_second_copy_and_encoded_without_wider_numbers(tmp_path):
    path = write(tmp_path / "t.gz", TEXT * 5000)
    size = 5000 * len(TEXT)
    tracemalloc.start()
    text = read_bytes(path)
    assert tracemalloc.get_traced_memory()[1] < 1.5 * size
    ids = encode(text, "t")
    assert tracemalloc.get_traced_memory()[1] < 2.5 * size
    tracemalloc.stop()
    assert len(ids) == size


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no endless file")
def test_an_endless_file_is_refused():
    with pytest.raises(InputError, match="holds more than 100,000,000 bytes"):
        read_bytes(Path("/dev/zero"))


def test_what_the_system_does_not_let_read_is_named_with_its_reason(tmp_path, monkeypatch):
    path = write(tmp_path / "t")
    with pytest.raises(InputError, match=r"cannot read .*: File name too long"):
        read_bytes(tmp_path / ("t" * 300))

    def refused(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(InputError, match=r"cannot read .*: Permission denied"):
        read_bytes(path)


@pytest.mark.parametrize("text", ["café", "日本"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_text_in_any_other_letters_is_refused_with_the_first_wrong_byte(text, encoding):
    with pytest.raises(InputError, match="my file has the byte 0x"):
        encode(text.encode(encoding, "replace"), "my file")


@pytest.mark.parametrize("name", ["missing", "missing.gz", "missing.zip"])
def test_a_missing_file_and_a_folder_are_errors_that_name_them(tmp_path, name):
    with pytest.raises(InputError, match=f"cannot read .*{name}: No such file"):
        read_bytes(tmp_path / name)
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match=f"cannot read .*{name}: Is a directory"):
        read_bytes(tmp_path / name)


@pytest.mark.parametrize(("value", "expected"), [(None, None), ("", None), ("/data", "/data")])
def test_data_dir_is_what_the_environment_names(monkeypatch, value, expected):
    if value is None:
        monkeypatch.delenv("RNNCAP_DATA_DIR", raising=False)
    else:
        monkeypatch.setenv("RNNCAP_DATA_DIR", value)
    found = data_dir()
    assert (None if found is None else str(found)) == expected
