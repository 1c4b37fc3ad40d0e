/** uint8 [height, width, channels] → [channels, height, width]. */
export function channelsFirst(pixels: Uint8Array, channels: number): Uint8Array {
  const plane = pixels.length / channels;
  const planes = new Uint8Array(pixels.length);
  for (let c = 0; c < channels; c++) {
    const end = (c + 1) * plane;
    for (let i = c * plane, at = c; i < end; i++, at += channels) planes[i] = pixels[at] ?? 0;
  }
  return planes;
}
