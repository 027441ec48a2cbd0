"""The tab where people paint holes into a photo and have them filled.

The brush works on a reduced view; what is filled is the photo itself, at its full size and depth. Between two clicks
a photo is a file and not an array, so that the server's memory does not grow with the number of open pages.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import gradio as gr
import numpy as np

from onar.bundled import bundled_photos
from onar.imaging.images import FORMATS, read_mask, write_image
from onar.imaging.levels import Pixels
from onar.imaging.losses import Loss
from onar.imaging.metadata import Metadata
from onar.imaging.photo_file import READABLE, Photo, read_photo_file, write_photo_file
from onar.inference.holes import MUCH, fill_visible, find_holes
from onar.inference.windows import Holes
from onar.masks import HOLE
from onar.serve.completing import usual_ending, written_kind
from onar.serve.page.painting import (
    PAINT,
    full_size_holes,
    paint_layer,
    painted_holes,
    reduced_view,
    resized,
    view_size,
)
from onar.serve.page.problems import PageError, telling
from onar.serve.page.texts import label, number, percent, say
from onar.serve.page.weights import WeightsShelf

EXAMPLES = sorted(bundled_photos().glob("*.jpg"))[::2]
Editor: TypeAlias = Any
"""What `gr.ImageEditor` takes and gives: a dict of background, layers and composite; here all are arrays."""
Complete = Callable[[Pixels, Holes, str], Pixels]
"""(photo uint8 or uint16 H×W or H×W×3, holes bool H×W, name of the weights) -> the photo completed."""


@dataclass(frozen=True)
class Session:
    """The photo on one open page.

    Attributes:
        folder: for the files of this photo; removed with it.
        photo: what is painted on: the file that came in, later a copy of the filled photo that lost nothing.
        name: the name of the file that came in.
        ending: of the name of the filled file; it is in the format of the file that came in.
        height: rows of the photo.
        width: columns of the photo.
        jpeg: how the file that came in was compressed, as in `Photo`.
        metadata: what that file said beside its pixels.
        losses: what of that file could not be kept.
        mask: mask file of the photo's size that the painting started from.
        inverted: whether that mask is meant the other way round.
    """

    folder: Path
    photo: Path
    name: str
    ending: str
    height: int
    width: int
    jpeg: dict[str, Any] = field(repr=False)
    metadata: Metadata = field(repr=False)
    losses: tuple[Loss, ...] = ()
    mask: Path | None = None
    inverted: bool = False

    @property
    def view_size(self) -> tuple[int, int]:
        """Height and width of the view that is painted on."""
        return view_size(self.height, self.width)

    @property
    def filled(self) -> Path:
        """A copy of the filled photo that lost nothing."""
        return self.folder / "filled.png"

    def output(self, word: str, ending: str) -> Path:
        """A file to be downloaded, named after the photo."""
        return self.folder / f"{Path(self.name).stem}_{word}{ending}"

    def close(self) -> None:
        """Remove the session's own files."""
        shutil.rmtree(self.folder, ignore_errors=True)


