/** What the pages share: who is asking, building the document, asking again and again, and choosing an intent. */

import { MlbotClient, MlbotError } from "./client.js";
import { locale, memory, t } from "./texts.js";

export { memory };

/** The label of what is out of scope; a service may call it otherwise. */
export const OUTSIDE = { intent: "oos", title: "Out of scope", department: "" };

/** An element; strings become text, never markup. `on` holds listeners, other fields are attributes (null and false: left out).
 * @param {string} name @param {object} [fields] @param {...(Node | string | null | false)} children @returns {HTMLElement} */
export function make(name, { on = {}, ...fields } = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(fields)) if (value != null && value !== false) node.setAttribute(key, value === true ? "" : value);
  for (const [key, listener] of Object.entries(on)) node.addEventListener(key, listener);
  node.append(...children.filter((child) => child != null && child !== false));
  return node;
}

/** @param {string} id @returns {any} */
export const byId = (id) => document.getElementById(id);

/** @param {number | null | undefined} share @param {number} [digits] @returns {string} */
export const percent = (share, digits = 0) => (share == null ? "–" : `${fixed(100 * share, digits)}\u00a0%`);

/** A number with so many digits after its point, as this language writes it. @param {number} value @param {number} [digits] @returns {string} */
export const fixed = (value, digits = 0) => value.toLocaleString(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** A count, or a number with the digits that it needs. @param {number} value @returns {string} */
export const many = (value) => value.toLocaleString(locale);

/** What the labels show, in sentences, of the progress that the service tells. @param {{facts?: object[], influence?: object | null}} progress @returns {string[]} */
export function standingWords({ facts = [], influence = null } = {}) {
  const told = facts.map(({ population, state, value, low, high, n, limit, more, points }) => {
    const share = t(`standing.${population}`, { value: percent(value, 1), low: percent(low, 1), high: percent(high, 1), n: many(n) });
    return sentence(`${share}; ${t(`standing.${state}`, { more: many(more ?? 0), limit: percent(limit, 1), points: many(points) })}`);
  });
  return influence ? [...told, sentence(influenceWords(influence))] : told;
}

/** How much more often people agree with an answer that they see. @param {object} found @returns {string} */
export function influenceWords({ shown, hidden, low, high }) {
  const groups = t("influence.groups", { shown: percent(shown.value), seen: many(shown.n), hidden: percent(hidden.value), unseen: many(hidden.n) });
  return `${groups}: ${t(low > 0 ? "influence.adds" : "influence.unsure", { low: fixed(100 * low), high: fixed(100 * high) })}`;
}

/** What the bot promises, or why it starts nothing. @param {object} told as the service tells it @returns {string} */
export function promiseWords({ words, reason, wrong, sure, certified, started, n, missed, against = [] }) {
  if (reason === undefined || (reason === "withdrawn" && !against.length)) return words; // withdrawn before counts were kept
  const [bad, labelled] = reason === "withdrawn" ? against : [missed, 0], rate = (share) => `${many(100 * share)}\u00a0%`;
  return t(`promise.${reason || "holds"}`, { wrong: rate(reason ? wrong : certified), sure: rate(sure), certified: rate(certified ?? wrong), share: percent(started),
    started: many(Math.round((started ?? 0) * (n ?? 0))), n: many(n ?? 0), missed: many(bad ?? 0), labelled: many(labelled) });
}

/** @param {number} seconds since 1970 @returns {string} */
export const clock = (seconds) => new Date(1000 * seconds).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

/** @param {number} seconds since 1970 @returns {string} */
export function waited(seconds) {
  const minutes = Math.max(0, Math.floor((Date.now() / 1000 - seconds) / 60));
  if (minutes < 1) return t("time.now");
  return minutes < 120 ? t("time.minutes", { count: minutes }) : t("time.hours", { count: Math.round(minutes / 60) });
}

/** Whether it is worth trying again in a while. @param {unknown} error */
export const isAway = (error) => error instanceof MlbotError && [0, 429, 502, 503, 504].includes(error.status);

/** With a capital letter. @param {string} words @returns {string} */
export const sentence = (words) => words.charAt(0).toUpperCase() + words.slice(1);

/** What went wrong, in words for a person. @param {any} error @returns {string} */
export function explain(error) {
  if (!(error instanceof MlbotError)) return t("trouble.page", { why: error?.message ?? error });
  if (error.status === 0) return t("trouble.away");
  if (error.status === 429) return t("trouble.fast");
  if (isAway(error)) return t("trouble.busy");
  const words = [error.detail || error.title, error.action].filter(Boolean).join("; ");
  return words ? sentence(words) + (/[.!?]$/.test(words) ? "" : ".") : t("trouble.status", { status: error.status });
}

/** Say, or stop saying, what is wrong at the top of the page. @param {string} words */
export function trouble(words) {
  const place = byId("trouble");
  if (place.textContent !== words) place.replaceChildren(...(words ? [make("p", {}, words)] : []));
}

/** Ask until there is an answer; a service that is away is asked again. @template T @param {() => Promise<T>} work @returns {Promise<T>} */
export async function untilThere(work) {
  for (let wait = 1; ; wait = Math.min(2 * wait, 15)) {
    try {
      const answer = await work();
      trouble("");
      return answer;
    } catch (error) {
      if (!isAway(error)) throw error;
      trouble(`${explain(error)} ${t("trouble.again")}`);
      await new Promise((resolve) => setTimeout(resolve, 1000 * Math.max(wait, error.retryAfter ?? 0)));
    }
  }
}

/**
 * Do something again and again: every `pace` ms, every `hidden` ms while nobody looks, and less and less often while it fails.
 * @param {() => Promise<void>} work @param {{pace: number, hidden: number, onLost: (error: any) => void, onBack?: () => void}} how
 * @returns {{now: () => Promise<void>, stop: () => void}}
 */
export function keepAsking(work, { pace, hidden, onLost, onBack = () => {} }) {
  let timer, misses = 0, running = null, stopped = false;
  async function turn() {
    let least = 0;
    try {
      await work();
      if (misses) onBack();
      misses = 0;
    } catch (error) {
      misses += 1;
      least = 1000 * (error?.retryAfter ?? 0);
      if (!stopped) onLost(error);
    }
    running = null;
    clearTimeout(timer);
    const wait = Math.max(least, document.hidden ? hidden : 0, Math.min(pace * 2 ** misses, 30000));
    if (!stopped) timer = setTimeout(now, wait);
  }
  const now = () => (stopped ? Promise.resolve() : running ??= turn());
  const wake = () => { if (!document.hidden) now(); };
  document.addEventListener("visibilitychange", wake);
  addEventListener("online", wake);
  now();
  return { now, stop() { stopped = true; clearTimeout(timer); document.removeEventListener("visibilitychange", wake); removeEventListener("online", wake); } };
}

/** Forget who asked and begin again. @param {"person" | "agent"} kind @param {string} [why] said on the page that follows */
export function signOut(kind, why = "") {
  memory.set("why", why);
  for (const key of kind === "person" ? ["person", "person.name", "conversation", "draft"] : ["agent", "agent.name"]) memory.set(key, "");
  location.reload();
}

/**
 * A client that speaks for whoever looks at the page: with the token in the address (`#token=`), the one of this tab,
 * or, on a demo service, an identity made up here.
 * @param {"person" | "agent"} kind @param {HTMLElement} place where the form goes @returns {Promise<MlbotClient>}
 */
export async function signIn(kind, place) {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    if (given !== memory.get(kind)) for (const key of [`${kind}.name`, "conversation", "draft"]) memory.set(key, "");
    memory.set(kind, given);
    history.replaceState(null, "", location.pathname + location.search);
  }
  addEventListener("hashchange", () => { if (location.hash.startsWith("#token=")) location.reload(); });
  const client = new MlbotClient({ url: location.origin, token: memory.get(kind) });
  if (!memory.get(kind)) {
    if (memory.get("why")) place.before(make("p", { class: "banner none", role: "status" }, memory.get("why")));
    memory.set("why", "");
    client.token = await demoIdentity(kind, client, place);
    place.replaceChildren();
    place.previousElementSibling?.matches(".banner") && place.previousElementSibling.remove();
  }
  place.hidden = true;
  const name = memory.get(`${kind}.name`);
  byId("who").replaceChildren(make("span", {}, name || t("sign.signed_in")),
    make("button", { class: "quiet", type: "button", on: { click: () => signOut(kind) } }, t(kind === "person" ? "sign.another" : "sign.out")));
  return client;
}

