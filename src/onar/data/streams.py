"""Training batches from a stream of photos that need not fit on this disk.

The source's shards are divided among the training processes, and then among the reading processes of each, so every
reading process has its own part of the photos. It repeats passes over its part: each pass shuffles the order of the
shards, and photos in blocks of `shuffle_buffer`. Reading processes provide batches in turn (round robin).

A stream has no random access. So each batch carries its end position in the part; resuming there costs reading one
block again, and for a tar file everything before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from torch.utils.data import IterableDataset, default_collate, get_worker_info

from onar.data.batches import EpochBatches, PhotoLoader, start_worker
from onar.data.hub import RemotePhoto, load_rows, map_source_errors, photo_of
from onar.data.photo_sets import ORDER
from onar.data.samples import RandomCrops, Sample
from onar.errors import OnarError
from onar.imaging.images import PhotoBytes, PhotoError, PhotoSource, map_photo_errors
from onar.system.console import say

SampleBatch = dict[str, Any]
"""The entries of `Sample`, each for all photos of a batch."""


@dataclass(frozen=True)
class StreamedPhotos:
    """A source, as in `onar.data.hub`, that is read as a stream, without the photos of these fingerprints."""

    data: str
    column: str | None = None
    held_out: frozenset[bytes] = frozenset()

    def rows(self) -> Any:
        """The source's rows as an `IterableDataset`; raises as `onar.data.hub.load_rows`."""
        return load_rows(self.data, self.column, stream=True)

    def first(self, number: int) -> list[PhotoSource]:
        """The first photos, including held-out ones; fewer if the source is smaller.

        Raises `OnarError` if the source cannot be read, or holds no photos.
        """
        with map_source_errors(self.data):
            photos = [photo_of(row, self.data, f"photo {at}") for at, row in enumerate(islice(self.rows(), number))]
        if number and not photos:
            raise OnarError(f"no photos in {self.data}")
        return photos

    def without(self, photos: Sequence[PhotoSource]) -> StreamedPhotos:
        """The same source without these photos and their duplicates."""
        return replace(self, held_out=self.held_out | {fingerprint(photo) for photo in photos})


def fingerprint(photo: PhotoSource) -> bytes:
    """A hash of a picture file's bytes; raises `PhotoError` if it cannot be read.

    >>> fingerprint(PhotoBytes("a", b"content")) == fingerprint(PhotoBytes("b", b"content"))
    True
    """
    with map_photo_errors(photo), photo.open("rb") as file:
        return hashlib.blake2b(file.read(), digest_size=16).digest()


def _fetched(photo: PhotoSource) -> PhotoSource:
    """Download a remote photo once; raises `PhotoError` if that fails."""
    if not isinstance(photo, RemotePhoto):
        return photo
    with map_photo_errors(photo), photo.open("rb") as file:
        return PhotoBytes(str(photo), file.read())


@dataclass(frozen=True)
class Place:
    """The position of a reading process in its part.

    Attributes:
        number: number of the pass.
        rows: state of `datasets` before the current block; None at the start of a pass.
        before: number of photos of this pass before the current block.
        used: number of used photos of the current block.
    """

    number: int = 0
    rows: dict[str, Any] | None = None
    before: int = 0
    used: int = 0


@dataclass(eq=False)
class _Parts(IterableDataset[Any]):
    """The infinite sequence of batches of each reading process; each batch has the `Place` of its end.

    `rows` are those of this training process, of this rank and world size (`process`), `block` the photos of the
    shuffle buffer, `places` the start of each reading process.
    """

    photos: StreamedPhotos
    rows: Any
    crops: RandomCrops
    batch_size: int
    block: int
    process: tuple[int, int]
    places: list[Place]

    def __iter__(self) -> Iterator[Any]:
        reader = get_worker_info()
        number = reader.id if reader else 0
        rank, world_size = self.process
        numbered = self._samples(self.places[number], number * world_size + rank, len(self.places) * world_size)
        try:
            while True:
                places, samples = zip(*islice(numbered, self.batch_size), strict=True)
                yield default_collate(list(samples)) | {"place": asdict(places[-1])}
        except OnarError as error:  # torch would add a long traceback
            yield error

    def _samples(self, place: Place, part: int, parts: int) -> Iterator[tuple[Place, Sample]]:
        """Samples from a place on, each with the place after it, over repeated passes.

        Raises `OnarError` if the source cannot be read, or a whole pass has no readable photo.
        """
        unreadable: list[str] = []
        while True:
            usable = place != Place(place.number)  # a resumed pass may have had readable photos before
            for behind, at, photo in self._photos(place, part):
                try:
                    here = _fetched(photo)
                    if self.photos.held_out and fingerprint(here) in self.photos.held_out:
                        continue
                    sample = self.crops(here, (place.number, at * parts + part))
                except PhotoError as error:
                    unreadable.append(str(error))
                    continue
                sample["unreadable"] = "\n".join(unreadable)
                unreadable, usable = [], True
                yield behind, sample
            if not usable:
                example = f"; the first: {unreadable[0]}" if unreadable else ""
                raise OnarError(f"a part of {self.photos.data} has no photo that can be used{example}")
            place = Place(place.number + 1)

    def _photos(self, place: Place, part: int) -> Iterator[tuple[Place, int, PhotoSource]]:
        """The photos of a pass from a place on, each with the place after it and its number in the part."""
        for start, photos in self._blocks(place):
            order = np.random.default_rng((self.crops.seed, ORDER, start.number, part, start.before))
            shuffled = order.permutation(len(photos)).tolist()
            for used, at in enumerate(shuffled[start.used :], start.used + 1):
                yield replace(start, used=used), start.before + at, photos[at]

    def _blocks(self, place: Place) -> Iterator[tuple[Place, list[PhotoSource]]]:
        """The blocks of photos of a pass from a place on, each with the place of its start."""
        # A buffer of one photo shuffles only shards. `datasets` cannot restore the content of a larger buffer.
        order = np.random.default_rng((self.crops.seed, ORDER, place.number))
        shuffled = self.rows.shuffle(generator=order, buffer_size=1, max_buffer_input_shards=1)
        if place.rows is not None:
            shuffled.load_state_dict(place.rows)
        rows = enumerate(shuffled, place.before)
        data = self.photos.data
        while True:
            with map_source_errors(data):
                block = [photo_of(row, data, f"photo {at}") for at, row in islice(rows, self.block)]
            if not block:
                return
            yield place, block
            place = Place(place.number, shuffled.state_dict(), place.before + len(block))


