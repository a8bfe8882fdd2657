"""What differs between two pictures, found by Chromium, which decodes and draws them."""

import base64
from dataclasses import dataclass

# Colours are numbers from 0 to 255. A difference of 1 is rounding where the edge of a shape is
# smoothed, which depends on the tiles that Chromium draws; it is not visible.
ROUNDING = 1

_COMPARE = """async ([before, after, rounding]) => {
  const decode = async (data) =>
    createImageBitmap(await (await fetch('data:image/png;base64,' + data)).blob());
  const pictures = [await decode(before), await decode(after)];
  const width = Math.max(...pictures.map((picture) => picture.width));
  const height = Math.max(...pictures.map((picture) => picture.height));
  const pixels = (picture) => {
    const context = new OffscreenCanvas(width, height).getContext('2d');
    context.drawImage(picture, 0, 0);
    return context.getImageData(0, 0, width, height);
  };
  const [left, right] = pictures.map(pixels);
  const shown = new OffscreenCanvas(width, height), context = shown.getContext('2d');
  const drawn = context.createImageData(width, height);
  const [a, b, out] = [left.data, right.data, drawn.data];
  let count = 0, x0 = width, y0 = height, x1 = -1, y1 = -1;
  for (let at = 0; at < a.length; at += 4) {
    const differs = Math.abs(a[at] - b[at]) > rounding || Math.abs(a[at + 1] - b[at + 1]) > rounding
      || Math.abs(a[at + 2] - b[at + 2]) > rounding || Math.abs(a[at + 3] - b[at + 3]) > rounding;
    if (differs) {
      const pixel = at / 4, x = pixel % width, y = (pixel - x) / width;
      count += 1;
      x0 = Math.min(x0, x); x1 = Math.max(x1, x); y0 = Math.min(y0, y); y1 = y;
      out.set([224, 0, 120, 255], at);
    } else {  // pale, as the place of what differs
      const grey = 190 + (b[at] * 0.3 + b[at + 1] * 0.59 + b[at + 2] * 0.11) / 4;
      out.set([grey, grey, grey, 255], at);
    }
  }
  context.putImageData(drawn, 0, 0);
  if (count) {
    context.strokeStyle = 'rgb(224 0 120)';
    context.lineWidth = 2;
    context.strokeRect(x0 - 4, y0 - 4, x1 - x0 + 9, y1 - y0 + 9);
  }
  const blob = await shown.convertToBlob({type: 'image/png'});
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = '';
  for (let at = 0; at < bytes.length; at += 32768) {
    text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  }
  return {count, all: width * height, bounds: [x0, y0, x1 + 1, y1 + 1], drawn: btoa(text)};
}"""


@dataclass(frozen=True)
class PictureDifference:
    """``share`` of all pixels differ, and lie in ``bounds``: left, top, right, bottom. ``drawn`` is
    a PNG that marks them.
    """

    share: float
    bounds: tuple[int, int, int, int]
    drawn: bytes


def difference(page, before, after):
    """Compare two PNGs in the blank ``page`` of a browser; None if they look the same."""
    if before == after:
        return None
    texts = [base64.b64encode(picture).decode() for picture in (before, after)]
    found = page.evaluate(_COMPARE, [*texts, ROUNDING])
    if not found["count"]:
        return None
    share = found["count"] / found["all"]
    return PictureDifference(share, tuple(found["bounds"]), base64.b64decode(found["drawn"]))
