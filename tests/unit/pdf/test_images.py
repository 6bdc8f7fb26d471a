import io
from typing import Any, Literal

import pytest
from PIL import Image, ImageCms

from pfi.standards.pdf import images
from pfi.standards.pdf.images import pictures


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


@pytest.mark.parametrize(("form", "mode"), [("PNG", "RGB"), ("PNG", "L"), ("PNG", "1"), ("JPEG", "RGB"), ("JPEG", "L")])
def test_an_image_that_pdf_takes_is_left_as_it_is(form: str, mode: str) -> None:
    content = encoded(Image.new(mode, (20, 10)), form)
    (picture,) = pictures(content)
    assert picture.content == content
    assert (picture.width, picture.height) == (20, 10)


def colour_profile(space: Literal["sRGB", "LAB"] = "sRGB") -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(space)).tobytes()


def test_a_sound_colour_profile_stays_in_its_image() -> None:
    content = encoded(Image.new("RGB", (20, 10)), "JPEG", icc_profile=colour_profile())
    (picture,) = pictures(content)
    assert picture.content == content


@pytest.mark.parametrize(
    ("mode", "profile"),
    [
        ("RGB", b"not a profile" * 20),
        ("RGB", colour_profile()[:200]),
        ("RGB", colour_profile()[:128] + b"\xff" * 400),
        ("RGB", colour_profile("LAB")),
        ("L", colour_profile()),
        ("RGB", colour_profile()[:12] + b"link" + colour_profile()[16:]),
    ],
    ids=["not a profile", "cut short", "noise", "other colours", "colours for grey", "no device"],
)
def test_a_colour_profile_that_pdf_does_not_take_is_taken_away(mode: str, profile: bytes) -> None:
    (picture,) = pictures(encoded(Image.new(mode, (20, 10), 90), "PNG", icc_profile=profile))
    image = opened(picture.content)
    assert "icc_profile" not in image.info
    assert image.getpixel((1, 1)) == Image.new(mode, (20, 10), 90).getpixel((1, 1))


@pytest.mark.parametrize(
    ("form", "mode"), [("PNG", "RGBA"), ("PNG", "LA"), ("PNG", "P"), ("JPEG", "CMYK"), ("GIF", "P"), ("BMP", "RGB")]
)
def test_another_image_becomes_an_opaque_png(form: str, mode: str) -> None:
    (picture,) = pictures(encoded(Image.new(mode, (20, 10)), form))
    image = opened(picture.content)
    assert picture.format == "png"
    assert image.mode in ("1", "L", "RGB")
    assert not image.has_transparency_data


def test_what_is_transparent_becomes_white() -> None:
    (picture,) = pictures(encoded(Image.new("RGBA", (4, 4), (10, 20, 30, 0)), "PNG"))
    assert opened(picture.content).getpixel((1, 1)) == (255, 255, 255)


def test_a_tiff_gives_one_picture_a_page() -> None:
    pages = [Image.new("1", (30, 40), number % 2) for number in range(3)]
    content = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:], compression="group4")
    assert [(picture.format, picture.width, picture.height) for picture in pictures(content)] == [("png", 30, 40)] * 3


def test_sixteen_bits_are_spread_over_eight() -> None:
    image = Image.new("I;16", (2, 1))
    image.putpixel((0, 0), 1000)
    image.putpixel((1, 0), 3000)
    (picture,) = pictures(encoded(image, "TIFF"))
    shown = opened(picture.content)
    assert (shown.getpixel((0, 0)), shown.getpixel((1, 0))) == (0, 255)
    (flat,) = pictures(encoded(Image.new("I;16", (2, 1), 5), "TIFF"))
    assert opened(flat.content).getpixel((0, 0)) == 0


def test_a_photograph_is_turned_upright() -> None:
    image = Image.new("RGB", (20, 10))
    exif = image.getexif()
    exif[0x0112] = 6
    (picture,) = pictures(encoded(image, "JPEG", exif=exif))
    assert (picture.width, picture.height) == (10, 20)


def test_a_large_image_is_reduced_and_a_huge_one_is_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    content = encoded(Image.new("1", (4000, 100)), "PNG")
    (picture,) = pictures(content)
    assert picture.width == 3000
    monkeypatch.setattr(images, "MAX_PIXELS", 1000)
    assert pictures(content) == ()
    assert pictures(encoded(Image.new("1", (400, 100)), "TIFF")) == ()


@pytest.mark.parametrize("content", [b"", b"not an image", encoded(Image.new("RGB", (50, 50)), "PNG")[:60]])
def test_what_cannot_be_read_is_no_picture(content: bytes) -> None:
    assert pictures(content) == ()
