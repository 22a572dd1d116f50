// The page: which orchestration, which view, one stream of changes, and acts.
import { ago, ask, counted, h, money, pill, say, section, table, tokens } from "/static/parts.js";
import { Board, Tasks, Timeline, Wants, agentPage, cutsPage, messagesPage, moneyPage } from "/static/views.js";
import { follow } from "/static/stream.js";
import * as draw from "/static/draw.js";

const main = document.getElementById("main"), top = document.getElementById("top");
const AGAIN_MS = 5000; // what fails is asked for again
const FOCUSED = "a, button, input, select, summary, [tabindex]";
let session = { steer: false }, leave = () => {}, turn = 0;

const lostWords = (trouble) => trouble.status === 401
  ? "This page is not let in any more: its server was started again, or many others came in. Press Enter where it runs, or type maos-sup ui, and open the address that it prints."
  : trouble.status ? trouble.message : "The server does not answer; trying again. If it was ended: type maos-sup ui, and open the address that it prints.";

function route() {
  const [, kind, key, view, name] = location.hash.slice(1).split("/");
  const mine = ++turn;
  leave();
  leave = () => {};
  const trouble = (error) => {
    if (mine !== turn) return;
    main.replaceChildren(h("p", { class: "trouble", role: "alert" }, lostWords(error)));
    const again = setTimeout(route, AGAIN_MS);
    leave = () => clearTimeout(again);
  };
  if (kind !== "t") return home(mine).catch(trouble);
  return orchestration(key, view || "overview", name, mine).catch(trouble);
}

async function home(mine) {
  const { trees } = await (home.asked || ask("/api/trees"));
  home.asked = null;
  if (mine !== turn) return;
  if (trees.length === 1 && !route.seen) {
    route.seen = true;
    history.replaceState(null, "", `#/t/${trees[0].key}`);
    return route();
  }
  document.title = "maos-sup";
  top.replaceChildren(h("p", { class: "brand" }, "maos-sup"));
  const rows = trees.map((tree) => [h("a", { href: `#/t/${tree.key}` }, tree.id), pill(tree.phase), tree.wants ? h("b", { class: "count" }, tree.wants) : "",
    tree.request, tree.tasks === undefined ? "" : `${tree.done} of ${tree.tasks}`, tree.created_at ? ago(tree.created_at) : "", tree.cost_usd ? money(tree.cost_usd) : ""]);
  main.replaceChildren(h("h1", null, "Orchestrations"), rows.length ? table(["Orchestration", "Phase", "Wants you", "Request", "Done", "Begun", "USD"], rows, 1, "Orchestrations") : h("p", { class: "soft" }, "There is none yet."));
  const again = setTimeout(route, AGAIN_MS);
  leave = () => clearTimeout(again);
}

async function orchestration(key, view, name, mine) {
  const base = `/api/t/${key}`, here = `#/t/${key}`;
  const open = (agent) => `${here}/agents/${agent}`;
  const act = async (fields, button) => {
    if (button) button.disabled = true;
    try {
      say((await ask(`${base}/act`, fields)).done);
      soon();
      return true;
    } catch (error) {
      say(error.message, true);
      return false;
    } finally {
      if (button) button.disabled = false;
    }
  };
  const bar = new Bar(here, view, act), wants = new Wants(act, session.steer);
  top.replaceChildren(bar.node);
  const content = h("div");
  main.replaceChildren(wants.node, content);
  const parts = view === "overview" ? overview(base, open, act, content) : { take() {}, end() {} };
  const pages = {
    agents: () => agentPage(base, name, act, session.steer),
    messages: () => messagesPage(base),
    cuts: () => cutsPage(base, act, session.steer, bar.word()),
    money: () => moneyPage(base),
  };
  const isTaken = () => { // nothing is taken from under somebody's hands, or from what they read
    const here = document.activeElement, choice = content.querySelector("select");
    return (content.contains(here) && here.matches("input")) || (choice && choice.value) || content.querySelector(".compared > *");
  };
  const refresh = async () => {
    if (!pages[view] || isTaken()) return;
    const page = await pages[view]();
    if (mine !== turn || isTaken()) return;
    const opened = [...content.querySelectorAll("details")].map((one) => one.open), focused = [...content.querySelectorAll(FOCUSED)].indexOf(document.activeElement);
    content.replaceChildren(page);
    [...content.querySelectorAll("details")].forEach((one, index) => { one.open = Boolean(opened[index]); });
    if (focused >= 0) [...content.querySelectorAll(FOCUSED)].at(focused)?.focus({ preventScroll: true });
  };
  let due = null;
  const soon = (after = 1500) => { if (due === null && mine === turn) due = setTimeout(again, after); };
  const again = async () => {
    due = null;
    try {
      await refresh();
    } catch (error) {
      if (mine !== turn) return;
      if (content.querySelector("section, h1")) say(lostWords(error), true);
      else content.replaceChildren(h("p", { class: "trouble" }, lostWords(error)));
      soon(AGAIN_MS);
    }
  };
  const stop = follow(base, (event, told) => {
    if (mine !== turn) return;
    if (event === "trouble") return bar.lost({ status: 409, message: told.error });
    bar.found();
    if (told.head) { bar.show(told.head); wants.show(told.head.wants); }
    parts.take(told);
    soon();
  }, (trouble) => mine === turn && bar.lost(trouble));
  leave = () => { stop(); clearTimeout(due); parts.end(); };
  await again();
}

