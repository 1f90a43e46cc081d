import { newKey } from "./client.js";
import { OUTSIDE, byId, clock, explain, intentPicker, isAway, keepAsking, make, percent, signIn, signOut, trouble, untilThere, waited } from "./pages.js";

const [log, form, field] = ["log", "form", "text"].map(byId);
const drafts = new Map(); // what is typed for each chat, and its key
let client, openId = "", asking, watching, shown = new Map(), owner = "", agent = "", busy = false, intents = [];

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
  const picker = intentPicker({ id: "intent", label: "Search all intents", intents: [...intents, OUTSIDE], onPick: labelChat });
  byId("about").append(picker.node);
  asking = keepAsking(async () => list(await client.handoffs()), { pace: 2500, hidden: 10000, onLost: lost, onBack: () => trouble("") });
}

function lost(error) {
  if (error.status === 401) return signOut("agent", "Your sign-in is not valid, or its time is up.");
  if (error.status === 403) return signOut("agent", "That sign-in is not an agent's.");
  trouble(isAway(error) ? `${explain(error)} Trying again …` : explain(error));
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
  const count = `${waiting.length || "Nobody"} ${waiting.length === 1 ? "waits" : waiting.length ? "wait" : "waits"}, ${mine.length} with you`;
  if (byId("count").textContent !== count) byId("count").textContent = count;
  const unread = mine.reduce((sum, one) => sum + one.unread, 0);
  document.title = `${waiting.length + unread ? `(${waiting.length + unread}) ` : ""}Agent desk · mlbot`;
  const oldest = [...waiting].sort((a, b) => a.since - b.since);
  for (const [name, cases] of [["mine", mine], ["waiting", oldest], ["others", others]]) {
    change(byId(name), [cases, openId, cases.map((one) => waited(one.since))], () => (cases.length ? cases.map(ticket) : [make("li", {}, make("p", { class: "soft small" }, "None."))]));
  }
}

function about({ role, location }) {
  return [role.replaceAll("_", " "), location].filter(Boolean).join(", ") || "Role not told";
}

function ticket(one) {
  return make("li", {}, make("button", { type: "button", class: "ticket", "data-id": one.conversation_id, "aria-current": one.conversation_id === openId && "true",
    on: { click: () => open(one.conversation_id) } },
  make("span", { class: "line" }, make("strong", {}, about(one)), one.unread > 0 && make("span", { class: "unread" }, `${one.unread} new`)),
  make("span", { class: "last" }, one.last),
  make("span", { class: "line soft small" }, make("span", {}, [one.queue, one.agent && one.agent !== agent && `with ${one.agent}`].filter(Boolean).join(", ")), make("span", {}, waited(one.since)))));
}

function open(id) {
  openId = id;
  owner = "";
  shown = new Map();
  log.replaceChildren();
  byId("labelled").textContent = "";
  field.value = drafts.get(id)?.text ?? "";
  watching?.stop();
  watching = keepAsking(() => look(id), { pace: 1500, hidden: 10000, onBack: () => trouble(""), onLost(error) {
    if (error.status === 404) leave("That chat is no longer there.");
    else lost(error);
  } });
  asking.now();
  byId("case").focus({ preventScroll: true });
  byId("case").scrollIntoView({ block: "nearest" });
}

function leave(words) {
  watching?.stop();
  openId = "";
  byId("open").hidden = true;
  byId("nothing").hidden = false;
  byId("nothing").textContent = words;
  byId("case-title").textContent = "No chat is open";
}

async function look(id) {
  const told = await client.handoff(id);
  if (id !== openId) return;
  const { case: one, conversation, top, slots } = told;
  byId("nothing").hidden = true;
  byId("open").hidden = false;
  byId("case-title").textContent = about(one);
  say(conversation.messages);
  setOwner(conversation, one);
  change(byId("facts"), [one.queue, one.reason, waited(one.since)], () => pairs({ Queue: one.queue, Reason: one.reason, Waiting: waited(one.since) }));
  change(byId("slots"), slots, () => pairs(slots));
  change(byId("top"), top, () => (top.length ? top.map((guess) => make("li", {}, make("button", { type: "button", "data-id": guess.intent, title: "That is what it was about",
    on: { click: () => labelChat(guess) } }, make("span", {}, guess.title), make("span", { class: "soft" }, percent(guess.confidence)),
  make("meter", { min: 0, max: 1, value: guess.confidence, "aria-label": `Confidence in ${guess.title}` })))) : [make("li", { class: "soft" }, "Nothing yet.")]));
}

function pairs(fields) {
  return Object.entries(fields).filter(([, value]) => value || value === 0).flatMap(([name, value]) => [make("dt", {}, name.replaceAll("_", " ")), make("dd", {}, String(value))]);
}

function say(messages) {
  const low = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
  let grew = false;
  for (const message of messages) {
    if (shown.has(message.number)) continue;
    const by = { person: message.name || "Person", bot: "Bot", agent: message.name || "Agent" }[message.sender];
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
  const words = mine ? "You have this chat." : { queue: "Nobody has taken it yet.", agent: `${holder || "Another agent"} has this chat.`, bot: "The bot has it again.", closed: "Closed." }[conversation.owner];
  if (byId("state").textContent !== words) byId("state").textContent = words;
  const had = document.activeElement;
  byId("take").hidden = conversation.owner !== "queue";
  for (const name of ["return", "close", "form"]) byId(name).hidden = !mine;
  if (had?.closest("[hidden]")) (mine ? field : byId("case")).focus();
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
    else trouble(isAway(error) ? `${explain(error)} Nothing is lost; please try once more.` : explain(error));
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
    if (id === openId) byId("labelled").textContent = `Kept: ${intent.title}`;
  });
}

byId("take").addEventListener("click", () => act(async (id) => {
  const taken = await client.take(id);
  setOwner({ owner: "agent", agent: taken.agent || agent });
  field.focus();
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
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  form.requestSubmit();
});
field.addEventListener("input", () => drafts.set(openId, { ...drafts.get(openId), text: field.value }));

begin();
