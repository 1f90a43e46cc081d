import { byId, explain, isAway, make, percent, sentence, signIn, signOut, trouble, untilThere } from "./pages.js";

const DECISIONS = { execute: "started", confirm: "asked to confirm", clarify: "offered a choice", handoff: "handed to a person", out_of_scope: "out of scope" };
const QUALITY = { test: ["Test, in scope", "on the test set, before release"],
  in_scope: ["In scope", "production, messages in scope: is the best intent right?"],
  all_messages: ["All messages", "production: what is out of scope is right if nothing was started, and what is in scope if it was not turned away"],
  audit: ["Labels alone, in scope", "on labelled messages, without what the model guesses"] };
const LIKE_THE_TEST = ["in_scope", "audit"]; // the others are shares of something else
let client;

async function begin() {
  client = await signIn("agent", byId("sign-in"));
  byId("days").addEventListener("change", load);
  byId("refresh").addEventListener("click", load);
  await load();
}

let turn = 0;
async function load() {
  const mine = ++turn;
  byId("board").setAttribute("aria-busy", "true");
  try {
    const told = await untilThere(() => client.monitor(Number(byId("days").value)));
    if (mine === turn) show(told);
  } catch (error) {
    if (error.status === 401) return signOut("agent", "Your sign-in is not valid, or its time is up.");
    if (error.status === 403) return signOut("agent", "That sign-in is not an agent's.");
    trouble(isAway(error) ? `${explain(error)} Trying again …` : explain(error));
  } finally {
    byId("board").removeAttribute("aria-busy");
  }
}

const sum = (days, what) => days.reduce((total, day) => total + (what(day) ?? 0), 0);
const three = (value) => (value == null ? "–" : value.toFixed(3));
const many = (count) => count.toLocaleString("en");
const dayName = (day) => new Date(`${day}T12:00:00Z`).toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });

/** The days in a row, also those on which nobody wrote. */
function everyDay(days) {
  const told = new Map(days.map((day) => [day.day, day])), names = [...told.keys()].sort(), row = [];
  for (let at = Date.parse(names[0]); at <= Date.parse(names.at(-1)); at += 864e5) {
    const day = new Date(at).toISOString().slice(0, 10);
    row.push(told.get(day) ?? { day, messages: 0, decisions: {}, confidence: null, useful: 0, useless: 0, handoffs: 0 });
  }
  return row;
}

