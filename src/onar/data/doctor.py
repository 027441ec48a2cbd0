"""The data doctor: what a folder or source holds for training, and what in it cannot be read."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from onar.data.photo_folders import NamedFolders, data_text
from onar.data.photo_sets import Photos, open_photos
from onar.imaging.images import PhotoError, open_photo
from onar.settings.options import ImageSize, PhotoData
from onar.system.console import progress_bar, text_list


@dataclass(frozen=True)
class PhotoFacts:
    """Facts about a readable photo."""

    kind: str
    """File format and colour mode, such as "JPEG RGB"."""
    height: int
    width: int


@dataclass(frozen=True)
class PhotosReport:
    """Report on the photos of a folder or source for crops of a height and width; `str` formats it for the user.

    Readable photos are listed by area, the smallest first; each other one is a line `file: reason`.
    """

    data: PhotoData
    crop: tuple[int, int]
    readable: list[PhotoFacts]
    unreadable: list[str]

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Height and width of each photo that can be read, smallest area first."""
        return [(photo.height, photo.width) for photo in self.readable]

    @property
    def kinds(self) -> dict[str, int]:
        """Number of photos of each kind, the commonest first."""
        return dict(Counter(photo.kind for photo in self.readable).most_common())

    @property
    def upscaled(self) -> int:
        """Number of photos smaller than the crop, which training enlarges."""
        return sum(height < self.crop[0] or width < self.crop[1] for height, width in self.sizes)

    def __str__(self) -> str:
        rows = {"photos": f"{len(self.readable)} in {data_text(self.data)}"}
        if self.readable:
            chosen = (self.sizes[at] for at in (0, len(self.sizes) // 2, -1))
            smallest, median, largest = (f"{height}×{width}" for height, width in chosen)
            rows |= {
                "kinds": ", ".join(f"{count} {kind}" for kind, count in self.kinds.items()),
                "sizes": f"smallest {smallest}, median {median}, largest {largest} (height×width)",
                "too small": f"{self.upscaled} for crops of {self.crop[0]}×{self.crop[1]}; training enlarges them",
            }
        rows["unreadable"] = str(len(self.unreadable))
        return "\n".join([text_list(rows), *(f"  {line}" for line in self.unreadable)])


def inspect_photos(
    data: PhotoData, img_size: ImageSize, threads: int = 2, column: str | None = None, others: NamedFolders = ()
) -> PhotosReport:
    """Decode every photo of a folder or source, with a progress bar on stderr; raises `OnarError` if there is none.

    Data, column and others are as for `open_photos`; `img_size` is the size of the training crops. With 0 threads, the
    calling one decodes.
    """
    photos = open_photos(data, column, others)
    with ThreadPoolExecutor(max(1, threads)) as pool:  # decoding releases Python's lock
        inspected = (pool.map if threads else map)(partial(_inspect, photos), range(len(photos)))
        found = list(progress_bar(inspected, total=len(photos), unit="photo"))
    readable = [one for one in found if isinstance(one, PhotoFacts)]
    return PhotosReport(
        data=data,
        crop=(img_size, img_size) if isinstance(img_size, int) else img_size,
        readable=sorted(readable, key=lambda photo: (photo.height * photo.width, photo.height)),
        unreadable=[one for one in found if isinstance(one, str)],
    )


def _inspect(photos: Photos, index: int) -> PhotoFacts | str:
    """Decode a photo completely; for one that cannot be decoded, a line `file: reason`."""
    try:
        with open_photo(photos[index]) as photo:
            kind = f"{photo.image.format} {photo.image.mode}"
            photo.read()
            return PhotoFacts(kind, photo.height, photo.width)
    except PhotoError as error:
        return str(error)