function overview(base, open, act, content) {
  const board = new Board(open), tasks = new Tasks(act, session.steer, open), time = new Timeline(base, open);
  const graph = h("div", { class: "wide", tabindex: 0, role: "region", "aria-label": "Graph, scrolls sideways" });
  const graphs = section("Graph of tasks", graph);
  content.replaceChildren(h("div", { class: "columns" }, board.node, h("div", null, time.node, graphs, tasks.node)));
  const show = (told) => {
    graphs.hidden = !told.nodes.length;
    graph.replaceChildren(draw.graph(told));
  };
  let due = null, last = 0;
  const redraw = async () => {
    due = null;
    last = Date.now();
    if (document.hidden) return;
    try {
      await time.load();
      if (!graph.firstChild) show(await ask(`${base}/graph?money=no`)); // adding it up takes longer, of a large run
      show(await ask(`${base}/graph`));
    } catch (error) {
      say(error.message, true);
    }
  };
  const soon = () => { if (due === null) due = setTimeout(redraw, Math.max(0, 1000 - (Date.now() - last))); };
  const shown = () => soon();
  document.addEventListener("visibilitychange", shown);
  soon(); // the timeline is asked for beside the board, not after it
  return {
    take(told) {
      const gone = (part) => (told.gone || []).filter(([one]) => one === part).map(([, name]) => name);
      board.take(told.agents || [], gone("agents"), told.whole);
      if (told.tasks || told.gone || told.whole) tasks.take(told.tasks || [], gone("tasks"), told.whole);
      soon();
    },
    end() { clearTimeout(due); time.end(); document.removeEventListener("visibilitychange", shown); },
  };
}

class Bar {
  constructor(here, view, act) {
    Object.assign(this, { here, head: null });
    this.request = h("p", { class: "request" });
    this.figures = h("p", { class: "soft figures" });
    this.phase = h("span");
    this.id = h("b");
    this.missing = h("p", { class: "trouble", role: "alert", hidden: true });
    const button = (text, fields) => h("button", { type: "button", onclick: (event) => act(fields, event.currentTarget) }, text);
    this.acts = session.steer ? h("p", { class: "row" }, button("Pause", { act: "want", want: "pause" }), button("Start", { act: "want", want: "run" }), button("Checkpoint", { act: "checkpoint" })) : null;
    const link = (name, text) => h("a", { href: name === "overview" ? here : `${here}/${name}`, "aria-current": view === name ? "page" : null }, text);
    this.node = h("div", { class: "bar" },
      h("p", { class: "brand" }, h("a", { href: "#/" }, "maos-sup"), h("span", { class: "soft" }, " / "), this.id, " ", this.phase),
      this.missing, this.request, this.figures, this.acts,
      h("nav", { "aria-label": "Views" }, link("overview", "Overview"), link("messages", "Messages"), link("money", "Money"), link("cuts", "Checkpoints")));
  }

  word() { return this.head ? this.head.id : "DIR"; }

  show(head) {
    this.head = head;
    const { counts, budget } = head;
    const cost = budget.max_cost_usd === null ? `${money(counts.cost_usd)} USD` : `${money(counts.cost_usd)} of ${money(budget.max_cost_usd)} USD`;
    this.id.textContent = head.id;
    this.phase.replaceChildren(pill(head.phase), head.want === "run" ? "" : ` wanted: ${head.want}`);
    this.request.textContent = head.request;
    this.request.title = head.request;
    this.figures.textContent = [`${counts.tasks - counts.tasks_left} of ${counted(counts.tasks, "task")} ended`, `${counts.alive} of ${counted(counts.agents, "agent")} alive`, counted(counts.messages, "message"),
      counts.cost_usd || budget.max_cost_usd !== null ? cost : "", counts.tokens ? `${tokens(counts.tokens)} tokens` : "", head.supervisor ? "" : "no supervisor"].filter(Boolean).join(" · ");
    document.title = `${head.wants.length ? `(${head.wants.length}) ` : ""}${head.phase} ${head.id}`;
  }

  lost(trouble) {
    const words = lostWords(trouble);
    if (this.missing.textContent !== words) this.missing.textContent = words; // said once to who listens
    this.missing.hidden = false;
  }

  found() { this.missing.hidden = true; }
}

async function begin() {
  if (!location.hash.startsWith("#/t/")) {
    home.asked = ask("/api/trees"); // beside the session, not after it
    home.asked.catch(() => {});
  }
  try {
    session = await ask("/api/session");
  } catch (error) {
    main.replaceChildren(h("p", { class: "trouble" }, lostWords(error)));
    setTimeout(begin, AGAIN_MS);
    return;
  }
  addEventListener("hashchange", () => { route(); main.focus({ preventScroll: true }); });
  route();
}

begin();