function show({ days: told, drift, quality, labels, alerts, model, since, promise = {} }) {
  const days = everyDay(told);
  byId("board").hidden = false;
  byId("alerts").className = `banner ${alerts.length ? "fail" : "pass"}`;
  byId("alerts").replaceChildren(make("strong", {}, alerts.length ? (alerts.length === 1 ? "One thing needs a look" : `${alerts.length} things need a look`) : "Nothing is out of bounds"),
    ...(alerts.length ? [make("ul", {}, ...alerts.map((words) => make("li", {}, sentence(words))))] : []));
  byId("model").textContent = `Model ${model}; figures since ${new Date(1000 * since).toLocaleDateString("en-GB", { dateStyle: "medium" })}${promise.state === "holds" ? `. ${sentence(promise.words)}` : ""}`;
  const messages = sum(days, (day) => day.messages), useful = sum(days, (day) => day.useful), useless = sum(days, (day) => day.useless);
  const confidence = messages ? sum(days, (day) => (day.confidence ?? 0) * day.messages) / messages : null;
  byId("sums").replaceChildren(...Object.entries({ Messages: many(messages), "Chats with a person": many(sum(days, (day) => day.handoffs)),
    "Mean confidence": confidence == null ? "–" : confidence.toFixed(2), "Found helpful": useful + useless ? percent(useful / (useful + useless)) : "–" })
    .map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
  put("quality", showQuality(quality));
  byId("labels").replaceChildren(...(labels?.words ?? []).map((said) => make("li", {}, sentence(said))));
  const nothing = () => make("p", { class: "soft" }, "No messages in these days.");
  put("traffic", messages ? showTraffic(days, messages) : nothing());
  put("confidence", messages ? showConfidence(days, confidence) : nothing());
  put("feedback", useful + useless ? showFeedback(days, useful, useless) : make("p", { class: "soft" }, "Nobody has said so in these days."));
  put("drift", drift.length ? showDrift(drift) : make("p", { class: "soft" }, "Not measured yet: too few messages."));
}

const put = (id, node) => byId(id).replaceChildren(node);

/** An element of a picture. */
function draw(name, fields = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(fields)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

/** A picture that is drawn anew for the width it has, with its sentence, its legend and its table. */
function picture(words, height, paint, { legend, table }) {
  const place = make("div", { class: "drawing" });
  let drawn = 0;
  new ResizeObserver(([{ contentRect }]) => {
    const width = Math.floor(contentRect.width);
    if (!width || width === drawn) return;
    drawn = width;
    place.replaceChildren(draw("svg", { role: "img", "aria-label": words, width, height, viewBox: `0 0 ${width} ${height}` }, ...paint(width)));
  }).observe(place);
  return make("figure", {}, make("figcaption", {}, words), legend && make("ul", { class: "legend" }, ...legend.map(([kind, words]) => make("li", {}, make("i", { class: kind }), words))),
    place, make("details", {}, make("summary", {}, "The numbers"), table));
}

function tableOf(caption, heads, rows) {
  const cell = (value, at) => (at ? make("td", { class: "number" }, value) : make("th", { scope: "row" }, value));
  return make("div", { class: "wide", tabindex: "0", role: "region", "aria-label": caption }, make("table", {}, make("caption", {}, caption),
    make("thead", {}, make("tr", {}, ...heads.map((head, at) => make("th", { scope: "col", class: at ? "number" : null }, head)))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((value, at) => cell(String(value), at)))))));
}

const LEFT = 40, FOOT = 24, HEAD = 10;

/** The frame of a picture by day: where a day and a value go, the lines and the names of some days. */
function frame(days, width, height, top, name) {
  const step = (width - LEFT) / days.length, y = (value) => HEAD + (height - HEAD - FOOT) * (1 - value / top);
  const parts = [0, 0.5, 1].flatMap((share) => [draw("line", { class: share ? "grid" : "axis", x1: LEFT, x2: width, y1: y(share * top), y2: y(share * top) }),
    draw("text", { x: LEFT - 8, y: y(share * top) + 4, "text-anchor": "end" }, name(share * top))]);
  const every = Math.ceil(days.length / Math.max(1, Math.floor((width - LEFT) / 64)));
  days.forEach((day, at) => {
    if ((days.length - 1 - at) % every === 0 && LEFT + (at + 0.5) * step > LEFT + 18) parts.push(draw("text", { x: Math.min(LEFT + (at + 0.5) * step, width - 20), y: height - 6, "text-anchor": "middle" }, dayName(day.day)));
  });
  return { step, y, parts };
}

const roundUp = (value) => {
  const unit = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 2, 4, 6, 8, 10].map((times) => times * unit).find((limit) => limit >= value && limit >= 2);
};

function stacks(days, kinds, value) {
  const top = roundUp(Math.max(...days.map((day) => kinds.reduce((total, kind) => total + value(day, kind), 0))));
  return (width) => {
    const { step, y, parts } = frame(days, width, 220, top, (count) => many(count));
    const wide = Math.min(step * 0.76, 56);
    days.forEach((day, at) => {
      let below = 0;
      for (const kind of kinds) {
        const count = value(day, kind), high = y(below) - y(below + count);
        if (count) parts.push(draw("rect", { class: kind, x: LEFT + (at + 0.5) * step - wide / 2, width: wide, y: y(below + count), height: Math.max(high - (high > 3 ? 1 : 0), 0.5) },
          draw("title", {}, `${dayName(day.day)}: ${count} ${DECISIONS[kind] ?? kind}`)));
        below += count;
      }
    });
    return parts;
  };
}

