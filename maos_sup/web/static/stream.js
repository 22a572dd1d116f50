// One stream of changes for all tabs that show the same orchestration: a browser opens few connections to a server.
// One tab that can be seen holds it and tells the others; tabs that nobody sees ask now and then, for their title.
import { ask, pageKey } from "/static/parts.js";

const POLL_MS = 10_000, LEAST_MS = 500, MOST_MS = 8000;
const SILENT_MS = 45_000; // the server says a word every fifteen seconds
const STREAMS = 4, ASK_MS = 3000; // of six connections two are left for what people do

export function follow(base, take, lost) {
  const name = `maos-sup ${base}`, channel = new BroadcastChannel(name), board = new Whole();
  let leading = null, heard = Date.now(), missed = null; // what the leader told last, where it was no change
  const tell = (event, told) => {
    missed = event === "board" ? null : { event, told };
    if (event === "board") board.take(told);
    take(event, told);
    channel.postMessage({ event, told });
  };
  const miss = (trouble) => {
    lost(trouble);
    missed = { lost: { message: trouble.message, status: trouble.status } };
    channel.postMessage(missed);
  };
  channel.onmessage = ({ data }) => {
    if (data.asked) {
      if (board.head !== null) channel.postMessage({ event: "board", told: board.whole() });
      if (leading !== null && missed !== null) channel.postMessage(missed);
      return;
    }
    heard = Date.now();
    if (data.lost) lost(data.lost);
    else take(data.event, data.told);
  };
  const lead = async () => {
    const mine = (leading = new AbortController()), known = { text: "" };
    const stream = () => streamed(`${base}/events`, tell, miss, mine.signal).finally(() => board.forget());
    const turns = () => inSlot(mine.signal, stream, () => polled(`${base}/board`, () => missed !== null, known, mine.signal, tell, miss));
    if (!navigator.locks) return stream();
    await navigator.locks.request(name, { signal: mine.signal }, turns).catch((trouble) => { if (!mine.signal.aborted) throw trouble; });
  };
  const rest = () => { if (leading) leading.abort(); leading = null; };
  const seen = () => (document.hidden ? rest() : leading === null && lead());
  const poll = setInterval(async () => {
    if (!document.hidden || Date.now() - heard < POLL_MS) return;
    try {
      take("board", { head: await ask(`${base}/head`) });
    } catch (trouble) {
      lost(trouble);
    }
  }, POLL_MS);
  document.addEventListener("visibilitychange", seen);
  channel.postMessage({ asked: true }); // whoever holds the stream tells what there is
  if (document.hidden) heard = 0;
  seen();
  return () => {
    rest();
    clearInterval(poll);
    channel.close();
    document.removeEventListener("visibilitychange", seen);
  };
}

// What the stream has told so far, for a tab that comes later.
class Whole {
  constructor() { this.forget(); }

  forget() { Object.assign(this, { head: null, agents: new Map(), tasks: new Map() }); }

  take(told) {
    if (told.whole) this.forget();
    if (told.head) this.head = told.head;
    for (const agent of told.agents || []) this.agents.set(agent.name, agent);
    for (const task of told.tasks || []) this.tasks.set(task.id, task);
    for (const [part, row] of told.gone || []) this[part].delete(row);
  }

  whole() { return { whole: true, head: this.head, agents: [...this.agents.values()], tasks: [...this.tasks.values()] }; }
}

// Run `stream` while it holds one of the few slots that all tabs of the browser share; `poll` until one is free.
async function inSlot(signal, stream, poll) {
  while (!signal.aborted) {
    for (let slot = 0; slot < STREAMS; slot += 1) {
      const held = await navigator.locks.request(`maos-sup stream ${slot}`, { ifAvailable: true }, async (lock) => {
        if (lock) await stream();
        return lock !== null;
      });
      if (held) return;
    }
    await poll();
    await rested(ASK_MS, signal);
  }
}

// Tell the whole board if it is another one than is `known`, or something was missed.
async function polled(path, isMissed, known, signal, tell, miss) {
  try {
    const told = await ask(path), text = JSON.stringify(told);
    if (signal.aborted || (text === known.text && !isMissed())) return;
    known.text = text;
    tell("board", { whole: true, ...told });
  } catch (trouble) {
    if (!signal.aborted) miss(trouble);
  }
}

function rested(ms, signal) {
  return new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", () => { clearTimeout(timer); done(); }, { once: true });
  });
}

// Server-sent events by fetch, which can send the page's own key; EventSource cannot.
async function streamed(path, take, lost, signal) {
  let wait = LEAST_MS;
  while (!signal.aborted) {
    try {
      const answer = await fetch(path, { headers: { "x-maos-key": pageKey() }, signal });
      if (!answer.ok) throw Object.assign(new Error((await answer.json()).error), { status: answer.status });
      wait = LEAST_MS;
      await pieces(answer.body.getReader(), take);
      if (!signal.aborted) lost(new Error("the stream ended"));
    } catch (trouble) {
      if (signal.aborted) return;
      lost(trouble);
    }
    await rested(wait, signal);
    wait = Math.min(wait * 2, MOST_MS);
  }
}

// What `reader` reads next; a server that is silent for long, or out of reach without a word, is lost.
async function heardOf(reader) {
  let timer = null;
  const silent = new Promise((_, fail) => { timer = setTimeout(() => { fail(new Error("the server is silent")); reader.cancel().catch(() => {}); }, SILENT_MS); });
  try {
    return await Promise.race([reader.read(), silent]);
  } finally {
    clearTimeout(timer);
  }
}

async function pieces(reader, take) {
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { done, value } = await heardOf(reader);
    if (done) return;
    rest += decoder.decode(value, { stream: true });
    const whole = rest.split("\n\n");
    rest = whole.pop();
    for (const one of whole) {
      const name = /^event: (.*)$/m.exec(one);
      const data = /^data: (.*)$/m.exec(one);
      if (name && data) take(name[1], JSON.parse(data[1]));
    }
  }
}
