"""The tab where people paint holes into a photo and have them filled.

The brush works on a reduced view; what is filled is the photo itself, at its full size and depth. Between two clicks
a photo is a file and not an array, and so is every picture on its way to and from a browser. They are decoded and
encoded in the worker's turn alone, so that the server's memory does not grow with the number of open pages.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import replace
from functools import partial, wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeAlias, TypeVar

import gradio as gr

from onar.bundled import bundled_photos
from onar.imaging import images
from onar.imaging.images import FORMATS, READABLE, read_mask, write_image
from onar.imaging.losses import Loss
from onar.imaging.photo_file import Photo, read_photo_file, write_photo_file
from onar.inference.holes import MUCH, fill_visible, find_holes
from onar.inference.inpainter import TEXTURES
from onar.masks import Holes, mask_from_holes
from onar.serve.completing import usual_ending, written_kind
from onar.serve.page.editor import HoleEditor
from onar.serve.page.painting import (
    PAINT,
    full_size_holes,
    paint_layer,
    painted_holes,
    reduced_view,
    resized,
)
from onar.serve.page.problems import PageError, telling
from onar.serve.page.session import Session, save_picture, there
from onar.serve.page.storage import Storage
from onar.serve.page.texts import label, number, percent, say
from onar.serve.page.weights import WeightsShelf
from onar.serve.worker import Worker

P = ParamSpec("P")
T = TypeVar("T")

EXAMPLES = sorted(bundled_photos().glob("*.jpg"))[::2]
Editor: TypeAlias = Any
"""What `HoleEditor` takes: a dict of background, layers and composite; here all are paths of files."""
Layers = Sequence[images.PhotoSource]
"""What `HoleEditor` gives."""


def _in_turn(
    handler: Callable[Concatenate[CompleteTab, P], T],
) -> Callable[Concatenate[CompleteTab, P], T]:
    """Have a handler of the tab do all it does when its turn comes, in the worker's thread."""

    @wraps(handler)
    def wait(tab: CompleteTab, /, *args: P.args, **kwargs: P.kwargs) -> T:
        # Gradio knows by the context that components made there are messages to a browser.
        work = partial(copy_context().run, handler, tab, *args, **kwargs)
        return tab.worker.run_from_thread(work)

    return wait


