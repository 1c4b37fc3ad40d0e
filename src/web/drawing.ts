/** A canvas that a person draws on, with mouse, pen or finger. */
import { context } from './picture.ts';

export interface DrawingOptions {
  readonly background: string;
  /** The colour of the pen. It is called at every stroke. */
  readonly colour: () => string;
  /** Called whenever the drawing changes. */
  readonly onChange: () => void;
}

/** Lets a person draw on the canvas. Returns a function that empties it. */
export function drawOn(
  canvas: HTMLCanvasElement,
  { background, colour, onChange }: DrawingOptions,
): () => void {
  const draw = context(canvas);
  const clear = (): void => {
    draw.fillStyle = background;
    draw.fillRect(0, 0, canvas.width, canvas.height);
  };
  const at = ({ clientX, clientY }: PointerEvent): [number, number] => {
    const box = canvas.getBoundingClientRect();
    return [
      ((clientX - box.left) * canvas.width) / box.width,
      ((clientY - box.top) * canvas.height) / box.height,
    ];
  };
  canvas.addEventListener('pointerdown', (event) => {
    canvas.setPointerCapture(event.pointerId);
    draw.strokeStyle = colour();
    draw.lineWidth = canvas.width / 14;
    draw.lineCap = draw.lineJoin = 'round';
    draw.beginPath();
    draw.moveTo(...at(event));
    draw.lineTo(...at(event));
    draw.stroke();
    onChange();
  });
  canvas.addEventListener('pointermove', (event) => {
    if (!canvas.hasPointerCapture(event.pointerId)) return;
    draw.lineTo(...at(event));
    draw.stroke();
    onChange();
  });
  clear();
  return clear;
}