function showTraffic(days, messages) {
  const kinds = Object.keys(DECISIONS), totals = kinds.map((kind) => sum(days, (day) => day.decisions[kind]));
  const busiest = days.reduce((best, day) => (day.messages > best.messages ? day : best));
  return picture(`${many(messages)} messages in ${days.length === 1 ? "one day" : `${days.length} days`}: ${kinds.map((kind, at) => `${percent(totals[at] / messages)} ${DECISIONS[kind]}`).join(", ")}. Most on ${dayName(busiest.day)} (${busiest.messages}).`,
    220, stacks(days, kinds, (day, kind) => day.decisions[kind] ?? 0), { legend: kinds.map((kind) => [kind, DECISIONS[kind]]),
      table: tableOf("Messages by day and decision", ["day", "messages", ...Object.values(DECISIONS), "chats with a person"],
        days.map((day) => [day.day, day.messages, ...kinds.map((kind) => day.decisions[kind] ?? 0), day.handoffs])) });
}

function showConfidence(days, mean) {
  const known = days.filter((day) => day.messages && day.confidence != null), low = known.reduce((least, day) => (day.confidence < least.confidence ? day : least), known[0]);
  const words = known.length ? `The mean confidence was ${mean.toFixed(2)}${known.length > 1 ? `; it was lowest on ${dayName(low.day)} (${low.confidence.toFixed(2)})` : ""}.` : "No confidence was measured.";
  return picture(words, 200, (width) => {
    const { step, y, parts } = frame(days, width, 200, 1, (value) => value.toFixed(1));
    let path = "", joined = false;
    days.forEach((day, at) => {
      const there = day.messages && day.confidence != null, x = LEFT + (at + 0.5) * step;
      if (there) path += `${joined ? "L" : "M"}${x.toFixed(1)} ${y(day.confidence).toFixed(1)}`;
      if (there) parts.push(draw("circle", { class: "dot", cx: x, cy: y(day.confidence), r: 3 }, draw("title", {}, `${dayName(day.day)}: ${day.confidence.toFixed(2)}`)));
      joined = Boolean(there);
    });
    return [...parts, draw("path", { class: "curve", d: path })];
  }, { table: tableOf("Mean confidence by day", ["day", "confidence", "messages"], days.map((day) => [day.day, day.confidence == null ? "–" : day.confidence.toFixed(2), day.messages])) });
}

function showFeedback(days, useful, useless) {
  return picture(`${many(useful)} of ${many(useful + useless)} answers that people judged were helpful (${percent(useful / (useful + useless))}).`, 220,
    stacks(days, ["useful", "useless"], (day, kind) => day[kind] ?? 0), { legend: [["useful", "helpful"], ["useless", "not helpful"]],
      table: tableOf("Feedback by day", ["day", "helpful", "not helpful"], days.map((day) => [day.day, day.useful, day.useless])) });
}

