import { newKey } from "./client.js";
import { OUTSIDE, byId, clock, explain, intentPicker, isAway, keepAsking, make, percent, signIn, signOut, trouble, untilThere, waited } from "./pages.js";
import { LANGUAGES, language, t } from "./texts.js";

const [log, form, field] = ["log", "form", "text"].map(byId);
const drafts = new Map(); // what is typed for each chat, and its key
let client, openId = "", asking, watching, shown = new Map(), owner = "", left = "", agent = "", busy = false, intents = [], answers = [];

// what the log says of a hand-over, and its name in the texts of the pages
const REASONS = { "asked for a person": "reason.asked", "the bot is not sure": "reason.unsure", "misunderstood twice": "reason.misunderstood",
  "nothing the bot can do, twice": "reason.nothing" };

async function begin() {
  client = await signIn("agent", byId("sign-in"));
  try {
    const told = await untilThere(() => client.intents());
    intents = told.intents;
    OUTSIDE.intent = told.out_of_scope ?? OUTSIDE.intent;
  } catch (error) {
    return lost(error);
  }
  byId("desk").hidden = false;
  const picker = intentPicker({ id: "intent", label: t("desk.search"), intents: [...intents, { ...OUTSIDE, title: t("desk.outside") }], onPick: labelChat });
  byId("about").append(picker.node);
  asking = keepAsking(async () => list(await client.handoffs()), { pace: 2500, hidden: 10000, onLost: lost, onBack: () => trouble("") });
}

function lost(error) {
  if (error.status === 401) return signOut("agent", t("sign.invalid"));
  if (error.status === 403) return signOut("agent", t("sign.no_agent"));
  trouble(isAway(error) ? `${explain(error)} ${t("trouble.again")}` : explain(error));
}

/** Rebuild a part of the page only where it has changed, so that focus and selection stay. */
function change(node, seen, build) {
  const now = JSON.stringify(seen);
  if (node.dataset.seen === now) return;
  const held = node.contains(document.activeElement) ? document.activeElement.dataset.id : null;
  node.dataset.seen = now;
  node.replaceChildren(...build());
  if (held) [...node.querySelectorAll("[data-id]")].find((one) => one.dataset.id === held)?.focus();
}

function list({ agent: me, mine, waiting, others }) {
  agent = me;
  byId("who").firstElementChild.textContent = me;
  const count = t("desk.count", { waiting: waiting.length, mine: mine.length });
  if (byId("count").textContent !== count) byId("count").textContent = count;
  const unread = mine.reduce((sum, one) => sum + one.unread, 0);
  document.title = `${waiting.length + unread ? `(${waiting.length + unread}) ` : ""}${t("page.desk")} · mlbot`;
  const meant = (one) => (one.assigned === agent ? 0 : one.assigned ? 2 : 1);
  const ordered = [...waiting].sort((a, b) => meant(a) - meant(b) || a.since - b.since);
  for (const [name, cases] of [["mine", mine], ["waiting", ordered], ["others", others]]) {
    change(byId(name), [cases, openId, cases.map((one) => waited(one.since))], () => (cases.length ? cases.map(ticket) : [make("li", {}, make("p", { class: "soft small" }, t(`desk.no_${name}`)))]));
  }
  if (!openId) showIdle(waiting.length + mine.length);
}

/** What the empty place of a chat says: nobody waits, or how to choose. @param {number} there */
function showIdle(there) {
  const words = t(there ? "desk.choose" : "desk.quiet");
  if (!left && byId("nothing").textContent !== words) byId("nothing").textContent = words;
}

function about({ role, location }) {
  return [role.replaceAll("_", " "), location].filter(Boolean).join(", ") || t("desk.no_role");
}

function ticket(one) {
  return make("li", {}, make("button", { type: "button", class: "ticket", "data-id": one.conversation_id, "aria-current": one.conversation_id === openId && "true",
    on: { click: () => open(one.conversation_id) } },
  make("span", { class: "line" }, make("strong", {}, about(one)), one.unread > 0 && make("span", { class: "unread" }, t("desk.new", { count: one.unread }))),
  make("span", { class: "last" }, one.last),
  make("span", { class: "line soft small" }, make("span", {}, [one.queue, forWhom(one)].filter(Boolean).join(", ")), make("span", {}, waited(one.since)))));
}

