// The one stream of updates: opened, watched, opened again when it is lost.

/** @typedef {import("./types.js").Update} Update */

const SILENCE_MS = 3500; // three updates did not come
const DEAD_MS = 12000; // a connection that says nothing for so long is given up
const LOOK_MS = 500;
const RETRY_MS = 1000;

export class Stream {
  /**
   * @param {(update: Update) => void} onUpdate
   * @param {(lost: ?Date) => void} onState since when nothing came; null while all is well
   */
  constructor(onUpdate, onState) {
    this.onUpdate = onUpdate;
    this.onState = onState;
    /** @type {Record<string, string>} */
    this.wanted = {};
    /** @type {?EventSource} */
    this.source = null;
    this.last = Date.now();
    this.opened = Date.now();
    setInterval(() => this.look(), LOOK_MS);
    document.addEventListener("visibilitychange", () => this.rest());
  }

  /** A hidden page closes its stream: browsers allow six streams to a server. */
  rest() {
    if (document.hidden) {
      this.close();
      return;
    }
    this.last = Date.now();
    this.onLost();
  }

  /**
   * Ask for something else from now on.
   * @param {Record<string, string>} wanted parameters of the address
   */
  ask(wanted) {
    this.wanted = wanted;
    this.open();
  }

  open() {
    this.close();
    const query = new URLSearchParams(Object.entries(this.wanted).filter(([, value]) => value));
    const source = new EventSource(`api/stream?${query}`);
    this.source = source;
    this.opened = Date.now();
    source.onmessage = (message) => {
      this.last = Date.now();
      this.onState(null);
      this.onUpdate(JSON.parse(message.data));
    };
    // The browser would ask again for what was wanted at first; we ask for what is missing now.
    source.onerror = () => {
      if (this.source === source) this.close();
    };
  }

  close() {
    this.source?.close();
    this.source = null;
  }

  look() {
    if (document.hidden) return;
    const now = Date.now();
    if (now - this.last > SILENCE_MS) this.onState(new Date(this.last));
    const dead = now - Math.max(this.last, this.opened) > DEAD_MS;
    const lost = this.source === null && now - this.opened > RETRY_MS;
    if (dead || lost) this.onLost();
  }

  /** Called before the stream is opened again, so that the caller can request what is missing. */
  onLost() {
    this.open();
  }
}
