#!/usr/bin/env python3
"""Writes the images of this folder and expected.npz, what Pillow (10 to 12) makes of them.

The checked-in files were made with Pillow 12.0.0. expected.txt lists
key, file, channels, interpolation, height (or shorter side), width (0: shorter side).
"""
import numpy as np
from PIL import Image

rng = np.random.default_rng(5)
HOW = {"nearest": Image.NEAREST, "bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}


def picture(width, height):
    """A smooth picture with noise and saturated corners."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [127 + 150 * np.sin(x / a + k) * np.cos(y / b - k) for k, (a, b) in
             enumerate([(3.1, 4.7), (5.3, 2.9), (2.3, 7.1)])]
    noise = rng.normal(0, 9, (height, width, 3))
    return Image.fromarray(np.clip(np.stack(waves, -1) + noise, 0, 255).astype(np.uint8))


def write():
    rgb = picture(23, 15)
    alpha = Image.fromarray(rng.integers(0, 256, (15, 23), dtype=np.uint8))
    rgb.save("rgb420.jpg", quality=80, subsampling=2)
    rgb.save("rgb444.jpg", quality=95, subsampling=0, progressive=True)
    picture(13, 22).save("rgb422.jpg", quality=60, subsampling=1)
    rgb.convert("L").save("grey.jpg", quality=85)
    rgb.convert("CMYK").save("cmyk.jpg", quality=90)
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: to be ignored
    rgb.save("turned.jpg", quality=85, exif=exif)
    rgb.save("rgb.png")
    rgb.convert("L").save("grey.png")
    rgb.convert("1").save("bits.png")
    rgb.quantize(13).save("palette.png")
    for mode in ("RGBA", "LA"):
        image = rgb.convert(mode)
        image.putalpha(alpha)
        image.save(mode.lower() + ".png")
    Image.fromarray(rng.integers(0, 400, (15, 23)).astype(np.uint16)).save("grey16.png")


def main():
    write()
    files = ["rgb420.jpg", "rgb444.jpg", "rgb422.jpg", "grey.jpg", "cmyk.jpg", "turned.jpg",
             "rgb.png", "grey.png", "bits.png", "palette.png", "rgba.png", "la.png", "grey16.png"]
    sizes = [(11, 13), (19, 0), (7, 0), (21, 33), (30, 9)]
    arrays, lines = {}, []
    for number, name in enumerate(files):
        for channels, mode in ((1, "L"), (3, "RGB")):
            image = Image.open(name).convert(mode)
            jobs = [("none", 0, 0)]
            jobs += [(how, *sizes[(number + k + channels) % len(sizes)])
                     for k, how in enumerate(HOW)]
            for how, height, width in jobs:
                result = image
                if how != "none":
                    to = height, width
                    if not width:
                        w, h = image.size
                        to = ((int(height * h / w), height) if w <= h
                              else (height, int(height * w / h)))
                    result = image.resize((to[1], to[0]), HOW[how])
                key = f"k{len(arrays)}"
                pixels = np.asarray(result)
                arrays[key] = pixels.reshape(*pixels.shape[:2], channels)
                lines.append(f"{key} {name} {channels} {how} {height} {width}\n")
    np.savez_compressed("expected.npz", **arrays)
    with open("expected.txt", "w", encoding="ascii") as file:
        file.writelines(lines)


if __name__ == "__main__":
    main()
