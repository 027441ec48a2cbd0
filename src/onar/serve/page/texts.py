"""Every word of the page, in English and Turkish.

Words that stand still are translated in the browser, by its language (`label`); messages with numbers in them are
written here, by the language the browser asks for (`say`). Both take the first of the languages a browser names:
Turkish, or else English.
"""

from __future__ import annotations

import html
import json
from typing import Any, NamedTuple

import gradio as gr
from gradio.i18n import I18nData

from onar.imaging.losses import LOSSES


class Text(NamedTuple):
    """One text in every language of the page; the fields are the languages' codes."""

    en: str
    tr: str


_LOSSES_IN_TURKISH = {
    "first_picture": "dosyadaki {count} resimden yalnız ilki tamamlandı",
    "second_picture": "dosyadaki ikinci resim (önizleme ya da derinlik haritası) alınmadı",
    "colour_model": "{model}, RGB'ye çevrildi",
    "fewer_bits": "pikseller 8 bite indirildi",
    "integers": "{type} türündeki değerler 16 bitlik tam sayıya çevrildi",
    "clipped": "siyahın altındaki ya da beyazın ({white}) üstündeki değerler kırpıldı",
    "channels": "{count} kanaldan renk ya da saydamlık olmayanlar alınmadı",
    "layers": "katmanlar alınmadı",
    "damaged_exif": "bozuk EXIF alınmadı",
    "segments": "{names} blokları alınmadı",
    "no_bits": "{kind} kanal başına yalnız 8 bit tutar",
    "no_alpha": "{kind} saydamlık tutmaz",
    "no_exif": "{kind} EXIF tutmaz",
    "much_exif": "{kind} bu boyda EXIF tutmaz",
    "no_icc_profile": "{kind} renk profili tutmaz",
    "no_xmp": "{kind} XMP tutmaz",
    "much_xmp": "{kind} bu boyda XMP tutmaz",
    "no_iptc": "{kind} IPTC tutmaz",
    "much_iptc": "{kind} bu boyda IPTC tutmaz",
    "no_comment": "{kind} yorum tutmaz",
    "no_text": "{kind} PNG metni tutmaz",
    "no_colour": "{kind} gAMA, cHRM ya da cICP tutmaz: renkler başka görünebilir",
}

