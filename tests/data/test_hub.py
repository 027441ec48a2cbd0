"""Sources of Hugging Face `datasets`, on shards written here: by index and as a stream."""

import io
import pickle
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow
import pytest
import torch
from PIL import Image
from pyarrow import parquet

from onar.data.batches import EpochBatches, photo_loader
from onar.data.doctor import inspect_photos
from onar.data.hub import HubPhotos, RemotePhoto, photo_of
from onar.data.mask_sources import GeneratedMasks
from onar.data.photo_folders import PhotoPaths
from onar.data.samples import RandomCrops, TrainingPhotos
from onar.data.streams import Place, StreamedPhotos, StreamLoader, _Parts, fingerprint
from onar.errors import OnarError, UsageError
from onar.settings.training import TrainConfig
from onar.training.gan.verb import train
from tests.conftest import PHOTOS
from tests.support.processes import Process
from tests.support.runs import SMALL, assert_same_weights, one_line, records, train_command

datasets = pytest.importorskip("datasets", reason='needs the extra "hub"')

CROPS = RandomCrops(16, 16, GeneratedMasks(), seed=0)
COUNT, SHARDS = 24, 4


@pytest.fixture(scope="module", autouse=True)
def copies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of its own for the copies that `datasets` makes."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("copies")
        patch.setenv("HF_HOME", str(folder))  # for processes
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", folder)
        yield folder


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("photos")
    for source in sorted(PHOTOS.glob("*.jpg"))[:COUNT]:
        with Image.open(source) as photo:
            photo.resize((40, 32)).save(folder / source.name)
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def sources(files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Real photos as a source of each kind."""
    return write_sources(files, tmp_path_factory.mktemp("sources"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Photos that are grey of their number, as a source of each kind."""
    folder = tmp_path_factory.mktemp("plain")
    for number in range(COUNT):
        Image.new("RGB", (20, 20), (number, number, number)).save(folder / f"{number:02d}.png")
    return write_sources(sorted(folder.iterdir()), tmp_path_factory.mktemp("plain_sources"))


def write_sources(files: list[Path], folder: Path) -> dict[str, str]:
    """Write photos as shards of every kind, in the same order."""
    for shard in range(SHARDS):
        part = files[shard * COUNT // SHARDS : (shard + 1) * COUNT // SHARDS]
        rows: dict[str, Any] = {"label": [path.stem for path in part]}
        write_parquet(folder / f"bytes_{shard}.parquet", rows | {"picture": [path.read_bytes() for path in part]})
        pictures = [{"bytes": path.read_bytes(), "path": path.name} for path in part]
        write_parquet(folder / f"pictures_{shard}.parquet", rows | {"image": pictures})
        write_tar(folder / f"{shard}.tar", {path.name: path.read_bytes() for path in part})
    return {
        "bytes": f"hf:parquet:{folder}/bytes_*.parquet",
        "parquet": f"hf:parquet:{folder}/pictures_*.parquet@train",
        "webdataset": f"hf:webdataset:{folder}/*.tar",
        "imagefolder": f"hf:imagefolder:{files[0].parent}",
    }


def write_parquet(path: Path, columns: dict[str, Any]) -> None:
    parquet.write_table(pyarrow.table(columns), path, row_group_size=3)


def write_tar(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            for member, data in ((name, content), (f"{Path(name).stem}.txt", b"a caption")):
                info = tarfile.TarInfo(member)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))


def batches_of(count: int, batch_size: int, rank: int = 0, world_size: int = 1) -> EpochBatches:
    return EpochBatches(count, batch_size, 0, rank=rank, world_size=world_size)


def same(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in ("photo", "known", "index"))


# ---------------------------------------------------------------- by index
@pytest.mark.parametrize("kind", ["bytes", "parquet", "webdataset", "imagefolder"])
def test_a_source_gives_the_samples_of_the_files_in_it(kind: str, sources: dict[str, str], files: list[Path]) -> None:
    ours, theirs = TrainingPhotos(HubPhotos(sources[kind]), CROPS), TrainingPhotos(PhotoPaths(files), CROPS)
    for index in (0, 7, COUNT - 1):
        assert {**ours[2, index], "photo": 0, "known": 0} == {**theirs[2, index], "photo": 0, "known": 0}
        assert torch.equal(ours[2, index]["photo"], theirs[2, index]["photo"])
        assert torch.equal(ours[2, index]["known"], theirs[2, index]["known"])


def test_samples_are_the_same_in_reading_processes_and_after_pickling(sources: dict[str, str]) -> None:
    photos = HubPhotos(sources["parquet"])
    cases = ((photos, 0), (photos, 2), (pickle.loads(pickle.dumps(photos)), 0))
    runs = [list(photo_loader(TrainingPhotos(one, CROPS), batches_of(COUNT, 8), workers)) for one, workers in cases]
    assert len(runs[0]) == 3
    assert all(same(*pair) for others in runs[1:] for pair in zip(runs[0], others, strict=True))


def test_a_column_can_be_chosen(files: list[Path], tmp_path: Path) -> None:
    first, second = ([{"bytes": path.read_bytes(), "path": path.name}] for path in files[:2])
    write_parquet(tmp_path / "two.parquet", {"before": first, "after": second})
    data = f"hf:parquet:{tmp_path}/two.parquet"
    for column, expected in ((None, files[0]), ("after", files[1])):
        assert fingerprint(HubPhotos(data, column)[0]) == fingerprint(expected)
    with pytest.raises(UsageError, match=r"^photo_column takes one of before after: .* has no column 'between'"):
        HubPhotos(data, "between")


def test_a_source_is_inspected(sources: dict[str, str]) -> None:
    report = inspect_photos(sources["webdataset"], 64, threads=0)
    assert (len(report.sizes), report.kinds, report.unreadable) == (COUNT, {"JPEG RGB": COUNT}, [])
    assert f"{COUNT} in hf:webdataset:" in str(report)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("hf:", "hf: names no source: use hf:NAME"),
        ("hf:parquet:{}/*.parquet", r"cannot read hf:parquet:.*: nothing matches .*\*\.parquet$"),
        ("hf:webdataset:{}/broken.tar", "cannot read hf:webdataset:.*broken.tar"),
        ("hf:parquet:{}/numbers.pq", "^photo_column takes one of number: .* has no column of pictures"),
        ("hf:parquet:{}/numbers.pq@test", 'Unknown split "test"'),
        ("hf:parquet:{}/none.pq", "cannot read hf:parquet:.*none.pq"),
    ],
)
def test_errors_of_a_source_are_reported_in_one_line(data: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "broken.tar").write_bytes(b"no archive")
    write_parquet(tmp_path / "numbers.pq", {"number": [1, 2]})
    write_parquet(tmp_path / "none.pq", {"image": pyarrow.array([], pyarrow.binary())})
    with one_line(message):
        HubPhotos(data.format(tmp_path))