class CompleteTab:
    """Builds the tab within the current `gr.Blocks`, and answers its buttons.

    Args:
        complete: fills the holes.
        shelf: the weights to choose from.
        pixel_limit: most pixels of a photo or mask.
        folder: for the files of the open pages.
    """

    def __init__(self, complete: Complete, shelf: WeightsShelf, pixel_limit: int, folder: Path) -> None:
        self._complete = complete
        self._shelf = shelf
        self._pixel_limit = pixel_limit
        self._folder = folder
        self.session = gr.State(None, delete_callback=_close)
        self._build_photos()
        with gr.Row(visible=False) as self.panel:
            with gr.Column(scale=3):
                self._build_painting()
            with gr.Column(scale=2):
                self._build_result()
        self._connect()

    def _build_photos(self) -> None:
        self.photo = gr.File(label=label("photo"), file_types=list(READABLE), height=100, elem_id="photo")
        with gr.Accordion(label("examples")):
            self.examples = gr.Gallery(
                EXAMPLES,
                show_label=False,
                columns=len(EXAMPLES),
                object_fit="cover",
                allow_preview=False,
                buttons=[],
                elem_id="examples",
            )

    def _build_painting(self) -> None:
        red, green, blue, alpha = PAINT
        self.editor = gr.ImageEditor(
            label=label("paint"),
            format="png",  # what was painted must come back as it was
            sources=(),
            transforms=(),
            brush=gr.Brush(colors=[f"rgba({red}, {green}, {blue}, {alpha / 255:.3f})"], color_mode="fixed"),
            layers=gr.LayerOptions(layers=["1"]),
            buttons=["fullscreen"],
            elem_id="editor",
        )
        gr.Markdown(label("paint_help"))

    def _build_result(self) -> None:
        with gr.Row():
            self.invert = gr.Button(label("invert"), size="md", min_width=90)
            self.clear = gr.Button(label("clear"), size="md", min_width=90)
        self.mask = gr.File(label=label("mask"), file_types=list(READABLE), height=100, elem_id="mask")
        names = self._shelf.names()
        self.weights = gr.Dropdown(
            names,
            value=names[0],
            label=label("weights"),
            info=label("weights_help"),
            filterable=False,
            elem_id="weights",
        )
        self.fill = gr.Button(label("complete"), variant="primary")
        self.status = gr.Markdown(elem_id="status")
        self.before_after = gr.ImageSlider(
            label=label("before_after"), visible=False, buttons=["fullscreen"], elem_id="before_after"
        )
        with gr.Row(visible=False) as self.offers:
            self.download = gr.DownloadButton(label("download"), size="md", min_width=150)
            self.download_mask = gr.DownloadButton(label("download_mask"), size="md", min_width=150)
            self.go_on = gr.Button(label("go_on"), size="md", min_width=150)

    def _connect(self) -> None:
        painting = [self.session, self.editor]
        opened = [self.panel, *painting, self.mask, self.status, self.before_after, self.offers]
        filled = [self.status, self.before_after, self.offers, self.download, self.download_mask]
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        self.photo.upload(self.open_photo, [self.session, self.photo], opened, **quiet)
        self.examples.select(self.open_example, self.session, opened, **quiet)
        marked = [*painting, self.status]
        self.mask.upload(self.open_mask, [*painting, self.mask], marked, **quiet)
        self.invert.click(self.invert_holes, painting, marked, **quiet)
        clearing = [self.clear.click, self.editor.clear, self.mask.clear]
        gr.on(clearing, self.clear_holes, self.session, [*painting, self.mask], **quiet)
        self.go_on.click(self.go_on_painting, self.session, opened, **quiet)
        self.fill.click(
            self.fill_holes,
            [*painting, self.weights],
            filled,
            show_progress_on=self.status,
            concurrency_limit=None,  # how many photos may wait is for the worker to say, not for Gradio
            api_visibility="private",
        )

    def offer_weights(self) -> gr.Dropdown:
        """The weights there are now: trainings end while the server runs."""
        return gr.Dropdown(self._shelf.names())

    # ---------------------------------------------------------------- the photo

    @telling
    def open_photo(self, before: Session | None, path: str, request: gr.Request) -> list[Any]:
        """Show a photo that was uploaded."""
        return self._open(before, Path(path), request)

    @telling
    def open_example(self, before: Session | None, request: gr.Request, event: gr.SelectData) -> list[Any]:
        """Show one of the photos that come with Onar."""
        return self._open(before, EXAMPLES[event.index], request)

    @telling
    def go_on_painting(self, session: Session | None, request: gr.Request) -> list[Any]:
        """Show the filled photo to be painted on."""
        session = _opened(session)
        session = replace(session, photo=session.filled, mask=None, inverted=False)
        return _show(session, self._read(session), request)

    def _open(self, before: Session | None, path: Path, request: gr.Request) -> list[Any]:
        photo = read_photo_file(path, self._pixel_limit)
        _close(before)
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        height, width = photo.pixels.shape[:2]
        about = _ending(path, photo), height, width, photo.jpeg, photo.metadata, photo.losses
        return _show(Session(folder, path, path.name, *about), photo, request)

    def _read(self, session: Session) -> Photo:
        if not session.photo.is_file():
            raise PageError("gone")
        return read_photo_file(session.photo, self._pixel_limit)

    # ---------------------------------------------------------------- the holes

    @telling
    def open_mask(self, session: Session | None, editor: Editor, path: str, request: gr.Request) -> list[Any]:
        """Show the holes of a mask file in place of what was painted."""
        session = _opened(session)
        hole = find_holes(read_mask(Path(path), self._pixel_limit))
        height, width = hole.shape
        if (height, width) != (session.height, session.width):
            raise PageError("mask_size", mask=f"{width} × {height}", photo=f"{session.width} × {session.height}")
        session = replace(session, mask=Path(path), inverted=False)
        return _mark(session, editor, resized(hole, *session.view_size), request)

    @telling
    def invert_holes(self, session: Session | None, editor: Editor, request: gr.Request) -> list[Any]:
        """Swap what is painted and what is not."""
        session = _opened(session)
        painted = painted_holes(editor["layers"], *session.view_size)
        return _mark(replace(session, inverted=not session.inverted), editor, ~painted, request)

    @telling
    def clear_holes(self, session: Session | None, request: gr.Request) -> tuple[Session, Editor, None]:
        """Take away all that is painted, and the mask; the photo comes back if it was cleared away, too."""
        session = replace(_opened(session), mask=None, inverted=False)
        return session, _unpainted(self._read(session)), None

    def _mask(self, session: Session) -> Holes | None:
        if session.mask is None:
            return None
        if not session.mask.is_file():
            raise PageError("gone")
        return find_holes(read_mask(session.mask, self._pixel_limit), invert=session.inverted)

    # ---------------------------------------------------------------- filling

    @telling
    def fill_holes(self, session: Session | None, editor: Editor, weights: str, request: gr.Request) -> list[Any]:
        """Fill what is painted, and offer the result."""
        session = _opened(session)
        photo = self._read(session)
        painted = painted_holes(editor["layers"], *session.view_size)
        hole = full_size_holes(painted, session.height, session.width, self._mask(session))
        if not hole.any():
            raise PageError("no_hole")
        started = time.perf_counter()
        pixels = fill_visible(
            photo.pixels, photo.alpha, hole, lambda seen, unknown: self._complete(seen, unknown, weights)
        )
        seconds = time.perf_counter() - started
        filled = replace(photo, pixels=pixels, jpeg=session.jpeg, metadata=session.metadata)
        result, mask, losses = _write(session, filled, hole)
        status = _describe(request, hole, seconds, [*session.losses, *losses])
        views = reduced_view(photo.in_8_bits), reduced_view(filled.in_8_bits)
        return [status, gr.ImageSlider(views, visible=True), gr.Row(visible=True), result, mask]


