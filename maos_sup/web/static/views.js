// What is drawn of an orchestration, view by view. State comes in; acts go out by `act`.
import { ago, ask, clock, counted, duration, h, money, pill, say, section, table, tokens } from "/static/parts.js";
import * as draw from "/static/draw.js";

// -- what waits for a person

export class Wants {
  constructor(act, canSteer) {
    Object.assign(this, { act, canSteer, known: new Map(), list: h("div", { class: "wants" }) });
    this.node = h("section", { class: "wanting", "aria-label": "Wants you", hidden: true }, h("h2", null, "Wants you"), this.list);
  }

  show(wants) {
    const now = new Map();
    for (const want of wants) {
      const id = JSON.stringify([want.kind, want.id, want.agent, want.task, want.text]);
      now.set(id, this.known.get(id) || this.card(want)); // a form that somebody types in stays
    }
    for (const [id, node] of this.known) if (!now.has(id)) node.remove();
    [...now.values()].forEach((node, index) => {
      if (this.list.children[index] !== node) this.list.insertBefore(node, this.list.children[index] || null);
    });
    this.known = now;
    this.node.hidden = !wants.length;
  }

  card(want) {
    const who = [want.agent, want.task && `(${want.task})`].filter(Boolean).join(" ");
    const kind = { question: "asks", approval: `asks leave to run ${want.tool}`, budget: "has used up its budget", failed: "failed", mistake: "a mistake in spec/" }[want.kind];
    return h("article", { class: `want ${want.kind}` },
      h("h3", null, want.kind === "failed" ? `${want.task} ${kind}` : `${who} ${kind}`, want.at ? h("time", { datetime: want.at }, ago(want.at)) : null),
      want.kind === "approval" ? h("pre", { tabindex: 0 }, want.action) : h("p", null, want.text),
      want.diff.length ? h("pre", { class: "diff", tabindex: 0 }, want.diff.map((line) => h("span", { class: { "+": "plus", "-": "minus" }[line[0]] }, `${line}\n`))) : null,
      this.canSteer ? this.form(want) : want.type_this ? h("p", { class: "soft" }, "Type: ", h("code", null, want.type_this)) : null);
  }

  form(want) {
    const button = (text, fields, kind) => h("button", { type: "button", class: kind || null, onclick: (event) => this.act(fields(), event.currentTarget) }, text);
    if (want.kind === "failed") return h("p", { class: "row" }, button("Run again", () => ({ act: "retry", task: want.task })), button("Skip it", () => ({ act: "skip", task: want.task })));
    if (want.kind === "budget") {
      const cap = want.text.includes("token") ? "max_tokens" : "max_cost_usd";
      const input = h("input", { type: "number", min: 0, step: "any", "aria-label": `New ${cap}` }); // empty is no zero
      const whose = want.text.startsWith("budget of all") ? {} : { agent: want.agent };
      return h("p", { class: "row" }, input, button("Raise the budget", () => ({ act: "budget", cap, amount: input.value === "" ? "" : Number(input.value), ...whose })));
    }
    if (want.kind === "mistake") return null;
    const text = h("input", { type: "text", "aria-label": want.kind === "approval" ? "Words that go along" : "Your answer", placeholder: want.kind === "approval" ? "words that go along, if any" : "your answer" });
    const reply = (decision) => () => ({ act: "answer", question: want.id, decision, ...(text.value ? { text: text.value } : {}) });
    if (want.kind === "approval") return h("p", { class: "row" }, text, button("Allow", reply("yes"), "main"), button("Refuse", reply("no")));
    const form = h("form", { class: "row", onsubmit: (event) => { event.preventDefault(); this.act(reply("yes")(), form.querySelector("button")); } },
      text, h("button", { type: "submit", class: "main" }, "Answer"), button("No", reply("no")));
    return form;
  }
}

// -- the board

const NEEDS = ["asking", "failed", "hung"], WORKS = ["running", "starting", "slow", "backoff"];
const group = (agent) => (NEEDS.includes(agent.phase) || agent.asks ? 0 : WORKS.includes(agent.phase) ? 1 : agent.phase === "done" ? 3 : 2);
const GROUPS = ["Needs you", "Working", "Waiting", "Done"];
const MOST_ROWS = 300;