/** Who has a chat, or whom it is meant for. */
function forWhom(one) {
  if (one.agent) return one.agent !== agent && t("desk.with", { agent: one.agent });
  return one.assigned && (one.assigned === agent ? t("desk.for_you") : t("desk.for", { agent: one.assigned }));
}

function open(id) {
  left = "";
  openId = id;
  owner = "";
  shown = new Map();
  log.replaceChildren();
  byId("labelled").textContent = "";
  field.value = drafts.get(id)?.text ?? "";
  watching?.stop();
  watching = keepAsking(() => look(id), { pace: 1500, hidden: 10000, onBack: () => trouble(""), onLost(error) {
    if (error.status === 404) leave(t("desk.gone"));
    else lost(error);
  } });
  asking.now();
  byId("case").focus({ preventScroll: true });
  byId("case").scrollIntoView({ block: "nearest" });
}

function leave(words) {
  watching?.stop();
  openId = "";
  left = words;
  byId("case").classList.add("empty");
  byId("open").hidden = true;
  byId("nothing").hidden = false;
  byId("nothing").textContent = words;
  byId("case-title").textContent = t("desk.nothing_open");
}

async function look(id) {
  const told = await client.handoff(id, language);
  if (id !== openId) return;
  const { case: one, conversation, top, summary } = told;
  byId("nothing").hidden = true;
  byId("open").hidden = false;
  byId("case").classList.remove("empty");
  byId("case-title").textContent = about(one);
  answers = told.answers;
  say(conversation.messages);
  setOwner(conversation, one);
  showSummary(one, summary);
  showCanned();
  change(byId("top"), top, () => (top.length ? top.map((guess) => make("li", {}, make("button", { type: "button", "data-id": guess.intent, title: t("desk.model_title"),
    on: { click: () => labelChat(guess) } }, make("span", {}, guess.title), make("span", { class: "soft" }, percent(guess.confidence)),
  make("meter", { min: 0, max: 1, value: guess.confidence, "aria-label": t("desk.model_sure", { title: guess.title }) })))) : [make("li", { class: "soft" }, t("desk.model_nothing"))]));
}

/** Terms and what is known of them; what is not known is left out. @param {[string, string][]} fields */
function pairs(fields) {
  return fields.filter(([, value]) => value).flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]);
}

/** Why a person is needed, in the words of the page. */
function reasonWords(reason) {
  const slot = /^no value for (.+)$/.exec(reason)?.[1], title = /^(.+) failed$/.exec(reason)?.[1];
  if (REASONS[reason]) return t(REASONS[reason]);
  return slot ? t("reason.value", { slot }) : title ? t("reason.failed", { title }) : reason;
}

/** What the bot has understood, at the top of a case. */
function showSummary(one, told) {
  change(byId("understood"), told, () => pairs([[t("desk.wish"), told.title || t("desk.no_wish")], ...told.values.map(({ name, value }) => [name, value]),
    [t("desk.missing"), told.missing.join(", ")], [t("desk.asked"), told.asked], [t("desk.also"), told.also.join(", ")]]));
  const spoken = Object.hasOwn(LANGUAGES, told.language) ? t(`language.${told.language}`) : told.language;
  const facts = [[t("desk.reason"), reasonWords(one.reason)], [t("desk.language"), spoken], [t("desk.queue"), one.queue], [t("desk.since"), waited(one.since)]];
  change(byId("facts"), facts, () => pairs(facts));
  change(byId("last"), told.last, () => told.last.map(([sender, text]) => make("li", {}, make("span", { class: "soft" },
    `${{ person: t("desk.person"), bot: t("chat.bot"), agent: t("chat.agent") }[sender] ?? "mlbot"}: `), text)));
}

/** The canned answers, with the number that picks each. */
function showCanned() {
  change(byId("canned-list"), answers, () => answers.map((answer, at) => make("button", { type: "button", "data-id": answer.key, title: answer.text, on: { click: () => putIn(answer) } },
    at < 9 && make("kbd", {}, String(at + 1)), ` ${answer.title}`)));
}

/** Put a canned answer where the cursor is, to be read and changed before it is sent. */
function putIn(answer) {
  const before = field.value.slice(0, field.selectionStart), gap = before && !/\s$/.test(before) ? " " : "";
  field.setRangeText(gap + answer.text, field.selectionStart, field.selectionEnd, "end");
  field.dispatchEvent(new Event("input"));
  field.focus();
}

