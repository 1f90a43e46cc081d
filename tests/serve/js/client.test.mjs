/** The client keeps the contract: every method against a server that replays tests/serve/contract.json, and what happens when there is no answer. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { inspect, isDeepStrictEqual } from "node:util";
import { after, before, beforeEach, describe, test } from "node:test";

import { MlbotClient, MlbotError, newKey } from "../../../mlbot/web/client.js";

const FILLED = { id: "c1", request: "r1", item: "e17", token: "t1", proposal: "5aa0f1" };
const CONTRACT = JSON.parse(readFileSync(new URL("../contract.json", import.meta.url), "utf8").replace(/\{(id|request|item|token|proposal)\}/g, (_, name) => FILLED[name]));
const TOKENS = { person: "person-token", agent: "agent-token" };
const ROUTES = ["GET /livez", "GET /readyz", "GET /metrics", "GET /openapi.json", "POST /demo/identity", "POST /demo/agent", "GET /v1/intents", "POST /v1/predict", "POST /v1/feedback",
  "POST /v1/conversations", "GET /v1/conversations/_/messages", "POST /v1/conversations/_/messages", "POST /v1/conversations/_/handoff", "GET /v1/handoffs", "GET /v1/handoffs/_",
  "POST /v1/handoffs/_/take", "POST /v1/handoffs/_/messages", "POST /v1/handoffs/_/return", "POST /v1/handoffs/_/close", "POST /v1/handoffs/_/label",
  "GET /v1/labels/next", "POST /v1/labels", "DELETE /v1/labels/_", "GET /v1/labels/export", "GET /v1/monitor",
  "GET /v1/proposals", "POST /v1/proposals/look", "GET /v1/proposals/_/messages", "POST /v1/proposals/_/decision", "DELETE /v1/proposals/_"];

const example = (name) => CONTRACT.find((one) => one.name === name) ?? assert.fail(`no example ${name}`);
const withoutKey = (body) => (body?.key ? { ...body, key: "any" } : body);

/** A server on a free port; `handle(request, body, response)`. */
async function serve(handle) {
  const server = createServer((request, response) => {
    let text = "";
    request.on("data", (part) => { text += part; });
    request.on("end", () => handle(request, text ? JSON.parse(text) : null, response));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); }) };
}

function reply(response, status, body, headers = {}) {
  response.writeHead(status, { "Content-Type": status < 400 ? "application/json" : "application/problem+json", ...headers });
  response.end(body === null ? "" : JSON.stringify(body));
}

describe("the examples of the contract", () => {
  test("there is one for every route", () => {
    const found = new Set(CONTRACT.map(({ request: { method, path } }) => `${method} ${path.split("?")[0].replace(/^(\/v1\/(?:conversations|handoffs|labels|proposals))\/(?!next$|export$|look$)[^/]+/, "$1/_")}`));
    assert.deepEqual(ROUTES.filter((route) => !found.has(route)), []);
  });

  test("each is complete, and named once", () => {
    for (const { name, as, request, response, ...rest } of CONTRACT) {
      assert.deepEqual([Object.keys(rest), Object.keys(request), Object.keys(response)], [[], ["method", "path", "body"], ["status", "body"]], name);
      assert.ok(["person", "agent", "nobody"].includes(as), name);
    }
    assert.equal(new Set(CONTRACT.map(({ name }) => name)).size, CONTRACT.length);
  });
});

