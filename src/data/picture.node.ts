import sharp from 'sharp';

/** A PNG of uint8 pixels [channels, height, width], each pixel enlarged to a square of `scale` × `scale`. */
export async function encodePng(
  pixels: Uint8Array,
  channels: 1 | 3,
  height: number,
  width: number,
  scale = 1,
): Promise<Buffer> {
  const plane = height * width;
  if (pixels.length !== channels * plane) {
    throw new Error(`internal: encodePng got ${pixels.length} bytes for ${channels}×${height}×${width}`);
  }
  const interleaved = new Uint8Array(pixels.length);
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < plane; i++) interleaved[i * channels + c] = pixels[c * plane + i] ?? 0;
  }
  return sharp(interleaved, { raw: { width, height, channels } })
    .resize(width * scale, height * scale, { kernel: 'nearest' })
    .png()
    .toBuffer();
}

/** A PNG of an SVG drawing, `scale` pixels for each of its own. */
export async function rasterizeSvg(svg: string, scale = 1): Promise<Buffer> {
  return sharp(Buffer.from(svg), { density: SVG_DENSITY * scale })
    .png()
    .toBuffer();
}

/** Dots per inch at which an SVG's pixel is one of the picture's. */
const SVG_DENSITY = 72;
