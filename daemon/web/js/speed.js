// Frames a second of the running task, over its last minute.

const WINDOW_MS = 60000;
const samples = new Map();

/** Frames a second, or null while it cannot be told. Call it with each view of a task. */
export function speedOf(task, now = performance.now()) {
  if (task.status !== "processing") {
    samples.delete(task.id);
    return null;
  }
  const seen = samples.get(task.id) ?? [];
  const last = seen[seen.length - 1];
  if (!last || last.frames !== task.frames_done) seen.push({ now, frames: task.frames_done });
  while (seen.length > 3 && now - seen[0].now > WINDOW_MS) seen.shift();
  samples.set(task.id, seen);
  // When the number that was seen first had been reached is not known: the page may have come in the middle of a batch.
  const [first, newest] = [seen[1] ?? seen[0], seen[seen.length - 1]];
  const seconds = (newest.now - first.now) / 1000;
  return seconds > 0.5 ? (newest.frames - first.frames) / seconds : null;
}