def test_a_hub_that_cannot_be_reached_is_reported_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with one_line(r"cannot read hf:user/nothing: .*; without a network, name files"):
        HubPhotos("hf:user/nothing")


def test_without_the_extra_one_line_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(OnarError, match=r'needs pip install "onar\[hub\]"'):
        HubPhotos("hf:user/nothing")


# ---------------------------------------------------------------- streams
def stream(
    data: str, steps: int, workers: int = 0, process: tuple[int, int] = (0, 1), states: Any = None, size: int = 3
) -> StreamLoader:
    """Photos shuffled in blocks of 5, for one process of some, in batches of that size."""
    batches = batches_of(size * steps * process[1], size, *process)
    return StreamLoader(StreamedPhotos(data), CROPS, batches, workers, 5, states)


def shown(loaders: list[StreamLoader]) -> list[int]:
    """Which plain photos the loaders give in the next epoch: each is grey of its number."""
    return [int(photo[0, 0, 0]) for loader in loaders for batch in loader for photo in batch["photo"]]


@pytest.mark.parametrize(
    ("kind", "world_size", "num_workers"),
    [
        ("parquet", 1, 2),
        ("parquet", 2, 2),
        ("parquet", 4, 2),  # fewer files than reading processes: divided by groups of rows
        ("webdataset", 2, 2),
        ("webdataset", 3, 0),  # shards that cannot be divided evenly: divided by photos
        ("imagefolder", 2, 2),  # a single shard
    ],
)
def test_processes_and_their_reading_processes_share_every_photo_once_a_pass(
    kind: str, world_size: int, num_workers: int, plain: dict[str, str]
) -> None:
    processes = [(rank, world_size) for rank in range(world_size)]
    loaders = [stream(plain[kind], COUNT // world_size, num_workers, process, size=1) for process in processes]
    first, second = shown(loaders), shown(loaders)
    assert sorted(first) == sorted(second) == list(range(COUNT))
    assert list(range(COUNT)) != first != second


def test_a_seed_gives_another_order_and_samples_are_never_twice_the_same(plain: dict[str, str]) -> None:
    loader = stream(plain["parquet"], COUNT // 3)
    knowns = [known for _ in range(2) for batch in loader for known in batch["known"]]
    assert len({known.numpy().tobytes() for known in knowns}) == 2 * COUNT
    other = StreamLoader(StreamedPhotos(plain["parquet"]), replace(CROPS, seed=1), batches_of(COUNT, 3), 0, 5)
    assert shown([other]) != shown([stream(plain["parquet"], COUNT // 3)])


@pytest.mark.parametrize(
    ("kind", "num_workers"), [("parquet", 0), ("webdataset", 0), ("imagefolder", 0), ("parquet", 2), ("webdataset", 2)]
)
def test_a_stream_goes_on_exactly_where_it_was(kind: str, num_workers: int, sources: dict[str, str]) -> None:
    whole, states = [], []
    loader = stream(sources[kind], 12, num_workers)
    for batch in loader:
        whole.append(batch)
        states.append([loader.state()])
    for used in (1, 8) if num_workers else (1, 2, 8, 11):  # within a block, a round of processes, a later pass
        rest = list(stream(sources[kind], 12 - used, num_workers, states=states[used - 1]))
        assert len(rest) == 12 - used
        assert all(same(*pair) for pair in zip(rest, whole[used:], strict=True))


def test_every_process_goes_on_in_its_own_part(plain: dict[str, str]) -> None:
    loaders = [stream(plain["webdataset"], 2, 0, (rank, 2)) for rank in range(2)]
    begun = shown(loaders)
    states = [loader.state() for loader in loaders]
    rest = shown([stream(plain["webdataset"], 2, 0, (rank, 2), states) for rank in range(2)])
    assert sorted(begun + rest) == list(range(COUNT))


def test_divided_otherwise_a_new_pass_is_announced(plain: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    loader = stream(plain["parquet"], 3, workers=2)
    shown([loader])
    assert sorted(shown([stream(plain["parquet"], COUNT // 3, states=[loader.state()])])) == list(range(COUNT))
    assert "divided among other processes or shards than before: a new pass begins" in capsys.readouterr().out


def test_what_is_held_out_never_comes(plain: dict[str, str]) -> None:
    photos = StreamedPhotos(plain["webdataset"])
    held_out, all_of_them = photos.first(3), HubPhotos(plain["webdataset"])
    assert [fingerprint(photo) for photo in held_out] == [fingerprint(all_of_them[index]) for index in range(3)]
    rest = StreamLoader(photos.without(held_out), CROPS, batches_of(COUNT - 3, 3), 0, 5)
    assert sorted(shown([rest])) == sorted(shown([rest])) == list(range(3, COUNT))


# ---------------------------------------------------------------- damage
@pytest.fixture
def damaged(files: list[Path], tmp_path: Path) -> str:
    """A shard of four photos, of which the second is cut off."""
    contents = {path.name: path.read_bytes() for path in files[:4]}
    contents[files[1].name] = contents[files[1].name][:300]
    write_tar(tmp_path / "damaged.tar", contents)
    return f"hf:webdataset:{tmp_path}/damaged.tar"


def test_an_unreadable_photo_in_a_shard_is_named_and_passed_over(damaged: str, files: list[Path]) -> None:
    name = f"{damaged.removeprefix('hf:webdataset:')}/{files[1].name}: damaged"
    sample = TrainingPhotos(HubPhotos(damaged), CROPS)[0, 1]
    assert sample["index"] == 2
    assert sample["unreadable"].startswith(name)
    lines = [line for batch in stream(damaged, 3) for line in batch["unreadable"] if line]
    assert len(lines) >= 2  # of nine photos three are readable in each pass
    assert all(line.startswith(name) for line in lines)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_stream_in_which_nothing_can_be_read_ends_with_one_line(num_workers: int, tmp_path: Path) -> None:
    write_tar(tmp_path / "all.tar", {f"{number}.jpg": b"no picture" for number in range(3)})
    with one_line(r"has no photo that can be used; the first: .*\.jpg: not a picture"):
        list(stream(f"hf:webdataset:{tmp_path}/all.tar", 2, num_workers))


def test_a_shard_that_breaks_off_ends_the_stream_with_one_line(sources: dict[str, str], tmp_path: Path) -> None:
    whole = Path(sources["parquet"].removeprefix("hf:parquet:").replace("*.parquet@train", "0.parquet")).read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[:200] + bytes(len(whole) - 1200) + whole[-1000:])
    with one_line(r"^cannot read hf:parquet:"):
        list(stream(f"hf:parquet:{tmp_path}/cut.parquet", 4))


# ---------------------------------------------------------------- training
TINY = {**SMALL, "lambda_content": 0.0, "img_size": 16, "num_workers": 2, "epochs": 1}


def test_a_stream_says_which_settings_it_needs() -> None:
    with pytest.raises(UsageError, match=r"^stream needs data hf:"):
        TrainConfig(data="./photos", stream=True, photos_per_epoch=8)
    with pytest.raises(UsageError, match=r"^stream needs photos_per_epoch"):
        TrainConfig(data="hf:user/something", stream=True)


@pytest.mark.process
def test_a_killed_training_on_a_stream_ends_with_the_same_weights(sources: dict[str, str], tmp_path: Path) -> None:
    settings = {**TINY, "data": sources["webdataset"], "photos_per_epoch": 40, "shuffle_buffer": 5}
    settings |= {"val_share": 0.0, "checkpoint_minutes": 1e-9}
    train(TrainConfig(results_dir=tmp_path / "whole", stream=True, **settings))
    killed = tmp_path / "killed"
    command = [*train_command(results_dir=killed, **settings), "--stream"]
    with Process(*command) as process:
        while not (killed / "log.jsonl").exists() or (killed / "log.jsonl").read_text().count("\n") < 4:
            assert process.poll() is None
            time.sleep(0.001)
        process.kill()
    train(TrainConfig(results_dir=killed, stream=True, **settings))
    assert_same_weights(tmp_path / "whole", killed)


def test_photos_of_a_source_can_be_trained_on_and_validated_with(sources: dict[str, str], tmp_path: Path) -> None:
    config = TrainConfig(data=sources["parquet"], val_data=sources["webdataset"], results_dir=tmp_path, **TINY)
    train(config)
    epochs = records(tmp_path, "epoch")
    assert [record["step"] for record in epochs] == [COUNT // 4]
    assert "onar" in epochs[-1]["validation"]
    assert TrainConfig.from_toml(tmp_path / "config.toml") == config


def test_a_folder_that_names_divide_says_what_it_leaves_out(
    files: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "photos [1]"
    folder.mkdir()
    for name, source in zip(("a.jpg", "b.jpg", "photo of a train.jpg", "c.jpg", "d.jpg"), files, strict=False):
        (folder / name).write_bytes(source.read_bytes())
    assert len(inspect_photos(f"hf:imagefolder:{folder}", 16, threads=0).sizes) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"1 of 5 files are of the split train; the others are skipped, such as {folder}" in line
    assert line.endswith(f"--data {folder} takes all")
    (folder / "photo of a train.jpg").unlink()
    assert len(inspect_photos(f"hf:imagefolder:{folder}", 16, threads=0).sizes) == 4
    assert capsys.readouterr().err == ""
    (folder / "a.jpg").rename(folder / "a test.jpg")
    with pytest.raises(OnarError, match='Unknown split "train"'):
        inspect_photos(f"hf:imagefolder:{folder}", 16, threads=0)
    (line,) = capsys.readouterr().err.splitlines()
    assert "0 of 4 files are of the split train" in line
    assert line.endswith(f"--data {folder} takes all")


def test_a_remote_photo_is_fetched_once(files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[str] = []
    opened = RemotePhoto.open

    def count(photo: RemotePhoto, mode: str) -> object:
        fetched.append(photo.url)
        return opened(photo, mode)

    monkeypatch.setattr(RemotePhoto, "open", count)
    rows = [{"image": {"path": f"file://{path}", "bytes": None}} for path in files[:4]]
    photos = StreamedPhotos("hf:parquet:names.parquet", held_out=frozenset({b"another"}))
    parts = _Parts(photos, None, CROPS, 4, 5, (0, 1), [Place()])
    places = [(Place(), at, photo_of(row, "", "")) for at, row in enumerate(rows)]
    monkeypatch.setattr(_Parts, "_photos", lambda *_: iter(places))
    assert len(next(iter(parts))["index"]) == 4
    assert sorted(fetched) == sorted(f"file://{path}" for path in files[:4])