function say(messages) {
  const low = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
  let grew = false;
  for (const message of messages) {
    if (shown.has(message.number)) continue;
    const by = { person: message.name || t("desk.person"), bot: t("chat.bot"), agent: message.name || t("chat.agent") }[message.sender];
    const node = make("p", { class: `said ${message.sender}` }, by && make("span", { class: "by" }, `${by} ${clock(message.at)}`), message.text);
    const later = [...shown.keys()].filter((number) => number > message.number).sort((a, b) => a - b)[0];
    log.insertBefore(node, later === undefined ? null : shown.get(later));
    shown.set(message.number, node);
    grew = true;
  }
  if (grew && low) log.scrollTop = log.scrollHeight;
}

function setOwner(conversation, one) {
  const holder = conversation.agent || one?.agent || "";
  const mine = conversation.owner === "agent" && holder === agent;
  const key = mine ? "desk.yours" : { queue: "desk.not_taken", agent: "desk.theirs", bot: "desk.bots", closed: "chat.closed" }[conversation.owner];
  const words = t(key, { agent: holder || t("chat.agent") });
  if (byId("state").textContent !== words) byId("state").textContent = words;
  const had = document.activeElement;
  byId("take").hidden = conversation.owner !== "queue";
  for (const name of ["return", "close", "form"]) byId(name).hidden = !mine;
  byId("canned").hidden = !mine || !answers.length;
  if (had?.closest("[hidden]")) (mine ? field : byId("case")).focus({ preventScroll: true });
  owner = conversation.owner;
  if (["bot", "closed"].includes(owner)) watching?.stop();
}

/** Do one thing to the open chat; a second click while it is on its way does nothing. */
async function act(work) {
  if (busy) return;
  busy = true;
  byId("case").setAttribute("aria-busy", "true");
  const id = openId;
  try {
    const told = await work(id);
    trouble("");
    if (id === openId && told?.messages) {
      say(told.messages);
      setOwner(told);
    }
  } catch (error) {
    if ([401, 403].includes(error.status)) lost(error);
    else trouble(isAway(error) ? `${explain(error)} ${t("trouble.once_more")}` : explain(error));
  } finally {
    busy = false;
    byId("case").removeAttribute("aria-busy");
    asking.now();
    if (id === openId && !["bot", "closed"].includes(owner)) watching?.now();
  }
}

function labelChat(intent) {
  act(async (id) => {
    await client.labelChat(id, intent.intent);
    if (id === openId) byId("labelled").textContent = t("desk.labelled", { title: intent.title });
  });
}

byId("take").addEventListener("click", () => act(async (id) => {
  const taken = await client.take(id);
  setOwner({ owner: "agent", agent: taken.agent || agent });
  field.focus({ preventScroll: true }); // the summary stays in sight
}));
byId("return").addEventListener("click", () => act((id) => client.giveBack(id)));
byId("close").addEventListener("click", () => byId("sure").showModal());
byId("sure").addEventListener("close", () => {
  if (byId("sure").returnValue === "close") act((id) => client.close(id));
  byId("sure").returnValue = "";
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = field.value.trim();
  if (!text) return;
  if (busy) { // what is typed while another act is on its way follows it
    setTimeout(() => form.requestSubmit(), 50);
    return;
  }
  act(async (id) => {
    const draft = drafts.get(id);
    const key = draft?.sent === text ? draft.key : newKey(); // a second try of the same answer is the same act
    drafts.set(id, { text: field.value, sent: text, key });
    const told = await client.answer(id, text, key);
    drafts.delete(id);
    if (id === openId && field.value.trim() === text) field.value = "";
    return told;
  });
});
field.addEventListener("keydown", (event) => {
  const picked = event.altKey && !event.ctrlKey && !event.metaKey && /^Digit([1-9])$/.exec(event.code)?.[1];
  if (picked && answers[picked - 1]) {
    event.preventDefault();
    return putIn(answers[picked - 1]);
  }
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  form.requestSubmit();
});
field.addEventListener("input", () => drafts.set(openId, { ...drafts.get(openId), text: field.value }));

begin();
