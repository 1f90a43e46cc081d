import { OUTSIDE, byId, clock, explain, intentPicker, isAway, make, percent, signIn, signOut, trouble, untilThere } from "./pages.js";
import { language, t } from "./texts.js";

const PACE = 2000; // milliseconds between two questions whether a look has ended
const titles = new Map(), left = new Map(); // left: id of a group to the messages that were unticked, once it was opened
let client, intents = [], floor = 0.5, busy = false;

async function begin() {
  client = await signIn("agent", byId("sign-in"));
  try {
    const told = await untilThere(() => client.intents());
    OUTSIDE.intent = told.out_of_scope ?? OUTSIDE.intent;
    intents = told.intents;
    for (const { intent, title } of intents) titles.set(intent, title);
    await untilThere(fetchGroups);
  } catch (error) {
    return lost(error);
  }
  byId("work").hidden = false;
}

function lost(error) {
  if (error.status === 401) return signOut("agent", t("sign.invalid"));
  if (error.status === 403) return signOut("agent", t("sign.no_agent"));
  trouble(isAway(error) ? `${explain(error)} ${t("trouble.once_more")}` : explain(error));
}

async function fetchGroups() {
  const told = await client.proposals();
  ({ floor } = told);
  const when = new Date(1000 * told.at), found = { model: told.model, messages: told.messages, unanswered: told.unanswered };
  const parts = [told.at ? t("new.looked", { ...found, when: `${when.toLocaleDateString(language === "en" ? "en-GB" : language)} ${clock(told.at)}` }) : t("new.never"),
    told.looking ? t("new.looking") : !told.can_look ? t("new.elsewhere") : told.newer ? t("new.newer") : t("new.same"), told.alert];
  byId("looked").textContent = parts.filter(Boolean).join(" ");
  byId("look").disabled = told.looking || !told.newer || !told.can_look;
  const open = told.proposals.filter(({ decision }) => !decision), done = told.proposals.filter(({ decision }) => decision);
  byId("groups").replaceChildren(...[...open, ...done].map(group));
  byId("none").hidden = told.proposals.length > 0 || !told.at;
  if (told.looking) setTimeout(() => fetchGroups().catch(lost), PACE);
}

const titleOf = (intent) => titles.get(intent) ?? intent;

/** A group as a panel: what it says, how large it is, and what may become of it; or what was decided, and a way back. */
function group(one) {
  const head = `group-${one.id}`;
  const name = make("h2", { id: head, tabindex: "-1" }, one.words.join(", ") || one.examples[0].text);
  const size = make("p", { class: "soft small" }, t("new.size", { count: one.size, share: percent(one.share, 1), low: percent(one.low, 1), high: percent(one.high, 1) }));
  if (one.decision) return make("article", { class: "panel group", "aria-labelledby": head }, name, size, ...decided(one.decision));
  const nearest = `${titleOf(one.nearest)} (${one.probability.toFixed(2)})`;
  const list = make("div", {}, make("ul", {}, ...one.examples.map(({ text }) => make("li", {}, text))));
  const all = make("button", { type: "button", class: "quiet", on: { click: () => openGroup(one, list, all) } }, t("new.all", { count: one.size }));
  const picker = intentPicker({ id: `intent-${one.id}`, label: t("new.search"), intents: [...intents, { ...OUTSIDE, title: t("desk.outside") }], onPick: ({ intent }) => put(one, intent) });
  return make("article", { class: "panel group", "aria-labelledby": head }, name,
    make("p", {}, make("strong", { class: one.new ? "pass" : "none" }, t(one.new ? "new.looks_new" : "new.looks_like")), ` ${t("new.nearest", { title: nearest })}`), size,
    make("h3", {}, t("new.examples")), list, all,
    make("div", { class: "row acts" },
      make("button", { type: "button", on: { click: () => put(one, one.nearest) } }, t("new.put", { title: titleOf(one.nearest) })),
      make("button", { type: "button", on: { click: () => drop(one) } }, t("new.drop"))),
    picker.node, adoptForm(one));
}

function decided({ kind, about, mine, intent, title, owner }) {
  const words = make("p", {}, t(`new.was_${kind}`, { title: title || titleOf(intent), owner }));
  const free = kind !== "adopted" && (mine || kind !== "put"); // labels of others are theirs
  return [words, free && make("button", { type: "button", on: { click: () => act(() => client.reopenProposal(about), t("new.open_again")) } }, t("new.undo"))];
}

/** List all messages of a group, each with a tick: those without one are left out of what is decided. */
async function openGroup(one, place, button) {
  try {
    const { messages } = await client.proposal(one.id);
    const without = left.get(one.id) ?? left.set(one.id, new Set()).get(one.id);
    const tick = ({ id, text }) => make("label", { class: "tick" }, make("input", { type: "checkbox", checked: !without.has(id),
      on: { change: ({ target }) => { target.checked ? without.delete(id) : without.add(id); } } }), make("span", {}, text));
    place.replaceChildren(make("fieldset", { tabindex: "0" }, make("legend", { class: "unseen" }, t("new.messages")), ...messages.map(tick)));
    place.querySelector("input")?.focus();
    button.hidden = true;
    trouble("");
  } catch (error) {
    lost(error);
  }
}

function adoptForm(one) {
  const field = (name, label, more) => make("div", { class: "field" }, make("label", { for: `${name}-${one.id}` }, label), make("input", { id: `${name}-${one.id}`, name, required: true, maxlength: 80, ...more }));
  const form = make("form", {}, field("title", t("new.title"), {}), field("owner", t("new.owner"), {}),
    field("floor", t("new.floor"), { type: "number", min: 0.05, max: 1, step: 0.05, value: floor }),
    make("div", { class: "row" }, make("button", { class: "main" }, t("new.order"))));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { title, owner, floor: least } = Object.fromEntries(new FormData(form));
    decide(one, { decision: "adopt", title, owner, floor: Number(least) }, t("new.was_wanted", { title, owner }));
  });
  return make("details", {}, make("summary", {}, t("new.adopt")), form);
}

const put = (one, intent) => decide(one, { decision: "put", intent }, t("new.was_put", { title: titleOf(intent) }));
const drop = (one) => decide(one, { decision: "drop" }, t("new.was_dropped"));
const decide = (one, what, words) => act(() => client.decideProposal(one.id, { ...what, without: [...(left.get(one.id) ?? [])] }), words);

/** Do one thing at a time, say what was done, and go on with the first group that is still open. */
async function act(work, words) {
  if (busy) return;
  busy = true;
  try {
    await work();
    trouble("");
    byId("said").textContent = words;
    await fetchGroups();
    document.querySelector(".group h2")?.focus();
  } catch (error) {
    lost(error);
    if (error.status === 409 || error.status === 404) await fetchGroups().catch(lost); // somebody was faster, or has looked again
  } finally {
    busy = false;
  }
}

byId("look").addEventListener("click", async () => {
  byId("look").disabled = true;
  try {
    await client.lookForIntents();
    await fetchGroups();
  } catch (error) {
    lost(error);
  }
});

begin();