describe("every method", () => {
  let server, person, agent, nobody, asked;
  before(async () => {
    server = await serve((request, body, response) => {
      const as = Object.keys(TOKENS).find((kind) => request.headers.authorization === `Bearer ${TOKENS[kind]}`) ?? "nobody";
      asked.push({ as, key: body?.key });
      const found = CONTRACT.find((one) => one.as === as && one.request.method === request.method && one.request.path === request.url
        && isDeepStrictEqual(withoutKey(one.request.body), withoutKey(body)));
      if (found) reply(response, found.response.status, found.response.body);
      else reply(response, 400, { title: "Not in the contract", detail: `${as} ${request.method} ${request.url} ${JSON.stringify(body)}` });
    });
    [person, agent, nobody] = ["person", "agent", "nobody"].map((kind) => new MlbotClient({ url: server.url, token: TOKENS[kind] }));
  });
  beforeEach(() => { asked = []; });
  after(() => server.close());

  const calls = {
    "all intents, and the context that the model knows": () => nobody.intents(),
    "what the bot would do about a text": () => nobody.predict("I need a new card", { context: { role: "sales", location: "Berlin" } }),
    "an answer was helpful": () => nobody.feedback("r1", { useful: true }),
    "an answer was wrong, and what was meant": () => nobody.feedback("r1", { useful: false, intent: "card_block", comment: "my card was stolen" }),
    "a chat begins": () => person.startConversation(),
    "all messages of a chat": () => person.messages("c1"),
    "nothing is newer than the last message": () => person.messages("c1", 999),
    "a text that the bot asks to confirm": () => person.say("c1", "I need a new card"),
    "a person confirms what the bot has just asked": () => person.confirm("c1", true),
    "a person declines what the bot has just asked": () => person.confirm("c1", false),
    "a person chooses among what the bot has just offered": () => person.choose("c1", "hardware_repair"),
    "none of what the bot has just offered": () => person.choose("c1", ""),
    "a request that is not one's own cannot be taken back": () => person.cancel("c1", "nobody-knows-it"),
    "a person asks for a person": () => person.askForPerson("c1"),
    "who waits for a person": () => agent.handoffs(),
    "one chat that waits": () => agent.handoff("c1"),
    "an agent takes a chat": () => agent.take("c1"),
    "an agent answers": () => agent.answer("c1", "Hello Ada, I have blocked it."),
    "an agent says what a chat was about": () => agent.labelChat("c1", "card_block"),
    "an agent gives a chat back to the bot": () => agent.giveBack("c1"),
    "an agent closes a chat": () => agent.close("c1"),
    "messages to label": () => agent.nextLabels(),
    "a message gets its label": () => agent.label("e17", "access_badge"),
    "a message out of scope": () => agent.label("e17", "oos"),
    "a label is taken back": () => agent.unlabel("e17"),
    "groups of messages that nobody answers": () => agent.proposals(),
    "somebody wants a look for new groups": () => agent.lookForIntents(),
    "all messages of a group": () => agent.proposal("5aa0f1"),
    "a group becomes a new intent": () => agent.decideProposal("5aa0f1", { decision: "adopt", title: "Piano tuning", owner: "facilities", floor: 0.6, without: [] }),
    "a decision about a group is taken back": () => agent.reopenProposal("5aa0f1"),
    "how the model does": () => agent.monitor(),
    "a demo makes up a person": () => nobody.call("POST", "/demo/identity", { name: "Ada", role: "sales", location: "Berlin" }),
  };
  for (const [name, call] of Object.entries(calls)) {
    test(name, async () => {
      assert.deepEqual(await call(), example(name).response.body);
      assert.equal(asked.length, 1);
    });
  }

  test("none is left out", () => {
    const methods = Object.getOwnPropertyNames(MlbotClient.prototype).filter((name) => !["constructor", "token", "call"].includes(name));
    const source = Object.values(calls).join("\n");
    assert.deepEqual(methods.filter((name) => !source.includes(`.${name}(`)), []);
  });

  const refusals = {
    "a chat needs a token": () => nobody.startConversation(),
    "the agents' routes are for agents": () => person.handoffs(),
    "a chat that nobody knows": () => person.messages("nobody-knows-it"),
    "no answer to a chat that is not one's own": () => agent.answer("c1", "Hello"),
    "a closed chat takes no more": () => person.say("c1", "Thank you"),
    "a label that is no intent is refused": () => agent.label("e17", "no_such_intent"),
    "groups are for agents": () => person.proposals(),
  };
  for (const [name, call] of Object.entries(refusals)) {
    test(`${name}: the problem arrives as fields`, async () => {
      const { status, body } = example(name).response;
      await assert.rejects(call, (error) => error instanceof MlbotError && isDeepStrictEqual(
        [error.status, error.title, error.detail, error.expected, error.action, error.requestId, error.retryAfter],
        [status, body.title, body.detail, body.expected, body.action, body.request_id, null]));
      assert.equal(asked.length, 1);
    });
  }

  test("each act has a key of its own; the caller's key is kept", async () => {
    await person.say("c1", "I need a new card");
    await person.say("c1", "I need a new card");
    await person.say("c1", "I need a new card", "mine");
    const keys = asked.map(({ key }) => key);
    assert.match(keys[0], /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.notEqual(keys[0], keys[1]);
    assert.equal(keys[2], "mine");
  });

  test("somebody else's token counts from the next call on", async () => {
    const changing = new MlbotClient({ url: `${server.url}/`, token: TOKENS.person });
    await assert.rejects(() => changing.handoffs(), { status: 403 });
    changing.token = TOKENS.agent;
    assert.equal((await changing.handoffs()).agent, "Grace");
  });
});

describe("when the service does not answer as it should", () => {
  /** Calls `use(client, seen)` while the server answers by the given script, one entry a request; the last one stays. */
  async function during(script, use, options = {}) {
    const seen = [];
    const server = await serve((request, body, response) => {
      seen.push({ path: request.url, method: request.method, body, at: Date.now() });
      script[Math.min(seen.length, script.length) - 1](response);
    });
    try {
      return await use(new MlbotClient({ url: server.url, token: "secret", ...options }), seen);
    } finally {
      await server.close();
    }
  }
  const fine = (response) => reply(response, 200, { accepted: true });
  const cut = (response) => response.destroy();
  const silent = () => {};
  const overloaded = (wait) => (response) => reply(response, 503, { title: "Overloaded", status: 503 }, wait === undefined ? {} : { "Retry-After": String(wait) });

  test("a time-out is an error with status 0, soon, and is not tried again", () => during([silent], async (client, seen) => {
    const start = Date.now();
    await assert.rejects(() => client.intents(), { name: "MlbotError", status: 0, title: "Time-out" });
    assert.ok(Date.now() - start < 1000);
    assert.equal(seen.length, 1);
  }, { timeout: 150 }));

  test("an answer that stops in its middle is a time-out too", () => during([(response) => { response.writeHead(200); response.write("{"); }], (client) =>
    assert.rejects(() => client.intents(), { status: 0, title: "Time-out" }), { timeout: 150 }));

  test("nobody there is an error with status 0", async () => {
    const { url, close } = await serve(silent);
    await close();
    await assert.rejects(() => new MlbotClient({ url }).intents(), { status: 0, title: "Unreachable" });
  });

  test("a GET is tried again after the network failed", () => during([cut, fine], async (client, seen) => {
    assert.deepEqual(await client.intents(), { accepted: true });
    assert.equal(seen.length, 2);
  }));

  test("an act is tried again with the same key", () => during([cut, fine], async (client, seen) => {
    await client.say("c1", "hello");
    assert.equal(seen.length, 2);
    assert.deepEqual(seen[0].body, seen[1].body);
  }));

  test("it is tried again once only", () => during([cut], async (client, seen) => {
    await assert.rejects(() => client.answer("c1", "hello"), { status: 0 });
    assert.equal(seen.length, 2);
  }));

  test("what has no key is not repeated", () => during([cut], async (client, seen) => {
    for (const call of [() => client.predict("hi"), () => client.feedback("r1", { useful: true }), () => client.startConversation(), () => client.take("c1"), () => client.label("e1", "x"),
      () => client.unlabel("e1")]) await assert.rejects(call, { status: 0 });
    assert.equal(seen.length, 6);
  }));

  test("an overloaded service is given the time it asks for", () => during([overloaded(1), fine], async (client, seen) => {
    await client.say("c1", "hello");
    assert.ok(seen[1].at - seen[0].at >= 990);
  }));

  test("more time than two seconds is not waited for", () => during([overloaded(3600), fine], async (client, seen) => {
    await client.intents();
    const waited = seen[1].at - seen[0].at;
    assert.ok(waited >= 1990 && waited < 4000, `${waited} ms`);
  }));

  test("a wait beyond the time-out is not begun", () => during([overloaded(2)], async (client, seen) => {
    await assert.rejects(() => client.intents(), { status: 503, retryAfter: 2 });
    assert.equal(seen.length, 1);
  }, { timeout: 500 }));

  test("too many requests are told, with the wait, and not repeated", () => during([(response) => reply(response, 429, { title: "Too many" }, { "Retry-After": "7" })], async (client, seen) => {
    await assert.rejects(() => client.intents(), { status: 429, retryAfter: 7 });
    assert.equal(seen.length, 1);
  }));

  test("Retry-After may be a date", () => during([(response) => reply(response, 429, {}, { "Retry-After": new Date(Date.now() + 60000).toUTCString() })], (client) =>
    assert.rejects(() => client.intents(), (error) => error.retryAfter > 50 && error.retryAfter <= 60)));

  test("an error that is no problem+json keeps its status", () => during([(response) => { response.writeHead(502); response.end("<h1>Bad gateway</h1>"); }], (client) =>
    assert.rejects(() => client.intents(), { status: 502, title: "Bad Gateway", detail: "" })));

  test("an error whose JSON is no object keeps its status", () => during([(response) => reply(response, 500, [1, null])], (client) => assert.rejects(() => client.intents(), { status: 500 })));

  test("an answer that is not JSON is an error, and says what came", () => during([(response) => { response.writeHead(200); response.end("<html>sign in"); }], (client) =>
    assert.rejects(() => client.intents(), { name: "MlbotError", status: 200, title: "Not JSON", detail: "<html>sign in" })));

  test("the token is in no error and in no print of the client", () => during([cut], async (client) => {
    const error = await client.predict("hi").catch((caught) => caught);
    assert.ok(!(inspect(error, { depth: 9 }) + inspect(client, { depth: 9 }) + JSON.stringify([error, client])).includes("secret"));
  }));
});

describe("what a caller hands in", () => {
  test("an id cannot leave its route", async () => {
    const paths = [];
    const fetch = async (address) => { paths.push(address); return new Response("{}"); };
    const client = new MlbotClient({ url: "http://bot.example/base/", fetch });
    await client.handoff("../labels/next?count=1#");
    assert.deepEqual(paths, ["http://bot.example/base/v1/handoffs/..%2Flabels%2Fnext%3Fcount%3D1%23"]);
    for (const id of ["", "..", ".", null, undefined]) assert.throws(() => client.handoff(id), TypeError);
  });

  test("an address or a time-out that cannot be meant is refused at once", () => {
    for (const url of [undefined, "", "bot.example", "file:///etc"]) assert.throws(() => new MlbotClient({ url }), TypeError);
    for (const timeout of [0, -1, NaN]) assert.throws(() => new MlbotClient({ url: "http://bot.example", timeout }), TypeError);
  });

  test("a key is a UUID, also where the browser cannot make one", () => {
    Object.defineProperty(crypto, "randomUUID", { value: undefined, configurable: true });
    try {
      assert.match(newKey(), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    } finally {
      delete crypto.randomUUID;
    }
  });
});