export class Board {
  constructor(open) {
    Object.assign(this, { open, rows: new Map(), agents: new Map(), filter: "" });
    this.lists = GROUPS.map(() => h("ul", { class: "agents" }));
    this.heads = GROUPS.map((name) => h("h3", null, name));
    this.search = h("input", { type: "search", placeholder: "filter by name, task or phase", "aria-label": "Filter agents", oninput: () => { this.filter = this.search.value.toLowerCase(); this.place(); } });
    this.more = h("p", { class: "soft" });
    this.node = section("Agents", h("p", { class: "row" }, this.search), this.heads.map((head, index) => h("div", { class: "group" }, head, this.lists[index])), this.more);
  }

  take(changed, gone, isWhole) {
    if (isWhole) {
      this.agents.clear();
      this.rows.clear();
    }
    for (const agent of changed) {
      this.agents.set(agent.name, agent);
      this.rows.delete(agent.name);
    }
    for (const name of gone) {
      this.agents.delete(name);
      this.rows.delete(name);
    }
    this.place();
  }

  place() {
    const wanted = [[], [], [], []];
    const words = this.filter;
    let count = 0, hidden = 0;
    for (const agent of this.agents.values()) {
      if (words && !`${agent.name} ${agent.task || ""} ${agent.phase} ${agent.role}`.toLowerCase().includes(words)) continue;
      const place = group(agent);
      if (place > 0 && count >= MOST_ROWS) { hidden += 1; continue; }
      count += 1;
      wanted[place].push(agent);
    }
    wanted.forEach((agents, index) => {
      const nodes = agents.map((agent) => this.rows.get(agent.name) || this.row(agent));
      const list = this.lists[index];
      if (nodes.length !== list.children.length || nodes.some((node, at) => list.children[at] !== node)) list.replaceChildren(...nodes);
      this.heads[index].textContent = `${GROUPS[index]} ${agents.length}`;
      list.parentNode.hidden = !agents.length;
    });
    this.more.textContent = hidden ? `${counted(hidden, "agent")} more; filter to see them` : "";
  }

  row(agent) {
    const does = agent.asks ? "waits for an answer" : agent.note || agent.reason || agent.last_line;
    const bar = agent.progress !== null && agent.phase !== "done" ? h("progress", { max: 1, value: agent.progress, "aria-label": `Progress of ${agent.name}` }) : null;
    const node = h("li", null, h("a", { href: this.open(agent.name), class: "agent" },
      h("span", { class: `dot ${agent.phase} ${agent.pid ? "alive" : ""}`, "aria-hidden": "true" }),
      h("span", { class: "who" }, h("b", null, agent.name), h("span", { class: "soft" }, agent.task ? ` ${agent.task}` : "")),
      pill(agent.phase),
      h("span", { class: "does" }, does), bar,
      h("span", { class: "figures" }, agent.attempt > 1 ? h("span", { title: "attempts" }, `attempt ${agent.attempt}`) : null,
        agent.files ? h("span", null, counted(agent.files, "file")) : null,
        agent.cost_usd ? h("span", null, `${money(agent.cost_usd)} USD`) : null)));
    this.rows.set(agent.name, node);
    return node;
  }
}

export class Tasks {
  constructor(act, canSteer, open) {
    Object.assign(this, { act, canSteer, open, tasks: new Map(), body: h("div") });
    this.node = section("Tasks", this.body);
  }

  take(changed, gone, isWhole) {
    if (isWhole) this.tasks.clear();
    for (const task of changed) this.tasks.set(task.id, task);
    for (const id of gone) this.tasks.delete(id);
    const all = [...this.tasks.values()];
    const shown = all.length > 200 ? all.filter((task) => !["done", "waiting"].includes(task.phase)).slice(0, 200) : all;
    const rows = shown.map((task) => [
      h("b", null, task.id), h("a", { href: this.open(task.agent) }, task.agent), pill(task.phase),
      task.error || task.description, task.elapsed_s ? duration(task.elapsed_s) : ""]);
    this.body.replaceChildren(table(["Task", "Agent", "Phase", "What", "Time"], rows, 1, "Tasks"),
      h("p", { class: "soft" }, shown.length < all.length ? `${counted(all.length - shown.length, "task")} more are waiting or done` : ""));
  }
}

// -- time