/** Become somebody of a demonstration without a form, as stories do; false on a service that is no demonstration.
 * @param {"person" | "agent"} kind @param {{name: string, role?: string, location?: string}} about @returns {Promise<boolean>} */
export async function become(kind, about) {
  const client = new MlbotClient({ url: location.origin });
  const told = await untilThere(() => client.call("POST", kind === "person" ? "/demo/identity" : "/demo/agent", about).catch((error) => {
    if (isAway(error)) throw error;
    return null;
  }));
  if (!told) return false;
  for (const key of ["conversation", "draft"]) memory.set(key, "");
  memory.set(kind, told.token);
  memory.set(`${kind}.name`, nameOf(about));
  return true;
}

const nameOf = (about) => [about.name, about.role?.replaceAll("_", " "), about.location].filter(Boolean).join(", ");

async function demoIdentity(kind, client, place) {
  const path = kind === "person" ? "/demo/identity" : "/demo/agent";
  const isDemo = await untilThere(() => client.call("POST", path, {}).then(() => true, (error) => {
    if (isAway(error)) throw error;
    return ![404, 405].includes(error.status);
  }));
  place.hidden = false;
  if (!isDemo) {
    place.replaceChildren(make("div", { class: "panel sign-in" }, make("h2", {}, t("sign.please")), make("p", {}, t("sign.please_why"))));
    return new Promise(() => {});
  }
  const context = kind === "person" ? (await untilThere(() => client.intents())).context : {};
  const said = make("p", { role: "alert", class: "fail" });
  const field = (name, label, control) => make("div", { class: "field" }, make("label", { for: `as-${name}` }, label), control);
  const pick = (name, label) => field(name, label, make("select", { id: `as-${name}`, name },
    make("option", { value: "" }, t("sign.not_told")), ...(context[name] ?? []).map((value) => make("option", { value }, value.replaceAll("_", " ")))));
  const form = make("form", { class: "panel sign-in" }, make("h2", {}, t("sign.who")),
    make("p", { class: "soft small" }, t(kind === "person" ? "sign.demo_person" : "sign.demo")),
    field("name", t("sign.name"), make("input", { id: "as-name", name: "name", required: true, maxlength: 60, autocomplete: "given-name" })),
    context.role && pick("role", t("sign.role")), context.location && pick("location", t("sign.location")), said,
    make("button", { class: "main" }, t(kind === "person" ? "sign.start_chat" : "sign.start_work")));
  place.replaceChildren(form);
  return new Promise((resolve) => form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const about = Object.fromEntries(new FormData(form));
    about.name = about.name.trim();
    try {
      const { token } = await client.call("POST", path, about);
      memory.set(kind, token);
      memory.set(`${kind}.name`, nameOf(about));
      resolve(token);
    } catch (error) {
      said.textContent = explain(error);
    }
  }));
}