TEXTS = {
    # The page
    "title": Text(
        "Onar fills holes in photos. What you do not paint stays as it is.",
        "Onar fotoğraflardaki boşlukları doldurur. Boyamadığınız yerler olduğu gibi kalır.",
    ),
    "tab_complete": Text("Complete", "Tamamla"),
    "tab_watch": Text("Watch training", "Eğitimi izle"),
    "tab_masks": Text("Masks", "Maskeler"),
    "decimal_point": Text(".", ","),
    "percent": Text("{number}%", "%{number}"),
    # Complete
    "photo": Text("Photo: drop a file here, or choose one", "Fotoğraf: bir dosyayı buraya bırakın ya da seçin"),
    "examples": Text("Or take one of these", "Ya da bunlardan birini alın"),
    "paint": Text("Paint the holes", "Boşlukları boyayın"),
    "paint_help": Text(
        "What you paint will be filled. Brush and eraser are on the left, undo and zoom at the top right. A mask file "
        "does the same without a mouse.",
        "Boyadığınız yerler doldurulur. Fırça ile silgi solda, geri alma ile yakınlaştırma sağ üsttedir. Maske dosyası "
        "aynı işi faresiz yapar.",
    ),
    "mask": Text("Mask file (white is filled)", "Maske dosyası (beyaz dolar)"),
    "invert": Text("Invert", "Ters çevir"),
    "clear": Text("Clear", "Temizle"),
    "weights": Text("Filled by", "Dolduran"),
    "weights_help": Text(
        "bundled comes with Onar; pyramid fills without training.",
        "bundled Onar'la gelir; pyramid, eğitilmeden doldurur.",
    ),
    "texture": Text("Texture", "Doku"),
    "texture_help": Text(
        "patches: copied from the photo; network: softer; auto: patches where they can be copied.",
        "patches: fotoğraftan kopyalanır; network: daha yumuşak; auto: kopyalanabiliyorsa patches.",
    ),
    "seed": Text("Try number", "Deneme no"),
    "complete": Text("Fill the holes", "Boşlukları doldur"),
    "before_after": Text("Before and after", "Önce ve sonra"),
    "download": Text("Download the photo", "Fotoğrafı indir"),
    "download_mask": Text("Download the mask", "Maskeyi indir"),
    "go_on": Text("Go on painting on this", "Bunun üstünde boyamayı sürdür"),
    "opened": Text("{name}: {width} × {height} pixels.", "{name}: {width} × {height} piksel."),
    "marked": Text("{share} of the photo is marked.", "Fotoğrafın {share} kadarı işaretli."),
    "completed": Text(
        "Filled {share} of {width} × {height} pixels in {seconds} s.",
        "{width} × {height} pikselin {share} kadarı {seconds} sn içinde dolduruldu.",
    ),
    "much": Text(
        "{share} of the photo is marked to be filled. If that is the wrong way round, press Invert.",
        "Fotoğrafın {share} kadarı doldurulacak diye işaretli. Tersi olması gerekiyorsa Ters çevir'e basın.",
    ),
    "left_out": Text("What the result leaves out:", "Sonuçta bulunmayanlar:"),
    **{f"loss_{key}": Text(LOSSES[key], turkish) for key, turkish in _LOSSES_IN_TURKISH.items()},
    # Errors
    "no_photo": Text("Choose a photo first.", "Önce bir fotoğraf seçin."),
    "no_hole": Text(
        "Nothing is marked: paint what should be filled, or choose a mask file.",
        "Hiçbir yer işaretli değil: doldurulacak yeri boyayın ya da bir maske dosyası seçin.",
    ),
    "mask_size": Text(
        "The mask is {mask}, the photo {photo} pixels: choose a mask of the photo's size.",
        "Maske {mask}, fotoğraf {photo} piksel: fotoğrafın boyutunda bir maske seçin.",
    ),
    "unreadable": Text(
        "This file is damaged, or not a picture: choose a PNG, JPEG, WebP, TIFF, BMP or GIF file.",
        "Bu dosya bozuk ya da resim değil: PNG, JPEG, WebP, TIFF, BMP ya da GIF dosyası seçin.",
    ),
    "too_large": Text(
        "This picture has too many pixels: choose a smaller one.",
        "Bu resimde çok fazla piksel var: daha küçüğünü seçin.",
    ),
    "busy": Text(
        "Many photos are waiting: try again in {seconds} s.", "Bekleyen çok fotoğraf var: {seconds} sn sonra deneyin."
    ),
    "too_slow": Text("Filling took too long: mark less.", "Doldurma çok uzun sürdü: daha az yer işaretleyin."),
    "gone": Text(
        "This photo was removed after a long pause: choose it again.",
        "Bu fotoğraf uzun bir aradan sonra silindi: yeniden seçin.",
    ),
    "failed": Text("The reason: {reason}", "Nedeni: {reason}"),
    "internal": Text(
        "An error in Onar itself; the server's log says more.",
        "Onar'ın kendisinde bir hata; sunucunun günlüğüne bakın.",
    ),
    # Watch
    "run": Text("Results folder", "Sonuç klasörü"),
    "no_runs": Text(
        "No training to watch: start the server with --results_dir FOLDER, and train into that folder.",
        "İzlenecek eğitim yok: sunucuyu --results_dir KLASÖR ile başlatın ve o klasöre eğitin.",
    ),
    "starting": Text("Started; nothing is logged yet.", "Başladı; günlükte henüz bir şey yok."),
    "progress": Text("Epoch {epoch} of {epochs}, step {step}", "Epok {epoch}/{epochs}, adım {step}"),
    "speed": Text("{speed} photos per second", "saniyede {speed} fotoğraf"),
    "time_left": Text("about {time} left", "yaklaşık {time} kaldı"),
    "last_logged": Text("last logged {time} ago", "son kayıt {time} önce"),
    "finished": Text("finished", "bitti"),
    "hours": Text("{number} h", "{number} sa"),
    "minutes": Text("{number} min", "{number} dk"),
    "seconds": Text("{number} s", "{number} sn"),
    "losses": Text("Losses, by epoch", "Kayıplar, epok epok"),
    "scores": Text("Scores on held-out photos, by epoch", "Ayrılmış fotoğraflardaki puanlar, epok epok"),
    "epoch": Text("Epoch", "Epok"),
    "samples": Text("Samples: masked, completed, original", "Örnekler: maskeli, tamamlanmış, özgün"),
    # Masks
    "masks_help": Text(
        "What `onar train` would cut out of its photos with these settings. White is the hole.",
        "`onar train` bu ayarlarla fotoğraflarından neyi keserdi? Beyaz olan boşluktur.",
    ),
    "mask_type": Text("Shape", "Biçim"),
    "mask_type_help": Text(
        "irregular: strokes; rectangle: rectangles; mixed: both; object: outlines of things.",
        "irregular: fırça izi; rectangle: dikdörtgen; mixed: ikisi; object: nesne siluetleri.",
    ),
    "max_masks": Text("Most shapes in a photo", "Bir fotoğrafta en çok biçim"),
    "max_size_ratio": Text("Longest side, as a share of the photo's", "En uzun kenar, fotoğrafınkine oranı"),
    "max_thickness": Text("Thickest stroke, in pixels at 512", "En kalın iz, 512'de piksel olarak"),
    "by_share": Text("Choose the holes by their share of the photo", "Boşlukları fotoğraftaki payıyla seç"),
    "lowest_share": Text("Lowest share", "En düşük pay"),
    "highest_share": Text("Highest share", "En yüksek pay"),
    "another": Text("Another drawing", "Başka bir çizim"),
    "mask_sheet": Text("Masks", "Maskeler"),
    "shares": Text(
        "Holes cover {low} to {high} of the photo, {mean} on average.",
        "Boşluklar fotoğrafın {low} ile {high} arasını kaplıyor, ortalama {mean}.",
    ),
    "flags": Text("The same for onar train", "onar train için aynısı"),
    # Gradio's own tools, which it names in English only
    "tool_brush": Text("Brush", "Fırça"),
    "tool_erase": Text("Erase", "Silgi"),
    "tool_brush_size": Text("Brush Size", "Fırça boyu"),
    "tool_eraser_size": Text("Eraser Size", "Silgi boyu"),
    "tool_color": Text("Color", "Renk"),
    "tool_pan": Text("Pan", "Kaydır"),
    "tool_zoom_in": Text("Zoom in", "Yakınlaştır"),
    "tool_zoom_out": Text("Zoom out", "Uzaklaştır"),
    "tool_redo": Text("Redo", "Yinele"),
    "tool_clear": Text("Clear canvas", "Tuvali temizle"),
    "tool_layers": Text("Show Layers", "Katmanları göster"),
    "tool_fullscreen": Text("Fullscreen", "Tam ekran"),
    "tool_close": Text("Close", "Kapat"),
    "tool_upload": Text("Click to upload or drop files", "Yüklemek için tıklayın ya da dosya bırakın"),
}


