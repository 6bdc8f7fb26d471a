"""Images of a document in a form that PDF/A-1 takes: no transparency, no CMYK, sound colours, bounded; TIFF by page."""

import io
from dataclasses import dataclass, field
from typing import Final

from PIL import Image, ImageCms, ImageOps, ImageSequence

MAX_PIXELS: Final = 60_000_000
"""Beyond that an image is not opened: an A4 page at 600 dpi is 35 million."""
MAX_PAGES: Final = 100
_MAX_SIDE: Final = 3000
_FORMATS: Final = ("PNG", "JPEG", "TIFF", "GIF", "BMP")
_AS_IS: Final = {"JPEG": ("L", "RGB"), "PNG": ("1", "L", "RGB")}
_EXIF_ORIENTATION: Final = 0x0112
_DEVICES: Final = ("scnr", "mntr", "prtr", "spac")
"""Classes of the colour profiles that a PDF takes (PDF Reference 1.4, §4.5.4)."""


@dataclass(frozen=True, slots=True)
class Picture:
    """`format` is `png` or `jpg`; `width` and `height` in pixels."""

    format: str
    content: bytes = field(repr=False)
    width: int
    height: int


def pictures(content: bytes) -> tuple[Picture, ...]:
    """The pages of an image file (one, except in TIFF); empty when it cannot be read."""
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                return ()
            if image.format == "TIFF":
                pages = [
                    _encoded(page) for _, page in zip(range(MAX_PAGES), ImageSequence.Iterator(image), strict=False)
                ]
                return tuple(pages)
            image.load()
            plain = image.mode in _AS_IS.get(image.format or "", ()) and "transparency" not in image.info
            upright = image.getexif().get(_EXIF_ORIENTATION, 1) == 1
            if plain and upright and max(image.size) <= _MAX_SIDE and _colours_are_sound(image):
                form = "jpg" if image.format == "JPEG" else "png"
                return (Picture(form, content, image.width, image.height),)
            return (_encoded(image),)
    except (OSError, ValueError, SyntaxError, MemoryError, Image.DecompressionBombError):
        return ()


def _colours_are_sound(image: Image.Image) -> bool:
    """Whether the colour profile of an image, which goes into the PDF as it is, can be read and is one for its mode."""
    profile = image.info.get("icc_profile")
    if not profile:
        return True
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        ImageCms.buildTransform(opened, ImageCms.createProfile("sRGB"), image.mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return False
    return opened.profile.device_class in _DEVICES


def _encoded(image: Image.Image) -> Picture:
    if image.width * image.height > MAX_PIXELS:
        raise ValueError("too many pixels")
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I") or upright.mode == "F":
        flat = _eight_bits(upright)
    elif upright.mode in ("1", "L"):
        flat = upright
    elif upright.has_transparency_data:
        layer = upright.convert("RGBA")
        flat = Image.new("RGB", layer.size, "white")
        flat.paste(layer, mask=layer.getchannel("A"))
    else:
        flat = upright.convert("RGB")
    if max(flat.size) > _MAX_SIDE:
        flat = flat.convert("L") if flat.mode == "1" else flat
        flat.thumbnail((_MAX_SIDE, _MAX_SIDE))
    flat.info = {}
    out = io.BytesIO()
    flat.save(out, "PNG")
    return Picture("png", out.getvalue(), flat.width, flat.height)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Radiology images have 10 to 16 bits: the darkest pixel becomes black, the lightest white."""
    values = image.convert("F")
    darkest, lightest = values.getextrema()
    if not isinstance(darkest, float | int) or not isinstance(lightest, float | int) or lightest <= darkest:
        return Image.new("L", image.size, 0)
    scale = 255.0 / (lightest - darkest)
    return values.point(lambda value: value * scale - darkest * scale).convert("L")
