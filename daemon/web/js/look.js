// What the browser itself can tell of a video before it is sent.

const PATIENCE_MS = 5000;
const WATCHED_MS = 800;
const WATCHED_FRAMES = 6;
const USUAL_FPS = 25;
const VIDEO = /\.(mp4|mkv|mov|webm|avi|m4v|mpg|mpeg|m2ts|mts|ts|vob|mxf|wmv|flv|ogv|3gp)$/i;

/** Whether a file is a video, by what the browser or its name says. */
export function isVideoFile(file) {
  return file.type.startsWith("video/") || (!file.type && VIDEO.test(file.name));
}

/** Width, height and frames of a video, the last counted from its length; null if this browser cannot read it. */
export async function lookInto(file) {
  const video = document.createElement("video");
  const url = URL.createObjectURL(file);
  Object.assign(video, { muted: true, preload: "auto", src: url });
  try {
    await happens(video, "loadeddata");
    const { videoWidth: width, videoHeight: height, duration } = video;
    if (!width || !Number.isFinite(duration)) return null;
    const fps = await framesPerSecond(video);
    return { width, height, frames: Math.max(Math.round(duration * fps), 2) };
  } catch {
    return null;
  } finally {
    video.pause();
    video.removeAttribute("src");
    video.load();
    URL.revokeObjectURL(url);
  }
}

function happens(video, name) {
  return new Promise((resolve, reject) => {
    video.addEventListener(name, resolve, { once: true });
    video.addEventListener("error", reject, { once: true });
    setTimeout(reject, PATIENCE_MS);
  });
}

// No header is told to a page, so the first frames are watched: the shortest time between two of them.
function framesPerSecond(video) {
  return new Promise((resolve) => {
    const times = [];
    const end = () => {
      const steps = times.slice(1).map((time, index) => time - times[index]).filter((step) => step > 0.001);
      resolve(steps.length ? 1 / Math.min(...steps) : USUAL_FPS);
    };
    const watch = (_now, { mediaTime }) => {
      times.push(mediaTime);
      if (times.length < WATCHED_FRAMES) video.requestVideoFrameCallback(watch);
      else end();
    };
    // A hidden tab shows no frames.
    setTimeout(end, WATCHED_MS);
    video.requestVideoFrameCallback?.(watch);
    video.play().catch(() => {});
  });
}
