import { byId, explain, fixed, influenceWords, isAway, make, many, percent, promiseWords, sentence, signIn, signOut, standingWords, trouble, untilThere } from "./pages.js";
import { hasText, locale, t } from "./texts.js";

const KINDS = ["execute", "confirm", "clarify", "handoff", "out_of_scope"], QUALITY = ["test", "in_scope", "all_messages", "audit"];
const decisionName = (kind) => t(`decision.${kind}`);
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
    if (error.status === 401) return signOut("agent", t("sign.invalid"));
    if (error.status === 403) return signOut("agent", t("sign.no_agent"));
    trouble(isAway(error) ? `${explain(error)} ${t("trouble.again")}` : explain(error));
  } finally {
    byId("board").removeAttribute("aria-busy");
  }
}

const sum = (days, what) => days.reduce((total, day) => total + (what(day) ?? 0), 0);
const three = (value) => (value == null ? "–" : fixed(value, 3));
const dayName = (day) => new Date(`${day}T12:00:00Z`).toLocaleDateString(locale, { day: "numeric", month: "short", timeZone: "UTC" });

/** The days in a row, also those on which nobody wrote. */
function everyDay(days) {
  const told = new Map(days.map((day) => [day.day, day])), names = [...told.keys()].sort(), row = [];
  for (let at = Date.parse(names[0]); at <= Date.parse(names.at(-1)); at += 864e5) {
    const day = new Date(at).toISOString().slice(0, 10);
    row.push(told.get(day) ?? { day, messages: 0, decisions: {}, confidence: null, useful: 0, useless: 0, handoffs: 0 });
  }
  return row;
}

const featureName = (name) => (hasText(`feature.${name.replaceAll(" ", "_")}`) ? t(`feature.${name.replaceAll(" ", "_")}`) : name);

/** A value of a feature; the bands of lengths and confidences have words. */
function valueName(value) {
  const [, first, low, high] = /^(?:(from|over) )?([\d.]+)(?: to ([\d.]+))?$/.exec(value) ?? [];
  if (value === "none") return t("band.none");
  return first ? t(`band.${first}`, { low: many(Number(low)) }) : high ? t("band.to", { low, high }) : value;
}

const movedWords = ({ value, before, now }) => `${valueName(value)}: ${percent(before)} → ${percent(now)}`;

/** What needs a look, in a sentence; what only the service can name, in its words. */
function alertWords({ code, fields }, words, promise, labels) {
  if (code === "promise_not_held" && promise.reason) return promiseWords(promise);
  if (code === "influence") return influenceWords(labels.influence);
  if (code === "drift") return t("alert.drift", { name: featureName(fields.name), moved: fields.moved.map(movedWords).join(", ") });
  const shares = ["share", "limit", "value", "high", "test"].filter((name) => name in fields).map((name) => [name, percent(fields[name])]);
  return hasText(`alert.${code}`) ? t(`alert.${code}`, { ...fields, ...Object.fromEntries(shares) }) : t("alert.service", { words });
}

function show({ days: told, drift, quality, labels, alerts, alert_facts: facts, model, since, promise = {} }) {
  const days = everyDay(told);
  byId("board").hidden = false;
  byId("alerts").className = `banner ${alerts.length ? "fail" : "pass"}`;
  byId("alerts").replaceChildren(make("strong", {}, alerts.length ? t(alerts.length === 1 ? "monitor.one_alert" : "monitor.alerts", { count: alerts.length }) : t("monitor.fine")),
    ...(alerts.length ? [make("ul", {}, ...alerts.map((words, at) => make("li", {}, sentence(alertWords(facts[at], words, promise, labels)))))] : []));
  byId("model").textContent = [t("monitor.model", { model, day: new Date(1000 * since).toLocaleDateString(locale, { dateStyle: "medium" }) }), promise.state === "holds" && sentence(promiseWords(promise))].filter(Boolean).join(". ");
  const messages = sum(days, (day) => day.messages), useful = sum(days, (day) => day.useful), useless = sum(days, (day) => day.useless);
  const confidence = messages ? sum(days, (day) => (day.confidence ?? 0) * day.messages) / messages : null;
  byId("sums").replaceChildren(...[[t("monitor.messages"), many(messages)], [t("monitor.chats"), many(sum(days, (day) => day.handoffs))],
    [t("monitor.mean"), confidence == null ? "–" : fixed(confidence, 2)], [t("monitor.helpful"), useful + useless ? percent(useful / (useful + useless)) : "–"]]
    .map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
  put("quality", showQuality(quality));
  byId("labels").replaceChildren(...standingWords(labels).map((said) => make("li", {}, said)));
  const nothing = () => make("p", { class: "soft" }, t("monitor.no_messages"));
  put("traffic", messages ? showTraffic(days, messages) : nothing());
  put("confidence", messages ? showConfidence(days, confidence) : nothing());
  put("feedback", useful + useless ? showFeedback(days, useful, useless) : make("p", { class: "soft" }, t("monitor.no_feedback")));
  put("drift", drift.length ? showDrift(drift) : make("p", { class: "soft" }, t("monitor.few")));
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
    place, make("details", {}, make("summary", {}, t("monitor.numbers")), table));
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

const kindName = (kind) => (KINDS.includes(kind) ? decisionName(kind) : t(kind === "useful" ? "monitor.useful" : "monitor.useless"));

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
          draw("title", {}, `${dayName(day.day)}: ${count} ${kindName(kind)}`)));
        below += count;
      }
    });
    return parts;
  };
}

