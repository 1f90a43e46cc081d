/**
 * A client of the mlbot service, for browsers and Node 20 or later. One file, no dependencies.
 *
 *     import { MlbotClient } from "./client.js";
 *     const client = new MlbotClient({ url: "https://bot.example.org", token });
 *     const { decision, intent } = await client.predict("I need a new card");
 *
 * Whatever goes wrong is an `MlbotError`; no answer within `timeout`, or nobody there at all, is one with status 0.
 */

const PATIENCE = 2; // seconds that the second try waits at most for a service that asks for time
const PAUSE = 0.3; // seconds before the second try, where the service names none

/**
 * @typedef {"execute" | "confirm" | "clarify" | "handoff" | "out_of_scope"} Decision
 * @typedef {"bot" | "queue" | "agent" | "closed"} Owner
 * @typedef {{key: string, title: string}} Process
 * @typedef {{intent: string, confidence: number}} Alternative
 * @typedef {{request_id: string, model: string, decision: Decision, intent: string, process: Process | null, confidence: number,
 *   in_scope: number | null, alternatives: Alternative[], notes: string[]}} Prediction
 * @typedef {{intent: string, title: string, department: string, confirm: boolean, slots: string[]}} Intent
 * @typedef {{model: string, intents: Intent[], context: Object<string, string[]>, out_of_scope?: string}} Intents
 * @typedef {{act: "confirm", value: boolean, label: string} | {act: "choose", value: string, label: string}
 *   | {act: "person", value: true, label: string}} Button
 * @typedef {{number: number, at: number, sender: "person" | "bot" | "agent" | "system", name: string, text: string,
 *   request_id: string, buttons: Button[]}} Message
 * @typedef {{kind: "confirm" | "choose" | "slot", intent: string, options: string[], slots: Object<string, string | number>}} Pending
 * @typedef {"sent" | "recorded" | "accepted" | "waiting" | "done" | "refused" | "failed" | "cancelled"} RequestState
 * @typedef {{id: string, process: string, title: string, slots: Object<string, string | number>, state: RequestState}} Started
 * @typedef {"asking" | "later" | RequestState} CardState
 * @typedef {{id: string, process: string, title: string, state: CardState, words: string,
 *   values: {slot: string, name: string, value: string}[], asks: string, cancel: boolean}} Card
 * @typedef {{conversation_id: string, owner: Owner, agent: string, language: string, pending: Pending | null, started: Started[],
 *   cards: Card[], messages: Message[]}} Conversation
 * @typedef {{conversation_id: string, since: number, queue: string, reason: string, role: string, location: string, last: string,
 *   unread: number, agent: string, assigned: string, language: string}} Case
 * @typedef {{wish: string, title: string, values: {slot: string, name: string, value: string}[], missing: string[], asked: string,
 *   language: string, reason: string, also: string[], last: [string, string][]}} Summary
 * @typedef {{agent: string, waiting: Case[], mine: Case[], others: Case[]}} Handoffs
 * @typedef {{case: Case, conversation: Conversation, top: {intent: string, title: string, confidence: number}[],
 *   slots: Object<string, string | number>, summary: Summary, answers: {key: string, title: string, text: string}[]}} Handoff
 * @typedef {{id: string, text: string, role: string, location: string, predicted: string, confidence: number | null, hidden: boolean,
 *   alternatives: Alternative[], why: "drawn" | "unsure" | "random" | "second opinion" | "disagreement"}} LabelItem
 * @typedef {{value: number, low: number, high: number, shown: {value: number, n: number}, hidden: {value: number, n: number}}} Influence
 * @typedef {{words: string[], more: {in_scope: number | null, all_messages: number | null}, influence: Influence | null}} Progress
 * @typedef {{pairs: number, share: number, kappa: number}} Agreement
 * @typedef {{id: string, text: string, role: string, location: string}} GroupMessage
 * @typedef {{decision: "put" | "drop" | "adopt", intent?: string, title?: string, owner?: string, floor?: number, without?: string[]}} GroupDecision
 * @typedef {{kind: "put" | "dropped" | "wanted" | "adopted", about: string, at: number, mine: boolean, intent: string, title: string, owner: string}} GroupDecided
 * @typedef {{id: string, size: number, share: number, low: number, high: number, new: boolean, words: string[], nearest: string, probability: number,
 *   examples: GroupMessage[], decision: GroupDecided | null}} Proposal
 * @typedef {{model: string, at: number, newer: boolean, messages: number, unanswered: number, proposals: Proposal[], looking: boolean, alert: string,
 *   can_look: boolean, floor: number}} Proposals
 * @typedef {{items: LabelItem[], left: number, mine: number, agreement: Agreement | null, progress: Progress}} LabelItems
 * @typedef {{day: string, messages: number, decisions: Object<string, number>, confidence: number, useful: number, useless: number,
 *   handoffs: number}} Day
 * @typedef {{name: string, value: number, limit: number, alarm: boolean, worst: string[]}} Drift
 * @typedef {{value: number, low: number, high: number, n: number, population: "in scope" | "all messages"}} Score
 * @typedef {{test: Score | null, in_scope: Score | null, all_messages: Score | null, audit: Score | null}} Quality
 * @typedef {{days: Day[], drift: Drift[], quality: Quality, labels: Progress, alerts: string[], model: string,
 *   since: number}} Monitor
 * @typedef {{accepted: boolean}} Accepted
 */