export class Timeline {
  constructor(base, open) {
    Object.assign(this, { base, open, since: null, until: null, first: 0, told: null });
    this.canvas = h("div", { class: "wide", tabindex: 0, role: "region", "aria-label": "Timeline, scrolls sideways" });
    const button = (text, label, change) => h("button", { type: "button", "aria-label": label, title: label, onclick: () => { change(); this.turn(); } }, text);
    this.pages = h("span", { class: "row" });
    this.legend = h("p", { class: "legend" });
    this.node = section("Timeline",
      h("p", { class: "row tools" },
        button("All", "The whole run", () => { this.since = this.until = null; }),
        button("Last 10 min", "The last ten minutes", () => this.last(600)),
        button("+", "Nearer", () => this.zoom(0.5)), button("−", "Farther", () => this.zoom(2)),
        button("←", "Earlier", () => this.shift(-0.5)), button("→", "Later", () => this.shift(0.5)), this.pages),
      this.canvas, this.legend);
    this.resizing = new ResizeObserver(() => this.draw());
    this.resizing.observe(this.canvas);
  }

  last(seconds) { this.until = null; this.since = this.told ? this.told.ended_s - seconds : null; }

  zoom(by) {
    if (!this.told) return;
    const middle = (this.told.since_s + this.told.until_s) / 2, half = ((this.told.until_s - this.told.since_s) / 2) * by;
    this.since = middle - half;
    this.until = middle + half;
  }

  shift(by) {
    if (!this.told) return;
    const length = this.told.until_s - this.told.since_s;
    this.since = Math.max(this.told.begun_s, Math.min(this.told.since_s + by * length, this.told.ended_s - length));
    this.until = this.since + length;
  }

  turn() { this.load().catch((error) => say(error.message, true)); }

  async load() {
    const query = [["since", this.since], ["until", this.until], ["first", this.first || null]].filter(([, value]) => value !== null);
    this.told = await ask(`${this.base}/timeline?${query.map(([name, value]) => `${name}=${value}`).join("&")}`);
    this.draw();
  }

  draw() {
    const width = Math.max(320, Math.floor(this.canvas.clientWidth) - 2);
    if (!this.told || !this.canvas.isConnected) return;
    this.canvas.replaceChildren(draw.timeline(this.told, width, (agent) => { location.hash = this.open(agent).slice(1); }));
    const { agents, lanes, first } = this.told;
    const turn = (text, to) => h("button", { type: "button", onclick: () => { this.first = to; this.turn(); } }, text);
    this.pages.replaceChildren(...(agents > lanes.length ? [
      h("span", { class: "soft" }, `agents ${first + 1} to ${first + lanes.length} of ${agents}`),
      ...(first ? [turn("Before", Math.max(0, first - lanes.length))] : []),
      ...(first + lanes.length < agents ? [turn("Next", first + lanes.length)] : [])] : []));
    const kinds = [["task", "task"], ["model", "model answers"], ["tool", "tool runs"], ["asking", "waits for a person"], ["void", "does not count any more"]];
    const { ticks, arrows, money } = this.told;
    const marks = [["end", "\u2715", "ended badly", true], ["tick", "\u25be", "checkpoint", ticks.length], ["mail", "\u2312", "mail", arrows.length], ["money", "\u258c", "money", money.length]];
    this.legend.replaceChildren(...kinds.map(([kind, words]) => h("span", null, h("i", { class: kind }), words)),
      ...marks.filter((mark) => mark[3]).map(([kind, glyph, words]) => h("span", null, h("b", { class: kind, "aria-hidden": "true" }, glyph), words)),
      lanes.some((lane) => lane.left_out) ? "Of busy lanes the last part is shown: go nearer." : "");
  }

  end() { this.resizing.disconnect(); }
}

// -- pages