class StreamLoader:
    """Reads a stream in batches, the counterpart of `onar.data.batches.photo_loader`.

    Iterating yields the next batches of an infinite sequence, as many as the epoch has left according to `batches`.
    There are at most `num_workers` reading processes, and as many as shards; 0 reads in this process. `block` is the
    number of photos in the shuffle buffer. `states` is the result of `state` in every process, to resume there; with
    another number of shards or processes, a new pass begins instead, which is reported in a line.
    """

    def __init__(
        self,
        photos: StreamedPhotos,
        crops: RandomCrops,
        batches: EpochBatches,
        num_workers: int,
        block: int,
        states: list[dict[str, Any]] | None = None,
        pin_memory: bool = False,
    ) -> None:
        self._batches = batches
        process = batches.rank, batches.world_size
        rows = _own_rows(photos, process, num_workers)
        workers = min(num_workers, rows.num_shards)
        self._layout = [batches.world_size, max(1, workers), rows.num_shards]
        self._places, used = self._start(photos, states or [])
        self._round, self._taken = list(self._places), 0
        batch_size = batches.together // batches.world_size
        loader = PhotoLoader(
            _Parts(photos, rows, crops, batch_size, block, process, [Place(**place) for place in self._places]),
            batch_size=None,
            num_workers=workers,
            pin_memory=pin_memory,
            worker_init_fn=start_worker,
            persistent_workers=workers > 0,
        )
        self._row = iter(loader)
        for _ in range(used):
            self._take()

    def __iter__(self) -> Iterator[SampleBatch]:
        for _ in range(len(self._batches)):
            yield self._take()

    def state(self) -> dict[str, Any]:
        """The position of this process after the last batch that was taken, without prefetched ones.

        `layout` is the number of training processes, of reading processes of each, and of shards; `places` are those at
        the start of the current round, in which each reading process provides one batch; `used` is the batches of this
        round.
        """
        return {"layout": self._layout, "places": self._round, "used": self._taken}

    def _start(self, photos: StreamedPhotos, states: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], int]:
        """The place of each reading process, and the number of used batches after it."""
        number = 0
        if any(state["layout"] != self._layout for state in states):
            number = 1 + max(place["number"] for state in states for place in state["places"])
            states = []
            if self._batches.rank == 0:
                say(f"{photos.data} is divided among other processes or shards than before: a new pass begins")
        if not states:
            return [asdict(Place(number))] * self._layout[1], 0
        own = states[self._batches.rank]
        return list(own["places"]), own["used"]

    def _take(self) -> SampleBatch:
        """The next batch; after one from each reading process, a new round begins."""
        batch: SampleBatch = next(self._row)
        self._places[self._taken] = batch.pop("place")
        self._taken += 1
        if self._taken == len(self._places):
            self._round, self._taken = list(self._places), 0
        return batch


def _own_rows(photos: StreamedPhotos, process: tuple[int, int], num_workers: int) -> Any:
    """The rows of one of N processes: some of the shards, or if these cannot be divided evenly, every N-th photo."""
    from datasets.distributed import split_dataset_by_node

    rows = photos.rows()
    with map_source_errors(photos.data):
        if rows.num_shards < process[1] * num_workers:
            rows = rows.reshard()  # Parquet by groups of rows instead of by files
        return split_dataset_by_node(rows, *process)
