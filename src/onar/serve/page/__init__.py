"""The page: fill holes with a brush, watch a training, look at masks; in English and Turkish, and with no network.

Gradio draws it. It is an application beside the HTTP API, and takes its turn in the same queue.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import gradio as gr
from fastapi import FastAPI, HTTPException
from starlette.types import ASGIApp

from onar.serve.config import ServeConfig
from onar.serve.page.addresses import RelativeAddresses
from onar.serve.page.complete_tab import CompleteTab
from onar.serve.page.masks_tab import MasksTab, draw
from onar.serve.page.storage import RoomForUploads, Storage
from onar.serve.page.texts import label, tools_script, translations
from onar.serve.page.watch_tab import WatchTab
from onar.serve.page.weights import WeightsShelf
from onar.serve.problems import HANDLERS
from onar.serve.worker import Worker

CACHE_SECONDS = 2 * 3600
"""How long files that were uploaded, and those to be downloaded, are kept."""


def create_page(worker: Worker, shelf: WeightsShelf, config: ServeConfig) -> ASGIApp:
    """The page as an application of its own.

    Args:
        worker: whose turn it is.
        shelf: the weights that fill the holes.
        config: limits, and the results folders that may be watched.
    """
    folder = TemporaryDirectory(prefix="onar_page_")  # for nobody else to look into
    os.environ["GRADIO_TEMP_DIR"] = folder.name
    max_bytes = int(config.max_body_megabytes * 1_000_000)
    blocks, storage = build_page(worker, shelf, config, Path(folder.name))
    app = FastAPI(openapi_url=None, exception_handlers=HANDLERS)
    app.state.page_files = folder  # which is removed with the application
    app.add_api_route("/gradio_api/file={scheme}://{rest:path}", _refuse, methods=["GET", "HEAD"])
    gr.mount_gradio_app(
        app,
        blocks,
        path="",
        app_kwargs={"exception_handlers": HANDLERS, "redirect_slashes": False},
        max_file_size=max_bytes,
        show_error=False,  # what nobody foresaw is not for strangers; `telling` shows the rest
        footer_links=[],
        run_history=False,
        i18n=translations(),
        theme=_theme(),
        css_paths=Path(__file__).with_name("page.css"),
        js=tools_script(),
    )
    return RelativeAddresses(RoomForUploads(app, "/gradio_api/upload", storage, max_bytes))


def _theme() -> gr.themes.Base:
    """Letters that every computer has, and help that is dark enough to read."""
    theme = gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    return theme.set(block_info_text_color="*neutral_600", block_info_text_color_dark="*neutral_300")


def _refuse() -> None:
    """In place of a route of Gradio's that fetches files of other servers for whoever asks."""
    raise HTTPException(403)


def build_page(worker: Worker, shelf: WeightsShelf, config: ServeConfig, folder: Path) -> tuple[gr.Blocks, Storage]:
    """The page as Gradio's blocks, and where it keeps its files; the arguments are as in `create_page`."""
    page = gr.Blocks(title="Onar", analytics_enabled=False, delete_cache=(600, CACHE_SECONDS))
    storage = Storage(folder, int(config.max_page_megabytes * 1_000_000))
    with page:
        gr.Markdown(label("title"))
        with gr.Tab(label("tab_complete")) as completing:
            complete_tab = CompleteTab(worker, shelf, int(config.max_megapixels * 1_000_000), storage)
        with gr.Tab(label("tab_watch")) as watching:
            watch_tab = WatchTab(watching, config.results_dir)
        with gr.Tab(label("tab_masks")) as drawing:
            masks_tab = MasksTab()
        # Nobody asks the server about trainings who does not look at them.
        for tab in (completing, watching, drawing):
            tab.select(partial(gr.Timer, active=tab is watching), None, watch_tab.timer, api_visibility="private")
        page.load(complete_tab.offer_weights, None, complete_tab.weights, api_visibility="private")
        page.load(draw, masks_tab.settings, masks_tab.shown, api_visibility="private")
    storage.keep()  # the examples
    return page, storage
