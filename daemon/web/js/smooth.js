// The source resized smoothly to the size of the result, as any viewer would: what an upscale has to be better than.
// Pixels enlarged by copying, beside it, would flatter the result.

import { el } from "./dom.js";
import { Stills } from "./stills.js";

// Larger canvases are refused by some browsers, and nobody sees the difference.
const MOST_PIXELS = 40e6;

/** A canvas that shows `before` (an image, a video at rest, or stills) with `width` × `height` pixels. */
export function smoothed(before, width, height) {
  const share = Math.min(1, Math.sqrt(MOST_PIXELS / (width * height)));
  const canvas = el("canvas.smooth", { width: Math.round(width * share), height: Math.round(height * share) });
  const context = canvas.getContext("2d");
  const draw = () => {
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingQuality = "high";
    context.drawImage(before instanceof Stills ? before.picture : before, 0, 0, canvas.width, canvas.height);
    canvas.hidden = false;
  };
  for (const event of ["seeked", "pause"]) before.addEventListener(event, draw);
  // To enlarge every frame of a film takes more than some processors have; the browser does it well enough meanwhile.
  before.addEventListener("play", () => (canvas.hidden = true));
  draw();
  return canvas;
}