function showTraffic(days, messages) {
  const totals = KINDS.map((kind) => sum(days, (day) => day.decisions[kind]));
  const busiest = days.reduce((best, day) => (day.messages > best.messages ? day : best));
  const said = { messages: many(messages), days: days.length === 1 ? t("monitor.one_day") : t("monitor.some_days", { count: days.length }),
    parts: KINDS.map((kind, at) => `${percent(totals[at] / messages)} ${decisionName(kind)}`).join(", "), day: dayName(busiest.day), count: many(busiest.messages) };
  return picture(t("monitor.traffic_said", said), 220, stacks(days, KINDS, (day, kind) => day.decisions[kind] ?? 0), { legend: KINDS.map((kind) => [kind, decisionName(kind)]),
    table: tableOf(t("monitor.traffic_table"), [t("monitor.day"), t("monitor.count"), ...KINDS.map(decisionName), t("monitor.persons")],
      days.map((day) => [day.day, day.messages, ...KINDS.map((kind) => day.decisions[kind] ?? 0), day.handoffs])) });
}

function showConfidence(days, mean) {
  const known = days.filter((day) => day.messages && day.confidence != null), low = known.reduce((least, day) => (day.confidence < least.confidence ? day : least), known[0]);
  const words = !known.length ? t("monitor.no_confidence")
    : known.length === 1 ? t("monitor.mean_said", { mean: fixed(mean, 2) })
      : t("monitor.mean_low", { mean: fixed(mean, 2), day: dayName(low.day), low: fixed(low.confidence, 2) });
  return picture(words, 200, (width) => {
    const { step, y, parts } = frame(days, width, 200, 1, (value) => fixed(value, 1));
    let path = "", joined = false;
    days.forEach((day, at) => {
      const there = day.messages && day.confidence != null, x = LEFT + (at + 0.5) * step;
      if (there) path += `${joined ? "L" : "M"}${x.toFixed(1)} ${y(day.confidence).toFixed(1)}`;
      if (there) parts.push(draw("circle", { class: "dot", cx: x, cy: y(day.confidence), r: 3 }, draw("title", {}, `${dayName(day.day)}: ${fixed(day.confidence, 2)}`)));
      joined = Boolean(there);
    });
    return [...parts, draw("path", { class: "curve", d: path })];
  }, { table: tableOf(t("monitor.confidence_table"), [t("monitor.day"), t("monitor.sure"), t("monitor.count")],
    days.map((day) => [day.day, day.confidence == null ? "–" : fixed(day.confidence, 2), day.messages])) });
}

function showFeedback(days, useful, useless) {
  return picture(t("monitor.feedback_said", { useful: many(useful), all: many(useful + useless), share: percent(useful / (useful + useless)) }), 220,
    stacks(days, ["useful", "useless"], (day, kind) => day[kind] ?? 0), { legend: [["useful", t("monitor.useful")], ["useless", t("monitor.useless")]],
      table: tableOf(t("monitor.feedback_table"), [t("monitor.day"), t("monitor.useful"), t("monitor.useless")], days.map((day) => [day.day, day.useful, day.useless])) });
}

/** Names in a row, "and" before the last. */
const listed = (names) => (names.length < 2 ? names.join("") : t("monitor.and", { first: names.slice(0, -1).join(", "), last: names.at(-1) }));

