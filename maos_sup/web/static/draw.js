// The timeline and the graph as SVG, from what the server projected.
import { clock, duration, money, svg } from "/static/parts.js";

const LANE = 26, TOP = 34, MONEY = 46;
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400, 172800, 604800];
const CALM = ["parked", "stopped", "paused", "asking"];
const ORDER = { task: 0, step: 1, model: 1, tool: 2, asking: 3 };
const PLACES = { task: [7, 12], asking: [5, 16] };

const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
const title = (text) => svg("title", null, text);

export function timeline(told, width, open) {
  const label = width < 600 ? 84 : 150, right = 12;
  const bottom = TOP + LANE * told.lanes.length;
  const height = bottom + (told.money.length ? MONEY : 8);
  const span = Math.max(told.until_s - told.since_s, 1e-6);
  const per = (width - label - right) / span;
  const x = (at) => Math.round((label + (Math.min(Math.max(at, told.since_s), told.until_s) - told.since_s) * per) * 10) / 10;
  const wide = (from, to) => Math.max(1.5, x(to === null ? told.until_s : to) - x(from));
  const parts = [];
  const most = Math.max(2, Math.floor((width - label) / 110));
  const step = STEPS.find((one) => span / one <= most) || 604800 * Math.ceil(span / 604800 / most); // clocks may leap by years
  for (let at = (Math.floor(told.since_s / step) + 1) * step; at < told.until_s; at += step) {
    parts.push(svg("line", { x1: x(at), x2: x(at), y1: TOP - 8, y2: bottom, class: "grid" }),
      svg("text", { x: x(at), y: TOP - 14, class: "tick" }, clock(at, step < 60)));
  }
  for (const tick of told.ticks) {
    const at = x(tick.at_s);
    parts.push(svg("path", { d: `M${at - 4} ${TOP - 8}h8l-4 6z`, class: "cut" }, title(`checkpoint ${tick.label}: ${tick.why}`)));
  }
  const rows = new Map();
  told.lanes.forEach((lane, index) => {
    const y = TOP + index * LANE;
    rows.set(lane.agent, y + 13);
    const name = svg("text", { x: 2, y: y + 16, class: `name ${lane.phase}` }, title(lane.agent), cut(lane.agent, width < 600 ? 11 : 20));
    name.addEventListener("click", () => open(lane.agent));
    parts.push(name);
    for (const life of lane.lives) {
      if (life.begun_s === null || (life.ended_s !== null && life.ended_s < told.since_s)) continue;
      const isVoid = life.void_above === 0;
      parts.push(svg("rect", { x: x(life.begun_s), y: y + 4, width: wide(life.begun_s, life.ended_s), height: 18, rx: 3, class: `life${isVoid ? " void" : ""}` },
        title(`attempt ${life.attempt}${life.reason ? `, ${life.reason}` : ""}${isVoid ? " (does not count)" : ""}`)));
      if (life.reason && life.ended_s !== null && !CALM.includes(life.reason)) {
        const at = x(life.ended_s);
        parts.push(svg("path", { d: `M${at - 4} ${y + 9}l8 8m0 -8l-8 8`, class: "end" }, title(`attempt ${life.attempt}: ${life.reason}`)));
      }
    }
    for (const one of [...lane.spans].sort((a, b) => ORDER[a.kind] - ORDER[b.kind])) {
      const [top, size] = PLACES[one.kind] || [10, 6];
      const took = one.end_s === null ? "" : `, ${duration(one.end_s - one.begin_s)}`;
      const cost = one.cost_usd ? `, ${money(one.cost_usd)} USD` : "";
      parts.push(svg("rect", { x: x(one.begin_s), y: y + top, width: wide(one.begin_s, one.end_s), height: size, rx: 2, class: `${one.kind} ${one.state}${one.is_void ? " void" : ""}` },
        title(`${one.kind} ${cut(one.name, 120)}: ${one.state}${took}${cost}`)));
    }
  });
  for (const arrow of told.arrows) {
    const y1 = rows.get(arrow.sender), y2 = rows.get(arrow.to), x1 = x(arrow.sent_s);
    if (y1 === undefined) continue;
    const words = title(`${arrow.type} from ${arrow.sender} to ${arrow.to}: ${cut(arrow.text, 120)}`);
    if (y2 === undefined) {
      parts.push(svg("circle", { cx: x1, cy: y1, r: 3, class: "mail" }, words));
      continue;
    }
    const x2 = x(arrow.read_s === null ? arrow.sent_s : arrow.read_s), bend = Math.max(10, (x2 - x1) / 2);
    parts.push(svg("path", { d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`, class: "mail" }, words),
      svg("circle", { cx: x2, cy: y2, r: 2, class: "mail" }));
  }
  if (told.money.length) {
    const most = Math.max(...told.money), each = (width - label - right) / told.money.length;
    parts.push(svg("text", { x: 2, y: bottom + MONEY - 8, class: "tick left" }, "money"));
    told.money.forEach((usd, index) => {
      if (!usd) return;
      const size = Math.max(1.5, (usd / most) * (MONEY - 12));
      parts.push(svg("rect", { x: label + index * each, y: bottom + MONEY - 4 - size, width: Math.max(1, each - 1), height: size, class: "money" }, title(`${money(usd)} USD`)));
    });
  }
  return svg("svg", { class: "timeline", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": `Timeline of ${told.lanes.length} agents` }, parts);
}

const W = 168, H = 40, GX = 44, GY = 12;

export function graph(told) {
  const width = Math.max(1, told.columns * (W + GX) - GX + 8), height = Math.max(1, told.rows * (H + GY) - GY + 8);
  const places = new Map(told.nodes.map((node) => [node.id, [4 + node.column * (W + GX), 4 + node.row * (H + GY)]]));
  const edges = told.edges.slice(0, 1500).map(([from, to]) => {
    const [a, b] = [places.get(from), places.get(to)];
    const x1 = a[0] + W, y1 = a[1] + H / 2, x2 = b[0], y2 = b[1] + H / 2, bend = Math.max(20, (x2 - x1) / 2);
    return svg("path", { d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`, class: "edge" });
  });
  const nodes = told.nodes.map((node) => {
    const [x, y] = places.get(node.id);
    const words = node.count > 1 ? Object.entries(node.phases).map(([phase, n]) => `${n} ${phase}`).join(", ") : node.phase;
    const share = `${Math.round(node.time_share * 100)} %`;
    const cost = node.cost_usd ? `, ${Math.round(node.cost_share * 100)} % of the money` : "";
    return svg("g", null, title(`${node.label} (${node.agent || "several agents"}): ${words}; ${share} of the time${cost}`),
      svg("rect", { x, y, width: W, height: H, rx: 6, class: `node ${node.phase}` }),
      svg("rect", { x, y, width: 4, height: H, rx: 2, class: `phase ${node.phase}` }),
      svg("text", { x: x + 14, y: y + 17, class: "label" }, cut(node.label, 22)),
      svg("text", { x: x + 14, y: y + 32, class: "tick left" }, cut(node.elapsed_s ? `${words} · ${share}${node.cost_usd ? ` · ${money(node.cost_usd)} USD` : ""}` : words, 27)));
  });
  return svg("svg", { class: "graph", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": `Graph of ${told.nodes.length} tasks` }, edges, nodes);
}