class CompleteTab:
    """Builds the tab within the current `gr.Blocks`, and answers its buttons.

    Args:
        worker: whose turn it is.
        shelf: fills the holes, with the weights to choose from.
        pixel_limit: most pixels of a photo or mask.
        storage: for the files of the open pages.
    """

    def __init__(self, worker: Worker, shelf: WeightsShelf, pixel_limit: int, storage: Storage) -> None:
        self.worker = worker
        self._shelf = shelf
        self._pixel_limit = pixel_limit
        self._storage = storage
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
        self.editor = HoleEditor(
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
        with gr.Row():
            self.texture = gr.Radio(
                list(TEXTURES), value="auto", label=label("texture"), info=label("texture_help"), scale=3
            )
            self.seed = gr.Number(0, label=label("seed"), minimum=0, maximum=2**32 - 1, precision=0, min_width=90)
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
        # How many may wait is for the worker to say, not for Gradio.
        common: dict[str, Any] = {"api_visibility": "private", "concurrency_limit": None}
        quiet = {**common, "show_progress": "hidden"}
        self.photo.upload(self.open_photo, [self.session, self.photo], opened, **quiet)
        self.examples.select(self.open_example, self.session, opened, **quiet)
        marked = [*painting, self.status]
        self.mask.upload(self.open_mask, [self.session, self.mask], marked, **quiet)
        self.invert.click(self.invert_holes, painting, marked, **quiet)
        clearing = [self.clear.click, self.editor.clear, self.mask.clear]
        gr.on(clearing, self.clear_holes, self.session, [*painting, self.mask], **quiet)
        self.go_on.click(self.go_on_painting, self.session, opened, **quiet)
        self.fill.click(
            self.fill_holes,
            [*painting, self.weights, self.texture, self.seed],
            filled,
            show_progress_on=self.status,
            **common,
        )

    def offer_weights(self) -> gr.Dropdown:
        """The weights there are now: trainings end while the server runs."""
        return gr.Dropdown(self._shelf.names())

    # ---------------------------------------------------------------- the photo

    @telling
    @_in_turn
    def open_photo(self, before: Session | None, path: str, request: gr.Request) -> list[Any]:
        """Show a photo that was uploaded."""
        return self._open(before, Path(path), request)

    @telling
    @_in_turn
    def open_example(self, before: Session | None, request: gr.Request, event: gr.SelectData) -> list[Any]:
        """Show one of the photos that come with Onar."""
        return self._open(before, EXAMPLES[event.index], request)

    @telling
    @_in_turn
    def go_on_painting(self, session: Session | None, request: gr.Request) -> list[Any]:
        """Show the filled photo to be painted on."""
        session = _opened(session)
        photo = self._read(session.filled)
        view = save_picture(session.folder, reduced_view(photo.in_8_bits))
        return _show(replace(session, photo=session.filled, view=view, mask=None, inverted=False), request)

    def _open(self, before: Session | None, path: Path, request: gr.Request) -> list[Any]:
        photo = self._read(path)
        _close(before)
        folder = Path(tempfile.mkdtemp(dir=self._storage.folder))
        height, width = photo.pixels.shape[:2]
        view, ending = save_picture(folder, reduced_view(photo.in_8_bits)), _ending(path, photo)
        self._storage.make_room()
        about = ending, height, width, photo.jpeg, photo.metadata, photo.losses
        return _show(Session(folder, path, view, path.name, *about), request)

    def _read(self, path: Path) -> Photo:
        return read_photo_file(there(path), self._pixel_limit)

    # ---------------------------------------------------------------- the holes

    @telling
    @_in_turn
    def open_mask(self, session: Session | None, path: str, request: gr.Request) -> list[Any]:
        """Show the holes of a mask file in place of what was painted."""
        session = _opened(session)
        hole = find_holes(read_mask(there(Path(path)), self._pixel_limit))
        height, width = hole.shape
        if (height, width) != (session.height, session.width):
            raise PageError("mask_size", mask=f"{width} × {height}", photo=f"{session.width} × {session.height}")
        session = replace(session, mask=Path(path), inverted=False)
        return _mark(session, resized(hole, *session.view_size), request)

    @telling
    @_in_turn
    def invert_holes(self, session: Session | None, layers: Layers, request: gr.Request) -> list[Any]:
        """Swap what is painted and what is not."""
        session = _opened(session)
        painted = painted_holes(layers, *session.view_size)
        return _mark(replace(session, inverted=not session.inverted), ~painted, request)

    @telling
    def clear_holes(self, session: Session | None, _request: gr.Request) -> tuple[Session, Editor, None]:
        """Take away all that is painted, and the mask; the photo comes back if it was cleared away, too."""
        session = replace(_opened(session), mask=None, inverted=False)
        return session, _painting(session), None

    def _mask(self, session: Session) -> Holes | None:
        if session.mask is None:
            return None
        return find_holes(read_mask(there(session.mask), self._pixel_limit), invert=session.inverted)

    # ---------------------------------------------------------------- filling

    @telling
    @_in_turn
    def fill_holes(
        self, session: Session | None, layers: Layers, weights: str, texture: str, seed: float, request: gr.Request
    ) -> list[Any]:
        """Fill what is painted, and offer the result."""
        session = _opened(session)
        photo = self._read(session.photo)
        painted = painted_holes(layers, *session.view_size)
        hole = full_size_holes(painted, session.height, session.width, self._mask(session))
        if not hole.any():
            raise PageError("no_hole")
        started = time.perf_counter()
        pixels = fill_visible(
            photo.pixels,
            photo.alpha,
            hole,
            lambda seen, unknown: self._shelf.complete(seen, unknown, weights, texture, int(seed)),
        )
        seconds = time.perf_counter() - started
        filled = replace(photo, pixels=pixels, jpeg=session.jpeg, metadata=session.metadata)
        result, mask, losses = _write(session, filled, hole)
        views = str(there(session.view)), str(save_picture(session.folder, reduced_view(filled.in_8_bits)))
        self._storage.make_room()
        status = _describe(request, hole, seconds, [*session.losses, *losses])
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


def _show(session: Session, request: gr.Request) -> list[Any]:
    """A session with its photo in the editor, no mask, and what was filled before hidden."""
    status = say(request, "opened", name=session.name, width=session.width, height=session.height)
    hidden = gr.ImageSlider(visible=False), gr.Row(visible=False)
    # An editor that thinks its canvas has another size than the picture shows what is painted in another place.
    editor = gr.ImageEditor(_painting(session), canvas_size=session.view_size[::-1])
    return [gr.Row(visible=True), session, editor, None, status, *hidden]


def _painting(session: Session, *layers: Path) -> Editor:
    """What the editor shows."""
    return {"background": str(there(session.view)), "layers": [str(layer) for layer in layers], "composite": None}


def _mark(session: Session, painted: Holes, request: gr.Request) -> list[Any]:
    """A session with holes painted on its view, and how much that is."""
    layer = save_picture(session.folder, paint_layer(painted))
    return [session, _painting(session, layer), say(request, "marked", share=percent(request, painted.mean()))]


def _write(session: Session, filled: Photo, hole: Holes) -> tuple[Path, Path, list[Loss]]:
    """Write the filled photo, and the mask of what was filled, to be downloaded; and say what the photo leaves out."""
    result = session.output("completed", session.ending)
    mask = session.output("mask", ".png")
    losses = write_photo_file(result, filled)
    write_photo_file(session.filled, filled)
    write_image(mask, mask_from_holes(hole))
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
