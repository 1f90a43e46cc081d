import { newKey } from "./client.js";
import { become, byId, clock, explain, isAway, keepAsking, make, memory, signIn, signOut, trouble, untilThere } from "./pages.js";
import { tellStory } from "./story.js";
import { language, t } from "./texts.js";

const [section, log, form, field, writing] = ["chat", "log", "form", "text", "writing"].map(byId);
const SOON = 300, LONG = 1500; // ms after which the bot is shown, and said, to be writing
const messages = new Map(); // by number
let client, id, owner, polled = 0, asked = 0, applied = 0, polling;
let acts = []; // what is on its way, {key, go}; kept, with its key, while the service is away
let busy = false, notBefore = 0;

async function begin() {
  const story = await storyAsked();
  client = await signIn("person", byId("sign-in"));
  section.hidden = false;
  field.value = memory.get("draft");
  field.focus();
  id = memory.get("conversation");
  try {
    if (id) await untilThere(refresh).catch((error) => (error.status === 404 ? (id = "") : Promise.reject(error)));
    if (!id) await open(story?.language);
  } catch (error) {
    return lost(error);
  }
  watch();
  if (story) tellStory(story, { say, agree, state: () => ({ owner, busy, last: lastSaid() }) });
}

/** The story that the address asks for, with its person signed in; null for none, and where nobody may pick who they are. */
async function storyAsked() {
  const name = new URLSearchParams(location.search).get("story");
  if (!name) return null;
  history.replaceState(null, "", location.pathname); // so that loading the page again goes on, instead of beginning again
  const stories = await untilThere(() => fetch("stories.json").then((answer) => answer.json()));
  if (!Object.hasOwn(stories, name) || !(await become("person", stories[name].person))) return null;
  return { name, ...stories[name] };
}

/** What the bot or a person at the desk has said last. */
function lastSaid() {
  return [...messages.values()].map(({ message }) => message).filter(({ sender }) => sender !== "person").sort((a, b) => b.number - a.number)[0];
}

/** Press the button that says yes, if there is one. @returns {boolean} whether there was one */
function agree() {
  const yes = log.querySelector(".acts button.main");
  yes?.click();
  return Boolean(yes);
}

async function open(spoken = language) {
  const started = await untilThere(() => client.startConversation(spoken));
  id = started.conversation_id;
  memory.set("conversation", id);
  show(started, ++asked);
}

function watch() {
  polling = keepAsking(refresh, { pace: 1500, hidden: 15000, onLost: lost, onBack: back });
}

async function refresh() {
  const turn = ++asked;
  const told = await client.messages(id, polled);
  show(told, turn);
  polled = Math.max(polled, ...told.messages.map((message) => message.number));
  if (told.owner === "closed") polling?.stop();
  else if (acts.length && Date.now() >= notBefore) perform();
}

function lost(error) {
  if (error.status === 401) return signOut("person", t("sign.invalid"));
  if (error.status === 404) {
    polling?.stop();
    memory.set("conversation", "");
    return end(t("chat.gone"));
  }
  trouble(`${explain(error)} ${t(acts.length ? "chat.kept" : "trouble.again")}`);
}

function back() {
  if (!acts.length) trouble("");
}

/** Do things in their order, each once: a second click finds the first on its way, and a second try carries the same key. */
async function perform(next) {
  if (next && !acts.some((one) => one.key === next.key || (next.group && one.group === next.group))) acts.push(next);
  if (busy) return;
  busy = true;
  section.setAttribute("aria-busy", "true");
  const timers = owner === "bot" ? [setTimeout(writes, SOON, true), setTimeout(() => { byId("writing-said").textContent = t("chat.writing"); }, LONG)] : [];
  while (acts.length) {
    const [one] = acts, turn = ++asked;
    try {
      const told = await one.go(one.key);
      trouble("");
      if (one.text !== undefined && field.value.trim() === one.text) {
        field.value = "";
        memory.set("draft", "");
      }
      acts.shift();
      show(told, turn);
    } catch (error) {
      notBefore = Date.now() + 1000 * (error.retryAfter ?? 1);
      if (isAway(error)) {
        lost(error);
        break;
      }
      acts.shift();
      if ([401, 404].includes(error.status)) lost(error);
      else trouble(explain(error));
      polling?.now();
    }
  }
  busy = false;
  section.removeAttribute("aria-busy");
  timers.forEach(clearTimeout);
  byId("writing-said").textContent = "";
  writes(false);
}