const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

/**
 * A searchable list of intents. Arrows move, Enter picks, Escape closes.
 * @param {{id: string, label: string, intents: {intent: string, title: string, department?: string}[],
 *   onPick: (intent: {intent: string, title: string}) => void}} what
 * @returns {{node: HTMLElement, input: HTMLInputElement}}
 */
export function intentPicker({ id, label, intents, onPick }) {
  let shown = [], active = -1;
  const list = make("ul", { role: "listbox", id: `${id}-list`, "aria-label": label, hidden: true });
  const input = make("input", { id, role: "combobox", autocomplete: "off", spellcheck: "false", "aria-expanded": "false", "aria-controls": `${id}-list`,
    "aria-autocomplete": "list", placeholder: t("picker.letters") });
  function mark(at) {
    active = at;
    [...list.children].forEach((option, number) => option.setAttribute("aria-selected", String(number === at)));
    if (at >= 0 && shown.length) input.setAttribute("aria-activedescendant", `${id}-${at}`);
    else input.removeAttribute("aria-activedescendant");
    list.children[at]?.scrollIntoView({ block: "nearest" });
  }
  function close() {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    mark(-1);
  }
  function open() {
    const words = plain(input.value).split(/\s+/).filter(Boolean);
    shown = intents.filter((one) => words.every((word) => plain(`${one.title} ${one.intent} ${one.department ?? ""}`).includes(word)));
    list.replaceChildren(...shown.map((one, at) => make("li", { role: "option", id: `${id}-${at}`, "aria-selected": "false",
      on: { mousedown: (event) => event.preventDefault(), click: () => pick(at) } }, one.title, make("small", {}, one.department ?? ""))));
    if (!shown.length) list.append(make("li", { role: "option", "aria-disabled": "true", "aria-selected": "false", class: "nothing" }, t("picker.nothing")));
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    mark(words.length && shown.length ? 0 : -1);
  }
  function pick(at) {
    const one = shown[at];
    input.value = "";
    close();
    if (one) onPick(one);
  }
  input.addEventListener("input", open);
  input.addEventListener("click", () => { if (list.hidden) open(); });
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      if (list.hidden) open();
      if (shown.length) mark(active < 0 && step < 0 ? shown.length - 1 : (active + step + shown.length) % shown.length);
    } else if (event.key === "Enter" && active >= 0) {
      event.preventDefault();
      pick(active);
    } else if (event.key === "Escape") {
      if (list.hidden) input.value = "";
      return close();
    } else return;
    event.stopPropagation();
  });
  return { input, node: make("div", { class: "field" }, make("label", { for: id }, label), make("div", { class: "picker" }, input, list)) };
}