function showQuality(quality) {
  const rows = Object.entries(QUALITY).map(([key, names]) => ({ key, names, score: quality[key] }));
  const known = rows.filter(({ score }) => score?.value != null);
  if (!known.length) return make("p", { class: "soft" }, "Not measured yet.");
  const start = Math.max(0, Math.floor(10 * (Math.min(...known.map(({ score }) => score.low)) - 0.05)) / 10), high = 46 * rows.length + 28;
  const words = (score) => `${three(score.value)} (95 % ${three(score.low)} to ${three(score.high)}, n=${many(score.n)})`;
  const test = quality.test, worse = test ? known.filter(({ key, score }) => LIKE_THE_TEST.includes(key) && score.high < test.low).map(({ names }) => names[0].toLowerCase()) : [];
  return picture(`Accuracy. ${known.map(({ names, score }) => `${names[0]}: ${words(score)}`).join("; ")}. ${
    worse.length ? `Surely below the test: ${worse.join(" and ")}.` : test && known.some(({ key }) => LIKE_THE_TEST.includes(key)) ? "No interval in scope lies wholly below that of the test." : "There is nothing to compare it with yet."}`, high, (width) => {
    const x = (value) => 8 + (width - 16) * (value - start) / (1 - start), parts = [];
    if (test) parts.push(draw("rect", { class: "reference", x: x(test.low), width: Math.max(1, x(test.high) - x(test.low)), y: 0, height: high - 22 }));
    for (let tick = Math.round(10 * start); tick <= 10; tick += 1) parts.push(draw("line", { class: "grid", x1: x(tick / 10), x2: x(tick / 10), y1: 0, y2: high - 22 }),
      draw("text", { x: x(tick / 10), y: high - 6, "text-anchor": "middle" }, (tick / 10).toFixed(1)));
    rows.forEach(({ names, score }, at) => {
      const y = 46 * at + 34;
      parts.push(draw("text", { class: "strong", x: 8, y: y - 16 }, score ? `${names[0]} ${three(score.value)}` : `${names[0]}: not measured yet`));
      if (score) parts.push(draw("line", { class: "whisker", x1: x(score.low), x2: x(score.high), y1: y, y2: y }), draw("circle", { class: "dot", cx: x(score.value), cy: y, r: 6 }, draw("title", {}, words(score))));
    });
    return parts;
  }, { table: tableOf("Accuracy, with 95 % intervals", ["measured", "value", "from", "to", "n"], rows.map(({ names, score }) => [`${names[0]}: ${names[1]}`,
    three(score?.value), three(score?.low), three(score?.high), score ? many(score.n) : "–"])) });
}

function showDrift(drift) {
  const alarms = drift.filter((one) => one.alarm), mark = 90; // each is drawn against its own limit
  const bar = ({ value, limit, alarm }) => draw("svg", { viewBox: "0 0 144 20", "aria-hidden": "true" }, draw("rect", { class: "track", x: 0.5, y: 4.5, width: 143, height: 11, rx: 3 }),
    draw("rect", { class: alarm ? "bar alarm" : "bar", x: 0, y: 4, width: limit ? Math.min(144, Math.max(2, mark * (value ?? 0) / limit)) : 0, height: 12, rx: 3 }),
    draw("line", { class: "limit", x1: mark, x2: mark, y1: 0, y2: 20 }));
  const two = (value) => (value == null ? "–" : value.toFixed(2));
  const heads = [["what", ""], ["distance and limit", ""], ["value", "number"], ["limit", "number"], ["verdict", ""], ["what changed most", ""]];
  return make("div", {}, make("p", {}, alarms.length ? `${sentence(alarms.map((one) => one.name).join(" and "))} moved further than ${alarms.length === 1 ? "its limit" : "their limits"}.` : `None of ${drift.length} distances is above its limit.`),
    make("div", { class: "wide drift", tabindex: "0", role: "region", "aria-label": "Drift" }, make("table", {},
      make("caption", {}, "How far the messages of these days are from those the model was trained on; the mark is the limit"),
      make("thead", {}, make("tr", {}, ...heads.map(([head, kind]) => make("th", { scope: "col", class: kind || null }, head)))),
      make("tbody", {}, ...drift.map((one) => make("tr", {}, make("th", { scope: "row" }, one.name), make("td", { class: "amount" }, bar(one)), make("td", { class: "number" }, two(one.value)),
        make("td", { class: "number" }, two(one.limit)), make("td", { class: `verdict ${one.alarm ? "fail" : "pass"}` }, one.alarm ? "✕ too far" : "✓ within"),
        make("td", { class: "worst" }, one.worst.length ? make("ul", { class: "plain" }, ...one.worst.map((words) => make("li", {}, words))) : "–")))))));
}

begin();
