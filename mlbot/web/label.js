import { OUTSIDE, byId, explain, fixed, intentPicker, isAway, make, percent, signIn, signOut, standingWords, trouble, untilThere } from "./pages.js";
import { hasText, t } from "./texts.js";

const PAUSE = 3000; // milliseconds between two looks at what the labels have shown
const titles = new Map();
const past = []; // what was done here, for undo: {item, intent}; intent null: skipped
const seen = new Set(); // ids that were labelled or skipped here
let client, items = [], mine = 0, left = 0, busy = false, picker, skipped = 0, all = false, looking = null;

async function begin() {
  client = await signIn("agent", byId("sign-in"));
  try {
    const { intents, out_of_scope: outside = OUTSIDE.intent } = await untilThere(() => client.intents());
    OUTSIDE.intent = outside;
    OUTSIDE.title = t("desk.outside");
    titles.set(outside, OUTSIDE.title);
    for (const { intent, title } of intents) titles.set(intent, title);
    picker = intentPicker({ id: "intent", label: t("desk.search"), intents: [...intents, OUTSIDE], onPick: ({ intent }) => choose(intent) });
    byId("search").append(picker.node);
    await untilThere(fetchMore);
  } catch (error) {
    return lost(error);
  }
  byId("work").hidden = false;
  show();
}

function lost(error) {
  if (error.status === 401) return signOut("agent", t("sign.invalid"));
  if (error.status === 403) return signOut("agent", t("sign.no_agent"));
  trouble(isAway(error) ? `${explain(error)} ${t("trouble.once_more")}` : explain(error));
}

async function fetchMore() {
  const count = Math.min(50 + skipped, 200); // those that were skipped come again
  const told = await client.nextLabels(count);
  all = told.items.length < count;
  ({ mine, left } = told);
  const here = new Set(items.map((item) => item.id));
  items.push(...told.items.filter((item) => !seen.has(item.id) && !here.has(item.id)));
  const agreed = told.agreement;
  const kappa = agreed?.kappa == null ? "" : fixed(agreed.kappa, 2), both = agreed && { share: percent(agreed.share), pairs: agreed.pairs, kappa };
  byId("agreement").textContent = both ? t(kappa ? "label.agreement_kappa" : "label.agreement", both) : t("label.no_pairs");
  const words = standingWords(told.progress);
  byId("standing").replaceChildren(...words.map((said) => make("li", {}, said)));
  byId("standing-none").hidden = words.length > 0;
}

/** After a label, look what all labels show now; not more often than each few seconds, and without a word where that fails. */
function follow() {
  looking ??= setTimeout(async () => {
    await fetchMore().catch(() => {});
    looking = null;
    showCounts();
  }, PAUSE);
}

function showCounts() {
  byId("bar").max = Math.max(1, mine + left);
  byId("bar").value = mine;
  byId("counts").textContent = t(skipped ? "label.counts_skipped" : "label.counts", { mine, left, skipped });
}

/** Why a message is asked about. */
function whyWords(why) {
  const key = why.replaceAll(" ", "_");
  return hasText(`why.${key}`) ? t(`why.${key}`) : t("label.chosen", { why });
}

/** 1 for what nobody has labelled before: only that is among those left. */
const isNew = (item) => Number(!["second opinion", "disagreement"].includes(item.why));

/** The best few intents, the surest first, each once; by name where the model's answer is hidden. */
function guesses(item) {
  const name = ({ intent }) => titles.get(intent) ?? intent;
  if (item.hidden) return item.alternatives.toSorted((a, b) => name(a).localeCompare(name(b))).slice(0, 9);
  const all = [{ intent: item.predicted, confidence: item.confidence }, ...item.alternatives].sort((a, b) => b.confidence - a.confidence);
  return all.filter(({ intent }, at) => all.findIndex((one) => one.intent === intent) === at).slice(0, 9);
}