/** Show, or stop showing, that the bot is writing. @param {boolean} now */
function writes(now) {
  writing.hidden = !now;
  if (now) log.scrollTop = log.scrollHeight;
}

function show(told, turn) {
  const low = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  let grew = false;
  for (const message of told.messages) {
    if (messages.has(message.number)) continue;
    const node = bubble(message);
    messages.set(message.number, { message, node });
    const later = [...messages].filter(([number]) => number > message.number).sort(([a], [b]) => a - b)[0];
    log.insertBefore(node, later ? later[1].node : writing);
    grew = true;
  }
  if (turn >= applied) {
    applied = turn;
    setOwner(told);
    showCards(told.cards ?? []);
  }
  const heldFocus = log.contains(document.activeElement) && document.activeElement !== log;
  offerButtons();
  if (heldFocus && !document.activeElement?.isConnected || document.activeElement === document.body) field.focus();
  if (!grew || !low) return;
  log.scrollTop = log.scrollHeight;
}

function setOwner({ owner: now, agent }) {
  const words = t(`owner.${now}`, { agent: agent || t("chat.agent") });
  const place = byId("owner");
  if (place.textContent !== words) place.textContent = words;
  place.className = `owner ${now}`;
  byId("person").hidden = now !== "bot";
  if (now === "closed" && owner !== "closed") end(t("chat.closed"));
  owner = now;
}

function end(words) {
  const typed = form.contains(document.activeElement);
  form.hidden = true;
  byId("person").hidden = true;
  byId("over").hidden = false;
  byId("over").firstElementChild.textContent = words;
  trouble("");
  if (typed) byId("again").focus();
}

function bubble(message) {
  const by = { person: t("chat.you"), bot: t("chat.bot"), agent: message.name || t("chat.agent") }[message.sender];
  return make("div", { class: `message ${message.sender}` },
    by && make("p", { class: "by" }, by, " ", make("time", { datetime: new Date(1000 * message.at).toISOString() }, clock(message.at))),
    make("p", { class: "words" }, message.text),
    message.sender === "bot" && message.request_id && thumbs(message.request_id));
}

/** Only the bot's last message can be answered with buttons, and only while the bot is the one to answer. */
function offerButtons() {
  const last = [...messages.values()].filter(({ message }) => message.sender === "bot").sort((a, b) => b.message.number - a.message.number)[0];
  for (const { node } of messages.values()) if (owner !== "bot" || node !== last?.node) node.querySelector(".acts")?.remove();
  if (owner !== "bot" || !last?.message.buttons.length || last.node.querySelector(".acts")) return;
  const offered = [...last.message.buttons];
  if (offered.some((one) => one.act === "choose") && !offered.some((one) => one.act === "choose" && one.value === "")) {
    offered.push({ act: "choose", value: "", label: t("chat.none") });
  }
  last.node.querySelector(".words").after(make("div", { class: "acts", role: "group", "aria-label": t("chat.answers") }, ...offered.map((one) => {
    const key = newKey(), main = one.act === "confirm" && one.value;
    return make("button", { type: "button", class: main && "main", on: { click: () => perform({ key, group: last.message.number, go: (same) => press(one, same, last.message.number) }) } }, one.label);
  })));
}

function press(button, key, question) {
  if (button.act === "confirm") return client.confirm(id, button.value, key, question);
  return button.act === "choose" ? client.choose(id, button.value, key, question) : client.askForPerson(id, key);
}