function showQuality(quality) {
  const rows = QUALITY.map((key) => ({ key, name: t(`quality.${key}`), score: quality[key] }));
  const known = rows.filter(({ score }) => score?.value != null);
  if (!known.length) return make("p", { class: "soft" }, t("monitor.unmeasured"));
  const start = Math.max(0, Math.floor(10 * (Math.min(...known.map(({ score }) => score.low)) - 0.05)) / 10), high = 46 * rows.length + 28;
  const words = (score) => t("monitor.score", { value: three(score.value), low: three(score.low), high: three(score.high), n: many(score.n) });
  const test = quality.test, worse = test ? known.filter(({ key, score }) => LIKE_THE_TEST.includes(key) && score.high < test.low).map(({ name }) => name) : [];
  const beside = worse.length ? t("monitor.below", { names: listed(worse) }) : t(test && known.some(({ key }) => LIKE_THE_TEST.includes(key)) ? "monitor.none_below" : "monitor.alone");
  return picture(`${t("monitor.accuracy")} ${known.map(({ name, score }) => `${name}: ${words(score)}`).join("; ")}. ${beside}`, high, (width) => {
    const x = (value) => 8 + (width - 16) * (value - start) / (1 - start), parts = [];
    if (test) parts.push(draw("rect", { class: "reference", x: x(test.low), width: Math.max(1, x(test.high) - x(test.low)), y: 0, height: high - 22 }));
    for (let tick = Math.round(10 * start); tick <= 10; tick += 1) parts.push(draw("line", { class: "grid", x1: x(tick / 10), x2: x(tick / 10), y1: 0, y2: high - 22 }),
      draw("text", { x: x(tick / 10), y: high - 6, "text-anchor": "middle" }, fixed(tick / 10, 1)));
    rows.forEach(({ name, score }, at) => {
      const y = 46 * at + 34;
      parts.push(draw("text", { class: "strong", x: 8, y: y - 16 }, score ? `${name} ${three(score.value)}` : t("monitor.not_yet", { name })));
      if (score) parts.push(draw("line", { class: "whisker", x1: x(score.low), x2: x(score.high), y1: y, y2: y }), draw("circle", { class: "dot", cx: x(score.value), cy: y, r: 6 }, draw("title", {}, words(score))));
    });
    return parts;
  }, { table: tableOf(t("monitor.accuracy_table"), [t("monitor.measured"), t("monitor.value"), t("monitor.from"), t("monitor.to"), "n"],
    rows.map(({ key, name, score }) => [`${name}: ${t(`quality.${key}_about`)}`,
    three(score?.value), three(score?.low), three(score?.high), score ? many(score.n) : "–"])) });
}

function showDrift(drift) {
  const alarms = drift.filter((one) => one.alarm), mark = 90; // each is drawn against its own limit
  const bar = ({ value, limit, alarm }) => draw("svg", { viewBox: "0 0 144 20", "aria-hidden": "true" }, draw("rect", { class: "track", x: 0.5, y: 4.5, width: 143, height: 11, rx: 3 }),
    draw("rect", { class: alarm ? "bar alarm" : "bar", x: 0, y: 4, width: limit ? Math.min(144, Math.max(2, mark * (value ?? 0) / limit)) : 0, height: 12, rx: 3 }),
    draw("line", { class: "limit", x1: mark, x2: mark, y1: 0, y2: 20 }));
  const two = (value) => (value == null ? "–" : fixed(value, 2));
  const heads = [[t("monitor.what"), ""], [t("monitor.distance"), ""], [t("monitor.value"), "number"], [t("monitor.limit"), "number"], [t("monitor.verdict"), ""], [t("monitor.moved"), ""]];
  return make("div", {}, make("p", {}, alarms.length ? t(alarms.length === 1 ? "monitor.drift_one" : "monitor.drift_some", { names: sentence(listed(alarms.map((one) => featureName(one.name)))) }) : t("monitor.drift_none", { count: drift.length })),
    make("div", { class: "wide drift", tabindex: "0", role: "region", "aria-label": t("monitor.drift_short") }, make("table", {},
      make("caption", {}, t("monitor.drift_table")),
      make("thead", {}, make("tr", {}, ...heads.map(([head, kind]) => make("th", { scope: "col", class: kind || null }, head)))),
      make("tbody", {}, ...drift.map((one) => make("tr", {}, make("th", { scope: "row" }, featureName(one.name)), make("td", { class: "amount" }, bar(one)), make("td", { class: "number" }, two(one.value)),
        make("td", { class: "number" }, two(one.limit)), make("td", { class: `verdict ${one.alarm ? "fail" : "pass"}` }, t(one.alarm ? "monitor.far" : "monitor.within")),
        make("td", { class: "worst" }, one.moved.length ? make("ul", { class: "plain" }, ...one.moved.map((moved) => make("li", {}, movedWords(moved)))) : "–")))))));
}

begin();
