"""Penn Treebank and polyphonic music: where they are looked for, how a file is wrong, what the real ones hold."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from keras_rnncap.datasets import PennTreebank, PolyphonicMusic
from keras_rnncap.datasets.builders import penn_treebank as ptb_package
from keras_rnncap.errors import InputError

DUMMY = Path(ptb_package.__file__).parent / "dummy_data"
MUSIC = Path(__file__).parent / "data" / "nottingham.npz"
real_data = pytest.mark.skipif(not os.environ.get("RNNCAP_DATA_DIR"), reason="RNNCAP_DATA_DIR is not set")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A data folder with both corpora, which `RNNCAP_DATA_DIR` names; no network."""
    (tmp_path / "ptb").mkdir()
    (tmp_path / "music").mkdir()
    for file in DUMMY.iterdir():
        (tmp_path / "ptb" / file.name).write_bytes(file.read_bytes())
    (tmp_path / "music" / "nottingham.npz").write_bytes(MUSIC.read_bytes())
    monkeypatch.setenv("RNNCAP_DATA_DIR", str(tmp_path))

    def builder(name, **options):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(tfds, "builder", builder)
    return tmp_path


def test_the_data_folder_is_found(folder):
    assert PennTreebank().words.splits["test"].tolist() == PennTreebank(DUMMY).words.splits["test"].tolist()
    assert len(PolyphonicMusic().pieces["train"]) == 4
    assert PolyphonicMusic.load(MUSIC).collection == "nottingham"


def test_packed_and_plain_words_are_the_same(folder):
    plain = PennTreebank().words
    for name in ("ptb.train.txt", "ptb.valid.txt"):
        file = folder / "ptb" / name
        (folder / "ptb" / f"{name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    packed = PennTreebank().words
    assert packed.vocabulary == plain.vocabulary
    assert all((packed.splits[split] == plain.splits[split]).all() for split in plain.splits)


def test_words_and_ends_of_lines_are_counted(folder):
    words = PennTreebank().words
    for split, name in (("train", "train"), ("validation", "valid"), ("test", "test")):
        lines = (DUMMY / f"ptb.{name}.txt").read_text().splitlines()
        expected = [word for line in lines for word in [*line.split(), "<eos>"]]
        assert [words.vocabulary[index] for index in words.splits[split]] == expected
    assert list(words.vocabulary) == sorted(set(words.vocabulary))


def test_without_data_or_network_the_error_names_all_ways(folder, monkeypatch):
    monkeypatch.delenv("RNNCAP_DATA_DIR")
    for make, file in ((PennTreebank, "ptb/ptb.train.txt"), (PolyphonicMusic, "music/nottingham.npz")):
        with pytest.raises(InputError) as caught:
            make()
        for way in (
            "RNNCAP_DATA_DIR",
            file,
            "--data",
            "TensorFlow Datasets",
            "github.com/locuslab",
            "no route to host",
        ):
            assert way in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("ptb.valid.txt", None, r"no ptb.valid.txt or ptb.valid.txt.gz in .*ptb"),
        ("ptb.test.txt", b"word " * 200 + b"\xe9 word", r"ptb.test.txt has the byte 0xe9 at offset 1,000"),
        ("ptb.test.txt", b"two words\n", r"ptb.test.txt has 3 words, too few"),
        ("ptb.test.txt", b"neverseen " * 200, r"ptb.test.txt has 1 words that the training text lacks, such as 'never"),
        ("ptb.train.txt.gz", gzip.compress(b"the " * 9999, mtime=0)[:-20], r"ptb.train.txt.gz is truncated or damaged"),
    ],
)
def test_bad_words_name_the_file_and_what_it_must_be(folder, name, content, said):
    (folder / "ptb" / name.removesuffix(".gz")).unlink()
    if content is not None:
        (folder / "ptb" / name).write_bytes(content)
    with pytest.raises(InputError, match=said):
        PennTreebank()


def rolls(**changes):
    with np.load(MUSIC) as archive:
        return {**archive, **changes}


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"notes": np.zeros((3, 88))}, r"has no 'train', but notes; it must be an npz with train"),
        (rolls(valid=np.zeros((210, 87), "uint8")), r"valid in .* has the shape \(210, 87\)"),
        (rolls(test=np.full((310, 88), 2, "uint8")), r"test in .* zeros and ones"),
        (rolls(test_len=np.array([300])), r"test_len in .* must be whole numbers of at least 1 that add up to 310"),
        (rolls(train_len=np.array([2450, -10])), r"train_len in .* must be whole numbers"),
        (rolls(valid_len=np.array([120.0, 90.0])), r"valid_len in .* must be whole numbers"),
        (rolls(train=np.array([None])), r"is truncated or damaged"),
        (rolls(train=np.zeros((2440, 88), "i4,f4")), r"train in .* values of \[\('f0'"),
        (rolls(train=np.zeros((2440, 88), "U1")), r"train in .* values of <U1"),
        (rolls(train=np.zeros((2440, 88), complex)), r"train in .* values of complex128"),
        (rolls(train=np.full((2440, 88), np.nan)), r"train in .* zeros and ones"),
        (rolls(test_len=np.array([2**62, 2**62, 2**62, 2**62, 310])), r"test_len in .* add up to 310"),
        (
            rolls(test=np.zeros((35, 88)), test_len=np.array([35])),
            r"test in .* has 35 steps, too few for a window of 35",
        ),
        (rolls(test_len=np.array(310)), r"test_len in .* whole numbers"),
    ],
)
def test_bad_rolls_name_the_file_and_what_it_must_be(tmp_path, arrays, said):
    file = tmp_path / "mine.npz"
    np.savez(file, **arrays)
    with pytest.raises(InputError, match=said):
        PolyphonicMusic(path=file)