def _ending(path: Path, photo: Photo) -> str:
    """The photo's own ending, unless it belongs to another format than the one the filled photo is written in."""
    kind = written_kind(photo)
    return path.suffix if FORMATS.get(path.suffix.lower()) == kind else usual_ending(kind)


def _opened(session: Session | None) -> Session:
    if session is None:
        raise PageError("no_photo")
    return session


def _close(session: Session | None) -> None:
    if session is not None:
        session.close()


def _show(session: Session, photo: Photo, request: gr.Request) -> list[Any]:
    """A session with its photo in the editor, no mask, and what was filled before hidden."""
    status = say(request, "opened", name=session.name, width=session.width, height=session.height)
    hidden = gr.ImageSlider(visible=False), gr.Row(visible=False)
    # An editor that thinks its canvas has another size than the picture shows what is painted in another place.
    editor = gr.ImageEditor(_unpainted(photo), canvas_size=session.view_size[::-1])
    return [gr.Row(visible=True), session, editor, None, status, *hidden]


def _unpainted(photo: Photo) -> Editor:
    return {"background": reduced_view(photo.in_8_bits), "layers": [], "composite": None}


def _mark(session: Session, editor: Editor, painted: Holes, request: gr.Request) -> list[Any]:
    """A session with holes painted on its view, and how much that is."""
    marked = {**editor, "layers": [paint_layer(painted)], "composite": None}
    return [session, marked, say(request, "marked", share=percent(request, painted.mean()))]


def _write(session: Session, filled: Photo, hole: Holes) -> tuple[Path, Path, list[Loss]]:
    """Write the filled photo, and the mask of what was filled, to be downloaded; and say what the photo leaves out."""
    result = session.output("completed", session.ending)
    mask = session.output("mask", ".png")
    losses = write_photo_file(result, filled)
    write_photo_file(session.filled, filled)
    write_image(mask, np.multiply(hole, HOLE, dtype=np.uint8))
    return result, mask, losses


def _describe(request: gr.Request, hole: Holes, seconds: float, losses: Sequence[Loss]) -> str:
    height, width = hole.shape
    share = percent(request, hole.mean())
    lines = [say(request, "completed", share=share, width=width, height=height, seconds=number(request, seconds))]
    if hole.mean() > MUCH:
        doubt = say(request, "much", share=share)
        lines.append(f"**{doubt}**")
    if losses:
        told = "; ".join(say(request, f"loss_{loss.key}", **loss.values) for loss in losses)
        lines.append(say(request, "left_out") + f" {told}.")
    return "\n\n".join(lines)
