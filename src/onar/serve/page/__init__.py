"""The page: fill holes with a brush, watch a training, look at masks; in English and Turkish, and with no network.

Gradio draws it. It is mounted on the application of the HTTP API, and takes its turn in the same queue.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import gradio as gr
from fastapi import FastAPI, Response

from onar.imaging.images import Pixels
from onar.inference.inpainter import Inpainter
from onar.inference.windows import Holes
from onar.serve.page.complete_tab import CompleteTab
from onar.serve.page.masks_tab import MasksTab, draw
from onar.serve.page.texts import label, tools_script, translations
from onar.serve.page.watch_tab import WatchTab
from onar.serve.page.weights import WeightsShelf
from onar.serve.worker import Worker

CACHE_SECONDS = 2 * 3600
"""How long files that were uploaded, and those to be downloaded, are kept."""


def mount_page(
    app: FastAPI,
    worker: Worker,
    inpainter: Inpainter,
    name: str,
    *,
    device: str,
    weights_dir: Path | None,
    results_dirs: Sequence[Path],
    pixel_limit: int,
    byte_limit: int,
) -> None:
    """Put the page at the root of an application that has its own routes already.

    Args:
        app: the application.
        worker: whose turn it is.
        inpainter: fills the holes.
        name: what the page calls the inpainter's weights.
        device: where other weights run: "auto", "cpu", "cuda" or "mps".
        weights_dir: folder of other weights to choose from.
        results_dirs: results folders, or folders of them, that may be watched.
        pixel_limit: most pixels of a photo.
        byte_limit: most bytes of an uploaded file.

    Raises:
        OnarError: there is no folder `weights_dir`.
    """
    shelf = WeightsShelf(inpainter, name, device, weights_dir)
    folder = TemporaryDirectory(prefix="onar_page_")  # for nobody else to look into
    app.state.page_files = folder  # which is removed with the application
    os.environ["GRADIO_TEMP_DIR"] = folder.name
    app.add_api_route(
        "/gradio_api/file={scheme}://{rest:path}", _refuse, methods=["GET", "HEAD"], include_in_schema=False
    )
    gr.mount_gradio_app(
        app,
        build_page(worker, shelf, results_dirs, pixel_limit, Path(folder.name)),
        path="",
        max_file_size=byte_limit,
        show_error=False,  # what nobody foresaw is not for strangers; `telling` shows the rest
        footer_links=[],
        run_history=False,
        i18n=translations(),
        theme=_theme(),
        css_paths=Path(__file__).with_name("page.css"),
        js=tools_script(),
    )


def _theme() -> gr.themes.Base:
    """Letters that every computer has, and help that is dark enough to read."""
    theme = gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    return theme.set(block_info_text_color="*neutral_600", block_info_text_color_dark="*neutral_300")


def _refuse() -> Response:
    """In place of a route of Gradio's that fetches files of other servers for whoever asks."""
    return Response(status_code=403)


def build_page(
    worker: Worker, shelf: WeightsShelf, results_dirs: Sequence[Path], pixel_limit: int, folder: Path
) -> gr.Blocks:
    """The page as Gradio's blocks; the arguments are as in `mount_page`."""

    def complete(photo: Pixels, hole: Holes, weights: str) -> Pixels:
        return worker.run_from_thread(lambda: shelf.complete(photo, hole, weights))

    page = gr.Blocks(title="Onar", analytics_enabled=False, delete_cache=(600, CACHE_SECONDS))
    with page:
        gr.Markdown(label("title"))
        with gr.Tab(label("tab_complete")) as completing:
            complete_tab = CompleteTab(complete, shelf, pixel_limit, folder)
        with gr.Tab(label("tab_watch")) as watching:
            watch_tab = WatchTab(watching, results_dirs)
        with gr.Tab(label("tab_masks")) as drawing:
            masks_tab = MasksTab()
        # Nobody asks the server about trainings who does not look at them.
        for tab in (completing, watching, drawing):
            tab.select(partial(gr.Timer, active=tab is watching), None, watch_tab.timer, api_visibility="private")
        page.load(complete_tab.offer_weights, None, complete_tab.weights, api_visibility="private")
        page.load(draw, masks_tab.settings, masks_tab.shown, api_visibility="private")
    return page