export async function agentPage(base, name, act, canSteer) {
  const told = await ask(`${base}/agents/${name}`), { messages } = await ask(`${base}/messages?agent=${name}`);
  const { agent } = told;
  const facts = [agent.kind, `${counted(told.lives.length, "attempt")}`, `${money(agent.cost_usd)} USD`, `${tokens(agent.tokens)} tokens`, counted(agent.sent, "message") + " sent", ...agent.figures.map(([name, text]) => `${text} ${name}`)];
  const lives = told.lives.map((life) => [life.attempt, life.begun_s === null ? "" : clock(life.begun_s), life.begun_s !== null && life.ended_s !== null ? duration(life.ended_s - life.begun_s) : "",
    `${life.reason || "goes on"}${life.detail ? `: ${life.detail}` : ""}${life.void_above === 0 ? " (does not count)" : ""}`]);
  const changed = told.changed && told.changed.files ? section("Changed files",
    h("p", { class: "soft" }, `+${told.changed.added} −${told.changed.removed} lines on ${told.changed.branch}`), h("ul", { class: "paths", tabindex: 0 }, told.changed.paths.slice(0, 200).map((path) => h("li", null, path)))) : null;
  return h("div", null,
    h("h1", null, agent.name, " ", pill(agent.phase)),
    h("p", { class: "soft" }, facts.join(" · "), agent.role ? h("span", null, ` · ${agent.role}`) : null),
    agent.reason ? h("p", null, agent.reason) : null,
    canSteer ? agentForm(agent, act) : null,
    h("div", { class: "columns reading" },
      h("div", null, section("Conversation", told.left_out ? h("p", { class: "soft" }, "The newest part.") : null, h("ol", { class: "turns" }, told.turns.map(turn)))),
      h("div", null,
        section("Attempts", table(["Attempt", "Begun", "Took", "Ended"], lives, 0, "Attempts")), changed,
        told.kept.length ? section("State", table(["Scope", "Key", "Value", "When"], told.kept.map((one) => [one.scope, h("b", null, one.key), h("code", null, one.value), ago(one.at)]), 0, "State")) : null,
        messages.length ? section("Mail", h("ul", { class: "mail" }, messages.slice(-60).map(mail))) : null,
        told.output.length ? section("Output", h("pre", { class: "output", tabindex: 0 }, told.output.map(([stream, line]) => h("span", { class: stream }, `${line}\n`)))) : null)));
}

function agentForm(agent, act) {
  const text = h("input", { type: "text", placeholder: `a message to ${agent.name}`, "aria-label": `A message to ${agent.name}` });
  const form = h("form", { class: "row", onsubmit: async (event) => { event.preventDefault(); if (text.value && (await act({ act: "send", to: agent.name, text: text.value }, form.querySelector("button")))) text.value = ""; } }, text, h("button", { type: "submit", class: "main" }, "Send"),
    h("button", { type: "button", onclick: (event) => act({ act: "want", want: "pause", agent: agent.name }, event.currentTarget) }, "Pause"),
    h("button", { type: "button", onclick: (event) => act({ act: "want", want: "run", agent: agent.name }, event.currentTarget) }, "Start"));
  return form;
}

function turn(one) {
  const cost = one.cost_usd ? ` · ${money(one.cost_usd)} USD` : "", used = one.tokens ? ` · ${tokens(one.tokens)} tokens` : "";
  const text = one.text.length > 1200 ? h("details", null, h("summary", null, `${one.text.slice(0, 160)}…`), h("div", { class: "text" }, one.text)) : one.text ? h("div", { class: "text" }, one.text) : null;
  return h("li", { class: `turn ${one.kind}${one.is_void ? " void" : ""}` },
    h("p", { class: "soft" }, h("time", null, clock(one.at_s)), ` ${one.head}${cost}${used}`), text,
    one.calls.map((call) => h("details", { class: call.is_error ? "call failed" : "call" },
      h("summary", null, h("b", null, call.name), call.elapsed_s === null ? "" : ` ${duration(call.elapsed_s)}`, call.is_error ? " failed" : "", call.result === null ? " has no result" : "", h("code", null, call.input.slice(0, 120))),
      call.input ? h("pre", { tabindex: 0 }, call.input) : null, call.result ? h("pre", { tabindex: 0 }, call.result) : null)));
}

function mail(message) {
  const said = message.text || JSON.stringify(message.body);
  return h("li", null, h("p", { class: "soft" }, `${message.at.slice(11, 19)} ${message.from} → ${message.to} (${message.type})`), h("div", { class: "text" }, said.slice(0, 2000)));
}

export async function messagesPage(base) {
  const { messages } = await ask(`${base}/messages`);
  return section("Messages", messages.length ? h("ul", { class: "mail" }, messages.map(mail).reverse()) : h("p", { class: "soft" }, "Nobody has written yet."));
}

