"""Decode one image with ImageMagick: a program of its own, so that nothing it does hurts the task.

    python -I magick_child.py FORMAT opaque|transparent PACKAGES < image > pixels

PACKAGES is the directory that has wand.

Standard output gets width and height as two little-endian uint32, then 8-bit BGR, row by row, as
stored (the EXIF orientation is not applied), transparent pixels over white. Anything that
ImageMagick as much as warns of ends it with a sentence on standard error. What it may do is said in
magick_policy/policy.xml, which `mr_jobs.lib.magick` has put into the environment.
"""

import resource
import struct
import sys
import warnings

MOST_BYTES = 1 << 30  # of address space, libraries included
MOST_CPU_S = 20
FORMATS = ("bmp", "gif", "jpeg", "png", "tiff", "webp")


def main() -> None:
    """Decode standard input."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU_S, MOST_CPU_S))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    format, opacity, packages = sys.argv[1:]
    sys.path.append(packages)
    if format not in FORMATS:
        sys.exit(f"not a format: {format}")
    encoded = sys.stdin.buffer.read()

    from ctypes import create_string_buffer

    from wand.api import library
    from wand.exceptions import WandException
    from wand.image import STORAGE_TYPES, Image

    warnings.simplefilter("error")  # a damaged file is one that ImageMagick warns of
    try:
        with Image() as image:
            # the prefix keeps ImageMagick from choosing a format itself; [0] is the first frame
            library.MagickSetFilename(image.wand, f"{format}:image[0]".encode())
            if not library.MagickReadImageBlob(image.wand, encoded, len(encoded)):
                image.raise_exception()
                sys.exit("unreadable")
            image.raise_exception()
            if image.colorspace != "srgb":
                image.transform_colorspace("srgb")
            if image.alpha_channel:  # which ImageMagick also sees in the fourth byte of any BMP
                image.background_color = "white"
                image.alpha_channel = "remove" if opacity == "transparent" else "off"
            width_px, height_px = image.size
            pixels = create_string_buffer(width_px * height_px * 3)
            exported = library.MagickExportImagePixels(
                image.wand,
                *(0, 0, width_px, height_px),
                b"BGR",
                STORAGE_TYPES.index("char"),
                pixels,
            )
            image.raise_exception()
            if not exported:
                sys.exit("no pixels")
    except (WandException, Warning) as error:
        sys.exit(str(error))
    out = sys.stdout.buffer
    out.write(struct.pack("<II", width_px, height_px))
    out.write(memoryview(pixels))
    out.flush()


if __name__ == "__main__":
    main()