const THUMB = "M5 11v9H2v-9zM5 11l4-8c1.5 0 2.6 1.2 2.3 2.7L10.7 9h7.1a2.2 2.2 0 0 1 2.2 2.6l-1.2 6.6A2.2 2.2 0 0 1 16.6 20H5";

function thumb(down) {
  const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  for (const [name, value] of [["viewBox", "0 0 22 23"], ["class", "thumb"], ["aria-hidden", "true"]]) picture.setAttribute(name, value);
  path.setAttribute("d", THUMB);
  if (down) path.setAttribute("transform", "rotate(180 11 11.5)");
  picture.append(path);
  return picture;
}

function thumbs(requestId) {
  let useful = null;
  const said = make("span", { role: "status" });
  const buttons = [[true, t("chat.helpful")], [false, t("chat.not_helpful")]].map(([value, label]) => make("button", { type: "button", "aria-pressed": "false",
    on: { click: () => judge(useful === value ? null : value) } }, thumb(!value), label));
  const press = () => buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(useful === (at === 0))));
  async function judge(value) {
    const before = useful;
    useful = value;
    press();
    try {
      await client.feedback(requestId, { useful });
      said.textContent = t(value === null ? "chat.taken_back" : "chat.thanks");
    } catch (error) {
      useful = before;
      press();
      said.textContent = t("chat.not_kept", { why: explain(error) });
    }
  }
  return make("div", { class: "word", role: "group", "aria-label": t("chat.was_helpful") }, ...buttons, said);
}

/** A card for each process: its values so far, what became of it, and a way to take it back. Rebuilt only when something has changed. */
function showCards(cards) {
  const place = byId("cards"), now = JSON.stringify([cards, owner]);
  if (place.dataset.seen === now) return;
  place.dataset.seen = now;
  const held = place.contains(document.activeElement) ? document.activeElement.dataset.id : null;
  if (place.hidden && cards.length) place.open = matchMedia("(min-width: 62rem)").matches;
  place.hidden = !cards.length;
  byId("cards-count").textContent = String(cards.length);
  byId("card-list").replaceChildren(...cards.map(card));
  if (held !== null) ([...place.querySelectorAll("[data-id]")].find((one) => one.dataset.id === held) ?? field).focus();
}

function card(one) {
  const pairs = one.values.flatMap(({ slot, name, value }) => [make("dt", {}, name),
    value ? make("dd", {}, value) : make("dd", { class: "missing" }, t(slot === one.asks ? "cards.asked" : "cards.missing"))]);
  return make("li", { class: `card ${one.state}` }, make("p", { class: "card-head" }, make("strong", {}, one.title), make("span", { class: "state" }, one.words)),
    pairs.length > 0 && make("dl", {}, ...pairs),
    one.cancel && make("button", { type: "button", "data-id": one.id, "aria-label": t("cards.cancel_one", { title: one.title }),
      on: { click: () => perform({ key: newKey(), group: `cancel ${one.id}`, go: (key) => client.cancel(id, one.id, key) }) } }, t("cards.cancel")));
}

/** Say something, as if it had been typed. */
function say(text) {
  return perform(acts.find((one) => one.text === text) ?? { key: newKey(), text, go: (key) => client.say(id, text, key) });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = field.value.trim();
  if (text && id) say(text);
});
field.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  form.requestSubmit();
});
field.addEventListener("input", () => {
  memory.set("draft", field.value);
  if (!busy) acts = acts.filter((one) => one.text === undefined);
});
byId("person").addEventListener("click", () => perform({ key: newKey(), group: "person", go: (key) => client.askForPerson(id, key) }));
byId("again").addEventListener("click", async () => {
  messages.clear();
  log.replaceChildren(writing);
  acts = [];
  polled = 0;
  owner = "";
  byId("over").hidden = true;
  form.hidden = false;
  field.focus();
  await open().then(watch, lost);
});

begin();