export async function moneyPage(base) {
  const told = await ask(`${base}/costs`), rows = (part) => told[part].map((row) => [row.name, money(row.cost_usd), tokens(row.tokens), row.calls]);
  const { broken } = told.waste, gone = told.waste.void, words = [], { budget } = told;
  if (budget.max_cost_usd !== null) words.push(`${money(budget.left_usd)} USD of the budget of ${money(budget.max_cost_usd)} USD are left.`);
  if (budget.max_tokens !== null) words.push(`${tokens(budget.left_tokens)} tokens of the budget of ${tokens(budget.max_tokens)} are left.`);
  if (broken.calls) words.push(`${money(broken.cost_usd)} USD of the total went into ${counted(broken.calls, "try")} without a whole answer.`);
  if (gone.calls) words.push(`Beside the total: ${money(gone.cost_usd)} USD in records that do not count any more.`);
  if (told.total.unpriced) words.push(`The price of ${counted(told.total.unpriced, "answer")} is not known.`);
  const { at_end_usd, usd_per_hour, runs_out_in_s } = told.forecast;
  if (usd_per_hour) words.push(`${money(usd_per_hour)} USD an hour so far.`);
  if (at_end_usd) words.push(`If the tasks that are left cost what those that ended did, all come to ${money(at_end_usd)} USD.`);
  if (runs_out_in_s !== null) words.push(`At this rate the budget is used up in ${duration(runs_out_in_s)}.`);
  return h("div", null, h("h1", null, `${money(told.total.cost_usd)} USD, ${tokens(told.total.tokens)} tokens`), words.map((text) => h("p", null, text)),
    h("div", { class: "side" }, [["agents", "Agent"], ["tasks", "Task"], ["models", "Model"], ["days", "Day"]].map(([part, head]) =>
      told[part].length ? section(`By ${head.toLowerCase()}`, table([head, "USD", "Tokens", "Calls"], rows(part), 3)) : null)));
}

export async function cutsPage(base, act, canSteer, word) {
  const { cuts } = await ask(`${base}/cuts`);
  const place = h("div", { class: "compared", "aria-live": "polite" });
  const told = async (title, path, ...more) => {
    place.replaceChildren(h("p", { class: "soft" }, "Reading"));
    try {
      const { lines } = await ask(path);
      const marked = lines.map((line) => h("span", { class: { "+": "plus", "-": "minus" }[line.trim()[0]] }, `${line}\n`));
      place.replaceChildren(section(title, h("pre", { tabindex: 0 }, marked), more));
    } catch (error) {
      place.replaceChildren(h("p", { class: "trouble" }, error.message));
    }
  };
  const other = h("select", { "aria-label": "Compare with" }, h("option", { value: "" }, "now"), cuts.map((cut) => h("option", { value: cut.number }, cut.label)));
  const compare = (cut) => told(`From checkpoint ${cut.label} to ${other.selectedOptions[0].textContent}`, `${base}/cuts/${cut.number}${other.value ? `?with=${other.value}` : ""}`);
  const back = (cut) => {
    const goes = async (event) => {
      if (await act({ act: "rollback", checkpoint: String(cut.number) }, event.currentTarget)) dispatchEvent(new HashChangeEvent("hashchange"));
    };
    const go = h("button", { type: "button", class: "main", onclick: goes }, `Go back to ${cut.label}`);
    return told(`What going back to checkpoint ${cut.label} does`, `${base}/cuts/${cut.number}/back`,
      canSteer ? h("p", { class: "row" }, go, h("span", { class: "soft" }, "Agents are ended in order first; where they stand now is kept, and redo goes there."))
        : h("p", { class: "soft" }, "Type: ", h("code", null, `maos-sup rollback ${word} ${cut.number}`)));
  };
  const button = (text, act) => h("button", { type: "button", onclick: act }, text);
  const rows = cuts.map((cut) => [h("b", null, cut.label), h("span", { class: "row" },
    button("Compare", () => compare(cut)), button("Go back", () => back(cut)),
    canSteer ? button("Fork", (event) => act({ act: "fork", checkpoint: String(cut.number) }, event.currentTarget)) : null),
  ago(cut.at), `${cut.done} of ${cut.tasks}`, cut.why]);
  return h("div", null, section("Checkpoints", cuts.length ? h("p", { class: "row" }, "Compare with ", other) : null,
    cuts.length ? table(["Checkpoint", "", "When", "Tasks done", "Why"], rows, 0, "Checkpoints") : h("p", { class: "soft" }, "No checkpoints yet.")), place);
}
