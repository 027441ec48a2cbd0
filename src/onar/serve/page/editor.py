"""Gradio's editor, but for what it does with pictures before their turn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from gradio import component_meta
from gradio.components.base import server
from gradio.components.image_editor import AcceptBlobs, EditorData, EditorDataBlobs

from onar.imaging.images import PhotoBytes, PhotoSource

_PAINTINGS = 32
"""Paintings that came in and were not asked for yet; browsers ask for each at once."""
_LAYERS = 16
"""Most layers of one of them."""

component_meta.create_or_modify_pyi = lambda *_: None  # which writes a file for type checkers beside this one


class HoleEditor(gr.ImageEditor):
    """An editor that gives what is painted, and only that: its layers, as files that nobody has decoded yet."""

    is_template = True  # so that the browser shows it as what it is derived from

    def preprocess(self, payload: EditorData | None) -> Any:
        """The layers that a browser sent, as a list of `Photo`."""
        if payload is None:
            return []
        if payload.id is None:
            return [Path(layer.path) for layer in payload.layers]
        painting = self.blob_storage.pop(payload.id, None)
        layers: list[PhotoSource] = (
            [PhotoBytes("a layer", layer) for layer in painting.layers if layer] if painting else []
        )
        return layers

    @server  # type: ignore[untyped-decorator]  # Gradio does not say
    def accept_blobs(self, data: AcceptBlobs) -> None:
        """Keep a layer until it is asked for, but neither the photo behind it nor both in one."""
        index = str(data.data["index"])
        if data.data["type"] != "layer" or not index.isdecimal() or int(index) >= _LAYERS:
            return
        painting = self.blob_storage.pop(data.data["id"], EditorDataBlobs(background=None, layers=[], composite=None))
        missing = int(index) + 1 - len(painting.layers)
        painting.layers.extend([None] * missing)
        painting.layers[int(index)] = data.files[0][1]
        self.blob_storage[data.data["id"]] = painting
        while len(self.blob_storage) > _PAINTINGS:
            del self.blob_storage[next(iter(self.blob_storage))]