/** What went wrong: the service's own words where it gave any. */
export class MlbotError extends Error {
  /**
   * @param {{status?: number, title?: string, detail?: string, expected?: string, action?: string, requestId?: string,
   *   retryAfter?: number | null, cause?: unknown}} fields
   */
  constructor({ status = 0, title = "", detail = "", expected = "", action = "", requestId = "", retryAfter = null, cause } = {}) {
    super([title, detail].filter(Boolean).join(": ") || `HTTP ${status}`, cause === undefined ? undefined : { cause });
    this.name = "MlbotError";
    /** HTTP status; 0: no answer. */
    this.status = status;
    this.title = title;
    /** What was found. */
    this.detail = detail;
    /** What was expected. */
    this.expected = expected;
    /** What to do about it. */
    this.action = action;
    this.requestId = requestId;
    /** Seconds after which the service would like to be asked again, or null. @type {number | null} */
    this.retryAfter = retryAfter;
  }
}

/** A key for one act; the same act sent again with its key has no second effect. @returns {string} */
export function newKey() {
  if (globalThis.crypto?.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16)); // a page without https has no randomUUID
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** The service, as a person, an agent or nobody in particular. */
export class MlbotClient {
  #token;
  #fetch;

  /**
   * @param {{url: string, token?: string, timeout?: number, fetch?: typeof globalThis.fetch}} options
   *   `url`: where the service is; `token`: who asks, signed by the host application, or, for predictions alone, a token of the service;
   *   `timeout`: milliseconds that a call may take, its second try included.
   */
  constructor({ url, token = "", timeout = 5000, fetch = globalThis.fetch }) {
    if (!/^https?:\/\//.test(url ?? "")) throw new TypeError(`url: ${url}; expected: http://... or https://...`);
    if (!(timeout > 0)) throw new TypeError(`timeout: ${timeout}; expected: milliseconds above 0`);
    this.url = url.replace(/\/+$/, "");
    this.timeout = timeout;
    this.#token = token;
    this.#fetch = (address, options) => fetch(address, options);
  }

  /** Speak for somebody else from now on. @param {string} token */
  set token(token) { this.#token = token; }

  /** What the bot would do about a text. It changes nothing.
   * @param {string} text @param {{context?: Object<string, string>, conversationId?: string | null}} [about] @returns {Promise<Prediction>} */
  predict(text, { context = {}, conversationId = null } = {}) {
    return this.call("POST", "/v1/predict", { text, context, conversation_id: conversationId });
  }

  /** All intents, and the values of context that the model knows. @returns {Promise<Intents>} */
  intents() { return this.call("GET", "/v1/intents"); }

  /** Whether an answer helped; `useful` null takes the word back.
   * @param {string} requestId @param {{useful?: boolean | null, intent?: string | null, comment?: string}} word @returns {Promise<Accepted>} */
  feedback(requestId, { useful = null, intent = null, comment = "" }) {
    return this.call("POST", "/v1/feedback", { request_id: requestId, useful, intent, comment });
  }

  /** @param {string} [language] of the greeting, such as "de"; without one, that of the person's place @returns {Promise<Conversation>} */
  startConversation(language = "") {
    return this.call("POST", `/v1/conversations${language ? `?language=${part(language)}` : ""}`, {});
  }

  /** The messages after a number. @param {string} id @param {number} [after] @returns {Promise<Conversation>} */
  messages(id, after = 0) { return this.call("GET", `/v1/conversations/${part(id)}/messages?after=${part(after)}`); }

  /** @param {string} id @param {string} text @param {string} [key] the same for the same act @returns {Promise<Conversation>} */
  say(id, text, key) { return this.#act(id, { text }, key); }

  /** Which process was meant; "" is none of those offered.
   * @param {string} id @param {string} intent @param {string} [key]
   * @param {number} [question] number of the message whose button it was: an old one then changes nothing @returns {Promise<Conversation>} */
  choose(id, intent, key, question) { return this.#act(id, { choose: intent, question }, key); }

  /** @param {string} id @param {boolean} yes @param {string} [key]
   * @param {number} [question] number of the message whose button it was: an old one then changes nothing @returns {Promise<Conversation>} */
  confirm(id, yes, key, question) { return this.#act(id, { confirm: yes, question }, key); }

  /** Take back one of the person's requests; the bot asks first. @param {string} id @param {string} request @param {string} [key]
   * @returns {Promise<Conversation>} */
  cancel(id, request, key) { return this.#act(id, { cancel: request }, key); }

  /** @param {string} id @param {string} [key] @returns {Promise<Conversation>} */
  askForPerson(id, key = newKey()) { return this.call("POST", `/v1/conversations/${part(id)}/handoff`, { key }); }

  /** Who waits for a person. Asking says that this agent is there. @returns {Promise<Handoffs>} */
  handoffs() { return this.call("GET", "/v1/handoffs"); }

  /** A case, with a summary in the agent's language. @param {string} id @param {string} [language] @returns {Promise<Handoff>} */
  handoff(id, language = "") { return this.call("GET", `/v1/handoffs/${part(id)}${language ? `?language=${part(language)}` : ""}`); }

  /** Status 409 when another agent was first. @param {string} id @returns {Promise<Case>} */
  take(id) { return this.call("POST", `/v1/handoffs/${part(id)}/take`); }

  /** @param {string} id @param {string} text @param {string} [key] @returns {Promise<Conversation>} */
  answer(id, text, key = newKey()) { return this.call("POST", `/v1/handoffs/${part(id)}/messages`, { key, text }); }

  /** Let the bot go on. @param {string} id @returns {Promise<Conversation>} */
  giveBack(id) { return this.call("POST", `/v1/handoffs/${part(id)}/return`); }

  /** @param {string} id @returns {Promise<Conversation>} */
  close(id) { return this.call("POST", `/v1/handoffs/${part(id)}/close`); }

  /** What the chat was about. @param {string} id @param {string} intent @returns {Promise<Accepted>} */
  labelChat(id, intent) { return this.call("POST", `/v1/handoffs/${part(id)}/label`, { intent }); }

  /** @param {number} [count] @returns {Promise<LabelItems>} */
  nextLabels(count = 50) { return this.call("GET", `/v1/labels/next?count=${part(count)}`); }

  /** @param {string} id @param {string} intent @returns {Promise<Accepted>} */
  label(id, intent) { return this.call("POST", "/v1/labels", { id, intent }); }

  /** Take back the last word on an item. @param {string} id @returns {Promise<null>} */
  unlabel(id) { return this.call("DELETE", `/v1/labels/${part(id)}`); }

  /** @param {number} [days] @returns {Promise<Monitor>} */
  monitor(days = 28) { return this.call("GET", `/v1/monitor?days=${part(days)}`); }

  /** Groups of messages that nobody answers. @returns {Promise<Proposals>} */
  proposals() { return this.call("GET", "/v1/proposals"); }

  /** All messages of a group. @param {string} id @returns {Promise<{id: string, messages: GroupMessage[]}>} */
  proposal(id) { return this.call("GET", `/v1/proposals/${part(id)}/messages`); }

  /** Look for groups again; `looking` of `proposals` says how long. @returns {Promise<{begun: boolean, looking: boolean}>} */
  lookForIntents() { return this.call("POST", "/v1/proposals/look"); }

  /** What becomes of a group. Status 409 when somebody was faster. @param {string} id @param {GroupDecision} decision @returns {Promise<Accepted>} */
  decideProposal(id, decision) { return this.call("POST", `/v1/proposals/${part(id)}/decision`, decision); }

  /** Take the decision about a group back. @param {string} id @returns {Promise<null>} */
  reopenProposal(id) { return this.call("DELETE", `/v1/proposals/${part(id)}`); }

  #act(id, what, key = newKey()) { return this.call("POST", `/v1/conversations/${part(id)}/messages`, { key, ...what }); }

  /**
   * Any route. What may be repeated without a second effect (GET, or a body with a key) is tried twice
   * when the network fails or the service is overloaded (503).
   * @param {string} method @param {string} path @param {object} [body] @returns {Promise<any>} the body of the answer; null where it has none
   */
  async call(method, path, body) {
    const deadline = Date.now() + this.timeout;
    const again = method === "GET" || Boolean(body?.key);
    try {
      return await this.#once(method, path, body, deadline);
    } catch (error) {
      const lost = error.status === 0 && !error.late;
      if (!(error instanceof MlbotError) || !again || !(lost || error.status === 503)) throw error;
      const wait = 1000 * Math.min(error.retryAfter ?? PAUSE, PATIENCE);
      if (Date.now() + wait >= deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, wait));
      return this.#once(method, path, body, deadline);
    }
  }

  async #once(method, path, body, deadline) {
    const headers = { Accept: "application/json" };
    if (this.#token) headers.Authorization = `Bearer ${this.#token}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const stop = new AbortController();
    const clock = setTimeout(() => stop.abort(), Math.max(1, deadline - Date.now()));
    let answer, text;
    try {
      answer = await this.#fetch(this.url + path, {
        method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal: stop.signal, cache: "no-store",
      });
      text = await answer.text();
    } catch (cause) {
      const late = stop.signal.aborted;
      const detail = late ? `no answer from ${this.url} within ${this.timeout / 1000} s` : `${this.url} cannot be reached`;
      const error = new MlbotError({ title: late ? "Time-out" : "Unreachable", detail, expected: "an answer of the service",
        action: "try again in a moment", cause });
      Object.defineProperty(error, "late", { value: late }); // not for callers: status 0 says enough
      throw error;
    } finally {
      clearTimeout(clock);
    }
    if (!answer.ok) throw problem(answer, text);
    return text === "" ? null : parse(answer, text);
  }
}

function part(value) {
  const text = String(value ?? "");
  if (["", ".", ".."].includes(text)) throw new TypeError(`an id or number of a route: ${JSON.stringify(text)}; expected: not empty`);
  return encodeURIComponent(text);
}

function parse(answer, text) {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new MlbotError({ status: answer.status, title: "Not JSON", detail: text.slice(0, 80), expected: "JSON from the service",
      action: "check that the address is that of the service", cause });
  }
}

function problem(answer, text) {
  let told = {};
  try {
    told = Object(JSON.parse(text));
  } catch { /* a proxy may answer in HTML: its status is all there is to tell */ }
  const word = (name) => (typeof told[name] === "string" ? told[name] : "");
  return new MlbotError({ status: answer.status, title: word("title") || answer.statusText, detail: word("detail"),
    expected: word("expected"), action: word("action"), requestId: word("request_id"), retryAfter: seconds(answer.headers.get("Retry-After")) });
}

function seconds(header) {
  if (!header) return null;
  const wait = /^\s*\d+(\.\d+)?\s*$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(wait) ? Math.max(0, wait) : null;
}
