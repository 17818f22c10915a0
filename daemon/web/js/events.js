// Hears what happens to tasks, and connects again when the line is cut.
//
// A browser opens six connections to a server at most, for all its tabs together. So a tab that nobody looks at
// gives its stream back, and asks now and then instead.

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 15000;
const HIDDEN_MS = 20000;
const GRACE_MS = 3000;

/**
 * Keep listening. `onTask(task, kind)` gets each event of a task, `onModel(pull)` of a download; `refresh()` is called whenever events may have been missed;
 * `onLine(connected)` when the line is cut or there again.
 */
export function listen({ onTask, onModel, refresh, onLine }) {
  let stream = null;
  let wait = FIRST_WAIT_MS;
  let timer = 0;

  function connect() {
    clearTimeout(timer);
    stream?.close();
    stream = new EventSource("/api/events");
    stream.onopen = () => {
      wait = FIRST_WAIT_MS;
      onLine(true);
      refresh();
    };
    stream.onerror = () => {
      // The browser's own second try gives up on an answer that is no stream, such as 401 or 503.
      stream.close();
      onLine(false);
      timer = setTimeout(retry, wait);
      wait = Math.min(wait * 2, LONGEST_WAIT_MS);
    };
    stream.addEventListener("model", (event) => onModel(JSON.parse(event.data)));
    for (const kind of ["state", "progress"]) {
      stream.addEventListener(kind, (event) => onTask(JSON.parse(event.data), kind));
    }
  }

  async function retry() {
    // Also renews the session, where the service demands a token.
    await refresh();
    connect();
  }

  function rest() {
    clearTimeout(timer);
    stream?.close();
    stream = null;
    timer = setTimeout(async function ask() {
      await refresh();
      timer = setTimeout(ask, HIDDEN_MS);
    }, HIDDEN_MS);
  }

  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (!document.hidden) {
      if (stream === null || stream.readyState === EventSource.CLOSED) connect();
    } else {
      timer = setTimeout(rest, GRACE_MS);
    }
  });
  connect();
}