function show() {
  const item = items[0];
  showCounts();
  for (const name of ["undo", "back"]) byId(name).disabled = !past.length;
  byId("item").hidden = !item;
  byId("done").hidden = Boolean(item);
  if (!item) {
    byId("done-title").textContent = t(skipped ? "label.seen_all" : "label.none_left");
    byId("done-words").textContent = t(skipped ? "label.skipped_some" : "label.thanks", { count: skipped });
    byId("more").textContent = t(skipped ? "label.again" : "label.more");
    byId("done-title").focus();
    return;
  }
  byId("text").textContent = item.text;
  byId("context").replaceChildren(...[[t("sign.role"), item.role], [t("sign.location"), item.location]].filter(([, value]) => value)
    .map(([name, value]) => make("li", {}, `${name}: ${value.replaceAll("_", " ")}`)));
  byId("context").hidden = !item.role && !item.location;
  byId("why").textContent = [whyWords(item.why), item.hidden && t("label.hidden")].filter(Boolean).join(" ");
  byId("choices").classList.toggle("by-name", Boolean(item.hidden));
  byId("choices").setAttribute("aria-label", t(item.hidden ? "label.by_name" : "label.first"));
  byId("choices").replaceChildren(...guesses(item).map(({ intent, confidence }, at) => make("li", {}, make("button", { type: "button", on: { click: () => choose(intent) } },
    make("kbd", {}, String(at + 1)), make("span", { class: "title" }, titles.get(intent) ?? intent),
    ...(item.hidden ? [] : [at === 0 && make("kbd", { "aria-hidden": "true" }, "Enter"),
      make("meter", { min: 0, max: 1, value: confidence, "aria-hidden": "true" }), make("span", { class: "share" }, percent(confidence))])))));
  byId("text").focus({ preventScroll: true }); // the next message is read out, and keys reach the page
}

/** Do one thing at a time; a double click or a held key does nothing more. */
async function act(work) {
  if (busy) return;
  busy = true;
  byId("work").setAttribute("aria-busy", "true");
  try {
    await work();
    trouble("");
    show();
    if (items.length < 6 && !all) await fetchMore().then(() => { if (!byId("done").hidden && items.length) show(); });
  } catch (error) {
    lost(error);
  } finally {
    busy = false;
    byId("work").removeAttribute("aria-busy");
  }
}

const choose = (intent) => act(async () => {
  const item = items[0];
  if (!item) return;
  await client.label(item.id, intent);
  past.push({ item, intent });
  seen.add(item.id);
  items.shift();
  mine += 1;
  left = Math.max(0, left - isNew(item));
  byId("said").textContent = t("label.kept", { title: titles.get(intent) ?? intent });
  follow();
});

const skip = () => act(async () => {
  const item = items.shift();
  if (!item) return;
  past.push({ item, intent: null });
  seen.add(item.id);
  skipped += 1;
  byId("said").textContent = t("label.skipped");
});

const undo = () => act(async () => {
  const last = past.at(-1);
  if (!last) return;
  if (last.intent !== null) {
    await client.unlabel(last.item.id);
    mine = Math.max(0, mine - 1);
    left += isNew(last.item);
  } else skipped -= 1;
  past.pop();
  seen.delete(last.item.id);
  items = [last.item, ...items.filter((item) => item.id !== last.item.id)];
  byId("said").textContent = t("chat.taken_back");
  follow();
});

const more = () => act(async () => {
  for (const { item, intent } of past) if (intent === null) seen.delete(item.id);
  past.splice(0, past.length, ...past.filter(({ intent }) => intent !== null));
  skipped = 0;
  await fetchMore();
});

for (const [id, work] of [["outside", () => choose(OUTSIDE.intent)], ["skip", skip], ["undo", undo], ["back", undo], ["more", more]]) byId(id).addEventListener("click", work);

document.addEventListener("keydown", (event) => {
  if (byId("work").hidden || event.ctrlKey || event.altKey || event.metaKey || event.repeat || event.isComposing) return;
  const at = event.target;
  if (at === picker.input) {
    if (event.key === "Escape") {
      picker.input.value = "";
      byId("text").focus();
    }
    return;
  }
  if (!byId("keys-on").checked || (at.matches?.("input, textarea, select") && at.type !== "checkbox")) return;
  const top = items[0] ? guesses(items[0]) : [];
  const does = { 0: () => choose(OUTSIDE.intent), s: skip, u: undo, "/": () => picker.input.focus() };
  if (event.key === "Enter" && !at.closest?.("button, a, input, summary") && top.length && !items[0].hidden) does.Enter = () => choose(top[0].intent);
  if (/^[1-9]$/.test(event.key) && top[event.key - 1]) does[event.key] = () => choose(top[event.key - 1].intent);
  if (!Object.hasOwn(does, event.key) || (!items.length && !["u"].includes(event.key))) return;
  event.preventDefault();
  does[event.key]();
});

begin();