@pytest.mark.parametrize("content", [b"", b"no archive", MUSIC.read_bytes()[:3000]])
def test_what_is_no_archive_is_damaged(tmp_path, content):
    file = tmp_path / "mine.npz"
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"mine.npz is truncated or damaged"):
        PolyphonicMusic(path=file)


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


@pytest.mark.parametrize("save", [np.save, np.savez], ids=["npy", "npz"])
def test_what_is_pickled_in_a_file_is_not_run(tmp_path, save):
    trap, file = tmp_path / "trap", tmp_path / "mine.npz"
    with file.open("wb") as stream:
        save(stream, np.array([Trap(trap)]))
    with pytest.raises(InputError, match=r"mine.npz is truncated or damaged .* it must be an npz"):
        PolyphonicMusic(path=file)
    assert not trap.exists()
    np.load(file, allow_pickle=True) if save is np.save else dict(np.load(file, allow_pickle=True))
    assert trap.exists()


def test_an_array_that_is_no_archive_is_refused(tmp_path):
    np.save(tmp_path / "mine.npy", rolls()["train"])
    with pytest.raises(InputError, match=r"mine.npy is truncated or damaged .* it must be an npz"):
        PolyphonicMusic(path=tmp_path / "mine.npy")


def test_an_archive_that_unpacks_to_more_than_a_file_may_hold_is_refused_unread(tmp_path):
    np.savez_compressed(tmp_path / "mine.npz", **rolls(more=np.zeros(101_000_000, "uint8")))
    with pytest.raises(InputError, match=r"mine.npz holds more than 100,000,000 bytes once it is unpacked"):
        PolyphonicMusic(path=tmp_path / "mine.npz")


@pytest.mark.parametrize("make", [PennTreebank, PolyphonicMusic.load], ids=["words", "music"])
def test_files_that_the_system_does_not_let_read_are_errors(tmp_path, make):
    with pytest.raises(InputError, match=r"cannot read .*: File name too long"):
        make(tmp_path / ("a" * 300))


def test_a_file_for_a_folder_and_a_folder_for_a_file_are_errors(tmp_path):
    with pytest.raises(InputError, match=r"no ptb.train.txt .* in .*nottingham.npz, which is a file, not a folder"):
        PennTreebank(MUSIC)
    with pytest.raises(InputError, match=r"cannot read .*: Is a directory"):
        PolyphonicMusic(path=tmp_path)


def test_an_unknown_collection_suggests_the_nearest():
    with pytest.raises(InputError, match="did you mean 'nottingham'"):
        PolyphonicMusic("notingham")


@pytest.mark.real_data
@real_data
def test_the_real_words_are_those_of_the_literature():
    task = PennTreebank()
    assert {split: len(ids) for split, ids in task.words.splits.items()} == {
        "train": 929_589,
        "validation": 73_760,
        "test": 82_430,
    }
    assert task.output_dim == len(task.words.vocabulary) == 10_000
    kinds = {split: len(np.unique(ids)) for split, ids in task.words.splits.items()}
    assert kinds == {"train": 10_000, "validation": 6_022, "test": 6_049}
    unknown = task.words.vocabulary.index("<unk>")
    assert [int((task.words.splits[s] == unknown).sum()) for s in ("train", "validation", "test")] == [
        45_020,
        3_485,
        4_794,
    ]
    baselines = task.baselines()
    assert baselines["uniform"] == pytest.approx(10_000)
    assert 600 < baselines["unigram"] < 700


@pytest.mark.real_data
@real_data
@pytest.mark.parametrize(
    ("collection", "sequences", "steps", "notes", "most"),
    [
        ("nottingham", (694, 173, 170), (176_561, 45_513, 44_463), 3.96, 9),
        ("piano_midi", (87, 12, 25), (75_911, 8_540, 19_036), 3.04, 12),
        ("jsb_chorales", (229, 76, 77), (13_807, 4_602, 4_725), 3.90, 4),
        ("musedata", (524, 135, 124), (245_202, 82_755, 64_339), 3.49, 15),
    ],
)
def test_the_real_rolls_are_those_that_their_readme_describes(collection, sequences, steps, notes, most):
    pieces = PolyphonicMusic(collection).pieces
    assert tuple(len(part) for part in pieces.values()) == sequences
    assert tuple(sum(map(len, part)) for part in pieces.values()) == steps
    train = np.concatenate(pieces["train"]).sum(axis=1)
    assert train.mean() == pytest.approx(notes, abs=0.005)
    assert max(piece.sum(axis=1).max() for part in pieces.values() for piece in part) == most