def translations() -> gr.I18n:
    """The table as Gradio's page takes it."""
    return gr.I18n(**{code: {key: getattr(text, code) for key, text in TEXTS.items()} for code in Text._fields})


def label(key: str) -> Any:
    """A text that the browser translates; for Gradio, which often declares plain text only where it takes these."""
    if key not in TEXTS:
        raise KeyError(key)
    return I18nData(key)


def say(request: gr.Request, key: str, **values: object) -> str:
    """A message in the language of the browser that asked, with values put in; safe to show as Markdown or HTML."""
    escaped = {name: html.escape(str(value)) for name, value in values.items()}
    return str(getattr(TEXTS[key], language_of(request))).format(**escaped)


def number(request: gr.Request, value: float) -> str:
    """A number with one decimal as the reader writes it: 3.1 or 3,1."""
    return f"{value:.1f}".replace(".", say(request, "decimal_point"))


def percent(request: gr.Request, share: float) -> str:
    """A share between 0 and 1 as the reader writes it: 3.1% or %3,1."""
    return say(request, "percent", number=number(request, 100 * share))


def language_of(request: gr.Request) -> str:
    """The code of the language the browser prefers, if the page has it; else English."""
    preferred = (request.headers.get("accept-language") or "")[:2].lower()
    return preferred if preferred in Text._fields else Text._fields[0]


def tools_script() -> str:
    """JavaScript that names the language of the page, and translates the names of Gradio's own tools."""
    tools = {text.en: text._asdict() for key, text in TEXTS.items() if key.startswith("tool_")}
    return f"""() => {{
    const tools = {json.dumps(tools, ensure_ascii=False)};
    const languages = {json.dumps(Text._fields)}, preferred = navigator.language.slice(0, 2).toLowerCase();
    const language = languages.includes(preferred) ? preferred : languages[0];
    document.documentElement.lang = language;
    const translate = () => document.querySelectorAll("button[aria-label]").forEach((button) => {{
        const tool = tools[button.ariaLabel];
        if (tool && tool[language] !== button.ariaLabel) button.title = button.ariaLabel = tool[language];
    }});
    new MutationObserver(translate).observe(document.body, {{
        subtree: true, childList: true, attributes: true, attributeFilter: ["aria-label"]
    }});
    translate();
}}"""
